"""Telegram: the workbook as a document to each chat, by the Bot API."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

from telegram import Bot, Chat, InputFile, LinkPreviewOptions, Message, MessageEntity
from telegram.constants import ParseMode
from telegram.error import NetworkError

from ..config.environment import proxy_for
from ..config.settings import TelegramSettings
from ..config.timeouts import Timeouts
from ..domain.delivery import Outcome, chat_and_topic
from ..errors import DeliveryError, Problem, TooLargeError
from ..message.alert import AlertText
from ..message.caption import render_caption
from ..message.content import Report
from ..phrases.formats import EN
from ..runtime.http import CONNECTION_ERRORS, LARGEST_ANSWER, BoundedTransport
from ..runtime.visible_text import foreign, in_quotes, units
from .interface import Channel, unreadable
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


class TelegramChannel(Channel):
    """Sends a report as one bot to several chats, one after the other."""

    name = "telegram"
    way = "telegram bot"
    one_by_one = True
    alerts_first = True

    def __init__(self, settings: TelegramSettings, tls: ssl.SSLContext, timeouts: Timeouts) -> None:
        self._settings = settings
        self._tls = tls
        self._timeouts = timeouts

    @property
    def recipients(self) -> tuple[str, ...]:
        """The chats of TELEGRAM_CHAT_ID."""
        return self._settings.telegram_chat_id

    async def send(
        self, report: Report, recipients: Sequence[str], repeats: Set[str], deadline: float
    ) -> list[Outcome]:
        """Send the document to each chat; a chat that fails does not stop the next."""
        async with self._bot() as bot:
            return [await self._send_to(chat, bot, report, deadline, repeat=chat in repeats) for chat in recipients]

    @property
    def operators(self) -> tuple[str, ...]:
        """The chat of TELEGRAM_ALERT_CHAT_ID."""
        chat = self._settings.telegram_alert_chat_id
        return (chat,) if chat else ()

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """The first chat of TELEGRAM_CHAT_ID."""
        return self.recipients[:1]

    @property
    def notified(self) -> tuple[str, ...]:
        """The alert chat, if it is one that doesn't get the reports themselves."""
        chat = self._settings.unusual_chat
        return (chat,) if chat else ()

    async def alert(
        self,
        text: AlertText,
        at: datetime,  # noqa: ARG002 - Telegram dates its messages itself
        recipients: Sequence[str],
    ) -> dict[str, DeliveryError]:
        """Send `text` to each chat of `recipients`; return an error for each that did not get it.

        As plain text: of what servers said in it Telegram makes no link, and it opens none for a preview.
        """
        failed: dict[str, DeliveryError] = {}
        async with self._bot() as bot:

            async def send(chat: str) -> Message:
                group, topic = chat_and_topic(chat)
                return await bot.send_message(
                    group, str(text), entities=_as_code(text), link_preview_options=_NO_PREVIEW, message_thread_id=topic
                )

            for chat in recipients:
                asked = Asked(what="the alert", chat=chat, setting=_ALERT_CHAT if chat in self.operators else CHATS)
                try:
                    with telegram_errors(asked):
                        _, notice = await _send_or_follow(asked, send)
                except DeliveryError as error:
                    failed[chat] = error
                    continue
                if notice:
                    extra = {"event": "notice", "channel": self.name, "recipient": chat, "key": notice.key}
                    logger.warning("%s", notice, extra=extra)
        return failed

    async def check(self) -> str:
        """Name the bot; raise DeliveryError if its token is not accepted."""
        async with self._bot() as bot:
            with telegram_errors(Asked(what="the query about the bot", sends=False)):
                return f"@{foreign((await bot.get_me()).username)}"

    async def check_recipient(self, recipient: str) -> str:
        """Say what a chat is; raise DeliveryError if the bot doesn't see it."""
        setting = CHATS if recipient in self.recipients else _ALERT_CHAT
        asked = Asked(what="the query about the chat", chat=recipient, setting=setting, sends=False)
        async with self._bot() as bot:
            with telegram_errors(asked):
                # The library's get_chat fails where a server older than itself leaves a field out. In small letters,
                # which the Bot API takes too, for it warns of a name that it has a method for.
                group, topic = chat_and_topic(recipient)
                found: Chat = await bot.do_api_request("getchat", {"chat_id": group}, return_type=Chat)
                if topic:
                    await _check_topic(asked, found, bot)
                name = found.title or found.username or found.full_name
                words = f"a {foreign(found.type)}, {in_quotes(name) if name else 'without a name'}"
                return f"{words}, topic {topic}" if topic else words

    @asynccontextmanager
    async def _bot(self) -> AsyncIterator[Bot]:
        # Owned here and shared with the bot's second slot, so that there is one pool, and it is closed.
        proxy = proxy_for(self._settings.telegram_api_url)
        request = BotRequest(
            connect_timeout=self._timeouts.connect,
            read_timeout=self._timeouts.telegram_read,
            write_timeout=self._timeouts.telegram_read,
            media_write_timeout=self._timeouts.telegram_upload,
            pool_timeout=self._timeouts.connect,
            httpx_kwargs={"transport": BoundedTransport(self._tls, proxy, limit=LARGEST_ANSWER)},
        )
        token = self._settings.telegram_bot_token.get_secret_value()
        base_url = f"{self._settings.telegram_api_url}/bot"
        try:
            yield Bot(token, base_url=base_url, request=request, get_updates_request=request)
        finally:
            await request.shutdown()

    async def _send_to(self, chat: str, bot: Bot, report: Report, deadline: float, *, repeat: bool) -> Outcome:
        words = render_caption(report.content, report.attachment, is_repeat=repeat)
        silent = self._settings.is_silent(is_as_usual=report.content.is_as_usual)
        asked = Asked(what="the report", chat=chat)
        try:
            with telegram_errors(asked):
                _check_size(report)
                sent, notice = await _send_or_follow(
                    asked, lambda to: _upload(to, bot, report, words, deadline, silent=silent)
                )
                return self.outcome(chat, f"message {foreign(sent.message_id)}", notice)
        except DeliveryError as error:
            return self.outcome(chat, error)


