"""Email: one message to all recipients over SMTP, with TLS and login."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPServerDisconnected

from ..config.settings import MailSettings
from ..config.timeouts import Timeouts
from ..domain.delivery import Outcome
from ..errors import DeliveryError, TooLargeError
from ..message.alert import AlertText
from ..message.content import Report
from ..phrases.formats import EN
from ..runtime.visible_text import in_quotes
from .interface import Channel, RefusalStore
from .smtp_errors import refusal, smtp_errors, unanswered
from .smtp_login import Login, connect, encrypt
from .smtp_message import (
    Mail,
    UnansweredError,
    as_repeat,
    compose,
    compose_alert,
    data,
    domain,
    envelope,
)
from .smtp_oauth import Tokens

LARGEST = 25_000_000
"""Bytes of a whole message, for a server that names no limit of its own: what Gmail and others take at most."""


class MailChannel(Channel):
    """Sends a report from one mailbox to several addresses; each sees the others in To, unless they are hidden."""

    name = way = "email"

    def __init__(
        self,
        settings: MailSettings,
        tls: ssl.SSLContext,
        timeouts: Timeouts,
        *,
        hide: Callable[[Iterable[str]], None],
    ) -> None:
        """Send reports to SMTP_TO; `hide` keeps secrets that turn up during the run from logs and alerts."""
        self._settings = settings
        self._has_accepted = False
        """Whether the server took a report from this run for anybody."""
        self._sender = settings.sender
        self._tls = tls
        self._timeouts = timeouts
        self._login = Login(settings, Tokens(settings, tls, timeouts, hide))
        self._refused: dict[str, DeliveryError] = {}
        """The recipients whom the server refused in the last check, and why."""
        self._goodbyes: set[asyncio.Task[None]] = set()

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of SMTP_TO."""
        return self._settings.smtp_to

    async def send(
        self, report: Report, recipients: Sequence[str], repeats: Set[str], deadline: float
    ) -> list[Outcome]:
        """Send one message; a repeat has the same Message-ID, or says that it may be a repeat."""
        if report.repeats and not repeats.isdisjoint(recipients):
            report = as_repeat(report)
        mail = compose(report, self._sender, self.recipients)
        results = await self._transmit(mail, recipients, deadline, others_accepted=self._has_accepted)
        self._has_accepted = self._has_accepted or _accepts_any(results)
        return [self.outcome(address, results[address]) for address in recipients]

    @property
    def operators(self) -> tuple[str, ...]:
        """The addresses of SMTP_ALERT_TO."""
        return self._settings.smtp_alert_to

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """All addresses of SMTP_TO."""
        return self.recipients

    async def alert(self, text: AlertText, at: datetime, recipients: Sequence[str]) -> dict[str, DeliveryError]:
        """Send `text` as one message to `recipients`; return an error for each whom the server refused."""
        mail = compose_alert(text, at, self._sender, recipients)
        # Whoever sends the alert says how long that may take.
        deadline = asyncio.get_running_loop().time() + self._timeouts.send
        results = await self._transmit(mail, recipients, deadline)
        return {address: error for address, error in results.items() if isinstance(error, DeliveryError)}

    async def check(self) -> str:
        """Do all that a run does before it sends: log in, name the sender and everyone, and take that back."""
        waiting: Sequence[str] = self.everyone
        refused: dict[str, SMTPRecipientRefused] = {}
        async with self._connection(asyncio.get_running_loop().time() + self._timeouts.smtp) as server:
            while waiting:
                named = await envelope(server, self._sender.address, waiting, size=0)
                await server.execute_command(b"RSET")  # whatever the reply: the next MAIL is refused if it failed
                refused |= named.refused
                waiting = named.rest
        is_any_accepted = len(refused) < len(self.everyone)
        self._refused = {
            address: refusal(error, self._settings, others_accepted=is_any_accepted)
            for address, error in refused.items()
        }
        login = "no login" if self._settings.smtp_login == "none" else "login accepted"
        return f"{login} over {self._settings.smtp_security}, takes up to {EN.megabytes(_largest(server))}"

    async def check_recipient(self, recipient: str) -> str:
        """Say whether the server accepted `recipient` in the check."""
        if recipient in self._refused:
            raise self._refused[recipient]
        return "accepted by the mail server"

    def remember_refusals(self, store: RefusalStore | None) -> None:
        """Count refused logins in `store` too."""
        self._login.refusals.remember_in(store)

    async def _transmit(
        self, mail: Mail, recipients: Sequence[str], deadline: float, *, others_accepted: bool = False
    ) -> dict[str, str | DeliveryError]:
        """Send `mail`, until `deadline`, as often as the server's limit of recipients requires.

        Return for each recipient the server's last words, or the error.
        `others_accepted`: the server accepted the same before, for other recipients.
        """
        results: dict[str, str | DeliveryError] = {}
        waiting = recipients
        try:
            async with self._connection(deadline) as server:
                self._check_size(mail.size, server)
                while waiting:
                    before = others_accepted or _accepts_any(results)
                    waiting = await self._send_once(server, mail, waiting, deadline, results, before)
        except DeliveryError as error:
            return dict.fromkeys(waiting, error) | results
        return results

    async def _send_once(
        self,
        server: SMTP,
        mail: Mail,
        recipients: Sequence[str],
        deadline: float,
        results: dict[str, str | DeliveryError],
        others_accepted: bool,
    ) -> Sequence[str]:
        """Send one message to as many of `recipients` as it may have, enter them into `results`, return the rest."""
        async with asyncio.timeout_at(deadline):
            named = await envelope(server, self._sender.address, recipients, mail.size)
        others_accepted = others_accepted or bool(named.accepted)
        for address, refused in named.refused.items():
            results[address] = refusal(refused, self._settings, others_accepted=others_accepted)
        if named.accepted:
            try:
                reply = await data(server, mail, self._timeouts.smtp, deadline)
            except UnansweredError as error:  # only these may have it, not those whose turn has not come
                results |= dict.fromkeys(named.accepted, unanswered(error, self._settings))
                raise SMTPServerDisconnected(str(error)) from error
            results |= dict.fromkeys(named.accepted, in_quotes(reply))
        return named.rest

    def _check_size(self, size: int, server: SMTP) -> None:
        """Raise TooLargeError if `size` bytes are more than the server takes, by its SIZE (RFC 1870; 0 is no limit)."""
        largest = _largest(server)
        if size > largest:
            raise TooLargeError(
                "too_large",
                f"The message is too large for the mail server {self._settings.smtp_host}:{self._settings.smtp_port}, "
                f"which takes {EN.megabytes(largest)}.",
            )

    @asynccontextmanager
    async def _connection(self, deadline: float) -> AsyncIterator[SMTP]:
        """Log in, until `deadline` at the latest, for the block; raise DeliveryError for what aiosmtplib raises."""
        settings = self._settings
        server = SMTP(
            # No certificate bears the dot of a name that is whole.
            hostname=settings.smtp_host.removesuffix("."),
            use_tls=settings.smtp_security == "tls",
            start_tls=False,
            tls_context=self._tls,
            # HELO with the sender's domain: a pod's own name is none that a mail server could look up.
            local_hostname=domain(self._sender.address),
            timeout=self._timeouts.smtp,
        )
        transport = None
        try:
            with smtp_errors(settings, connecting=True):
                async with asyncio.timeout_at(deadline):
                    await connect(server, settings, self._timeouts.smtp)
            transport = server.transport
            with smtp_errors(settings):
                async with asyncio.timeout_at(deadline):
                    await encrypt(server, settings)
                    await self._login.log_in(server)
                yield server
        except BaseException:
            await _hang_up(server, transport)
            raise
        # Sending has ended, and its result is known: how the server says goodbye delays nobody and changes nothing.
        goodbye = asyncio.create_task(_say_goodbye(server, transport, self._timeouts.smtp_quit))
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)
        await asyncio.sleep(0)  # QUIT is on its way before the next step, which may be the process's last


def _accepts_any(results: Mapping[str, str | DeliveryError]) -> bool:
    return any(isinstance(result, str) for result in results.values())


async def _say_goodbye(server: SMTP, transport: asyncio.BaseTransport | None, wait: float) -> None:
    try:
        with suppress(SMTPException, OSError):
            await server.quit(timeout=wait)
    finally:
        await _hang_up(server, transport)


async def _hang_up(server: SMTP, transport: asyncio.BaseTransport | None) -> None:
    server.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()  # not waiting for the other side's end of TLS, which may never come
    await asyncio.sleep(0)  # the loop closes the socket at its next turn


def _largest(server: SMTP) -> int:
    return size_limit(server.esmtp_extensions.get("size", ""))


def size_limit(named: str) -> int:
    """Return how many bytes a message may have where a server names this as its SIZE (RFC 1870: up to 20 digits)."""
    size = named.strip()  # before int(), which takes fewer characters for blanks
    return (int(size) if re.fullmatch("[0-9]{1,20}", size) else 0) or LARGEST
