"""Open a session with a mail server: connect, encrypt, log in.

A login goes by one mechanism at a time, and hardly ever with what the server has refused.
"""

import asyncio
import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPStatus,
)

from ..config.settings import MailSettings
from .interface import RefusalStore
from .smtp_data import is_success
from .smtp_errors import refusal, refused_before
from .smtp_oauth import Tokens, bearer

_NEXT_ADDRESS = 0.25
"""Seconds after which the next address is tried beside one that has not answered (RFC 8305 5)."""
MOST_REFUSALS = 2
"""Logins that a server may refuse, in a run, and where they are remembered in an hour: more would lock the account."""
_OF_THE_MECHANISM = (*range(200, 400), 500, 501, 502, 503, 504, 538)
"""Codes by which a server refuses a mechanism, not the login."""

Mechanism = Callable[[SMTP, str, str], Awaitable[SMTPResponse]]


class _Silent(asyncio.Protocol):
    """Reads nothing: a greeting that has come already is for whoever takes the socket over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()


async def connect(server: SMTP, settings: MailSettings, wait: float) -> None:
    """Connect to the address of the server that answers first, and wait for its greeting.

    Each step may take `wait` seconds. Raise SMTPException or OSError if there is no greeting that lets us in.
    """
    # aiosmtplib itself has no happy eyeballs. It hands the socket to asyncio's transport, which closes it, be it after
    # a handshake that failed, or when the session ends.
    async with asyncio.timeout(wait):
        transport, _ = await asyncio.get_running_loop().create_connection(
            _Silent, settings.smtp_host, settings.smtp_port, happy_eyeballs_delay=_NEXT_ADDRESS
        )
    try:
        connection = transport.get_extra_info("socket").dup()
    finally:
        transport.abort()  # which closes its own descriptor alone
    await server.connect(sock=connection)


async def encrypt(server: SMTP, settings: MailSettings) -> None:
    """Say who we are, and encrypt the connection unless it is.

    Raise SMTPException or OSError if the server does not let us; STARTTLS that it does not offer is refused with 250.
    """
    await server.ehlo()
    if settings.smtp_security == "starttls":
        if not server.supports_extension("starttls"):
            raise SMTPResponseException(SMTPStatus.completed, "no STARTTLS")
        await server.starttls()
        await server.ehlo()  # what the server said in the clear counts no more (RFC 3207 4.2)


class Refusals:
    """The refusals of one login, in this run and, while there is a `store`, before it."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._store: RefusalStore | None = None
        self._is_read = True

    def remember_in(self, store: RefusalStore | None) -> None:
        """Use `store` from now on; None: only this run counts."""
        self._store = store
        self._is_read = store is None

    async def check(self, settings: MailSettings) -> None:
        """Raise DeliveryError if the server has refused this login too often to be asked again."""
        if self._store and not self._is_read:
            self._keys = [*await self._store.recent(), *self._keys]
            self._is_read = True
        if not self.are_allowed:
            raise refused_before(self._keys[-1], settings)

    @property
    def are_allowed(self) -> bool:
        """Whether the server may refuse once more."""
        return len(self._keys) < MOST_REFUSALS

    async def add(self, key: str) -> None:
        """Count a refusal, which was the problem with this key."""
        self._keys.append(key)
        if self._store:
            await self._store.add(key)

    async def clear(self) -> None:
        """Forget the refusals: the server has accepted the login."""
        if self._keys and self._store:
            await self._store.clear()
        self._keys.clear()


