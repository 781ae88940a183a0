"""Telegram: the workbook as a document to each chat, by the Bot API."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import httpx
from telegram import Bot, Chat, InputFile, LinkPreviewOptions, Message, MessageEntity
from telegram.constants import ParseMode
from telegram.error import NetworkError, TimedOut

from ..config.limits import LARGEST_ANSWER
from ..config.settings import TelegramSettings
from ..config.timeouts import Timeouts
from ..domain.outcome import Outcome, chat_and_topic, not_delivered
from ..errors import DeliveryError, Problem, TooLargeError
from ..message.alert import AlertText
from ..message.caption import render_caption
from ..message.content import Report
from ..phrases.formats import EN
from ..runtime.bounded_answers import bounded
from ..runtime.connection import CONNECTION_ERRORS
from ..runtime.proxies import proxy_for
from ..runtime.visible_text import foreign, in_quotes, units
from .interface import Limits, unreadable
from .telegram_replies import BotRequest, CutShortError, RefusedError, telegram_errors
from .telegram_rules import CHATS, ELSEWHERE, Asked, judge, moved

logger = logging.getLogger(__name__)
LARGEST = 50_000_000
"""Bytes of a file by upload (Bot API, sendDocument: "50 MB")."""
_ALERT_CHAT = "TELEGRAM_ALERT_CHAT_ID"
_NO_MESSAGE = 2**31 - 1
"""The id of no message: the largest that the Bot API takes."""
_NOTHING_SENT = " to forward"
"""In what the Bot API says if it doesn't find the message: `there are no messages to forward`."""
# It would have Telegram download what a link opens.
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class TelegramChannel:
    """Sends a report as one bot to several chats, one after the other."""

    name = "telegram"
    one_by_one = True

    def __init__(self, settings: TelegramSettings, tls: ssl.SSLContext, timeouts: Timeouts) -> None:
        self._settings = settings
        self._tls = tls
        self._timeouts = timeouts

    @property
    def recipients(self) -> tuple[str, ...]:
        """The chats of TELEGRAM_CHAT_ID."""
        return self._settings.telegram_chat_id

    async def send(self, report: Report, recipients: Sequence[str], repeats: Set[str], limits: Limits) -> list[Outcome]:
        """Send the document to each chat; a chat that fails does not stop the next."""
        async with self._bot() as bot:
            return [await self._send_to(chat, bot, report, limits, repeat=chat in repeats) for chat in recipients]

    @property
    def operators(self) -> tuple[str, ...]:
        """The chat of TELEGRAM_ALERT_CHAT_ID."""
        chat = self._settings.telegram_alert_chat_id
        return (chat,) if chat else ()

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """The first chat of TELEGRAM_CHAT_ID."""
        return self.recipients[:1]

    async def alert(
        self,
        text: AlertText,
        at: datetime,  # noqa: ARG002 - Telegram dates its messages itself
        recipients: Sequence[str],
    ) -> dict[str, DeliveryError]:
        """Send `text` to each chat of `recipients`; return an error for each that did not get it."""
        failed: dict[str, DeliveryError] = {}
        async with self._bot() as bot:
            for chat in recipients:
                asked = Asked(what="the alert", chat=chat, setting=_ALERT_CHAT if chat in self.operators else CHATS)
                try:
                    with telegram_errors(asked):
                        await _alert(asked, text, bot)
                except DeliveryError as error:
                    failed[chat] = error
        return failed

    @property
    def chats(self) -> tuple[str, ...]:
        """Every chat that is written to, that of the alerts too."""
        return tuple(dict.fromkeys([*self.recipients, *self.operators]))

    async def check_bot(self) -> str:
        """Name the bot; raise DeliveryError if its token is not accepted."""
        async with self._bot() as bot:
            with telegram_errors(Asked(what="the query about the bot", sends=False)):
                return f"@{foreign((await bot.get_me()).username)}"

    async def check_chat(self, chat: str) -> str:
        """Say what `chat` is; raise DeliveryError if the bot doesn't see it."""
        setting = CHATS if chat in self.recipients else _ALERT_CHAT
        asked = Asked(what="the query about the chat", chat=chat, setting=setting, sends=False)
        async with self._bot() as bot:
            with telegram_errors(asked):
                # The library's get_chat fails where a server older than itself leaves a field out. In small letters,
                # which the Bot API takes too, for it warns of a name that it has a method for.
                group, topic = chat_and_topic(chat)
                found: Chat = await bot.do_api_request("getchat", {"chat_id": group}, return_type=Chat)
                if topic:
                    await _check_topic(asked, found, bot)
                name = found.title or found.username or found.full_name
                words = f"a {foreign(found.type)}, {in_quotes(name) if name else 'without a name'}"
                return f"{words}, topic {topic}" if topic else words

    @asynccontextmanager
    async def _bot(self) -> AsyncIterator[Bot]:
        # Owned here and shared with the bot's second slot, so that there is one pool, and it is closed.
        request = BotRequest(
            connect_timeout=self._timeouts.connect,
            read_timeout=self._timeouts.telegram_read,
            write_timeout=self._timeouts.telegram_read,
            media_write_timeout=self._timeouts.telegram_upload,
            pool_timeout=self._timeouts.connect,
            proxy=proxy_for(self._settings.telegram_api_url, self._tls),
            httpx_kwargs={"verify": self._tls, "trust_env": False, **bounded(LARGEST_ANSWER)},
        )
        token = self._settings.telegram_bot_token.get_secret_value()
        base_url = f"{self._settings.telegram_api_url}/bot"
        try:
            yield Bot(token, base_url=base_url, request=request, get_updates_request=request)
        finally:
            await request.shutdown()

    async def _send_to(self, chat: str, bot: Bot, report: Report, limits: Limits, *, repeat: bool) -> Outcome:
        words = render_caption(report.content, report.attachment, is_repeat=repeat)
        silent = self._settings.is_silent(is_as_usual=report.content.is_as_usual)
        asked = Asked(what="the report", chat=chat)
        try:
            with telegram_errors(asked):
                _check_size(report)
                try:
                    sent = await _upload(chat, bot, report, words, limits, silent=silent)
                    notice = _notice(asked, sent)
                except RefusedError as error:
                    notice, to = moved(error.answer, asked)
                    sent = await _upload(to, bot, report, words, limits, silent=silent)
                receipt = f"message {foreign(sent.message_id)}"
        except DeliveryError as error:
            (outcome,) = not_delivered(self.name, [chat], error)
            return outcome
        return Outcome(channel=self.name, recipient=chat, state="delivered", receipt=receipt, notice=notice)


