"""Environment and `.env` → one frozen `Settings`, checked whole before anything is touched.

Every variable is a field whose name is the variable's in lower case; its description says what a right
value looks like and stands in the error when the value is wrong. No error ever repeats a value.
"""

import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import BeforeValidator, DirectoryPath, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from . import forms
from .errors import SettingsError

LARGEST_COUNT = 10_000
"""Windows of one backfill: over a year of hours."""
ENV_FILE = Path(__file__).parent.parent / ".env"


class _Group(BaseSettings):
    """Variables that belong together: stripped, placeholders refused, unknown ones left alone."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, values: dict[str, Any]) -> dict[str, Any]:
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_placeholder(cls, value: object) -> object:
        if isinstance(value, str) and forms.is_placeholder(value):
            raise ValueError("is still the placeholder of the example")
        return value

    def secrets(self) -> list[str]:
        """List the values that must not be seen."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


class SupabaseSettings(_Group):
    """Where the rows are."""

    supabase_url: forms.Url = Field(description="the project's address, like https://abcdefghijklmnop.supabase.co")
    supabase_key: forms.Key = Field(description="a key that may read the table, best a secret one")
    supabase_table: forms.Table = Field("analyses", description="the table's name, like analyses")

    @field_validator("supabase_url")
    @classmethod
    def _without_rest_path(cls, value: str) -> str:
        return value.removesuffix("/rest/v1").rstrip("/")


class ChannelChoice(_Group):
    """Which channels deliver; only their variables are asked for."""

    report_channels: Annotated[
        tuple[Literal["email", "telegram"], ...], NoDecode, BeforeValidator(forms.entries), Field(min_length=1)
    ] = Field(("email", "telegram"), description="email, telegram, or both with a comma between")


class MailSettings(_Group):
    """The mail server and who gets the report by email."""

    smtp_host: forms.Host = Field(description="the mail server's name, like smtp.gmail.com")
    smtp_port: int = Field(465, ge=1, le=65535, description="a port, like 465 (tls) or 587 (starttls)")
    smtp_security: Literal["tls", "starttls"] = Field(
        "tls", description="tls (from the first byte, port 465) or starttls (port 587)"
    )
    smtp_user: forms.LoginName = Field(description="the name to log in with, often an address")
    smtp_password: forms.LoginPassword = Field(description="the password to log in with; Gmail wants an app password")
    smtp_from: forms.Address = Field(description="one plain address, like reports@example.com")
    smtp_to: forms.Addresses = Field(description="addresses with commas between, like a@example.com,b@example.com")


class TelegramSettings(_Group):
    """The bot and the chats that get the report."""

    telegram_bot_token: forms.Token = Field(description="the token that @BotFather gave, digits, a colon, letters")
    telegram_chat_id: forms.Chats = Field(description="chats with commas between, like -1001234567890,42,@channel")
    telegram_alert_chat_id: forms.Chat | None = Field(None, description="one chat, like -1001234567890")
    telegram_api_url: forms.Url = Field("https://api.telegram.org", description="a Bot API server's address")

    @property
    def alert_chat(self) -> str:
        """The chat that alerts go to."""
        return self.telegram_alert_chat_id or self.telegram_chat_id[0]


class ReportSettings(_Group):
    """What is reported, and how."""

    report_template: Literal["hourly", "daily"] = Field("hourly", description="hourly or daily")
    report_timezone: forms.Zone = Field(ZoneInfo("UTC"), description="an IANA time zone, like UTC or Europe/Moscow")
    report_when_empty: Literal["send", "skip"] = Field("send", description="send or skip a window without rows")
    report_dir: DirectoryPath = Field(
        default_factory=lambda: Path(tempfile.gettempdir()), description="a folder that is there, like /tmp"
    )
    report_settle: int = Field(30, ge=0, le=600, description="seconds from 0 to 600, like 30")
    report_ledger: Literal["directory", "supabase"] = Field("directory", description="directory or supabase")
    report_catch_up: int = Field(24, ge=0, le=744, description="a number of windows from 0 to 744, like 24")
    report_bucket: forms.Bucket | None = Field(None, description="a private bucket of Supabase Storage, like reports")
    report_link_hours: int = Field(72, ge=1, le=720, description="hours from 1 to 720, like 72")
    report_time_limit: int = Field(800, ge=30, le=86_400, description="seconds from 30 to 86400, like 800")
    report_start: forms.Moment | None = Field(None, description="a window's start, like 2026-11-23T13")
    report_count: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description=f"windows from 1 to {LARGEST_COUNT}, like 24"
    )
    report_resend: bool = Field(False, description="true or false")
    report_allow_http: bool = Field(False, description="true or false")
    job_name: str | None = Field(None, description="the Job's name, set by the manifest")
    pod_name: str | None = Field(None, description="the pod's name, set by the manifest")
    pod_namespace: str | None = Field(None, description="the pod's namespace, set by the manifest")
    job_completion_index: int | None = Field(None, ge=0, description="set by Kubernetes in an Indexed Job")


