"""Environment and `.env` → one frozen `Settings`, checked whole before anything is touched."""

import os
import shlex
import tempfile
from pathlib import Path
from typing import TypeVar

from dotenv.parser import Binding
from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource
from pydantic_settings import SettingsError as SettingsSourceError

from ..domain.window import Template
from ..errors import SettingsError
from . import validators
from .environment import authority_problems, proxy_problems, proxy_secrets
from .hints import hints, read_env_file
from .settings import (
    GROUPS,
    ChannelChoice,
    ChannelName,
    Group,
    MailSettings,
    ReportSettings,
    SecretsFolder,
    SupabaseSettings,
    TelegramSettings,
    WatchSettings,
)

ENV_FILE = Path(__file__).parents[2] / ".env"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a run; None for a channel that is left out, and in a dry run also for one that can't send.

    `channels` are those that REPORT_CHANNELS chooses.
    """

    report: ReportSettings
    supabase: SupabaseSettings
    mail: MailSettings | None
    telegram: TelegramSettings | None
    channels: tuple[ChannelName, ...]

    def writing_to(self, folder: Path) -> "Settings":
        """Return these settings with another REPORT_DIR."""
        return replace(self, report=self.report.model_copy(update={"report_dir": folder}))

    def of_template(self, template: Template) -> "Settings":
        """Return these settings for reports of another template."""
        return replace(self, report=self.report.model_copy(update={"report_template": template}))


class LoadedSettings(Struct, kw_only=True):
    """The groups of settings that are complete and right, and one line a variable for what is missing or wrong.

    `hints` are warnings about settings that are probably mistakes. `of_sending` are those of `problems` that don't
    matter to a dry run, which sends nothing. `channels` are those that were chosen.
    `hidden` are the secrets, also those of groups that are incomplete or not used. `report_dir` is the text of
    REPORT_DIR. `is_job`: they are a Job's on a cluster. `remedy` says how to begin where there is no `.env`.
    """

    report: ReportSettings | None = None
    supabase: SupabaseSettings | None = None
    mail: MailSettings | None = None
    telegram: TelegramSettings | None = None
    watch: WatchSettings = field(default_factory=WatchSettings.model_construct)
    channels: tuple[ChannelName, ...] = ("email", "telegram")
    problems: list[str] = field(default_factory=list)
    of_sending: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    hidden: list[SecretStr] = field(default_factory=list)
    report_dir: str = ""
    is_job: bool = False
    remedy: str = ""

    def checked(self, *, is_dry_run: bool = False) -> Settings:
        """Return the settings; raise SettingsError if there is any problem that the run would have."""
        problems = [one for one in self.problems if not (is_dry_run and one in self.of_sending)]
        if problems or not self.report or not self.supabase:
            raise SettingsError(problems, is_job=self.is_job, remedy="" if self.is_job else self.remedy)
        return Settings(
            report=self.report,
            supabase=self.supabase,
            mail=self.mail,
            telegram=self.telegram,
            channels=self.channels,
        )

    def folder(self) -> Path:
        """Return REPORT_DIR, also where other settings are wrong; the temporary folder if it does not exist."""
        if self.report:
            return self.report.report_dir
        return Path(self.report_dir if os.path.isdir(self.report_dir) else tempfile.gettempdir())  # noqa: PTH112

    def secrets(self) -> list[str]:
        """List the values that must not be seen."""
        return [*(secret.get_secret_value() for secret in self.hidden), *proxy_secrets()]


_G = TypeVar("_G", bound=Group)


class _Reader:
    """Reads each variable once: the environment wins over `env_file`, and both over the files in `folder`."""

    def __init__(self, env_file: Path | None) -> None:
        self.folder: Path | None = None
        self.lines: list[Binding] = []
        self.texts: dict[str, str] = {}
        self.problems: list[str] = []
        self._is_whole = True
        try:
            self.lines = read_env_file(env_file)
        except (OSError, UnicodeError) as error:
            self._note(f"{env_file}", error)
            self._is_whole = False

    def read(self, group: type[_G], *, is_used: bool = True) -> _G | None:
        """Return the group; None if it is not used, or can't be made: `problems` say why."""
        texts, is_whole = dict[str, str](), self._is_whole
        try:
            texts |= SecretsSettingsSource(group, secrets_dir=self.folder)()
        except SettingsSourceError as error:
            is_whole = False
            if is_used:
                self._note("A file in SECRETS_DIR", error.__cause__ or error)
        # Nothing in a line of .env is replaced, as pydantic does with ${NAME}: it may be a password.
        lines = {line.key.lower(): line.value for line in self.lines if line.key and line.value is not None}
        texts |= {name: text for name, text in lines.items() if name in group.model_fields}
        texts |= EnvSettingsSource(group)()
        self.texts |= texts
        try:
            return group.model_validate(texts) if is_used and is_whole else None
        except ValidationError as error:
            self.problems += _lines(group, error)
            return None

    def _note(self, what: str, error: BaseException) -> None:
        problem = f"{what} can't be read ({type(error).__name__}); use a readable text file in UTF-8"
        self.problems += [problem] if problem not in self.problems else []


