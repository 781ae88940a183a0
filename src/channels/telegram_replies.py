"""What Telegram's answers and refusals mean."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from ..errors import DeliveryError, Fault, Problem, TooLargeError
from ..runtime.bounded_answers import AnswerEncodingError, AnswerTooLargeError
from ..runtime.connection import diagnose
from ..runtime.visible_text import in_quotes

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's switch for retry_after without a warning
logger = logging.getLogger(__name__)
_LONGEST_WAIT = 10**9
"""Cap on retry_after, in seconds: thirty years."""
CHATS = "TELEGRAM_CHAT_ID"


class CutShortError(NetworkError):
    """The connection ended before the whole file had left, so that nothing can have been taken."""


class OddAnswerError(TelegramError):
    """An answer is JSON, but nothing that the library could read; the message may have been taken."""

    def __init__(self) -> None:
        super().__init__("Invalid server response")


class BotRequest(HTTPXRequest):
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


def moved(chat: str, to: str, variable: str = CHATS) -> Problem:
    """Describe a chat that has become another one; `variable` is the setting that names it."""
    return Problem(
        key=f"telegram.moved.{chat}",
        reason=f"Chat {chat} has become {to}.",
        remedy=f"Set {variable} to the new one.",
    )


def new_chat(told: object) -> str:
    """Write the id that Telegram names, which should be a number."""
    return str(told) if isinstance(told, int) else in_quotes(told)


_ODD_FORMS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What python-telegram-bot raises where an answer's fields are not what the Bot API promises."""


@contextmanager
def translated(chat: str, refusal: str, variable: str = CHATS) -> Iterator[None]:
    """Turn whatever python-telegram-bot raises about `chat`, or about the bot without one, into DeliveryError.

    `refusal` says what Telegram did not do; `variable` is the setting that names the chat.
    """
    try:
        yield
    except (OddAnswerError, *_ODD_FORMS) as error:
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
        extra = {"event": "broke_down", "channel": "telegram", "recipient": chat}
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
            return "migrated", f"moved chat {chat} to {new_chat(error.new_chat_id)}", f"Set {variable} to the new one"
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
