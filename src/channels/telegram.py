"""Telegram: the workbook as a document to each chat, by the Bot API."""

import ssl
from datetime import timedelta

from telegram import Bot, Message
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from ..message import Report
from ..settings import TelegramSettings
from . import Outcome

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
"""Seconds for the answer, which comes after the server has taken in the whole upload."""
UPLOAD_TIMEOUT = timedelta(minutes=5).total_seconds()
"""Seconds without a byte leaving: 50 MB, the Bot API's largest upload, over a slow line."""


class TelegramChannel:
    """Sends a report as one bot to several chats, one after the other."""

    name = "telegram"

    def __init__(self, settings: TelegramSettings, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._tls = tls

    @property
    def recipients(self) -> tuple[str, ...]:
        """The chats of TELEGRAM_CHAT_ID."""
        return self._settings.telegram_chat_id

    async def send(self, report: Report) -> list[Outcome]:
        """Send the document to every chat; a chat that fails does not stop the next."""
        # Owned here and shared with the bot's second slot, so that there is one pool, and it is closed.
        request = HTTPXRequest(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            write_timeout=READ_TIMEOUT,
            media_write_timeout=UPLOAD_TIMEOUT,
            pool_timeout=CONNECT_TIMEOUT,
            httpx_kwargs={"verify": self._tls},
        )
        token = self._settings.telegram_bot_token.get_secret_value()
        bot = Bot(
            token,
            base_url=f"{self._settings.telegram_api_url}/bot",
            request=request,
            get_updates_request=request,
        )
        try:
            return [await self._send_to(chat, bot, report) for chat in self.recipients]
        finally:
            await request.shutdown()

    async def _send_to(self, chat: str, bot: Bot, report: Report) -> Outcome:
        try:
            message = await self._upload(chat, bot, report)
        except TelegramError as error:
            return Outcome(
                channel=self.name,
                recipient=chat,
                failure=f"Telegram did not take the report for chat {chat} ({error.message}). "
                "Check TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID and that the bot is a member, then run this window again.",
            )
        return Outcome(channel=self.name, recipient=chat, receipt=f"message {message.message_id}")

    async def _upload(self, chat: str, bot: Bot, report: Report) -> Message:
        with report.attachment.open("rb") as document:
            return await bot.send_document(chat, document, filename=report.attachment.name, caption=report.caption)