def load_settings(env_file: Path | None = ENV_FILE) -> LoadedSettings:
    """Read the environment, then `env_file`, then the files in SECRETS_DIR for what is left out; check all of it."""
    loaded, reader = LoadedSettings(is_job=bool(os.environ.get("JOB_NAME"))), _Reader(env_file)
    where = reader.read(SecretsFolder)
    reader.folder = where.secrets_dir if where else None
    loaded.supabase = reader.read(SupabaseSettings)
    choice = reader.read(ChannelChoice)
    loaded.channels = choice.report_channels if choice else loaded.channels
    known = len(reader.problems)
    loaded.mail = reader.read(MailSettings, is_used="email" in loaded.channels)
    loaded.telegram = reader.read(TelegramSettings, is_used="telegram" in loaded.channels)
    loaded.of_sending = reader.problems[known:]
    loaded.report = reader.read(ReportSettings)
    loaded.watch = reader.read(WatchSettings) or loaded.watch
    loaded.report_dir = reader.texts.get("report_dir", "").strip()
    loaded.hidden = [SecretStr(secret) for group in GROUPS for secret in group.secrets(reader.texts)]
    loaded.hints = hints(env_file, reader.lines, reader.folder, loaded.mail, loaded.supabase, loaded.telegram)
    loaded.problems = reader.problems
    _refuse_plain_http(loaded)
    _refuse_proxies(loaded)
    _require_ledger_name(loaded)
    _require_known_recipients(loaded)
    loaded.problems += authority_problems()
    if any(" is missing" in problem for problem in loaded.problems):
        loaded.remedy = _first_steps(env_file)
    return loaded


def _first_steps(env_file: Path | None) -> str:
    """Say how to make `env_file`, from the example beside it if there is one; empty if the file is there."""
    if env_file is None or env_file.exists():
        return ""
    example = env_file.with_name(".env.example")
    if not example.exists():  # the image has none
        return f"Set them in the environment (there is no file {env_file}), then try them with --check."
    is_here = env_file.parent == Path.cwd()
    target, source = (shlex.quote(path.name if is_here else str(path)) for path in (env_file, example))
    return (
        f"There is no file {env_file}. Make it, fill it in, and try it with --check: "
        f"cp {source} {target} && chmod 600 {target}"
    )


def _refuse_plain_http(loaded: LoadedSettings) -> None:
    if loaded.report and loaded.report.report_allow_http:
        return
    wanted = "is http:// to another machine; use https://, or REPORT_ALLOW_HTTP=true inside a cluster"
    monitor = loaded.watch.heartbeat_url
    if monitor and validators.is_plain_http(monitor.get_secret_value()):
        loaded.problems.append(f"HEARTBEAT_URL {wanted}")
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})  # nor may a failure
    if loaded.supabase and validators.is_plain_http(loaded.supabase.supabase_url):
        loaded.problems.append(f"SUPABASE_URL {wanted}")
    if loaded.telegram and validators.is_plain_http(loaded.telegram.telegram_api_url):
        loaded.problems.append(f"TELEGRAM_API_URL {wanted}")
        loaded.of_sending.append(loaded.problems[-1])
        loaded.telegram = None  # an alert must not go that way either


def _refuse_proxies(loaded: LoadedSettings) -> None:
    """Name the proxies that can't be used; then neither an alert by Telegram nor a ping of the monitor can go out."""
    if problems := proxy_problems():
        loaded.problems += problems
        loaded.telegram = None
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})


def _require_ledger_name(loaded: LoadedSettings) -> None:
    """Require a deployment's name if there is no namespace: a trial must not take an hour from production."""
    report = loaded.report
    if report and report.report_ledger == "supabase" and not report.ledger_name:
        loaded.problems.append(
            "REPORT_LEDGER_NAME is missing, which REPORT_LEDGER=supabase needs outside a cluster; use production, "
            "only on the machine that sends the real reports, or another name for a trial, which sends to everyone in "
            "SMTP_TO and TELEGRAM_CHAT_ID"
        )
        loaded.of_sending.append(loaded.problems[-1])


_NUMBERS = {"int_parsing": "an integer", "float_parsing": "a number"}
"""What pydantic could not parse a value as."""
_OWN = "Value error, "
"""How pydantic begins the reasons of our own checks."""


def _require_known_recipients(loaded: LoadedSettings) -> None:
    """Refuse names in REPORT_ONLY_UNUSUAL that no chosen channel sends to: a misspelt address would get every report.

    Of a channel whose settings are wrong, the recipients are not known.
    """
    named = loaded.report.report_only_unusual if loaded.report else ()
    if ("email" in loaded.channels and not loaded.mail) or ("telegram" in loaded.channels and not loaded.telegram):
        return
    known = [*(loaded.mail.smtp_to if loaded.mail else ())]
    known += loaded.telegram.telegram_chat_id if loaded.telegram else ()
    recipients = {recipient.casefold() for recipient in known}
    unknown = [str(place) for place, one in enumerate(named, 1) if one.casefold() not in recipients]
    if unknown:
        loaded.problems.append(
            "REPORT_ONLY_UNUSUAL must name recipients that are in SMTP_TO or TELEGRAM_CHAT_ID too: entry "
            f"{', '.join(unknown)} of {len(named)} isn't"
        )


def _lines(group: type[Group], error: ValidationError) -> list[str]:
    """Turn a validation error into `NAME must be …` or `NAME what is wrong; use …`, at most one line a variable."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(detail["loc"][0])
        right = group.model_fields[name].description or ""
        lines.setdefault(name, f"{name.upper()} {_complaint(detail['type'], detail['msg'], right)}")
    return list(lines.values())


def _complaint(kind: str, reason: str, right: str) -> str:
    """Say what is wrong with a value; `right` describes a right one."""
    if kind == "missing":
        return f"is missing; use {right}"
    if reason.startswith(_OWN):
        return f"{reason.removeprefix(_OWN)}; use {right}"
    if kind in ("too_long", "too_short"):
        return f"must {reason[reason.index('have') :].partition(' after')[0]}; use {right}"
    if kind in _NUMBERS:
        _, like, example = right.rpartition(", like ")
        return f"must be {_NUMBERS[kind]}{like}{example}" if like else f"must be {_NUMBERS[kind]}"
    return f"must be {right}"
