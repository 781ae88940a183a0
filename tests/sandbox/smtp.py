"""A mail server with TLS and login, on one port from the first byte, on another by STARTTLS."""

import asyncio
import hmac
import logging
import re
import socket
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import lru_cache
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import DATA_SIZE_DEFAULT, MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session, auth_mechanism

logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns of its own code at every login
USER, PASSWORD = "reports", "sandbox-Pa55-w0rd"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message as the server took it, `at` by the monotonic clock: the envelope's addresses, and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    at: float

    @property
    def message(self) -> EmailMessage:
        """The parsed message."""
        return _parsed(self.raw)

    @property
    def text(self) -> str:
        """The plain text that a person reads."""
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def page(self) -> str:
        """The HTML that a person sees; nothing where there is none, as in an alert."""
        part = self.message.get_body(("html",))
        return str(part.get_content()).replace("\r\n", "\n") if part else ""

    def attachments(self) -> list[bytes]:
        """The files that came along."""
        return [bytes(part.get_content()) for part in self.message.iter_attachments()]

    def attachment(self) -> bytes:
        """The one file that came along."""
        (content,) = self.attachments()
        return content


@lru_cache(maxsize=256)
def _parsed(raw: bytes) -> EmailMessage:
    """Parse a message, each once: a test asks for it several times."""
    return message_from_bytes(raw, _class=EmailMessage, policy=default)


