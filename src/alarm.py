"""Who is told of a failure, in which words, and that nobody is told twice."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from . import message
from .channels import Channel, Outcome
from .delivery import healthiest_first, raise_alert
from .errors import LedgerError
from .ledger import Book
from .message import Failure
from .window import Window

logger = logging.getLogger(__name__)


class Alarm:
    """Raises alerts through `channels`.

    `command` writes what makes a window good, `outlook` says whether that happens by itself, `everyone` names those
    who are owed a window that nobody has got yet, `redact` takes out secrets.
    `knows_of_stop` is set once a SIGTERM has been dealt with.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        redact: Callable[[str], str],
        command: Callable[[Window], str],
        outlook: str,
        everyone: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._redact = redact
        self._command = command
        self._outlook = outlook
        self._everyone = everyone
        self.knows_of_stop = False
        self._clock = clock

    async def raise_for(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        *,
        book: Book | None = None,
        outcomes: Sequence[Outcome] = (),
    ) -> bool:
        """Alert of `failures`, unless somebody was told of them before; tell whether it was the first time."""
        if book and not await self._is_new(book, failures):
            logger.info("Alerted of this before; nobody is told again")
            return False
        text = message.alert(
            window,
            failures,
            owed=self._owed(outcomes, book),
            outlook=self._outlook if window else "",
            command=self._command(window) if window else None,
        )
        await raise_alert(self._redact(text), self._clock(), healthiest_first(self._channels, outcomes))
        return True

    async def say(self, text: str, outcomes: Sequence[Outcome] = ()) -> None:
        """Tell whoever is alerted something else, such as that all is clear."""
        await raise_alert(self._redact(text), self._clock(), healthiest_first(self._channels, outcomes))

    def _owed(self, outcomes: Sequence[Outcome], book: Book | None) -> list[str]:
        if outcomes:
            return [f"{outcome.channel} to {outcome.recipient}" for outcome in outcomes if not outcome.delivered]
        if book and book.record.entries:
            lacking = [entry for entry in book.record.entries if entry.state != "delivered"]
            return [f"{entry.channel} to {entry.recipient}" for entry in lacking]
        return [*self._everyone]

    @staticmethod
    async def _is_new(book: Book, failures: Sequence[Failure]) -> bool:
        try:
            return await book.first_alert([failure.cause for failure in failures])
        except LedgerError as error:  # rather told twice than not at all
            logger.error("%s", error)
            return True
