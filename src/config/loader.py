"""Environment and `.env` → one frozen `Settings`, checked whole before anything is touched."""

import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource
from pydantic_settings import SettingsError as SettingsSourceError

from ..domain.window import Template
from ..errors import SettingsError
from . import validators
from .env_file import read_env_file
from .environment import proxy_problems, proxy_secrets
from .hints import hints
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

_SHORTEST = 4
"""Characters of a secret at least: what is shorter would be hidden in every other word."""
ENV_FILE = Path(__file__).parents[2] / ".env"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a run; of a channel that is left out None, and in a dry run also of one that can't send.

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
    """The groups of settings that are whole, and one line a variable for what is missing or wrong.

    `hints` are sentences about what is no error, but hardly meant: misspelt variables, values that don't go together.
    `of_sending` are those of `problems` that a dry run has no use for. `channels` are those that were chosen.
    `unchecked` are the secrets of groups that aren't used: right or wrong, nobody is to see them.
    `is_job`: they are a Job's on a cluster. `remedy` says how to begin where there is no `.env`.
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
    unchecked: list[Group] = field(default_factory=list)
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
        """Return REPORT_DIR, also where other settings are wrong; the temporary folder where that is not there."""
        if self.report:
            return self.report.report_dir
        named = [str(group.report_dir) for group in self.unchecked if isinstance(group, ReportSettings)]
        return Path(next((name for name in named if os.path.isdir(name)), tempfile.gettempdir()))  # noqa: PTH112

    def secrets(self) -> list[str]:
        """List the values that must not be seen, as far as they are known."""
        groups = (self.report, self.supabase, self.mail, self.telegram, self.watch, *self.unchecked)
        return [*(secret for group in groups if group for secret in group.secrets()), *proxy_secrets()]


_G = TypeVar("_G", bound=Group)


def load_settings(env_file: Path | None = ENV_FILE) -> LoadedSettings:
    """Read the environment, then `env_file`, then the files in SECRETS_DIR for what is left out; check all of it."""
    loaded = LoadedSettings(is_job=bool(os.environ.get("JOB_NAME")))
    where = _read(SecretsFolder, env_file, None, loaded.problems)
    folder = where.secrets_dir if where else None

    def read(group: type[_G]) -> _G | None:
        return _read(group, env_file, folder, loaded.problems)

    loaded.supabase = read(SupabaseSettings)
    choice = read(ChannelChoice)
    loaded.channels = choice.report_channels if choice else loaded.channels
    known = len(loaded.problems)
    loaded.mail = read(MailSettings) if "email" in loaded.channels else None
    loaded.telegram = read(TelegramSettings) if "telegram" in loaded.channels else None
    loaded.of_sending = loaded.problems[known:]
    loaded.report = read(ReportSettings)
    loaded.watch = read(WatchSettings) or loaded.watch
    loaded.hints = hints(env_file, folder, loaded.mail, loaded.supabase, loaded.telegram)
    _refuse_plain_http(loaded)
    _refuse_proxies(loaded)
    _want_ledger_name(loaded)
    _refuse_strangers(loaded)
    authority = os.environ.get("SSL_CERT_FILE")
    if authority and not (os.path.isfile(authority) and os.access(authority, os.R_OK)):  # noqa: PTH113
        # Python would pass it over in silence.
        loaded.problems.append(
            "SSL_CERT_FILE names a file that does not exist or may not be read; use an authority's certificate"
        )
    if loaded.problems or not (loaded.mail and loaded.telegram):
        loaded.unchecked = [_unchecked(group, env_file, folder) for group in GROUPS]
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


def _read(group: type[_G], env_file: Path | None, folder: Path | None, problems: list[str]) -> _G | None:
    """Read a group; add what is missing or wrong to `problems`, and return None then."""
    try:
        return group(_env_file=env_file, _secrets_dir=folder)  # type: ignore[call-arg] # taken at run time
    except ValidationError as error:
        problems += _lines(group, error)
        return None
    except (OSError, UnicodeError) as error:
        what, cause = f"{env_file}", type(error).__name__
    except SettingsSourceError as error:  # what a file in the folder came to
        what, cause = "A file in SECRETS_DIR", type(error.__cause__ or error).__name__
    problem = f"{what} can't be read ({cause}); use a readable text file in UTF-8"
    problems += [problem] if problem not in problems else []
    return None


def _unchecked(group: type[Group], env_file: Path | None, folder: Path | None) -> Group:
    """Return the secrets of a group as they were read; placeholders and what is too short for one are none."""
    values: dict[str, object] = {}
    with suppress(SettingsSourceError):  # said where it is read, as what follows
        values |= SecretsSettingsSource(group, secrets_dir=folder)()
    with suppress(OSError, UnicodeError):
        values |= {name.lower(): value for name, value in read_env_file(env_file).items()}
        values |= EnvSettingsSource(group)()
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
    wanted = "is http:// to another machine; use https://, or REPORT_ALLOW_HTTP=true inside a cluster"
    monitor = loaded.watch.heartbeat_url
    if monitor and validators.is_plain_http(monitor.get_secret_value()):
        loaded.problems.append(f"HEARTBEAT_URL {wanted}")
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})  # nor a failure be told that way
    if loaded.supabase and validators.is_plain_http(loaded.supabase.supabase_url):
        loaded.problems.append(f"SUPABASE_URL {wanted}")
    if loaded.telegram and validators.is_plain_http(loaded.telegram.telegram_api_url):
        loaded.problems.append(f"TELEGRAM_API_URL {wanted}")
        loaded.of_sending.append(loaded.problems[-1])
        loaded.telegram = None  # an alert must not go that way either


def _refuse_proxies(loaded: LoadedSettings) -> None:
    """Name the proxies that can't be used; of that, no alert can go by Telegram, nor the monitor be told."""
    if problems := proxy_problems():
        loaded.problems += problems
        loaded.telegram = None
        loaded.watch = loaded.watch.model_copy(update={"heartbeat_url": None})


def _want_ledger_name(loaded: LoadedSettings) -> None:
    """Ask who is to be acted for, where no namespace says it: a trial must not take an hour from production."""
    report = loaded.report
    if report and report.report_ledger == "supabase" and not report.ledger_name:
        loaded.problems.append(
            "REPORT_LEDGER_NAME is missing, which REPORT_LEDGER=supabase needs outside a cluster; use production, "
            "only on the machine that sends the real reports, or another name for a trial, which sends to everyone in "
            "SMTP_TO and TELEGRAM_CHAT_ID"
        )
        loaded.of_sending.append(loaded.problems[-1])


_NUMBERS = {"int_parsing": "an integer", "float_parsing": "a number"}
"""What pydantic could not read a value as, in our words."""
_OWN = "Value error, "
"""How pydantic begins the reasons of our own checks."""


def _refuse_strangers(loaded: LoadedSettings) -> None:
    """Refuse whoever is to get only unusual reports, but gets none by the chosen channels, as far as these are known.

    A misspelt address would get every report.
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
