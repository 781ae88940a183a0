"""Email: one message to all recipients over SMTP, with TLS and login."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPServerDisconnected
from msgspec import Struct, field

from ..config.settings import MailSettings
from ..config.timeouts import Timeouts
from ..domain.outcome import Outcome, not_delivered
from ..errors import DeliveryError, TooLargeError
from ..message.alert import AlertText
from ..message.content import Report
from ..phrases.formats import EN
from ..runtime.visible_text import in_quotes
from .interface import Limits
from .mime import Mail, as_repeat, compose, compose_alert, domain, in_base64
from .smtp_data import UnansweredError, data, envelope
from .smtp_errors import recipient_error, smtp_errors, unanswered
from .smtp_login import Login, Refusals, connect, encrypt
from .smtp_oauth import Tokens

LARGEST = 25_000_000
"""Bytes of a whole message, for a server that names no limit of its own: what Gmail and others take at most."""


class Sent(Struct, frozen=True, kw_only=True):
    """The result of sending a message: the server's last words for each whom it accepted, and the others' errors."""

    replies: dict[str, str] = field(default_factory=dict)
    failed: dict[str, DeliveryError] = field(default_factory=dict)


class MailChannel:
    """Sends a report from one mailbox to several addresses; each sees the others in To, unless they are hidden."""

    name = "email"
    one_by_one = False

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
        self._goodbyes: set[asyncio.Task[None]] = set()

    @property
    def settings(self) -> MailSettings:
        """The settings that it was made of."""
        return self._settings

    @property
    def refusals(self) -> Refusals:
        """The refusals of its login."""
        return self._login.refusals

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of SMTP_TO."""
        return self._settings.smtp_to

    async def send(
        self,
        report: Report,
        recipients: Sequence[str],
        repeats: Set[str],
        limits: Limits,
    ) -> list[Outcome]:
        """Send one message; a repeat is known by its Message-ID, and says that it may be one if that is another one."""
        if report.repeats and not repeats.isdisjoint(recipients):
            report = as_repeat(report)
        at_least = in_base64(report.attachment.size) if report.attachment.is_attached else 0
        sent = await self._transmit(
            lambda: compose(report, self._sender, self.recipients),
            recipients,
            limits.deadline,
            at_least=at_least,
            others_accepted=self._has_accepted,
        )
        self._has_accepted = self._has_accepted or bool(sent.replies)
        return [self._outcome(address, sent) for address in recipients]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that it writes to, each once."""
        return tuple(dict.fromkeys((*self.recipients, *self.operators)))

    @property
    def operators(self) -> tuple[str, ...]:
        """The addresses of SMTP_ALERT_TO."""
        return self._settings.smtp_alert_to

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """All addresses of SMTP_TO."""
        return self.recipients

    async def alert(self, text: AlertText, at: datetime, recipients: Sequence[str]) -> dict[str, DeliveryError]:
        """Send `text` as one message to `recipients`; return an error for each whom the server did not take it for."""
        mail = compose_alert(text, at, self._sender, recipients)
        # Whoever sends the alert says how long that may take.
        deadline = asyncio.get_running_loop().time() + self._timeouts.send
        sent = await self._transmit(lambda: mail, recipients, deadline)
        return sent.failed

    async def check(self) -> tuple[str, dict[str, DeliveryError]]:
        """Go as far as a run would without sending: log in, name sender, recipients and operators, and take that back.

        Return how large a message may be, in words, and those of `addresses` that were refused. Raise DeliveryError
        where the login or the sender is refused.
        """
        waiting: Sequence[str] = self.addresses
        refused: dict[str, SMTPRecipientRefused] = {}
        with smtp_errors(self._settings):
            async with self._connection(self._soon()) as server:
                while waiting:
                    named = await envelope(server, self._sender.address, waiting, size=0)
                    await server.execute_command(b"RSET")  # whatever the reply: the next MAIL is refused if it failed
                    refused |= named.refused
                    waiting = named.rest
        login = "no login" if self._settings.smtp_login == "none" else "login accepted"
        words = f"{login} over {self._settings.smtp_security}, takes up to {EN.megabytes(_largest(server))}"
        return words, self._recipient_errors(refused, others_accepted=len(refused) < len(self.addresses))

    async def _transmit(
        self,
        write: Callable[[], Mail],
        recipients: Sequence[str],
        deadline: float,
        *,
        at_least: int = 0,
        others_accepted: bool = False,
    ) -> Sent:
        """Send what `write` writes, until `deadline`, as often as the server's limit of recipients wants it.

        Nothing is written if even `at_least` bytes are too many. `others_accepted`: the server took the same before,
        for other recipients.
        """
        sent, waiting = Sent(), recipients
        try:
            with smtp_errors(self._settings):
                async with self._connection(deadline) as server:
                    self._check_size(at_least, server)
                    mail = write()
                    self._check_size(mail.size, server)
                    while waiting:
                        waiting = await self._send_once(
                            server, mail, waiting, deadline, sent, others_accepted=others_accepted
                        )
        except DeliveryError as error:
            sent.failed.update({address: error for address in waiting if address not in sent.failed})
        return sent

    async def _send_once(
        self,
        server: SMTP,
        mail: Mail,
        recipients: Sequence[str],
        deadline: float,
        sent: Sent,
        *,
        others_accepted: bool,
    ) -> Sequence[str]:
        """Send one message to as many of `recipients` as it may have, enter them into `sent`, return the rest."""
        async with asyncio.timeout_at(deadline):
            named = await envelope(server, self._sender.address, recipients, mail.size)
        others_accepted = bool(named.accepted or sent.replies or others_accepted)
        sent.failed.update(self._recipient_errors(named.refused, others_accepted=others_accepted))
        if named.accepted:
            try:
                reply = await data(server, mail, self._timeouts.smtp, deadline)
            except UnansweredError as error:  # only these may have it, not those whose turn has not come
                sent.failed.update(dict.fromkeys(named.accepted, unanswered(error, self._settings)))
                raise SMTPServerDisconnected(str(error)) from error
            sent.replies.update(dict.fromkeys(named.accepted, reply))
        return named.rest

    def _recipient_errors(
        self, refused: Mapping[str, SMTPRecipientRefused], *, others_accepted: bool
    ) -> dict[str, DeliveryError]:
        """Return the error of each refused address; `others_accepted`: the server took the message for somebody."""
        return {
            address: recipient_error(
                error,
                "SMTP_TO" if address in self.recipients else "SMTP_ALERT_TO",
                self._settings,
                others_accepted=others_accepted,
            )
            for address, error in refused.items()
        }

    def _soon(self) -> float:
        """Return the deadline of a check."""
        return asyncio.get_running_loop().time() + self._timeouts.smtp

    def _check_size(self, size: int, server: SMTP) -> None:
        """Raise TooLargeError if `size` bytes are more than the server takes, by its SIZE (RFC 1870; 0 is no limit)."""
        largest = _largest(server)
        if size > largest:
            raise TooLargeError(
                f"The message is too large for the mail server {self._settings.smtp_host}:{self._settings.smtp_port}, "
                f"which takes {EN.megabytes(largest)}."
            )

    @asynccontextmanager
    async def _connection(self, deadline: float) -> AsyncIterator[SMTP]:
        """Log in, until `deadline` at the latest, for the block."""
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
            async with asyncio.timeout_at(deadline):
                await encrypt(server, settings)
                await self._login.log_in(server)
            yield server
        except BaseException:
            await _hang_up(server, transport)
            raise
        # What was to be done is done, and known: how the server says goodbye holds up nobody and changes nothing.
        goodbye = asyncio.create_task(_say_goodbye(server, transport, self._timeouts.smtp_quit))
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)
        await asyncio.sleep(0)  # QUIT is on its way before the next step, which may be the process's last

    def _outcome(self, address: str, sent: Sent) -> Outcome:
        if address in sent.replies:
            receipt = in_quotes(sent.replies[address])
            return Outcome(channel=self.name, recipient=address, state="delivered", receipt=receipt)
        (outcome,) = not_delivered(self.name, [address], sent.failed[address])
        return outcome


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
