"""Each variable of the environment: its type, its default, and in words what a right value looks like.

A variable is a field whose name is the variable's in lower case; its description stands in the error when the value
is wrong. No error ever repeats a value.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from ..domain.analysis import FAILED_STATUSES
from ..domain.baseline import Thresholds
from . import validators

SHORTEST_SECRET = 4
"""Characters of a secret at least: what is shorter would be hidden in every other word."""
LARGEST_COUNT = 10_000
"""Windows of one backfill: over a year of hours."""
DEFAULT_NAME = "Digital Twin"
Language = Literal["en", "ru"]
"""Of recipients, as BCP 47 names it; src/phrases has a module for each."""
ChannelName = Literal["email", "telegram"]
SmtpSecurity = Literal["tls", "starttls"]
SmtpLogin = Literal["password", "oauth2", "none"]
_NEEDLESS = {"oauth2": ("smtp_password",), "none": ("smtp_user", "smtp_password")}
"""The required settings that a kind of login does without."""
_REFRESHED = ("smtp_oauth_client_secret", "smtp_oauth_scope")
"""What a refresh token may do without, as those of applications without a secret do."""
_SECURITY_OF_PORT: dict[int, SmtpSecurity] = {465: "tls", 587: "starttls"}
"""RFC 8314 7.3 and 3.3."""


class Sender(Struct, frozen=True, kw_only=True):
    """Whom a mail is from: a name, or none, and an address; answers go to `reply_to`, if there is one.

    `hides_recipients`: no header names whom it goes to.
    """

    address: str
    name: str = ""
    reply_to: str = ""
    hides_recipients: bool = False


class Group(BaseSettings):
    """Variables that belong together: stripped, placeholders refused, unknown ones left alone.

    The loader passes their texts, so that it knows them where the group is incomplete. An empty one isn't set.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(  # type: ignore[override] # the others are passed by name
        cls, _: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_others: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but what is passed."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, values: dict[str, Any]) -> dict[str, Any]:
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_no_value(cls, value: object) -> object:
        if isinstance(value, str) and not validators.is_text(value):
            raise ValueError("has a byte that is not UTF-8")
        if isinstance(value, str) and validators.is_placeholder(value):
            raise ValueError("is still the placeholder of the example")
        return value

    @classmethod
    def secrets(cls, texts: Mapping[str, str]) -> list[str]:
        """List which of the group's `texts` must not be seen, right or wrong; placeholders and short ones may be."""
        secret = [name for name, field in cls.model_fields.items() if "SecretStr" in str(field.annotation)]
        found = [texts[name].strip() for name in secret if name in texts]
        return [text for text in found if len(text) >= SHORTEST_SECRET and not validators.is_placeholder(text)]


class SupabaseSettings(Group):
    """Where the rows are."""

    supabase_url: validators.Url = Field(description="the project's address, like https://abcdefghijklmnop.supabase.co")
    supabase_key: validators.Key = Field(description="a key that may read the table, best a secret one")
    supabase_table: validators.Table = Field("analyses", description="the table's name, like analyses")
    supabase_jwt: validators.Jwt | None = Field(
        None, description="a token of a role of your own, beside a publishable key; it begins with eyJ"
    )

    @field_validator("supabase_url")
    @classmethod
    def _without_rest_path(cls, value: str) -> str:
        return validators.as_usual(value.removesuffix("/rest/v1").rstrip("/"))

    @classmethod
    def secrets(cls, texts: Mapping[str, str]) -> list[str]:
        """List key and token, and the token's signature: what stands before it can be guessed."""
        signature = texts.get("supabase_jwt", "").strip().rpartition(".")[2]
        return [*super().secrets(texts), *([signature] if len(signature) >= SHORTEST_SECRET else [])]


class ChannelChoice(Group):
    """Which channels deliver; only their variables are asked for."""

    report_channels: Annotated[
        tuple[ChannelName, ...], NoDecode, BeforeValidator(validators.entries), Field(min_length=1)
    ] = Field(("email", "telegram"), description="email, telegram, or both with a comma between")