async def _alert(asked: Asked, text: AlertText, bot: Bot) -> None:
    """Send `text` to the chat that is `asked`, or to the supergroup that it has become.

    As plain text: of what servers said in it Telegram makes no link, and it opens none for a preview.
    """

    async def send(chat: str) -> Message:
        group, topic = chat_and_topic(chat)
        return await bot.send_message(
            group, str(text), entities=_as_code(text), link_preview_options=_NO_PREVIEW, message_thread_id=topic
        )

    try:
        notice = _notice(asked, await send(asked.chat))
    except RefusedError as error:
        notice, to = moved(error.answer, asked)
        await send(to)
    if notice:
        extra = {"event": "notice", "channel": TelegramChannel.name, "recipient": asked.chat, "key": notice.key}
        logger.warning("%s", notice, extra=extra)


def _notice(asked: Asked, sent: Message) -> Problem | None:
    """Return what is wrong if a message has not come into the topic that was `asked`."""
    _, topic = chat_and_topic(asked.chat)
    return judge(ELSEWHERE, asked).problem if topic and sent.message_thread_id != topic else None


async def _check_topic(asked: Asked, found: Chat, bot: Bot) -> None:
    """Raise DeliveryError if the chat that was `found` has no topics, RefusedError if not that one.

    By forwarding a message that can't be there: Telegram looks for the topic first, and then has nothing to forward.
    A chat action (typing) would be shown, and is taken for topics that are gone. A closed topic shows only if something
    is sent.
    """
    if found.type != Chat.PRIVATE and not found.is_forum:
        raise judge(ELSEWHERE, asked)
    group, topic = chat_and_topic(asked.chat)
    try:
        await bot.forward_messages(group, group, [_NO_MESSAGE], message_thread_id=topic)
    except RefusedError as error:
        # 404: the method is younger than this Bot API server.
        if error.answer.status != HTTPStatus.NOT_FOUND and _NOTHING_SENT not in error.answer.description.lower():
            raise


def _as_code(text: AlertText) -> list[MessageEntity]:
    """Mark what servers said in an alert as code, of which Telegram makes no link, and commands as blocks to copy.

    Places are in UTF-16 units.
    """
    marks, place = list[MessageEntity](), 0
    for piece in text.pieces:
        size = units(piece.text)
        if size and (piece.is_quote or piece.is_command):
            kind = MessageEntity.PRE if piece.is_command else MessageEntity.CODE
            marks.append(MessageEntity(type=kind, offset=place, length=size))
        place += size
    return marks


def _check_size(report: Report) -> None:
    if report.attachment.is_attached and report.attachment.size > LARGEST:
        raise TooLargeError(f"The file is too large for Telegram, which takes {EN.megabytes(LARGEST)}.")


async def _upload(chat: str, bot: Bot, report: Report, words: str, limits: Limits, *, silent: bool) -> Message:
    """Send the report with these `words` within `limits`, without a sound if it is `silent`.

    Raise TelegramError if it was not taken, DeliveryError if the workbook can't be read.
    """
    group, topic = chat_and_topic(chat)
    if not report.attachment.is_attached:
        async with _until(limits.deadline):
            return await bot.send_message(
                group,
                words,
                message_thread_id=topic,
                parse_mode=ParseMode.HTML,
                link_preview_options=_NO_PREVIEW,
                disable_notification=silent,
                read_timeout=limits.answer,
            )
    with _opened(report.workbook) as document:
        # Not read here and now, as the library would: it goes out piece by piece.
        file = InputFile(document, filename=report.attachment.name, read_file_handle=False)
        try:
            async with _until(limits.deadline):
                return await bot.send_document(
                    group,
                    file,
                    message_thread_id=topic,
                    caption=words,
                    parse_mode=ParseMode.HTML,
                    disable_notification=silent,
                    read_timeout=limits.answer,
                )
        except NetworkError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and not isinstance(cause, CONNECTION_ERRORS):  # an error of the file
                raise unreadable(report.workbook, cause) from error
            # Where writing fails, httpx looks for an answer all the same, and tells of that only.
            if isinstance(cause, CONNECTION_ERRORS) and document.tell() < report.attachment.size:
                raise CutShortError(error.message) from cause
            raise


def _opened(workbook: Path) -> BinaryIO:
    try:
        return workbook.open("rb")
    except OSError as error:
        raise unreadable(workbook, error) from error


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    """End the block at `deadline` as the library ends what takes too long."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise TimedOut from httpx.ReadTimeout(str(error))
