"""Telegram: the workbook as a document to each chat, by the Bot API."""

import asyncio
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from telegram import Bot, Chat, InputFile, LinkPreviewOptions, Message, MessageEntity
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from ..config.limits import LARGEST_ANSWER
from ..config.settings import TelegramSettings
from ..config.timeouts import Timeouts
from ..domain.outcome import Outcome, not_delivered
from ..errors import DeliveryError, Fault, Problem, TooLargeError
from ..message import caption
from ..message.report import Report
from ..message.unlinked import quotes
from ..phrases.formats import megabytes
from ..runtime.bounded_answers import AnswerEncodingError, AnswerTooLargeError, bounded
from ..runtime.connection import diagnose
from ..runtime.proxies import proxy_for
from ..runtime.visible_text import foreign, in_quotes, units
from .interface import Limits, unreadable

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's switch for retry_after without a warning
logger = logging.getLogger(__name__)
LARGEST = 50_000_000
"""Bytes of a file by upload (Bot API, sendDocument: "50 MB")."""
_LONGEST_WAIT = 10**9
"""Cap on retry_after, in seconds: thirty years."""
_CHATS = "TELEGRAM_CHAT_ID"
_ALERT_CHAT = "TELEGRAM_ALERT_CHAT_ID"
# It would have Telegram download what a link opens.
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class CutShortError(NetworkError):
    """The connection ended before the whole file had left, so that nothing can have been taken."""


class OddAnswerError(TelegramError):
    """An answer is JSON, but nothing that the library could read; the message may have been taken."""

    def __init__(self) -> None:
        super().__init__("Invalid server response")


