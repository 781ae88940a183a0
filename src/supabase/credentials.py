"""The credentials of requests to Supabase: headers, role, and expiry."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic import SecretStr

from ..config.settings import SupabaseSettings

REPORTS_ROLE = "reports_generator"
"""The role that src/sql/reports_role.sql makes: its policies hide no row. A request can only tell by the name."""
ROLE_SQL = "src/sql/reports_role.sql"
EXPIRY_NOTICE = timedelta(days=14)
"""How long before a token expires a warning begins."""
Trait = Literal["sees_all", "reports_role", "token", "jwt_key"]
"""What rules for answers require of credentials: a role that sees every row, the role of ROLE_SQL, a JWT or not."""
_HOSTED = (".supabase.co", ".supabase.in")
_KINDS = {"sb_secret_": "a secret key", "sb_publishable_": "a publishable key"}
_ROLES = {"sb_secret_": "service_role", "sb_publishable_": "anon"}


class Credentials(Struct, frozen=True, kw_only=True):
    """A project key, and the JWT that gives requests another role, if there is one.

    Supabase's gateway accepts only project keys as `apikey`; Authorization determines the role of a request.
    """

    key: SecretStr
    token: SecretStr | None = None
    url: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"apikey": self.key.get_secret_value(), "Authorization": f"Bearer {self._bearer}"}

    @property
    def kind(self) -> str:
        """The kind of key, in words."""
        kind = key_kind(self.key.get_secret_value())
        return f"{kind} with {key_kind(self._bearer)}" if self.token else kind

    @property
    def setting(self) -> str:
        """The setting that determines the role."""
        return "SUPABASE_JWT" if self.token else "SUPABASE_KEY"

    @property
    def role(self) -> str:
        """The database's role that requests have, empty if unknown."""
        known = [role for beginning, role in _ROLES.items() if self._bearer.startswith(beginning)]
        return known[0] if known else _claimed_role(self._bearer)

    @property
    def sees_all(self) -> bool:
        """Whether row-level security never hides rows."""
        return self.role == "service_role"

    @property
    def is_reports_role(self) -> bool:
        """Whether it is the role made for this program, whose policies show every row."""
        return self.role == REPORTS_ROLE

    @property
    def traits(self) -> list[Trait]:
        """The traits that rules for answers know."""
        traits: dict[Trait, bool] = {
            "sees_all": self.sees_all,
            "reports_role": self.is_reports_role,
            "token": self.token is not None,
            "jwt_key": self.token is None and not self.key.get_secret_value().startswith(tuple(_KINDS)),
        }
        return [trait for trait, has in traits.items() if has]

    @property
    def expires(self) -> datetime | None:
        """When the JWT expires, None if it doesn't or there is none."""
        try:
            return datetime.fromtimestamp(int(_claims(self._bearer)["exp"]), UTC)
        except (LookupError, TypeError, ValueError, OverflowError, OSError):
            return None

    def expiry_note(self, now: datetime) -> str:
        """Return a warning that the JWT expires soon, or has expired; empty if that is far away."""
        if self.expires is None or self.expires - now > EXPIRY_NOTICE:
            return ""
        verb = "expires" if self.expires > now else "expired"
        return f"{self.setting} {verb} at {self.expires:%Y-%m-%d %H:%M} UTC: make a new one (docs/security.md says how)"

    @property
    def retirement_note(self) -> str:
        """A warning that hosted Supabase is retiring this kind of key; empty for other keys and other servers.

        A hosted project's JWTs name the project, so that they are recognized behind a custom domain too.
        """
        role, kind = _claimed_role(self.key.get_secret_value()), {"service_role": "secret", "anon": "publishable"}
        is_hosted = (urlsplit(self.url).hostname or "").endswith(_HOSTED)
        if role not in kind or not (is_hosted or "ref" in _claims(self.key.get_secret_value())):
            return ""
        return (
            f"SUPABASE_KEY is a JWT of {role}, a kind of key that Supabase is retiring: replace it with a "
            f"{kind[role]} key (sb_{kind[role]}_…) from the project's API settings"
        )

    @property
    def _bearer(self) -> str:
        return (self.token or self.key).get_secret_value()


def credentials(settings: SupabaseSettings) -> Credentials:
    """Return the credentials of the settings."""
    return Credentials(key=settings.supabase_key, token=settings.supabase_jwt, url=settings.supabase_url)


def key_kind(key: str) -> str:
    """Return the kind of a key in words: by its beginning, or a JWT's role."""
    for beginning, kind in _KINDS.items():
        if key.startswith(beginning):
            return kind
    role = _claimed_role(key)
    if not role:
        return "a key of an unknown kind"
    return f"a JWT of {role}" if role.isidentifier() else "a JWT of an odd role"


def _claimed_role(key: str) -> str:
    """Return the role that a JWT names, an empty text if it is not one or names none."""
    return str(_claims(key).get("role", ""))


def _claims(key: str) -> dict[str, Any]:
    """Return what a JWT claims, nothing if it is not one; whether it is signed is the server's matter."""
    with suppress(ValueError, RecursionError):
        _, payload, _ = key.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims if isinstance(claims, dict) else {}
    return {}
