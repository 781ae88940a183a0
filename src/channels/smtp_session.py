"""From a mail server's name to a session that is encrypted."""

import asyncio
import socket

from aiosmtplib import SMTP, SMTPResponseException, SMTPStatus

from ..config.settings import MailSettings

_NEXT_ADDRESS = 0.25
"""Seconds after which the next address is tried beside one that has not answered (RFC 8305 5)."""


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
        found = await _connected(settings.smtp_host, settings.smtp_port)
    await server.connect(sock=found)


async def _connected(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(_Silent, host, port, happy_eyeballs_delay=_NEXT_ADDRESS)
    try:
        found: socket.socket = transport.get_extra_info("socket").dup()
        return found
    finally:
        transport.abort()  # which closes its own descriptor alone


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
