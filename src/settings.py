"""Environment and `.env` → one frozen `Settings`, checked whole before anything is touched.

Every variable is a field whose name is the variable's in lower case; its description says what a right
value looks like and stands in the error when the value is wrong. No error ever repeats a value.
"""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import SettingsError

ENV_FILE = Path(__file__).parent.parent / ".env"
_PLACEHOLDER = re.compile(r"your-email@gmail\.com|your-app-password|.*change-me.*", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,}")
_TOKEN = re.compile(r"[0-9]{3,}:[A-Za-z0-9_-]{20,}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_KEY = re.compile(r"[!-~]+")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def _matches(pattern: re.Pattern[str], reason: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(reason)
        return value

    return check


def _entries(value: object) -> object:
    """Split a comma list; an entry given twice counts once, so that nobody gets a report twice."""
    if not isinstance(value, str):
        return value
    entries = (entry.strip() for entry in value.split(","))
    return tuple({entry.casefold(): entry for entry in entries if entry}.values())


def _each(pattern: re.Pattern[str], kind: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(entries: tuple[str, ...]) -> tuple[str, ...]:
        if not entries:
            raise ValueError("is empty")
        wrong = [str(place) for place, entry in enumerate(entries, 1) if not pattern.fullmatch(entry)]
        if wrong:
            raise ValueError(f"entry {', '.join(wrong)} of {len(entries)} is not {kind}")
        return entries

    return check


def _is_host(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return bool(_HOST.fullmatch(value))
    return True


def _host(value: str) -> str:
    if not _is_host(value):
        raise ValueError("is not a plain host name")
    return value


def _url(value: str) -> str:
    """Check an HTTP address and return it without trailing slashes."""
    try:
        parts = urlsplit(value)
        whole = bool(parts.hostname and _is_host(parts.hostname)) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("http", "https"):
        raise ValueError("is not a whole https:// address")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("carries more than an address (a login, a query or a fragment)")
    return value.rstrip("/")


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a known time zone") from None


class _Group(BaseSettings):
    """Variables that belong together: stripped, placeholders refused, unknown ones left alone."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, values: dict[str, Any]) -> dict[str, Any]:
        stripped = {k: v.strip() if isinstance(v, str) else v for k, v in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_placeholder(cls, value: object) -> object:
        if isinstance(value, str) and any(_PLACEHOLDER.fullmatch(part.strip()) for part in value.split(",")):
            raise ValueError("is still the placeholder of the example")
        return value


_Addresses = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_entries),
    AfterValidator(_each(_ADDRESS, "an e-mail address")),
]
_Chats = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_entries), AfterValidator(_each(_CHAT, "a chat id"))]


class ChannelChoice(_Group):
    """Which channels deliver; only their variables are asked for."""

    report_channels: Annotated[
        tuple[Literal["email", "telegram"], ...], NoDecode, BeforeValidator(_entries), Field(min_length=1)
    ] = Field(("email", "telegram"), description="email, telegram, or both with a comma between")


class SupabaseSettings(_Group):
    """Where the rows are."""

    supabase_url: Annotated[str, AfterValidator(_url)] = Field(
        description="the project's address, like https://abcdefghijklmnop.supabase.co"
    )
    supabase_key: Annotated[SecretStr, BeforeValidator(_matches(_KEY, "holds blanks or odd signs"))] = Field(
        description="a key that may read the table, best a secret one (sb_secret_…)"
    )
    supabase_table: Annotated[str, AfterValidator(_matches(_TABLE, "is not a table's name"))] = Field(
        "analyses", description="the table's name, like analyses"
    )

    @field_validator("supabase_url")
    @classmethod
    def _without_rest_path(cls, value: str) -> str:
        return value.removesuffix("/rest/v1").rstrip("/")


class MailSettings(_Group):
    """The mail server and who gets the report by email."""

    smtp_host: Annotated[str, AfterValidator(_host)] = Field(description="the mail server's name, like smtp.gmail.com")
    smtp_port: int = Field(465, ge=1, le=65535, description="a port, like 465 (tls) or 587 (starttls)")
    smtp_security: Literal["tls", "starttls"] = Field(
        "tls", description="tls (from the first byte, port 465) or starttls (port 587)"
    )
    smtp_user: str = Field(description="the name to log in with, often an address")
    smtp_password: SecretStr = Field(description="the password to log in with; Gmail wants an app password")
    smtp_from: Annotated[str, AfterValidator(_matches(_ADDRESS, "is not an e-mail address"))] = Field(
        description="one plain address, like reports@example.com"
    )
    smtp_to: _Addresses = Field(description="addresses with commas between, like a@example.com,b@example.com")


class TelegramSettings(_Group):
    """The bot and the chats that get the report."""

    telegram_bot_token: Annotated[SecretStr, BeforeValidator(_matches(_TOKEN, "is not a bot token"))] = Field(
        description="the token that @BotFather gave, digits, a colon, letters"
    )
    telegram_chat_id: _Chats = Field(description="chats with commas between, like -1001234567890,42,@channel")
    telegram_api_url: Annotated[str, AfterValidator(_url)] = Field(
        "https://api.telegram.org", description="a Bot API server's address"
    )


class ReportSettings(_Group):
    """What is reported, and how."""

    report_template: Literal["hourly", "daily"] = Field("hourly", description="hourly or daily")
    report_timezone: Annotated[ZoneInfo, BeforeValidator(_zone)] = Field(
        ZoneInfo("UTC"), description="an IANA time zone, like UTC or Europe/Moscow"
    )
    report_dir: DirectoryPath = Field(
        default_factory=lambda: Path(tempfile.gettempdir()), description="a folder that is there, like /tmp"
    )
    report_settle: int = Field(30, ge=0, le=600, description="seconds from 0 to 600, like 30")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a run; a channel that is left out is None."""

    report: ReportSettings
    supabase: SupabaseSettings
    mail: MailSettings | None
    telegram: TelegramSettings | None


_G = TypeVar("_G", bound=_Group)


def load_settings(env_file: Path | None = ENV_FILE) -> Settings:
    """Read the environment, then `env_file` for what it leaves out.

    Raise SettingsError with one line a variable for everything that is missing or wrong.
    """
    problems: list[str] = []

    def read(group: type[_G]) -> _G | None:
        try:
            return group(_env_file=env_file)  # type: ignore[call-arg] # BaseSettings takes it at run time
        except ValidationError as error:
            problems.extend(_lines(group, error))
            return None

    choice = read(ChannelChoice)
    chosen = choice.report_channels if choice else ("email", "telegram")
    report, supabase = read(ReportSettings), read(SupabaseSettings)
    mail = read(MailSettings) if "email" in chosen else None
    telegram = read(TelegramSettings) if "telegram" in chosen else None
    if problems or not report or not supabase:
        raise SettingsError(problems)
    return Settings(report=report, supabase=supabase, mail=mail, telegram=telegram)


def _lines(group: type[_Group], error: ValidationError) -> list[str]:
    """Turn a validation error into `NAME what is wrong; wanted: …`, at most one line a variable."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(detail["loc"][0])
        reason = "is missing" if detail["type"] == "missing" else detail["msg"]
        reason = re.sub(r"^(Value error, |Input (?=should)|Value (?=should)|Path (?=does))", "", reason)
        lines.setdefault(field, f"{field.upper()} {reason}; wanted: {group.model_fields[field].description}")
    return list(lines.values())