class WatchSettings(_Group):
    """Who watches a run, and how it writes its log."""

    heartbeat_url: forms.SecretUrl | None = Field(None, description="a check's address, like https://hc-ping.com/…")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto, text or json")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")


GROUPS = (SupabaseSettings, ChannelChoice, MailSettings, TelegramSettings, ReportSettings, WatchSettings)


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a run; a channel that is left out is None."""

    report: ReportSettings
    supabase: SupabaseSettings
    mail: MailSettings | None
    telegram: TelegramSettings | None

    def writing_to(self, folder: Path) -> "Settings":
        """Return these settings with another REPORT_DIR."""
        return replace(self, report=self.report.model_copy(update={"report_dir": folder}))


class Draft(Struct, kw_only=True):
    """The groups of settings that are whole, and one line a variable for what is missing or wrong."""

    report: ReportSettings | None = None
    supabase: SupabaseSettings | None = None
    mail: MailSettings | None = None
    telegram: TelegramSettings | None = None
    watch: WatchSettings = field(default_factory=WatchSettings.model_construct)
    problems: list[str] = field(default_factory=list)

    def checked(self) -> Settings:
        """Return the settings; raise SettingsError if there is any problem."""
        if self.problems or not self.report or not self.supabase:
            raise SettingsError(self.problems)
        return Settings(report=self.report, supabase=self.supabase, mail=self.mail, telegram=self.telegram)

    def secrets(self) -> list[str]:
        """List the values that must not be seen, as far as they are known."""
        groups = (self.report, self.supabase, self.mail, self.telegram, self.watch)
        return [secret for group in groups if group for secret in group.secrets()]


_G = TypeVar("_G", bound=_Group)


def read_settings(env_file: Path | None = ENV_FILE) -> Draft:
    """Read the environment, then `env_file` for what it leaves out, and check all of it."""
    draft = Draft()

    def read(group: type[_G]) -> _G | None:
        try:
            return group(_env_file=env_file)  # type: ignore[call-arg] # BaseSettings takes it at run time
        except ValidationError as error:
            draft.problems += _lines(group, error)
        except (OSError, UnicodeError) as error:
            problem = f"{env_file} can't be read ({type(error).__name__}); wanted: a readable text file in UTF-8"
            draft.problems += [problem] if problem not in draft.problems else []
        return None

    draft.supabase = read(SupabaseSettings)
    choice = read(ChannelChoice)
    chosen = choice.report_channels if choice else ("email", "telegram")
    draft.mail = read(MailSettings) if "email" in chosen else None
    draft.telegram = read(TelegramSettings) if "telegram" in chosen else None
    draft.report = read(ReportSettings)
    draft.watch = read(WatchSettings) or draft.watch
    _refuse_plain_http(draft)
    return draft


def _refuse_plain_http(draft: Draft) -> None:
    if draft.report and draft.report.report_allow_http:
        return
    wanted = "is http:// to another machine; wanted: https://, or REPORT_ALLOW_HTTP=true inside a cluster"
    if draft.supabase and forms.is_plain_http(draft.supabase.supabase_url):
        draft.problems.append(f"SUPABASE_URL {wanted}")
    if draft.telegram and forms.is_plain_http(draft.telegram.telegram_api_url):
        draft.problems.append(f"TELEGRAM_API_URL {wanted}")
        draft.telegram = None  # an alert must not go that way either


def _lines(group: type[_Group], error: ValidationError) -> list[str]:
    """Turn a validation error into `NAME what is wrong; wanted: …`, at most one line a variable."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(detail["loc"][0])
        reason = "is missing" if detail["type"] == "missing" else detail["msg"]
        reason = re.sub(r"^(Value error, |Input (?=should)|Value (?=should)|Path (?=does))", "", reason)
        lines.setdefault(name, f"{name.upper()} {reason}; wanted: {group.model_fields[name].description}")
    return list(lines.values())
