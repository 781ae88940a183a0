"""Who is told of a failure, in which words, and that nobody is told twice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from ..channels.interface import Channel, Outcome
from ..domain.window import Window
from ..errors import LedgerError
from ..ledger.claim import Book
from ..message.alert import Failure
from ..message.alert import alert as write_alert
from ..message.alert import all_clear as write_all_clear
from .deliver import healthiest_first, raise_alert

logger = logging.getLogger(__name__)
Told = Literal["now", "before", "nobody"]
NOTE_LIMIT = 5.0
"""Seconds for noting an alert: it must fit into the grace period after SIGTERM."""


class Alarm:
    """Raises alerts through `channels`.

    `command` writes what makes a window good; `outlook` says whether that happens by itself, `settled_outlook` the
    same of what was refused or went without its workbook. `everyone` names those who are owed a window that nobody
    has got yet, `redact` takes out secrets.
    `hushed` tells whether somebody is sitting there and nobody else is to be told.
    `known` are causes that were told of in this run; None where each window is told of by itself.
    `knows_of_stop` is set once a stop has been dealt with.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        redact: Callable[[str], str],
        command: Callable[[Window], str],
        outlook: str,
        settled_outlook: str,
        everyone: Sequence[str],
        clock: Callable[[], datetime],
        hushed: Callable[[], bool],
        known: set[str] | None,
    ) -> None:
        self._channels = channels
        self._redact = redact
        self._command = command
        self._outlook = outlook
        self._settled_outlook = settled_outlook
        self._everyone = everyone
        self.knows_of_stop = False
        self._clock = clock
        self._hushed = hushed
        self._known = known

    async def raise_for(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        *,
        book: Book | None = None,
        outcomes: Sequence[Outcome] = (),
        owed: Sequence[str] | None = None,
    ) -> Told:
        """Alert of `failures`, unless somebody was told of them before; only what somebody took counts as told."""
        causes = [failure.cause for failure in failures]
        if self._hushed():
            logger.info("Nobody else is told of it")
            return "nobody"
        if (book and not book.is_new(causes)) or (self._known is not None and self._known.issuperset(causes)):
            logger.info("Alerted of this before; nobody is told again")
            return "before"
        text = write_alert(
            window,
            failures,
            owed=self._owed(outcomes, book) if owed is None else owed,
            outlook=self._outlook_for(outcomes) if window else "",
            command=self._command(window) if window else None,
        )
        taken = await raise_alert(self._redact(text), self._clock(), healthiest_first(self._channels, outcomes))
        if taken and self._known is not None:
            self._known.update(causes)
        if taken and book:
            await self._noted(book.note_alert(causes))
        return "now" if taken else "nobody"

    async def all_clear(self, window: Window, book: Book) -> None:
        """Tell whoever was alerted of `window` that all is well, once."""
        if not book.wants_all_clear:
            return
        text = self._redact(write_all_clear(window, skipped=book.record.is_skipped))
        if await raise_alert(text, self._clock(), healthiest_first(self._channels)):
            await self._noted(book.note_all_clear())

    def _outlook_for(self, outcomes: Sequence[Outcome]) -> str:
        """Say what comes of those who lack the report; without outcomes, of everyone."""
        states = {outcome.state for outcome in outcomes if not outcome.delivered} or {"failed"}
        sentences = [self._outlook] if "failed" in states else []
        sentences += [self._settled_outlook] if states - {"failed"} else []
        return " ".join(dict.fromkeys(sentences))

    def _owed(self, outcomes: Sequence[Outcome], book: Book | None) -> list[str]:
        if outcomes:
            return [f"{outcome.channel} to {outcome.recipient}" for outcome in outcomes if not outcome.delivered]
        if book and book.record.entries:
            lacking = [entry for entry in book.record.entries if entry.state not in ("delivered", "skipped")]
            return [f"{entry.channel} to {entry.recipient}" for entry in lacking]
        return [*self._everyone]

    @staticmethod
    async def _noted(saving: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(NOTE_LIMIT):
                await saving
        except (LedgerError, TimeoutError) as error:  # rather told twice than not at all
            extra = {"event": "ledger_failed"}
            logger.warning("That somebody was told could not be noted: %s", error or "it took too long", extra=extra)
