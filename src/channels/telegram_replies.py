"""Read the Bot API's answers, and turn whatever python-telegram-bot raises into errors of our own."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from telegram.error import NetworkError, TelegramError
from telegram.request import HTTPXRequest

from ..errors import DeliveryError
from ..runtime.connection import diagnose
from ..runtime.http import AFTER_SENDING, CONNECTION_ERRORS
from .interface import connection_error
from .telegram_rules import Asked, BotAnswer, judge

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's switch for retry_after without a warning
logger = logging.getLogger(__name__)
_LONGEST_WAIT = 10**9
"""Cap on retry_after, in seconds: thirty years."""
_PAGE = 500
"""Bytes that are kept of another server's page."""


class CutShortError(NetworkError):
    """The connection ended before the whole file had left, so that nothing can have been taken."""


class RefusedError(TelegramError):
    """The Bot API, or what answers in its place, said something else than success."""

    def __init__(self, answer: BotAnswer) -> None:
        super().__init__(answer.description)
        self.answer = answer


class BotRequest(HTTPXRequest):
    """The library's request, whose answers are judged here: the library changes their words."""

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        """Return status and body of an answer that says success; raise RefusedError for any other one."""
        status, body = await super().do_request(*arguments, **options)
        if answer := refusal_in(status, body):
            raise RefusedError(answer)
        return status, body


def refusal_in(status: int, body: bytes) -> BotAnswer | None:
    """Read an answer; return None if it is the Bot API's and says success."""
    try:
        content = json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        content = None
    except RecursionError:
        return BotAnswer(status=status, description=_describe(status), form="unreadable")
    if not isinstance(content, dict) or not isinstance(content.get("ok"), bool):
        # A success that was cut off begins like one; anything else is a page.
        is_cut = status < 300 and content is None and body.strip()[:1] in (b"", b"{")
        return BotAnswer(status=status, description=_describe(status, body), form="unreadable" if is_cut else "foreign")
    if status < 300 and content["ok"]:
        return None
    code, found = content.get("error_code"), content.get("parameters")
    numbers = {name: value for name, value in found.items() if type(value) is int} if isinstance(found, dict) else {}
    return BotAnswer(
        status=code if status < 300 and isinstance(code, int) else status,
        description=str(content.get("description") or _describe(status)),
        form="bot_api",
        moved_to=numbers.get("migrate_to_chat_id"),
        retry_after=min(max(0, numbers.get("retry_after", 0)), _LONGEST_WAIT),
    )


def _describe(status: int, body: bytes = b"") -> str:
    """Name a status, and quote the beginning of another server's page."""
    name = f"HTTP {status} {HTTPStatus(status).phrase}" if status in {*HTTPStatus} else f"HTTP {status}"
    page = body[:_PAGE].decode("utf-8", "replace")
    return f"{name}, {page}" if page.strip() else name


_ODD_FORMS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What python-telegram-bot raises where an answer's fields are not what the Bot API promises."""


@contextmanager
def telegram_errors(asked: Asked) -> Iterator[None]:
    """Turn whatever python-telegram-bot raises in answer to what was `asked` into DeliveryError."""
    try:
        yield
    except RefusedError as error:
        raise judge(error.answer, asked) from error
    except DeliveryError:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, NetworkError) else error
        if isinstance(cause, (*CONNECTION_ERRORS, TimeoutError)):
            raise _connection_failure(error, cause, asked) from error
        # An answer that the library can't read; the next chat must still get its report.
        unread = judge(BotAnswer(status=200, description=type(error).__name__, form="unreadable"), asked)
        if not isinstance(error, _ODD_FORMS):
            extra = {"event": "broke_down", "channel": "telegram", "recipient": asked.chat, "key": unread.problem.key}
            logger.exception("%s", unread.problem.statement, extra=extra)
        raise unread from error


def _connection_failure(error: Exception, cause: Exception, asked: Asked) -> DeliveryError:
    """Describe a connection that failed; where all had been sent, the message may have arrived."""
    is_open = isinstance(cause, (*AFTER_SENDING, TimeoutError))
    found = diagnose(error, address="TELEGRAM_API_URL", is_open=is_open)
    is_sent = is_open and asked.sends and not isinstance(error, CutShortError) and found.kind != "client_certificate"
    what = "Telegram did not confirm the message:" if is_sent else "Telegram could not be reached:"
    key = "telegram.unanswered" if is_sent and found.kind == "timed_out" else f"telegram.{found.kind}"
    return connection_error(found, key, what, ambiguous=is_sent)