class Login:
    """The login of one run, for reports, alerts and --check alike."""

    def __init__(self, settings: MailSettings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._last = ""
        """The mechanism that worked last."""
        self.refusals = Refusals()

    async def log_in(self, server: SMTP) -> None:
        """Log in as SMTP_LOGIN says.

        Raise DeliveryError if no login is tried, or the token endpoint gives no token; SMTPException or OSError if the
        server refuses. What it does not offer is refused with code 250.
        """
        if self._settings.smtp_login == "none":
            return
        await self.refusals.check(self._settings)
        if self._settings.smtp_login == "oauth2":
            await self._by_token(server)
        else:
            await self._by_password(server)
        await self.refusals.clear()

    async def _by_token(self, server: SMTP) -> None:
        """Log in with the run's token, and once more with another one if that is refused."""
        _choose({"xoauth2": _xoauth2}, server)
        user, refused = self._settings.smtp_user or "", None
        while True:
            try:
                reply = await _xoauth2(server, user, await self._tokens.get())
            except SMTPServerDisconnected:
                if refused is None:
                    raise
                raise _error(refused) from None
            if is_success(reply.code):
                return
            if not _is_refusal(reply):
                raise _error(reply)
            refused = reply
            await self._refused(reply)
            if not (self._tokens.renew() and server.is_connected and self.refusals.are_allowed):
                raise _error(reply)

    async def _by_password(self, server: SMTP) -> None:
        """Try one mechanism after the other; if all fail, raise what the server said of the login itself."""
        user, password = self._settings.smtp_user or "", self._settings.smtp_password
        failures = list[SMTPResponse]()
        for name, mechanism in _choose(_by_password(), server, first=self._last):
            try:
                reply = await mechanism(server, user, password.get_secret_value() if password else "")
            except SMTPServerDisconnected:
                if not failures:
                    raise
                break
            if is_success(reply.code):
                self._last = name
                return
            failures.append(reply)
            if _is_refusal(reply):
                await self._refused(reply)
            # Who says "later", has hung up, or has refused often enough is not asked again.
            if 400 <= reply.code < 500 or not server.is_connected or not self.refusals.are_allowed:
                break
        raise _error(next((one for one in failures if one.code not in _OF_THE_MECHANISM), failures[-1]))

    async def _refused(self, reply: SMTPResponse) -> None:
        await self.refusals.add(refusal(_error(reply), self._settings).problem.key)


def _choose(known: dict[str, Mechanism], server: SMTP, *, first: str = "") -> list[tuple[str, Mechanism]]:
    """Return those of the `known` mechanisms that the server offers; raise SMTPAuthenticationError if it has none."""
    offered = [name.lower() for name in server.server_auth_methods]
    chosen = [(name, mechanism) for name, mechanism in known.items() if name in offered]
    if not chosen:
        listed = server.esmtp_extensions.get("auth", "")
        raise SMTPAuthenticationError(SMTPStatus.completed, f"AUTH {listed}" if listed else "no AUTH")
    return sorted(chosen, key=lambda one: one[0] != first)


def _is_refusal(reply: SMTPResponse) -> bool:
    return 500 <= reply.code < 600 and reply.code not in _OF_THE_MECHANISM


def _error(reply: SMTPResponse) -> SMTPAuthenticationError:
    return SMTPAuthenticationError(reply.code, reply.message)


def _by_password() -> dict[str, Mechanism]:
    """Return the mechanisms for a password, the plainest first: the connection is encrypted."""
    known: dict[str, Mechanism] = {"plain": _plain, "login": _login}
    try:
        hmac.new(b"", b"", "md5")
    except ValueError:  # forbidden on this machine
        return known
    return known | {"cram-md5": _cram_md5}


def _in_base64(text: str) -> bytes:
    return b64encode(text.encode())


async def _plain(server: SMTP, user: str, password: str) -> SMTPResponse:
    """RFC 4616."""
    words = _in_base64(f"\0{user}\0{password}")
    reply = await server.execute_command(b"AUTH", b"PLAIN", words)
    # A server that passes over what stands in the command asks for it.
    return await server.execute_command(words) if reply.code == SMTPStatus.auth_continue else reply


async def _login(server: SMTP, user: str, password: str) -> SMTPResponse:
    """Answer what the server asks for; no RFC says in which order, nor how it asks."""
    reply = await server.execute_command(b"AUTH", b"LOGIN")
    left = {"user": user, "password": password}
    while reply.code == SMTPStatus.auth_continue:
        wanted = _prompted(reply.message) or next(iter(left), "")
        if wanted not in left:
            return await _cancelled(server, reply)  # it asks for the same twice
        reply = await server.execute_command(_in_base64(left.pop(wanted)))
    return reply


def _prompted(prompt: str) -> str:
    """Return what a prompt asks for; nothing where it doesn't say."""
    try:
        words = b64decode(prompt, validate=True).decode("utf-8", "replace").lower()
    except binascii.Error:
        words = prompt.lower()
    if "pass" in words:
        return "password"
    return "user" if "user" in words or "name" in words else ""


async def _cram_md5(server: SMTP, user: str, password: str) -> SMTPResponse:
    """RFC 2195."""
    reply = await server.execute_command(b"AUTH", b"CRAM-MD5")
    if reply.code != SMTPStatus.auth_continue:
        return reply
    try:
        challenge = b64decode(reply.message, validate=True)
    except binascii.Error:
        return await _cancelled(server, reply)
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return await server.execute_command(_in_base64(f"{user} {digest}"))


async def _cancelled(server: SMTP, prompt: SMTPResponse) -> SMTPResponse:
    """Cancel a login as RFC 4954 4 wants it; return the prompt that can't be answered, as the mechanism's refusal."""
    await server.execute_command(b"*")
    return prompt


async def _xoauth2(server: SMTP, user: str, token: str) -> SMTPResponse:
    """Log in with a token in the form of Google's and Microsoft's documents, which is no RFC's."""
    reply = await server.execute_command(b"AUTH", b"XOAUTH2", _in_base64(bearer(user, token)))
    # Why it is refused comes in base64, and 535 behind the empty line.
    return await server.execute_command(b"") if reply.code == SMTPStatus.auth_continue else reply
