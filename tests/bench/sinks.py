"""The sandbox's mail server and Bot API in a process of their own, so that they don't count as anybody's cost."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..sandbox import CHATS, Sandbox


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
    with sandbox.mailbox.serving(), sandbox.bot.serving():
        environment = sandbox.environment
        sandbox.bot.reset()  # fills its chats
        # One chat, because the other programs know one.
        pipe.send(environment | {"TELEGRAM_API_URL": sandbox.bot.url, "TELEGRAM_CHAT_ID": CHATS[0]})
        try:
            while pipe.recv():
                pipe.send(_taken(sandbox))
        except EOFError:
            return


def _taken(sandbox: Sandbox) -> Arrived:
    arrived = Arrived(
        mailed=[delivery.attachment() for delivery in sandbox.mails],
        sent=[message.document for message in sandbox.messages],
    )
    sandbox.mailbox.reset()
    sandbox.bot.reset()
    return arrived
