"""The token of a login by OAuth2 (RFC 6749), and what a token endpoint's refusals mean."""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec.structs import replace
from pydantic import SecretStr

from ..config.environment import proxy_for
from ..config.settings import MailSettings
from ..config.timeouts import Timeouts
from ..errors import DeliveryError, Rule
from ..runtime.connection import diagnose
from ..runtime.http import CONNECTION_ERRORS, Response, http_client, retry_after
from ..runtime.visible_text import one_line_quote
from .interface import connection_error, rule_error

GROUP = "No token for the mail server"
Grant = Literal["client_credentials", "refresh_token"]
_LARGEST = 1 << 16
"""Bytes of an answer; a token has some 2,000."""
_EARLIER = 60.0
"""Seconds before its end at which a token is replaced."""
_LASTS = 600.0
"""Seconds for which a token is used whose answer does not say how long it is good; providers give an hour."""


class OauthRule(Rule, frozen=True, kw_only=True):
    """Matches an answer with one of `statuses` and, where there are any, one of `errors` (RFC 6749 5.2) or `words`.

    `words` is a regular expression that is searched for in the description.
    """

    group: str = GROUP
    statuses: Container[int] = range(400, 500)
    errors: tuple[str, ...] = ()
    words: str = ""
    grants: tuple[Grant, ...] = ("client_credentials", "refresh_token")

    def matches(self, status: int, error: str, description: str, grant: Grant) -> bool:
        """Return whether the rule is for an answer."""
        if status not in self.statuses or grant not in self.grants:
            return False
        is_named = error in self.errors or bool(self.words and re.search(self.words, description))
        return is_named or not (self.errors or self.words)


_LATER = OauthRule(
    key="smtp.oauth_later",
    statuses=(408, 425, 429, *range(500, 600)),
    reason="The token endpoint {endpoint} gives no token now.",
    remedy="Check the provider's status if this lasts.",
    fault="nobody",
    later=True,
)
_CODE = r"AADSTS({})\b"
"""Microsoft's codes stand in the description."""
OAUTH_RULES = (
    _LATER,
    replace(_LATER, statuses=range(400, 500), errors=("temporarily_unavailable", "server_error", "slow_down")),
    OauthRule(
        key="smtp.oauth_client_expired",
        words=_CODE.format("7000222"),
        reason="The client secret has expired.",
        remedy="Create a new one for the application, and set SMTP_OAUTH_CLIENT_SECRET to its value.",
    ),
    OauthRule(
        key="smtp.oauth_unauthorized",
        errors=("unauthorized_client", "access_denied"),
        words=_CODE.format("65001|90002|900023|700016"),
        reason="The application may not get a token this way.",
        remedy="Check SMTP_OAUTH_CLIENT_ID and the tenant in SMTP_OAUTH_TOKEN_URL; let an administrator consent to the "
        "application's permissions.",
    ),
    OauthRule(
        key="smtp.oauth_client",
        errors=("invalid_client", "deleted_client"),
        words=_CODE.format("7000215|7000218"),
        reason="The token endpoint {endpoint} does not accept SMTP_OAUTH_CLIENT_ID with SMTP_OAUTH_CLIENT_SECRET.",
        remedy="Correct them; the secret is its value, not its id.",
    ),
    OauthRule(
        key="smtp.oauth_scope",
        errors=("invalid_scope", "invalid_resource", "invalid_target"),
        words=_CODE.format("70011|1002012|500011|28002|28003"),
        reason="The token endpoint {endpoint} does not accept SMTP_OAUTH_SCOPE.",
        remedy="For Microsoft's client credentials set it to https://outlook.office365.com/.default, for Google to "
        "https://mail.google.com/.",
    ),
    OauthRule(
        key="smtp.oauth_grant",
        errors=("invalid_grant", "interaction_required"),
        grants=("refresh_token",),
        reason="The refresh token is no longer valid: it has expired, or it was revoked.",
        remedy="Create a new one and set SMTP_OAUTH_REFRESH_TOKEN to it. Google ends those of an application in "
        "testing after seven days: publish it first.",
    ),
    OauthRule(
        key="smtp.oauth_refused",
        reason="The token endpoint {endpoint} refused to give a token.",
        remedy="Read its words, and ask whoever runs it.",
    ),
)
"""The first rule that matches counts. The last one is for every other refusal of the RFC's, and blames no setting."""
NOT_A_TOKEN = OauthRule(
    key="smtp.oauth_answer",
    reason="The token endpoint {endpoint} answered without a token.",
    remedy="Check SMTP_OAUTH_TOKEN_URL and any proxy on the way.",
)
"""For what is neither a token nor a refusal in the RFC's form: a redirect, a web page, another kind of token."""


