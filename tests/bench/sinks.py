"""A mail server and the sandbox's Bot API in a process of their own, so that they don't count as anybody's cost."""

import ssl
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..sandbox import CHATS, Sandbox
from ..sandbox.smtp import Delivery
from .mailbox import LeanMailbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """The files that came by mail and by Telegram since the last look."""

    mailed: list[bytes]
    sent: list[bytes]


def serve(pipe: Connection, folder: Path) -> None:
    """Serve: say the settings that lead here into `pipe`, then an Arrived for each word that comes out of it.

    End when the pipe's other end is closed; the certificate is put into `folder`.
    """
    sandbox = Sandbox(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    sandbox.authority.issue_cert("localhost").configure_cert(tls)
    mailbox = LeanMailbox(tls)
    with mailbox.serving(), sandbox.bot.serving():
        sandbox.bot.reset()  # fills its chats
        # One chat, because the other programs know one.
        here = {"TELEGRAM_API_URL": sandbox.bot.url, "TELEGRAM_CHAT_ID": CHATS[0], "SMTP_PORT": str(mailbox.port)}
        pipe.send(sandbox.environment | here)
        try:
            while pipe.recv():
                pipe.send(_taken(mailbox, sandbox))
        except EOFError:
            return


def _taken(mailbox: LeanMailbox, sandbox: Sandbox) -> Arrived:
    mails = [Delivery(sender="", recipients=(), raw=message, at=0.0) for message in mailbox.messages]
    arrived = Arrived(
        mailed=[mail.attachment() for mail in mails], sent=[message.document for message in sandbox.messages]
    )
    mailbox.messages.clear()
    sandbox.bot.reset()
    return arrived
