"""A reply of a mail server: its codes, its words, and what of it may be quoted; and which replies a rule is for."""

import re
from collections.abc import Container, Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from msgspec import Struct

from ..config.settings import SmtpLogin
from ..runtime.visible_text import one_line_quote

NO_REPLY = -1
"""The code of what is not a reply of SMTP."""
_ENHANCED = re.compile(r"(?<![0-9.])[45]\.[0-9]{1,3}\.[0-9]{1,3}(?!\.?[0-9])")
_NEXT_LINE = re.compile(r"\s*\n(?:[45]\.[0-9]{1,3}\.[0-9]{1,3}\b)?\s*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_CYRILLIC = re.compile(rb"[\xc0-\xff]{3}")
_LOGIN_TEXTS = (
    "Application-specific password required.",
    "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
    "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
    "Authentication unsuccessful, basic authentication is disabled.",
    "Authentication unsuccessful, the user credentials were incorrect.",
    "Authentication unsuccessful, user is locked by your organization's security defaults policy.",
    "Basic authentication is not supported for Client Submission.",
    "Please log in with your web browser and then try again.",
    "Temporary authentication failure",
    "Too many login attempts, please try again later.",
    "Username and Password not accepted.",
)
"""What is quoted of replies to a login, for any other words may repeat the password."""


class Phase(StrEnum):
    """The step of a sending that a reply answers; an EHLO that lacks a step's extension answers that step, with 250."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class When(Struct, frozen=True, kw_only=True):
    """Which replies a rule is for: those that have all of this. `enhanced` are patterns, "" for no enhanced code.

    `logins`: of which kinds our login is.

    `words` is a regular expression that is searched for. `others`: whether the server accepted somebody else for the
    same message.
    """

    phases: Container[Phase] = (*Phase,)
    codes: Container[int] = range(400, 600)
    enhanced: tuple[str, ...] = ()
    words: str = ""
    others: bool | None = None
    logins: tuple[SmtpLogin, ...] = ("password", "oauth2", "none")


class Reply(Struct, frozen=True, kw_only=True, dict=True):
    """A reply: its code, NO_REPLY if it has none, and its text; `sender` and `recipient` are those of the message.

    `login` is how we log in.
    """

    phase: Phase
    code: int
    text: str
    sender: str = ""
    recipient: str = ""
    login: SmtpLogin = "password"

    @cached_property
    def enhanced(self) -> str:
        """The enhanced code (RFC 3463) of the code's own class, which some servers put at the end; else nothing."""
        codes = (match[0] for match in _ENHANCED.finditer(self.text))
        return next((code for code in codes if code[0] == str(self.code)[0]), "")

    @cached_property
    def words(self) -> str:
        """The text in small letters and in one line, without enhanced codes in front; addresses are placeholders."""
        line = _NEXT_LINE.sub(" ", f"\n{self.text}").strip().casefold()
        for name in ("sender", "recipient"):
            line = line.replace(getattr(self, name).casefold() or "\n", f"{{{name}}}")
        return line

    @property
    def quote(self) -> str:
        """The reply in one line; of one to a login the codes, and words only if they are known."""
        if self.code == NO_REPLY:
            return one_line_quote(self.text) if self.phase is Phase.CONNECT else ""
        if self.phase is Phase.AUTH and self.code >= 300:
            known = (text for text in _LOGIN_TEXTS if self.words.startswith(text.casefold()))
            return " ".join(filter(None, [str(self.code), self.enhanced, next(known, "(words withheld)")]))
        return one_line_quote(f"{self.code} {self.text}")

    def is_one_of(self, kinds: Iterable[When], *, others_accepted: bool) -> bool:
        """Return whether the reply has all of one of `kinds`."""
        return any(
            self.phase in kind.phases
            and self.code in kind.codes
            and kind.others in (None, others_accepted)
            and self.login in kind.logins
            and (not kind.enhanced or any(fnmatchcase(self.enhanced, pattern) for pattern in kind.enhanced))
            and re.search(kind.words, self.words) is not None
            for kind in kinds
        )


def decode(text: str) -> str:
    """Return the text of a reply, in which aiosmtplib keeps each byte that is not UTF-8 as a lone surrogate.

    Such bytes are read as KOI8-R or Windows-1251 if letters stand side by side, by which of the two has more small
    letters, else as Windows-1252.
    """
    if not _UNDECODED.search(text):
        return text
    raw = text.encode("utf-8", "surrogateescape")
    encodings = ("koi8-r", "cp1251") if _CYRILLIC.search(raw) else ("cp1252",)
    return max(
        (raw.decode(encoding, "replace") for encoding in encodings), key=lambda line: sum(map(str.islower, line))
    )
