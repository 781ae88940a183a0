"""The forms of values: address, chat, URL, zone and the like, as types that check themselves.

A check raises ValueError with a reason that completes the variable's name, and never repeats the value.
"""

import os
import re
from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from .environment import is_loopback

_PLACEHOLDER = re.compile(r"your-email@gmail\.com|your-app-password|.*change-me.*", re.IGNORECASE | re.DOTALL)
# RFC 5322's dot-atom on both sides; quoted local parts and other scripts are left to nobody's hourly report.
_ATOM = r"[!#-'*+/-9=?A-Z^-~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_IN_QUOTES = r'"(?:\\[ -~]|[^"\\\x00-\x1f\x7f\u2028\u2029])*"'
_NAME = rf"[^\x00-\x1f\x7f<>\"\u2028\u2029]+|{_IN_QUOTES}\s*"
_SENDER = re.compile(rf"{_ADDRESS.pattern}|({_NAME})<{_ADDRESS.pattern}>")
# What mail programs and spreadsheets put between addresses; a name in quotes may hold it too.
_MAILBOX = re.compile(rf"(?:{_IN_QUOTES}|[^,;\r\n])+")
_NAMED = re.compile(r"[^<>]*<([^<>]*)>")
# A bar parts them in the workbook's formula.
_STATUS = re.compile(r"[^|\x00-\x1f\x7f]{1,60}")
_CHAT = re.compile(r"(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,})(/[1-9][0-9]{0,8})?")
_TOKEN = re.compile(r"[0-9]{3,}:[A-Za-z0-9_-]{20,}")
_SECRET_PART = 20
"""Characters from which on a part of an address is taken for a secret; a UUID has 36."""
_WORDS = re.compile("(?:[A-Za-z]{1,19}|[0-9]{1,10})(?:[-_.](?:[A-Za-z]{1,19}|[0-9]{1,10}))*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


# RFC 1123 as Kubernetes has it (apimachinery's validation): small letters only.
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_DNS_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_NEAR_ZONE = 0.8
"""How much of a zone's name is to be right for a suggestion, as difflib counts."""


def is_placeholder(value: str) -> bool:
    """Return whether `value`, or an entry of it, still is what the manifests and .env.example put there."""
    return any(_PLACEHOLDER.fullmatch(part.strip()) for part in value.split(","))


def is_text(value: str) -> bool:
    """Return whether `value` is UTF-8; Python shows any other byte of the environment as half a surrogate."""
    return not re.search("[\ud800-\udfff]", value)


def is_plain_http(url: str) -> bool:
    """Return whether `url` would carry secrets in the clear to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def secret_parts(url: str) -> list[str]:
    """List what alone gives away an address that lets whoever knows it in: its long parts behind the host.

    A part made of words is the name of a check, which may be that of a CronJob too.
    """
    parts = re.split("[/?&=#]", url.partition("://")[2])[1:]
    return [part for part in parts if len(part) >= _SECRET_PART and not _WORDS.fullmatch(part)]


def as_usual(url: str) -> str:
    """Write an address as most people do: its host in small letters, without a port that goes without saying."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else f"{parts.hostname}"
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def entries(value: object) -> object:
    """Split a comma list; an entry given twice counts once, so that nobody gets a report twice."""
    if not isinstance(value, str):
        return value
    parts = (part.strip() for part in value.split(","))
    return tuple({part.casefold(): part for part in parts if part}.values())


def mailboxes(value: object) -> object:
    """Split a list of mailboxes at commas, semicolons and ends of lines, and leave out the names before addresses."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in _MAILBOX.findall(value)]
    addresses = [match[1].strip() if (match := _NAMED.fullmatch(part)) else part for part in parts if part]
    return tuple({address.casefold(): address for address in addresses}.values())


# Functions of our own, because pydantic takes 4 ms to find out what arguments str.lower has.
def lower(value: object) -> object:
    """Return text in small letters, anything else as it is."""
    return value.lower() if isinstance(value, str) else value


def upper(value: object) -> object:
    """Return text in capitals, anything else as it is."""
    return value.upper() if isinstance(value, str) else value


def unquoted(name: str) -> str:
    """Return a mailbox's name without the quotation marks that RFC 5322 wants around some, and their escapes."""
    name = name.strip()
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if re.fullmatch(_IN_QUOTES, name) else name


def _not_empty(parts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if parts == ():  # else "nobody but these" would mean everybody
        raise ValueError("is empty")
    return parts


def _matches(pattern: str | re.Pattern[str], reason: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise ValueError(reason)
        return value

    return check


def _named(pattern: str, longest: int, kind: str) -> Callable[[object], object]:
    return _matches(rf"(?=.{{1,{longest}}}\Z){pattern}", f"is not {kind} in Kubernetes")


def _each(pattern: re.Pattern[str], kind: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(parts: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [str(place) for place, part in enumerate(parts, 1) if not pattern.fullmatch(part)]
        if wrong:
            raise ValueError(f"entry {', '.join(wrong)} of {len(parts)} is not {kind}")
        return parts

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
        whole = whole and bool(re.fullmatch("[!-~]+", value))
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("http", "https"):
        raise ValueError("is not a whole https:// address")
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("carries more than an address (a login, a query or a fragment)")
    return value.rstrip("/")


def _https_url(value: str) -> str:
    if urlsplit(value).scheme != "https":
        raise ValueError("is not a whole https:// address")
    return _url(value)


def _secret_url(value: SecretStr) -> SecretStr:
    """Check an address that lets whoever knows it in."""
    return SecretStr(_url(value.get_secret_value()))


def _folder(value: Path) -> Path:
    if not os.path.isdir(value):  # noqa: PTH112 - Path.is_dir raises where a folder on the way may not be entered
        raise ValueError("does not point to a folder that this user may enter")
    return value


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"is not a known time zone{_near_zone(value)}") from None


def _near_zone(value: str) -> str:
    """Ask whether a known zone was meant: one whose name, or the name's last part, is nearly `value`.

    Names with a figure are left out: Etc/GMT+3 is three hours behind UTC.
    """
    names = {name for name in available_timezones() if not re.search("[0-9]", name)}
    cities = {name.rpartition("/")[2].casefold(): name for name in sorted(names)}
    known = cities | {name.casefold(): name for name in names}
    word = value.casefold().replace(" ", "_")
    near = get_close_matches(word, [name for name in known if name[:1] == word[:1]], n=1, cutoff=_NEAR_ZONE)
    return f" (did you mean {known[near[0]]}?)" if near else ""


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a date and time") from None
    return value


Moment = Annotated[str, AfterValidator(_moment)]
# The name of a namespace (RFC 1123's label), so that the namespace may stand for it.
LedgerName = Annotated[
    str, BeforeValidator(_matches(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "is not a deployment's name"))
]
Url = Annotated[str, AfterValidator(_url)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
Folder = Annotated[Path, AfterValidator(_folder)]
Host = Annotated[str, AfterValidator(_host)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Table = Annotated[
    str,
    BeforeValidator(_matches(r"[^.]*", "names a schema, which must be left out")),
    AfterValidator(_matches(r"[A-Za-z_][A-Za-z0-9_]{0,62}", "is not a table's name")),
]
# Of what Storage allows (isValidBucketName in its limits.ts), what needs no quoting in a URL.
Bucket = Annotated[str, BeforeValidator(_matches(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", "is not a bucket's name"))]
# RFC 7515: header, payload and signature, in base64url.
Jwt = Annotated[
    SecretStr,
    BeforeValidator(_matches(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}", "is not a JWT (three parts, dots between)")),
]
Key = Annotated[
    SecretStr,
    BeforeValidator(_matches(r"[!-~]{20,}", "is shorter than 20 characters, or contains blanks or unusual ones")),
]
Token = Annotated[SecretStr, BeforeValidator(_matches(_TOKEN, "is not a bot token"))]
# The login commands of SMTP (RFC 4954), as Python speaks them, carry ASCII.
LoginName = Annotated[str, BeforeValidator(_matches(r"[ -~]+", "contains characters beyond ASCII"))]
LoginPassword = Annotated[
    SecretStr, BeforeValidator(_matches(r"[ -~]{4,}", "is shorter than 4 characters or contains some beyond ASCII"))
]
OauthText = Annotated[str, BeforeValidator(_matches(r"[!-~]+( [!-~]+)*", "contains characters beyond ASCII"))]
OauthSecret = Annotated[
    SecretStr,
    BeforeValidator(_matches(r"[!-~]{4,}", "is shorter than 4 characters, or contains blanks or unusual ones")),
]
JobName = Annotated[str, BeforeValidator(_named(_DNS_SUBDOMAIN, 63, "a Job's name"))]
JobUid = Annotated[str, BeforeValidator(_named(_DNS_LABEL, 63, "a Job's uid"))]
# Its Jobs' names have eleven characters more.
CronJobName = Annotated[str, BeforeValidator(_named(_DNS_SUBDOMAIN, 52, "a CronJob's name"))]
PodName = Annotated[str, BeforeValidator(_named(_DNS_SUBDOMAIN, 253, "a pod's name"))]
Namespace = Annotated[str, BeforeValidator(_named(_DNS_LABEL, 63, "a namespace"))]
Address = Annotated[str, BeforeValidator(_matches(_ADDRESS, "is not an e-mail address"))]
SenderHeader = Annotated[str, BeforeValidator(_matches(_SENDER, "is neither an e-mail address nor Name <address>"))]
# It stands in subjects and headings.
Name = Annotated[str, BeforeValidator(_matches(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60}", "is not one short line"))]
Statuses = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(entries),
    AfterValidator(_each(_STATUS, "a status of at most 60 characters without |")),
    Field(min_length=1, max_length=50),
]
Chat = Annotated[str, BeforeValidator(_matches(_CHAT, "is not a chat id"))]
Chats = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(entries),
    AfterValidator(_each(_CHAT, "a chat id")),
    Field(min_length=1),
]
AddressesOrNone = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(mailboxes), AfterValidator(_each(_ADDRESS, "an e-mail address"))
]
Addresses = Annotated[AddressesOrNone, Field(min_length=1)]
RecipientsOrNone = Annotated[tuple[str, ...], NoDecode, BeforeValidator(mailboxes)]
Recipients = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(entries), AfterValidator(_not_empty)]