async def _send_or_follow(asked: Asked, send: Callable[[str], Awaitable[Message]]) -> tuple[Message, Problem | None]:
    """Send to the chat that is `asked`, or to the supergroup that it has become.

    Return the message, and what is wrong if it went elsewhere than `asked`.
    """
    try:
        sent = await send(asked.chat)
    except RefusedError as error:
        notice, to = moved(error.answer, asked)
        return await send(to), notice
    _, topic = chat_and_topic(asked.chat)
    return sent, judge(ELSEWHERE, asked).problem if topic and sent.message_thread_id != topic else None


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
        raise TooLargeError("too_large", f"The file is too large for Telegram, which takes {EN.megabytes(LARGEST)}.")


async def _upload(chat: str, bot: Bot, report: Report, words: str, deadline: float, *, silent: bool) -> Message:
    """Send the report with these `words` until `deadline`, without a sound if it is `silent`."""
    group, topic = chat_and_topic(chat)
    options: dict[str, Any] = {
        "message_thread_id": topic,
        "parse_mode": ParseMode.HTML,
        "disable_notification": silent,
        "read_timeout": None,  # the deadline ends the wait for an answer
    }
    if not report.attachment.is_attached:
        async with asyncio.timeout_at(deadline):
            return await bot.send_message(group, words, link_preview_options=_NO_PREVIEW, **options)
    with _opened(report) as file:
        async with asyncio.timeout_at(deadline):
            return await bot.send_document(group, file, caption=words, **options)


@contextmanager
def _opened(report: Report) -> Iterator[InputFile]:
    """Open the workbook for the block, which sends it; raise DeliveryError if it can't be read.

    Raise CutShortError if the connection ends before all of it has left.
    """
    try:
        document = report.workbook.open("rb")
    except OSError as error:
        raise unreadable(report.workbook, error) from error
    with document:
        try:
            # Not read here and now, as the library would: it goes out piece by piece.
            yield InputFile(document, filename=report.attachment.name, read_file_handle=False)
        except (NetworkError, TimeoutError) as error:
            cause = error if isinstance(error, TimeoutError) else error.__cause__
            is_cut_short = cause is error or isinstance(cause, CONNECTION_ERRORS)
            # Where writing fails, httpx looks for an answer all the same, and reports that only.
            if is_cut_short and document.tell() < report.attachment.size:
                raise CutShortError(str(error)) from cause
            if isinstance(cause, OSError) and not is_cut_short:  # an error of the file
                raise unreadable(report.workbook, cause) from error
            raise