class Tokens:
    """The access token of one run: asked for when it is needed, kept while it is good, renewed once where refused.

    `hide` keeps it, and what a login makes of it, from logs and alerts.
    """

    def __init__(
        self, settings: MailSettings, tls: ssl.SSLContext, timeouts: Timeouts, hide: Callable[[Iterable[str]], None]
    ) -> None:
        self._settings = settings
        self._tls = tls
        self._timeouts = timeouts
        self._hide = hide
        self._token = ""
        self._good_until = 0.0
        self._may_renew = True

    async def get(self) -> str:
        """Return a token; raise DeliveryError if there is none."""
        if not self._token or asyncio.get_running_loop().time() >= self._good_until:
            self._token, seconds = await self._ask()
            self._good_until = asyncio.get_running_loop().time() + seconds
        return self._token

    def renew(self) -> bool:
        """Let the next login ask for another token; return whether it does, for it may only once."""
        if self._may_renew:
            self._token, self._may_renew = "", False
            return True
        return False

    async def _ask(self) -> tuple[str, float]:
        """Ask for a token; return it, and for how many seconds it may be used."""
        url = self._settings.smtp_oauth_token_url or ""
        try:
            async with (
                asyncio.timeout(self._timeouts.oauth),
                http_client(
                    self._tls,
                    proxy_for(url),
                    limit=_LARGEST,
                    connect=self._timeouts.connect,
                    answer=self._timeouts.oauth,
                ) as session,
            ):
                answer = await session.post(url, data=_form(self._settings))
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            found = diagnose(error, address="SMTP_OAUTH_TOKEN_URL")
            what = f"The token endpoint {_name(url)} could not be reached:"
            raise connection_error(found, f"oauth.{found.kind}", what) from error
        return self._read(answer, url)

    def _read(self, answer: Response, url: str) -> tuple[str, float]:
        content = _decode(answer.content)
        given = (content.get(name) for name in ("access_token", "refresh_token", "id_token"))
        self._hide(words for words in given if isinstance(words, str))
        if not answer.is_success:
            raise _refusal(answer, content, _grant(self._settings), url)
        token = content.get("access_token")
        # A token of other letters would not pass as one line of SMTP.
        is_bearer = str(content.get("token_type", "bearer")).lower() == "bearer"
        if not isinstance(token, str) or not re.fullmatch("[!-~]+", token) or not is_bearer:
            raise rule_error(NOT_A_TOKEN, f"HTTP {answer.status_code}", {"endpoint": _name(url)})
        self._hide([bearer(self._settings.smtp_user or "", token)])
        lasts = str(content.get("expires_in"))  # of Microsoft's older endpoint a text
        return token, (float(lasts) if re.fullmatch("[0-9]{1,9}", lasts) else _LASTS) - _EARLIER


def bearer(user: str, token: str) -> str:
    """Return what XOAUTH2 makes of a user and a token."""
    return f"user={user}\1auth=Bearer {token}\1\1"


def classify(status: int, error: str, description: str, grant: Grant) -> OauthRule:
    """Return the rule for an answer without a token."""
    is_refusal = error or status not in range(400, 500)
    rules = OAUTH_RULES if is_refusal else [rule for rule in OAUTH_RULES if rule.later]
    return next((rule for rule in rules if rule.matches(status, error, description, grant)), NOT_A_TOKEN)


def _grant(settings: MailSettings) -> Grant:
    return "refresh_token" if settings.smtp_oauth_refresh_token else "client_credentials"


def _form(settings: MailSettings) -> dict[str, str]:
    """Return the request of RFC 6749 6 with a refresh token, of 4.4.2 without one."""
    values: dict[str, str | SecretStr | None] = {
        "grant_type": _grant(settings),
        "client_id": settings.smtp_oauth_client_id,
        "client_secret": settings.smtp_oauth_client_secret,
        "scope": settings.smtp_oauth_scope,
        "refresh_token": settings.smtp_oauth_refresh_token,
    }
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
        if value is not None
    }


def _decode(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(answer: Response, content: Mapping[str, Any], grant: Grant, url: str) -> DeliveryError:
    """Return the error of an answer that is no success; of one that is not the RFC's, only the status is quoted."""
    error, description = (str(content.get(name) or "") for name in ("error", "error_description"))
    said = one_line_quote(" ".join(filter(None, [f"HTTP {answer.status_code}", error, description])))
    rule = classify(answer.status_code, error, description, grant)
    wait = retry_after(answer.headers) if rule.later else 0.0
    return rule_error(rule, said, {"endpoint": _name(url)}, retry_after=wait)


def _name(url: str) -> str:
    return urlsplit(url).hostname or ""
