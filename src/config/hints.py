"""Warnings about settings that are probably mistakes: misspelt names, values that don't go together."""

import os
import re
import shlex
from collections.abc import Sequence, Set
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from .settings import GROUPS, MailSettings, SupabaseSettings, TelegramSettings

_NEAR, _VERY_NEAR = 0.8, 0.85
"""How much of a name is to be right for a hint, as difflib counts; more of one that other programs may use."""
_OURS = re.compile("(SMTP|SUPABASE|TELEGRAM|REPORT)_")
"""Names that begin like this are taken to be meant for this program."""
_OF_A_SERVICE = re.compile("_SERVICE_(HOST|PORT)|_PORT(_[0-9]+_(TCP|UDP|SCTP))?(_PROTO|_PORT|_ADDR)?$")
"""Kubernetes sets variables of these forms for each Service of the namespace, for one called `supabase` too."""
_IN_QUOTES = re.compile(r"""(['"]).*\1""", re.DOTALL)
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_CUT_OFF = re.compile(r"=[^\S\r\n]*(?![\s'\"#])[^\r\n]*?\s#")
"""An unquoted value, and behind it blanks and a `#`: what follows is a comment."""
_LONG_PASSWORD = 8
_KNOWN = {name.upper() for group in GROUPS for name in group.model_fields}


def hints(
    env_file: Path | None,
    lines: Sequence[Binding],
    folder: Path | None,
    mail: MailSettings | None,
    supabase: SupabaseSettings | None,
    telegram: TelegramSettings | None,
) -> list[str]:
    """Return them all: about the environment, `env_file` and its `lines`, the files in `folder`, and whole groups."""
    names = {*os.environ, *(line.key for line in lines if line.key and line.value is not None), *_files_in(folder)}
    return [
        *_unknown_names(names),
        *(hint for line in lines for hint in _hints_of_line(line, env_file)),
        *_quoted_values(),
        *(_hints_of_mail(mail) if mail else []),
        *_hints_of_recipients(mail, telegram),
        *_hints_of_key(supabase),
        *_open_to_others(env_file),
    ]


def read_env_file(path: Path | None) -> list[Binding]:
    """Return the lines of the file, none if there is no file; raise OSError or UnicodeError if it can't be read."""
    if path is None or not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [*parse_stream(file)]


def _unknown_names(names: Set[str]) -> list[str]:
    """Name variables that begin like ours and are none: one that is passed over in silence is looked for long."""
    ours = {name.partition("_")[0] for name in _KNOWN}
    hints = []
    for name in sorted(names - _KNOWN):
        if name.partition("_")[0] not in ours or _OF_A_SERVICE.search(name):
            continue
        is_ours = _OURS.match(name)
        near = get_close_matches(name.upper(), _KNOWN - {*os.environ}, n=1, cutoff=_NEAR if is_ours else _VERY_NEAR)
        if near:
            hints.append(f"{name} is not a setting. Did you mean {near[0]}?")
        elif is_ours:
            hints.append(f"{name} is not a setting of this program.")
    return hints


def _files_in(folder: Path | None) -> list[str]:
    with suppress(OSError):  # reported where they are read
        return [path.name for path in folder.iterdir()] if folder else []
    return []


def _hints_of_line(line: Binding, path: Path | None) -> list[str]:
    """Return what may surprise about a line of `.env`, if it sets one of our variables, or nothing at all."""
    text, hints = line.original.string, list[str]()
    # Empty lines before it belong to its text.
    where = f"Line {line.original.line + text[: len(text) - len(text.lstrip())].count(chr(10))} of {path}"
    if line.error:
        hints.append(f"{where} can't be understood and is ignored: check its “=” and its quotation marks.")
    if not line.key or line.key.upper() not in _KNOWN:
        return hints
    if _REFERENCE.search(line.value or ""):
        hints.append(f"{where}: ${{…}} in {line.key} is not replaced. Write the value itself.")
    if _CUT_OFF.search(text):
        hints.append(
            f"{where}: the value of {line.key} ends before “ #”. If the rest belongs to it, put the value in "
            "single quotes; otherwise give the comment a line of its own."
        )
    return hints


def _quoted_values() -> list[str]:
    """Name variables whose value is in quotes: `docker run --env-file` and ConfigMaps pass these on, .env does not."""
    quoted = [name for name in sorted(_KNOWN) if _IN_QUOTES.fullmatch(os.environ.get(name, "").strip())]
    return [
        f"The value of {name} begins and ends with a quotation mark. Remove both if they are not meant."
        for name in quoted
    ]


def _hints_of_mail(mail: MailSettings) -> list[str]:
    """Warn of a port that is spoken to otherwise than usual, a short password, and what the kind of login ignores."""
    hints = list[str]()
    if fits := mail.other_security:
        hints.append(f"SMTP_PORT={mail.smtp_port} goes with SMTP_SECURITY={fits}, not with {mail.smtp_security}.")
    if mail.smtp_password and len(mail.smtp_password.get_secret_value()) < _LONG_PASSWORD:
        hints.append(
            f"SMTP_PASSWORD has fewer than {_LONG_PASSWORD} characters: if it is a common word, every [hidden] in a "
            "log or an alert gives it away."
        )
    if mail.smtp_password and mail.smtp_login != "password":
        hints.append(f"SMTP_PASSWORD is not used with SMTP_LOGIN={mail.smtp_login}.")
    if mail.smtp_user and mail.smtp_login == "none":
        hints.append(f"SMTP_USER is not used with SMTP_LOGIN={mail.smtp_login}.")
    return hints


def _hints_of_recipients(mail: MailSettings | None, telegram: TelegramSettings | None) -> list[str]:
    """Warn of hidden recipients whom alerts show to each other."""
    has_operators = (mail and mail.smtp_alert_to) or (telegram and telegram.telegram_alert_chat_id)
    if not mail or not mail.smtp_hide_recipients or has_operators:
        return []
    return [
        "SMTP_HIDE_RECIPIENTS=true, but readers get the alerts, which name who lacks a report. "
        "Set SMTP_ALERT_TO or TELEGRAM_ALERT_CHAT_ID."
    ]


def _hints_of_key(supabase: SupabaseSettings | None) -> list[str]:
    """Warn of a secret key beside a token: it still opens the whole project to anyone who reads the settings."""
    key = supabase.supabase_key.get_secret_value() if supabase and supabase.supabase_jwt else ""
    if not key.startswith("sb_secret_"):
        return []
    return ["SUPABASE_JWT makes a secret key needless: set SUPABASE_KEY to the publishable one."]


def _open_to_others(env_file: Path | None) -> list[str]:
    """Warn of a file of secrets that other users of the machine may read or change."""
    with suppress(OSError):
        if env_file and env_file.stat().st_mode & 0o077:
            return [f"Other users of this machine may read {env_file}. Run: chmod 600 {shlex.quote(str(env_file))}"]
    return []
