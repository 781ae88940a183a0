"""Sentences about settings that are no error, but hardly meant: misspelt names, values that don't go together."""

import os
import re
import shlex
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from .env_file import env_file_hints, read_env_file
from .settings import GROUPS, MailSettings, SupabaseSettings, TelegramSettings

_NEAR, _VERY_NEAR = 0.8, 0.85
"""How much of a name is to be right for a hint, as difflib counts; more of one that other programs may use."""
_OURS = re.compile("(SMTP|SUPABASE|TELEGRAM|REPORT)_")
"""Names that begin like this are taken to be meant for this program."""
_OF_A_SERVICE = re.compile("_SERVICE_(HOST|PORT)|_PORT(_[0-9]+_(TCP|UDP|SCTP))?(_PROTO|_PORT|_ADDR)?$")
"""Kubernetes sets variables of these forms for each Service of the namespace, for one called `supabase` too."""
_IN_QUOTES = re.compile(r"""(['"]).*\1""", re.DOTALL)
_LONG_PASSWORD = 8


def hints(
    env_file: Path | None,
    folder: Path | None,
    mail: MailSettings | None,
    supabase: SupabaseSettings | None,
    telegram: TelegramSettings | None,
) -> list[str]:
    """Return them all: about the environment, `env_file`, the files in `folder`, and the groups that are whole."""
    return [
        *_unknown_names(env_file, folder),
        *env_file_hints(env_file, _known_names()),
        *_quoted_values(),
        *_wrong_port(mail),
        *_short_password(mail),
        *_needless_login(mail),
        *_named_in_alerts(mail, telegram),
        *_needless_secret(supabase),
        *_open_to_others(env_file),
    ]


def _unknown_names(env_file: Path | None, folder: Path | None) -> list[str]:
    """Name variables that begin like ours and are none: one that is passed over in silence is looked for long."""
    known = _known_names()
    ours = {name.partition("_")[0] for name in known}
    hints = []
    for name in sorted({*os.environ, *_names_in(env_file, folder)} - known):
        if name.partition("_")[0] not in ours or _OF_A_SERVICE.search(name):
            continue
        is_ours = _OURS.match(name)
        near = get_close_matches(name.upper(), known - {*os.environ}, n=1, cutoff=_NEAR if is_ours else _VERY_NEAR)
        if near:
            hints.append(f"{name} is not a setting. Did you mean {near[0]}?")
        elif is_ours:
            hints.append(f"{name} is not a setting of this program.")
    return hints


def _names_in(env_file: Path | None, folder: Path | None) -> list[str]:
    """List the names that the file sets, and those of the files in the folder."""
    names = list[str]()
    with suppress(OSError, UnicodeError):  # said where it is read
        names += read_env_file(env_file)
        names += [path.name for path in folder.iterdir()] if folder else []
    return names


def _known_names() -> set[str]:
    return {name.upper() for group in GROUPS for name in group.model_fields}


def _quoted_values() -> list[str]:
    """Name variables whose value is in quotes: `docker run --env-file` and ConfigMaps pass these on, .env does not."""
    quoted = [name for name in sorted(_known_names()) if _IN_QUOTES.fullmatch(os.environ.get(name, "").strip())]
    return [
        f"The value of {name} begins and ends with a quotation mark. Remove both if they are not meant."
        for name in quoted
    ]


def _wrong_port(mail: MailSettings | None) -> list[str]:
    """Name a mail port that is spoken to otherwise than usual: that costs a minute before it fails."""
    if not mail or not mail.other_security:
        return []
    port, fits, chosen = mail.smtp_port, mail.other_security, mail.smtp_security
    return [f"SMTP_PORT={port} goes with SMTP_SECURITY={fits}, not with {chosen}."]


def _named_in_alerts(mail: MailSettings | None, telegram: TelegramSettings | None) -> list[str]:
    """Name hidden recipients whom alerts show to each other."""
    has_operators = (mail and mail.smtp_alert_to) or (telegram and telegram.telegram_alert_chat_id)
    if not mail or not mail.smtp_hide_recipients or has_operators:
        return []
    return [
        "SMTP_HIDE_RECIPIENTS=true, but readers get the alerts, which name who lacks a report. "
        "Set SMTP_ALERT_TO or TELEGRAM_ALERT_CHAT_ID."
    ]


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
        if env_file and env_file.stat().st_mode & 0o077:
            return [f"Other users of this machine may read {env_file}. Run: chmod 600 {shlex.quote(str(env_file))}"]
    return []


def _short_password(mail: MailSettings | None) -> list[str]:
    password = mail.smtp_password if mail else None
    if not password or len(password.get_secret_value()) >= _LONG_PASSWORD:
        return []
    return [
        f"SMTP_PASSWORD has fewer than {_LONG_PASSWORD} characters: if it is a common word, every [hidden] in a log or "
        "an alert gives it away."
    ]


def _needless_login(mail: MailSettings | None) -> list[str]:
    """Name what is set for another kind of login: whoever set it expects it to be used."""
    if not mail or mail.smtp_login == "password":
        return []
    login = f"SMTP_LOGIN={mail.smtp_login}"
    hints = [f"SMTP_PASSWORD is not used with {login}."] if mail.smtp_password else []
    return [*hints, *([f"SMTP_USER is not used with {login}."] if mail.smtp_user and mail.smtp_login == "none" else [])]