class MailSettings(Group):
    """The mail server and who gets the report by email."""

    smtp_host: validators.Host = Field(description="the mail server's name, like smtp.gmail.com")
    smtp_port: int = Field(465, ge=1, le=65535, description="a port, like 465 (tls) or 587 (starttls)")
    smtp_security: SmtpSecurity = Field("tls", description="tls (from the first byte, port 465) or starttls (port 587)")
    smtp_login: Annotated[SmtpLogin, BeforeValidator(validators.lower)] = Field(
        "password", description="password, oauth2, or none (a relay that knows this machine)"
    )
    # Required, but may be None: whether they are needed depends on SMTP_LOGIN.
    smtp_user: validators.LoginName | None = Field(description="the name to log in with, often an address")
    smtp_password: validators.LoginPassword | None = Field(
        description="the password to log in with; Gmail wants an app password"
    )
    smtp_oauth_token_url: validators.HttpsUrl | None = Field(
        None,
        validate_default=True,
        description="the token endpoint, like https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token",
    )
    smtp_oauth_client_id: validators.OauthText | None = Field(
        None, validate_default=True, description="the application's (client) id"
    )
    smtp_oauth_refresh_token: validators.OauthSecret | None = Field(
        None, description="a refresh token, for the refresh grant in place of client credentials"
    )
    smtp_oauth_client_secret: validators.OauthSecret | None = Field(
        None, validate_default=True, description="the client's secret; its value, not its id"
    )
    smtp_oauth_scope: validators.OauthText | None = Field(
        None, validate_default=True, description="a scope, like https://outlook.office365.com/.default"
    )
    smtp_from: validators.SenderHeader = Field(
        description="one address, like reports@example.com or Reports <reports@example.com>"
    )
    smtp_to: validators.Addresses = Field(description="addresses with commas between, like a@example.com,b@example.com")
    smtp_alert_to: validators.AddressesOrNone = Field(
        (), description="addresses of operators with commas between, like ops@example.com"
    )
    smtp_reply_to: validators.Address | None = Field(None, description="one plain address, like team@example.com")
    smtp_hide_recipients: bool = Field(False, description="true or false")

    @model_validator(mode="before")
    @classmethod
    def _without_login(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Set what the kind of login does not need, and nobody has set, to None: it is not missing."""
        needless = _NEEDLESS.get(str(values.get("smtp_login") or "").strip().lower(), ())
        return {**values, **{name: None for name in needless if not str(values.get(name) or "").strip()}}

    @field_validator("smtp_oauth_token_url", "smtp_oauth_client_id", "smtp_oauth_client_secret", "smtp_oauth_scope")
    @classmethod
    def _needed_for_oauth2(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a login by OAuth2 that lacks a part."""
        is_needed = info.field_name not in _REFRESHED or info.data.get("smtp_oauth_refresh_token") is None
        if value is None and is_needed and info.data.get("smtp_login") == "oauth2":
            raise ValueError("is missing, which SMTP_LOGIN=oauth2 needs")
        return value

    @classmethod
    def secrets(cls, texts: Mapping[str, str]) -> list[str]:
        """List the secrets, and what AUTH PLAIN makes of name and password (RFC 4616)."""
        found, password = super().secrets(texts), texts.get("smtp_password", "").strip()
        return [*found, *([f"\0{texts.get('smtp_user', '').strip()}\0{password}"] if password in found else [])]

    @property
    def sender(self) -> Sender:
        """The parts of SMTP_FROM."""
        name, _, address = self.smtp_from.rpartition("<")
        return Sender(
            name=validators.unquoted(name),
            address=address.removesuffix(">"),
            reply_to=self.smtp_reply_to or "",
            hides_recipients=self.smtp_hide_recipients,
        )

    @property
    def other_security(self) -> SmtpSecurity | None:
        """What SMTP_PORT is fixed to, where SMTP_SECURITY is something else."""
        fixed = _SECURITY_OF_PORT.get(self.smtp_port)
        return fixed if fixed != self.smtp_security else None


class TelegramSettings(Group):
    """The bot and the chats that get the report."""

    telegram_bot_token: validators.Token = Field(description="the token that @BotFather gave, digits, a colon, letters")
    telegram_chat_id: validators.Chats = Field(
        description="chats with commas between, like -1001234567890,42,@channel, or -1001234567890/12 for a topic"
    )
    telegram_alert_chat_id: validators.Chat | None = Field(
        None, description="one chat, like -1001234567890, or -1001234567890/12 for a topic"
    )
    telegram_silent: Literal["never", "normal", "always"] = Field(
        "normal", description="never, normal (the report of an hour that is as usual makes no sound) or always"
    )
    telegram_api_url: validators.Url = Field("https://api.telegram.org", description="a Bot API server's address")

    @classmethod
    def secrets(cls, texts: Mapping[str, str]) -> list[str]:
        """List the token, and its part behind the colon: before it is the bot's public number."""
        return [part for token in super().secrets(texts) for part in (token, token.partition(":")[2]) if part]

    def is_silent(self, *, is_as_usual: bool) -> bool:
        """Return whether the report of a window makes no sound."""
        return self.telegram_silent == "always" or (self.telegram_silent == "normal" and is_as_usual)

    @property
    def unusual_chat(self) -> str | None:
        """The alert chat, if it is one that doesn't get the reports themselves."""
        chats = {chat.casefold() for chat in self.telegram_chat_id}
        chat = self.telegram_alert_chat_id
        return chat if chat and chat.casefold() not in chats else None


class ReportSettings(Group):
    """What is reported, and how."""

    report_template: Literal["hourly", "daily"] = Field("hourly", description="hourly or daily")
    report_timezone: validators.Zone = Field(
        ZoneInfo("UTC"), description="an IANA time zone, like UTC or Europe/Moscow"
    )
    report_name: validators.Name = Field(
        DEFAULT_NAME, description="one line of at most 60 characters, like Digital Twin"
    )
    report_language: Annotated[Language, BeforeValidator(validators.lower)] = Field("en", description="en or ru")
    report_failed_statuses: validators.Statuses = Field(
        FAILED_STATUSES, description="statuses with commas between, like failed,error"
    )
    report_warn_success_below: float | None = Field(
        None, allow_inf_nan=False, ge=0, le=100, description="per cent from 0 to 100, like 95"
    )
    report_warn_failed_above: float | None = Field(
        None, allow_inf_nan=False, ge=0, le=100, description="per cent from 0 to 100, like 10"
    )
    report_warn_slower_than: float | None = Field(
        None, allow_inf_nan=False, ge=0, le=86_400, description="seconds from 0 to 86400, like 30"
    )
    report_when_empty: Literal["send", "skip"] = Field("send", description="send or skip (a window without rows)")
    report_only_unusual: validators.RecipientsOrNone = Field(
        (), description="recipients of SMTP_TO and TELEGRAM_CHAT_ID with commas between, like boss@example.com,42"
    )
    report_dir: validators.Folder = Field(
        default_factory=lambda: Path(tempfile.gettempdir()), description="a folder that is there, like /tmp"
    )
    report_settle: int = Field(30, ge=0, le=600, description="seconds from 0 to 600, like 30")
    report_ledger: Literal["directory", "supabase"] = Field("directory", description="directory or supabase")
    report_ledger_name: validators.LedgerName | None = Field(
        None, description="small letters, digits and hyphens, at most 63, like production"
    )
    report_catch_up: int = Field(24, ge=0, le=744, description="a number of windows from 0 to 744, like 24")
    report_keep_days: int | None = Field(None, ge=35, le=3650, description="days from 35 to 3650, like 90")
    report_bucket: validators.Bucket | None = Field(
        None, description="a private bucket of Supabase Storage, like reports"
    )
    report_link_hours: int = Field(72, ge=1, le=720, description="hours from 1 to 720, like 72")
    report_time_limit: int = Field(800, ge=30, le=86_400, description="seconds from 30 to 86400, like 800")
    report_start: validators.Moment | None = Field(None, description="a window's start, like 2026-11-23T13")
    report_count: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description=f"windows from 1 to {LARGEST_COUNT}, like 24"
    )
    report_resend: bool = Field(False, description="true or false")
    report_only: validators.Recipients = Field(
        None, description="some of the recipients with commas between, like a@example.com,-1001234567890"
    )
    report_allow_http: bool = Field(False, description="true or false")
    job_name: validators.JobName | None = Field(
        None, description="at most 63 small letters, digits, dashes and dots, set by the manifest"
    )
    pod_name: validators.PodName | None = Field(
        None, description="at most 253 small letters, digits, dashes and dots, set by the manifest"
    )
    pod_namespace: validators.Namespace | None = Field(
        None, description="at most 63 small letters, digits and dashes, set by the manifest"
    )
    cronjob_name: validators.CronJobName | None = Field(
        None, description="at most 52 small letters, digits, dashes and dots, set by the manifest"
    )
    job_completion_index: int | None = Field(None, ge=0, description="set by Kubernetes in an Indexed Job")
    sequential_job_uid: validators.JobUid | None = Field(
        None, description="at most 63 small letters, digits and dashes, set by the component keep-logs"
    )

    @property
    def ledger_name(self) -> str:
        """The deployment's name in the ledger, empty if it has none."""
        return self.report_ledger_name or self.pod_namespace or ""

    @property
    def thresholds(self) -> Thresholds:
        """The limits of REPORT_WARN_*, as shares and seconds."""
        success, failed = self.report_warn_success_below, self.report_warn_failed_above
        return Thresholds(
            success_below=None if success is None else success / 100,
            failed_above=None if failed is None else failed / 100,
            slower_than=self.report_warn_slower_than,
        )


class WatchSettings(Group):
    """Who watches a run, and how it writes its log."""

    heartbeat_url: validators.SecretUrl | None = Field(
        None, description="a check's address, like https://hc-ping.com/…"
    )
    log_format: Annotated[Literal["auto", "text", "json"], BeforeValidator(validators.lower)] = Field(
        "auto", description="auto, text or json"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(validators.upper)] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )

    @classmethod
    def secrets(cls, texts: Mapping[str, str]) -> list[str]:
        """List the monitor's address, also without the slashes at its end, and what of it gives it away alone."""
        urls = super().secrets(texts)
        return [part for url in urls for part in (url, url.rstrip("/"), *validators.secret_parts(url))]


class SecretsFolder(Group):
    """Where settings may be files, each named like its setting, for clusters that forbid secrets in the environment."""

    secrets_dir: validators.Folder | None = Field(
        None, description="a folder that is there, like /etc/reports-generator"
    )


GROUPS = (SupabaseSettings, ChannelChoice, MailSettings, TelegramSettings, ReportSettings, WatchSettings, SecretsFolder)
