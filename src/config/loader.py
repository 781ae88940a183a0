"""Environment and `.env` → one frozen `Settings`, checked whole before anything is touched."""

import os
import re
import shlex
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from ..errors import SettingsError
from ..runtime.proxies import proxy_problems, proxy_secrets
from . import validators
from .settings import (
    GROUPS,
    ChannelChoice,
    Group,
    MailSettings,
    ReportSettings,
    SupabaseSettings,
    TelegramSettings,
    WatchSettings,
)

_NEAR = 0.85
"""How much of a name is to be right for a hint, as difflib counts."""
_LONG_PASSWORD = 8
_SHORTEST = 4
"""Characters of a secret at least: what is shorter would be hidden in every other word."""
ENV_FILE = Path(__file__).parents[2] / ".env"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a run; a channel that is left out is None."""

    report: ReportSettings
    supabase: SupabaseSettings
    mail: MailSettings | None
    telegram: TelegramSettings | None

    def writing_to(self, folder: Path) -> "Settings":
        """Return these settings with another REPORT_DIR."""
        return replace(self, report=self.report.model_copy(update={"report_dir": folder}))


class LoadedSettings(Struct, kw_only=True):
    """The groups of settings that are whole, and one line a variable for what is missing or wrong.

    `hints` are sentences about what is no error, but hardly meant: misspelt variables, values that don't go together.
    `unchecked` are the secrets of groups that aren't used: right or wrong, nobody is to see them.
    """

    report: ReportSettings | None = None
    supabase: SupabaseSettings | None = None
    mail: MailSettings | None = None
    telegram: TelegramSettings | None = None
    watch: WatchSettings = field(default_factory=WatchSettings.model_construct)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    unchecked: list[Group] = field(default_factory=list)

    def checked(self) -> Settings:
        """Return the settings; raise SettingsError if there is any problem."""
        if self.problems or not self.report or not self.supabase:
            raise SettingsError(self.problems)
        return Settings(report=self.report, supabase=self.supabase, mail=self.mail, telegram=self.telegram)

    def secrets(self) -> list[str]:
        """List the values that must not be seen, as far as they are known."""
        groups = (self.report, self.supabase, self.mail, self.telegram, self.watch, *self.unchecked)
        return [*(secret for group in groups if group for secret in group.secrets()), *proxy_secrets()]


_G = TypeVar("_G", bound=Group)


def load_settings(env_file: Path | None = ENV_FILE) -> LoadedSettings:
    """Read the environment, then `env_file` for what it leaves out, and check all of it."""
    loaded = LoadedSettings()

    def read(group: type[_G]) -> _G | None:
        try:
            return group(_env_file=env_file)  # type: ignore[call-arg] # BaseSettings takes it at run time
        except ValidationError as error:
            loaded.problems += _lines(group, error)
        except (OSError, UnicodeError) as error:
            problem = f"{env_file} can't be read ({type(error).__name__}); wanted: a readable text file in UTF-8"
            loaded.problems += [problem] if problem not in loaded.problems else []
        return None

    loaded.supabase = read(SupabaseSettings)
    choice = read(ChannelChoice)
    chosen = choice.report_channels if choice else ("email", "telegram")
    loaded.mail = read(MailSettings) if "email" in chosen else None
    loaded.telegram = read(TelegramSettings) if "telegram" in chosen else None
    loaded.report = read(ReportSettings)
    loaded.watch = read(WatchSettings) or loaded.watch
    loaded.hints = [
        *_near_misses(env_file),
        *_wrong_port(loaded.mail),
        *_short_password(loaded.mail),
        *_needless_secret(loaded.supabase),
        *_open_to_others(env_file),
    ]
    loaded.unchecked = [_unchecked(group, env_file) for group in GROUPS]
    _refuse_plain_http(loaded)
    _refuse_proxies(loaded)
    authority = os.environ.get("SSL_CERT_FILE")
    if authority and not Path(authority).is_file():  # which Python would pass over in silence
        loaded.problems.append("SSL_CERT_FILE names a file that does not exist; wanted: an authority's certificate")
    return loaded


def _near_misses(env_file: Path | None) -> list[str]:
    """Name variables that are none of ours, but nearly: one that is passed over in silence is looked for long."""
    known = {name.upper() for group in GROUPS for name in group.model_fields}
    written = ""
    with suppress(OSError, UnicodeError):  # said where it is read
        written = env_file.read_text(encoding="utf-8") if env_file else ""
    names = {*os.environ, *re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", written, re.MULTILINE)} - known
    ours = [name for name in names if name.partition("_")[0] in {one.partition("_")[0] for one in known}]
    near = {name: get_close_matches(name.upper(), known - {*os.environ}, n=1, cutoff=_NEAR) for name in sorted(ours)}
    return [f"{name} is not a setting. Did you mean {found[0]}?" for name, found in near.items() if found]


def _wrong_port(mail: MailSettings | None) -> list[str]:
    """Name a mail port that is spoken to otherwise than usual: that costs a minute before it fails."""
    if not mail or not mail.other_security:
        return []
    port, fits, chosen = mail.smtp_port, mail.other_security, mail.smtp_security
    return [f"SMTP_PORT={port} goes with SMTP_SECURITY={fits}, not with {chosen}."]


def _needless_secret(supabase: SupabaseSettings | None) -> list[str]:
    """Name a secret key beside a token: whoever reads the settings has the whole project all the same."""
    if (
        not supabase
        or not supabase.supabase_jwt
        or not supabase.supabase_key.get_secret_value().startswith("sb_secret_")
    ):
        return []
    return ["SUPABASE_JWT makes a secret key needless: set SUPABASE_KEY to the publishable one."]


def _open_to_others(env_file: Path | None) -> list[str]:
    """Name a file of secrets that other users of the machine may read or change."""
    with suppress(OSError):
        if env_file and os.name == "posix" and env_file.stat().st_mode & 0o077:
            return [f"Other users of this machine may read {env_file}. Run: chmod 600 {shlex.quote(str(env_file))}"]
    return []


def _short_password(mail: MailSettings | None) -> list[str]:
    if not mail or len(mail.smtp_password.get_secret_value()) >= _LONG_PASSWORD:
        return []
    return [
        f"SMTP_PASSWORD has fewer than {_LONG_PASSWORD} characters: if it is a common word, every [hidden] in a log or "
        "an alert gives it away."
    ]


def _unchecked(group: type[Group], env_file: Path | None) -> Group:
    """Return the secrets of a group as they were read; placeholders and what is too short for one are none."""
    values: dict[str, object] = {}
    with suppress(OSError, UnicodeError):  # said where it is read
        values = {**DotEnvSettingsSource(group, env_file=env_file)(), **EnvSettingsSource(group)()}
    kept: dict[str, object] = {}
    for name, value in values.items():
        known = group.model_fields.get(name)  # .env may have others too
        if known and isinstance(value, str) and not validators.is_placeholder(text := value.strip()):
            is_secret = "SecretStr" in str(known.annotation)
            kept |= {name: SecretStr(text) if is_secret else text} if len(text) >= _SHORTEST or not is_secret else {}
    return group.model_construct(None, **kept)


def _refuse_plain_http(loaded: LoadedSettings) -> None:
    if loaded.report and loaded.report.report_allow_http:
        return
    wanted = "is http:// to another machine; wanted: https://, or REPORT_ALLOW_HTTP=true inside a cluster"
    monitor = loaded.watch.heartbeat_url
    if monitor and validators.is_plain_http(monitor.get_secret_value()):
        loaded.problems.append(f"HEARTBEAT_URL {wanted}")
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})  # nor a failure be told that way
    if loaded.supabase and validators.is_plain_http(loaded.supabase.supabase_url):
        loaded.problems.append(f"SUPABASE_URL {wanted}")
    if loaded.telegram and validators.is_plain_http(loaded.telegram.telegram_api_url):
        loaded.problems.append(f"TELEGRAM_API_URL {wanted}")
        loaded.telegram = None  # an alert must not go that way either


def _refuse_proxies(loaded: LoadedSettings) -> None:
    """Name the proxies that can't be used; of that, no alert can go by Telegram, nor the monitor be told."""
    if problems := proxy_problems():
        loaded.problems += problems
        loaded.telegram = None
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})


_REASONS = {
    "int_parsing": "is no whole number",
    "float_parsing": "is no number",
    "literal_error": "is none of them",
    "bool_parsing": "is neither true nor false",
}
"""Of pydantic's reasons those that say the same as what is wanted, or too much."""


def _lines(group: type[Group], error: ValidationError) -> list[str]:
    """Turn a validation error into `NAME what is wrong; wanted: …`, at most one line a variable."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(detail["loc"][0])
        reason = "is missing" if detail["type"] == "missing" else detail["msg"]
        reason = _REASONS.get(detail["type"], reason)
        reason = re.sub(r"^(Value error, |Input (?=should)|Value (?=should)|Path (?=does))", "", reason)
        lines.setdefault(name, f"{name.upper()} {reason}; wanted: {group.model_fields[name].description}")
    return list(lines.values())