class _Request(HTTPXRequest):
    """The library's request, for which an answer is an object whose error has the types of the Bot API."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read an answer; raise OddAnswerError if it is no object or nested too deeply, TelegramError if no JSON."""
        try:
            answer = json.loads(payload)
        except ValueError:  # a gateway's page
            raise TelegramError("Invalid server response") from None
        except RecursionError:
            raise OddAnswerError from None
        if not isinstance(answer, dict):
            raise OddAnswerError
        if "description" in answer:
            answer["description"] = str(answer["description"])
        found = answer.pop("parameters", None)
        if isinstance(found, dict):
            parameters = {name: value for name, value in found.items() if type(value) is int}
            if "retry_after" in parameters:
                parameters["retry_after"] = min(max(0, parameters["retry_after"]), _LONGEST_WAIT)
            answer["parameters"] = parameters
        return answer


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
        text: str,
        at: datetime,  # noqa: ARG002 - Telegram dates its messages itself
        recipients: Sequence[str],
    ) -> dict[str, DeliveryError]:
        """Send `text` to each chat of `recipients`; return an error for each that did not get it."""
        failed: dict[str, DeliveryError] = {}
        async with self._bot() as bot:
            for chat in recipients:
                variable = _ALERT_CHAT if chat in self.operators else _CHATS
                try:
                    with _translated(chat, "did not take the alert for", variable):
                        await _alert(chat, text, bot, variable)
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
            with _translated("", "did not name"):
                return f"@{foreign((await bot.get_me()).username)}"

    async def check_chat(self, chat: str) -> str:
        """Say what `chat` is; raise DeliveryError if the bot doesn't see it."""
        variable = _CHATS if chat in self.recipients else _ALERT_CHAT
        async with self._bot() as bot:
            with _translated(chat, "did not describe", variable):
                # The library's get_chat fails where a server older than itself leaves a field out. In small letters,
                # which the Bot API takes too, for it warns of a name that it has a method for.
                found: Chat = await bot.do_api_request("getchat", {"chat_id": chat}, return_type=Chat)
                name = found.title or found.username or found.full_name
                return f"a {foreign(found.type)}, {in_quotes(name) if name else 'without a name'}"

    @asynccontextmanager
    async def _bot(self) -> AsyncIterator[Bot]:
        # Owned here and shared with the bot's second slot, so that there is one pool, and it is closed.
        request = _Request(
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
        words = caption.render(report.content, report.attachment, is_repeat=repeat)
        silent = self._settings.is_silent(is_normal=report.content.is_normal)
        try:
            with _translated(chat, "did not take the report for"):
                _check_size(report)
                try:
                    sent, moved_to = await _upload(chat, bot, report, words, limits, silent=silent), None
                except ChatMigrated as error:  # nothing was taken yet, so that it can go to the new one at once
                    moved_to = error.new_chat_id
                    sent = await _upload(str(moved_to), bot, report, words, limits, silent=silent)
        except DeliveryError as error:
            (outcome,) = not_delivered(self.name, [chat], error)
            return outcome
        notice = _moved(chat, _new_chat(moved_to)) if moved_to else None
        receipt = f"message {foreign(sent.message_id)}"
        return Outcome(channel=self.name, recipient=chat, state="delivered", receipt=receipt, notice=notice)


async def _alert(chat: str, text: str, bot: Bot, variable: str) -> None:
    """Send `text` to `chat`, or to the supergroup that it has become.

    As plain text: of what servers said in it Telegram makes no link, and it opens none for a preview.
    """
    marks = _quotes_as_code(text)
    try:
        await bot.send_message(chat, text, entities=marks, link_preview_options=_NO_PREVIEW)
    except ChatMigrated as error:
        moved_to = error.new_chat_id
        await bot.send_message(moved_to, text, entities=marks, link_preview_options=_NO_PREVIEW)
        extra = {"event": "notice", "channel": TelegramChannel.name, "recipient": chat}
        logger.warning("%s", _moved(chat, _new_chat(moved_to), variable), extra=extra)


def _quotes_as_code(text: str) -> list[MessageEntity]:
    """Mark what servers said in an alert as code, of which Telegram makes no link; places are in UTF-16 units."""
    return [
        MessageEntity(type=MessageEntity.CODE, offset=units(text[:begin]), length=units(text[begin:end]))
        for begin, end in quotes(text)
    ]


def _moved(chat: str, new_chat: str, variable: str = _CHATS) -> Problem:
    return Problem(
        key=f"telegram.moved.{chat}",
        reason=f"Chat {chat} has become {new_chat}.",
        remedy=f"Set {variable} to the new one.",
    )


def _new_chat(told: object) -> str:
    """Write the id that Telegram names, which should be a number."""
    return str(told) if isinstance(told, int) else in_quotes(told)


def _check_size(report: Report) -> None:
    if report.attachment.is_attached and report.attachment.size > LARGEST:
        raise TooLargeError(f"The file is too large for Telegram, which takes {megabytes(LARGEST)}.")


async def _upload(chat: str, bot: Bot, report: Report, words: str, limits: Limits, *, silent: bool) -> Message:
    """Send the report with these `words` within `limits`, without a sound if it is `silent`.

    Raise TelegramError if it was not taken, DeliveryError if the workbook can't be read.
    """
    if not report.attachment.is_attached:
        async with _until(limits.deadline):
            return await bot.send_message(
                chat,
                words,
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
                    chat,
                    file,
                    caption=words,
                    parse_mode=ParseMode.HTML,
                    disable_notification=silent,
                    read_timeout=limits.answer,
                )
        except NetworkError as error:
            if isinstance(error.__cause__, OSError):  # of the file: those of the network come as httpx's
                raise unreadable(report.workbook, error.__cause__) from error
            # Where writing fails, httpx looks for an answer all the same, and tells of that only.
            if isinstance(error.__cause__, httpx.TransportError) and document.tell() < report.attachment.size:
                raise CutShortError(error.message) from error.__cause__
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


@contextmanager
def _translated(chat: str, refusal: str, variable: str = _CHATS) -> Iterator[None]:
    """Turn whatever python-telegram-bot raises about `chat`, or about the bot without one, into DeliveryError.

    `refusal` says what Telegram did not do; `variable` is the setting that names the chat.
    """
    try:
        yield
    except OddAnswerError as error:
        raise _odd_answer(chat, "JSON of another form") from error
    except TelegramError as error:
        if "too large" in error.message.lower():  # the Bot API's only sign of a 413; no repeating makes it smaller
            raise TooLargeError(
                f"The file is too large for Telegram in chat {chat} ({in_quotes(error.message)})."
            ) from error
        key, reason, remedy = _problem(error, chat, refusal, variable)
        raise DeliveryError(
            f"telegram.{key}",
            f"Telegram {reason}.",
            f"{remedy}.",
            transient=_is_transient(error),
            fault=_fault(error),
            ambiguous=_is_ambiguous(error),
            retry_after=_seconds(error.retry_after) if isinstance(error, RetryAfter) else 0.0,
        ) from error
    except DeliveryError:
        raise
    except Exception as error:  # an answer that the library can't read; the next chat must still get its report
        extra = {"event": "broke_down", "channel": TelegramChannel.name, "recipient": chat}
        logger.exception("Telegram's answer for %s could not be understood", _about(chat), extra=extra)
        raise _odd_answer(chat, type(error).__name__) from error


def _about(chat: str) -> str:
    return f"chat {chat}" if chat else "the bot"


def _odd_answer(chat: str, why: str) -> DeliveryError:
    reason = f"Telegram's answer for {_about(chat)} could not be understood ({why})."
    remedy = f"Look into {'the chat and into ' if chat else ''}the log."
    return DeliveryError("telegram.odd_answer", reason, remedy, ambiguous=True)


def _problem(error: TelegramError, chat: str, refusal: str, variable: str) -> tuple[str, str, str]:
    """Return a key, what Telegram did, and what to do about it."""
    said = f"({in_quotes(error.message)})"
    match error:
        case InvalidToken():
            return "token", f"does not accept TELEGRAM_BOT_TOKEN {said}", "Copy the token again from @BotFather"
        case Forbidden() if chat:
            remedy = f"Have the bot unblocked in chat {chat}, or added there again"
            return "forbidden", f"does not let the bot write to chat {chat} {said}", remedy
        case ChatMigrated() if chat:
            return "migrated", f"moved chat {chat} to {_new_chat(error.new_chat_id)}", f"Set {variable} to the new one"
        case RetryAfter():
            return "rate_limit", f"gets too many messages for {_about(chat)} {said}", "Wait for the time that it names"
        case BadRequest() if chat and _is_unknown_chat(error):
            remedy = f"Correct {variable}, and make the bot a member there"
            return "unknown_chat", f"does not know chat {chat} {said}", remedy
        case NetworkError() if isinstance(error.__cause__, httpx.HTTPError):
            found = diagnose(error)
            remedy = f"{found.remedy}; TELEGRAM_API_URL says where it is"
            return found.kind, f"could not be used for {_about(chat)}: {found.reason}", remedy
    # What is left is another BadRequest, a status of 5xx, or a gateway's page.
    return "refused", f"{refusal} {_about(chat)} {said}", "Read Telegram's words"


def _is_transient(error: TelegramError) -> bool:
    """Return whether trying again may help."""
    if isinstance(error, NetworkError) and isinstance(error.__cause__, httpx.HTTPError):
        return diagnose(error).transient
    return not isinstance(error, InvalidToken | Forbidden | ChatMigrated | BadRequest)


def _fault(error: TelegramError) -> Fault:
    """Tell whose fault it is: a chat's that is not there or that shuts the bot out, else ours.

    What Telegram has against our message, or our rights in a chat, may be put right by us.
    """
    return "theirs" if isinstance(error, Forbidden) or _is_unknown_chat(error) else "ours"


def _is_unknown_chat(error: TelegramError) -> bool:
    return isinstance(error, BadRequest) and "chat not found" in error.message.lower()  # its code is 400 for all


def _is_ambiguous(error: TelegramError) -> bool:
    """Return whether the message may have been taken: all of it was sent, and its answer did not come."""
    unread = AnswerTooLargeError | AnswerEncodingError
    unanswered = isinstance(error.__cause__, httpx.ReadTimeout | httpx.ReadError | httpx.RemoteProtocolError | unread)
    return unanswered and not isinstance(error, CutShortError)


def _seconds(wait: int | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