class Mailbox:
    """Takes mail for everyone but those in `refused`, which maps an address to the server's reply, and `refused_once`.

    Such a reply accepts all the same if it begins with 2.

    `login_reply` is said in place of the usual answer to a wrong login, `helo_reply`, `sender_reply` and `data_reply`
    in place of those to EHLO, MAIL and DATA; each AUTH uses up one of `login_faults`, a reply whatever the password,
    which hangs up behind it if it ends in ", cut"; without `offers_starttls` there is no STARTTLS.
    A login by AUTH LOGIN is asked for with `login_prompts`, in their order; `tokens` are those that XOAUTH2 accepts.
    Without `wants_login` mail is taken from everybody. `logins` are the users that tried to log in, `mechanisms` how.
    The greeting comes after `greets_after` seconds, each other reply after `slow`.
    `until` is waited for before the last; with `quit_silent` there is none to QUIT; `login_methods` are what AUTH
    offers, "" to offer no login. A reply may hold bytes that are not UTF-8 as surrogates.
    `largest` is the SIZE that it names and keeps to, in bytes, None to name none. A message goes to `most_recipients`
    at most; `too_many_reply` is said to each one more, as RFC 5321 4.5.3.1.10 wants it.
    Each message uses up one of `data_faults`: a reply in place of taking it, "cut" before it is taken, or after
    that "taken, cut", "taken, late" by `hold` seconds, or "taken, silent" until the client hangs up.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.tls_port = self.starttls_port = 0
        self._tls = tls
        self.reset()

    def reset(self) -> None:
        """Forget what came in and what was planned."""
        self.deliveries: list[Delivery] = []
        self.logins: list[str] = []
        self.mechanisms: list[str] = []
        self.login_prompts: tuple[str, ...] = ("Username:", "Password:")
        self.tokens: set[str] = set()
        self.wants_login = True
        self.greets_after = self.slow = 0.0
        self.refused: dict[str, str] = {}
        self.refused_once: dict[str, str] = {}
        self.helo_reply: str | None = None
        self.login_reply: str | None = None
        self.sender_reply: str | None = None
        self.data_reply: str | None = None
        self.login_faults: list[str] = []
        self.login_methods = "LOGIN PLAIN"
        self.offers_starttls = True
        self.data_faults: list[str] = []
        self.quits = 0
        self.quit_reply: str | None = None
        self.quit_silent = False
        self.hold = 0.0
        self.until: threading.Event | None = None
        self.largest: int | None = DATA_SIZE_DEFAULT
        self.most_recipients = 100
        self.too_many_reply = "452 4.5.3 Error: too many recipients"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on both ports while the block runs."""
        controllers = (
            self._controller(ssl_context=self._tls, auth_require_tls=False),
            self._controller(tls_context=self._tls, require_starttls=True),
        )
        self.tls_port, self.starttls_port = (controller.port for controller in controllers)
        for controller in controllers:
            controller.start()
        try:
            yield
        finally:
            for controller in controllers:
                controller.stop()

    def _controller(self, **options: Any) -> Controller:
        return _Listening(self, server_hostname="localhost", authenticator=self._authenticate, **options)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        self.mechanisms.append(mechanism)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        # handled=True would leave a refused login without an answer.
        return AuthResult(success=right, handled=False, message=None if right else self.login_reply)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Say what there is."""
        if self.helo_reply:
            return [self.helo_reply]
        session.host_name = hostname
        server.data_size_limit = self.largest
        named = [f"250-SIZE {self.largest}"] if self.largest is not None else []
        responses = [responses[0], *named, *(line for line in responses[1:] if "SIZE" not in line)]
        offered = [re.sub("(?<=AUTH ).*", self.login_methods, line) for line in responses]
        return [line for line in offered if not line.endswith("AUTH ") and (self.offers_starttls or "TLS" not in line)]

    async def handle_AUTH(self, server: SMTP, session: Session, envelope: Envelope, args: list[str]) -> object:
        """Say what is planned for this login."""
        fault = self.login_faults.pop(0) if self.login_faults else MISSING
        if not isinstance(fault, str) or not fault.endswith(", cut"):
            return fault
        await server.push(fault.removesuffix(", cut"))
        assert server.transport is not None
        server.transport.close()
        return None

    async def auth_LOGIN(self, server: SMTP, args: list[str]) -> AuthResult:
        """Ask for user and password, whatever stands in the command."""
        answers = {}
        for prompt in self.login_prompts:
            answer = await server.challenge_auth(prompt)
            if not isinstance(answer, bytes):
                return AuthResult(success=False, handled=True)
            answers["password" if "pass" in prompt.lower() else "user"] = answer
        return self._authenticated(server, "LOGIN", answers["user"], answers["password"])

    @auth_mechanism("CRAM-MD5")
    async def auth_cram_md5(self, server: SMTP, args: list[str]) -> AuthResult:
        """RFC 2195, by the standard library's own words."""
        challenge = b"<1896.697170952@postoffice.example.com>"
        answer = await server.challenge_auth(challenge)
        if not isinstance(answer, bytes):
            return AuthResult(success=False, handled=True)
        user, _, digest = answer.decode().rpartition(" ")
        is_right = hmac.compare_digest(digest, hmac.digest(PASSWORD.encode(), challenge, "md5").hex())
        return self._authenticated(server, "CRAM-MD5", user.encode(), PASSWORD.encode() if is_right else b"wrong")

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        """Accept the tokens; say why another one is refused, as Google does, and want an empty line for that."""
        user, token = re.fullmatch(r"user=(.*)\x01auth=Bearer (.*)\x01\x01", b64decode(args[1]).decode()).groups()  # type: ignore[union-attr]
        self.logins.append(user)
        self.mechanisms.append("XOAUTH2")
        if user == USER and token in self.tokens:
            return AuthResult(success=True)
        await server.challenge_auth('{"status": "401", "schemes": "bearer"}')
        return AuthResult(success=False, handled=False, message=self.login_reply)

    def _authenticated(self, server: SMTP, mechanism: str, user: bytes, password: bytes) -> AuthResult:
        assert server.session is not None
        assert server.envelope is not None
        return self._authenticate(server, server.session, server.envelope, mechanism, LoginPassword(user, password))

    async def handle_HELO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str) -> str:
        """Say the same as to EHLO, which a client tries first."""
        return self.helo_reply or "250 sandbox"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Want a login first."""
        if self.wants_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if self.sender_reply:
            return self.sender_reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse those that are too many, which Postfix looks at first, and those that are to be refused."""
        if len(envelope.rcpt_tos) >= self.most_recipients:
            return self.too_many_reply
        reply = self.refused.get(address) or self.refused_once.pop(address, "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the message."""
        while self.until and not self.until.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.01)
        fault = self.data_faults.pop(0) if self.data_faults else ""
        if fault == "cut":
            return self._cut(server)
        if reply := self.data_reply or ("" if fault.startswith("taken") else fault):
            return reply
        assert envelope.mail_from is not None
        assert isinstance(envelope.original_content, bytes)
        self.deliveries.append(
            Delivery(
                sender=envelope.mail_from,
                recipients=tuple(envelope.rcpt_tos),
                raw=envelope.original_content,
                at=time.monotonic(),
            )
        )
        if fault == "taken, cut":
            return self._cut(server)
        if fault == "taken, silent":
            await _hang_up_of_the_client()
        await asyncio.sleep(self.hold if fault == "taken, late" else 0)
        return f"250 2.0.0 queued as {len(self.deliveries)}"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Say goodbye, or something else."""
        self.quits += 1
        if self.quit_silent:
            await _hang_up_of_the_client()
        return self.quit_reply or "221 Bye"

    @staticmethod
    def _cut(server: SMTP) -> str:
        assert server.transport is not None
        server.transport.abort()  # type: ignore[attr-defined] # it is a socket's
        return "421 cut"


async def _hang_up_of_the_client() -> None:
    """Wait for ever: aiosmtpd cancels whatever serves a connection when that ends."""
    await asyncio.Event().wait()


class _Smtp(SMTP):
    """Sends replies in any encoding, and as slowly as the mailbox says."""

    async def push(self, status: str | bytes) -> None:
        box = self.event_handler
        is_greeting = self.session is not None and self.session.host_name is None and str(status).startswith("220")
        await asyncio.sleep(box.greets_after if is_greeting else box.slow)
        await super().push(status.encode(errors="surrogateescape") if isinstance(status, str) else status)


class _Listening(Controller):
    """Listens from the beginning, on a port that nobody else can take in between."""

    def __init__(self, handler: object, **options: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(handler, *self._socket.getsockname(), **options)

    def factory(self) -> SMTP:
        return _Smtp(self.handler, **self.SMTP_kwargs)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._socket, ssl=self.ssl_context)
