"""Who is told of a failure, in which words, and that nobody is told twice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from ..channels.interface import Channel
from ..domain.outcome import Outcome
from ..domain.window import Window
from ..errors import LedgerError
from ..ledger.claim import Claim
from ..message.alert import Failure
from ..message.alert import alert as write_alert
from ..message.alert import all_clear as write_all_clear
from .deliver import healthiest_first, send_alert

logger = logging.getLogger(__name__)
AlertResult = Literal["now", "before", "nobody"]
NOTE_LIMIT = 5.0
"""Seconds for noting an alert: it must fit into the grace period after SIGTERM."""


class Alerts:
    """Raises alerts through `channels`.

    `command` writes the command that sends a window; `recovery_note` says whether that happens by itself,
    `settled_note` the same of what was refused or went without its workbook. `everyone` names those who are owed a
    window that nobody has got yet, `redact` takes out secrets.
    `muted` tells whether the operator is at the terminal and nobody else is to be told.
    `known` are causes that were told of in this run; None where each window is told of by itself.
    `knows_of_stop` is set once a stop has been dealt with.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        redact: Callable[[str], str],
        command: Callable[[Window], str],
        recovery_note: str,
        settled_note: str,
        everyone: Sequence[str],
        clock: Callable[[], datetime],
        muted: Callable[[], bool],
        known: set[str] | None,
    ) -> None:
        self._channels = channels
        self._redact = redact
        self._command = command
        self._recovery_note = recovery_note
        self._settled_note = settled_note
        self._everyone = everyone
        self.knows_of_stop = False
        self._clock = clock
        self._muted = muted
        self._known = known

    async def send(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        *,
        claim: Claim | None = None,
        outcomes: Sequence[Outcome] = (),
        owed: Sequence[str] | None = None,
    ) -> AlertResult:
        """Alert of `failures`, unless somebody was told of them before; only what somebody took counts as told."""
        causes = [failure.cause for failure in failures]
        if self._muted():
            logger.info("Nobody else is told of it")
            return "nobody"
        if (claim and not claim.is_new(causes)) or (self._known is not None and self._known.issuperset(causes)):
            logger.info("Alerted of this before; nobody is told again")
            return "before"
        text = write_alert(
            window,
            failures,
            owed=self._owed(outcomes, claim) if owed is None else owed,
            recovery_note=self._outlook_for(outcomes) if window else "",
            command=self._command(window) if window else None,
        )
        taken = await send_alert(self._redact(text), self._clock(), healthiest_first(self._channels, outcomes))
        if taken and self._known is not None:
            self._known.update(causes)
        if taken and claim:
            await self._noted(claim.note_alert(causes))
        return "now" if taken else "nobody"

    async def all_clear(self, window: Window, claim: Claim) -> None:
        """Tell whoever was alerted of `window` that all is well, once."""
        if not claim.wants_all_clear:
            return
        text = self._redact(write_all_clear(window, skipped=claim.record.is_skipped))
        if await send_alert(text, self._clock(), healthiest_first(self._channels)):
            await self._noted(claim.note_all_clear())

    def _outlook_for(self, outcomes: Sequence[Outcome]) -> str:
        """Say what comes of those who lack the report; without outcomes, of everyone."""
        states = {outcome.state for outcome in outcomes if not outcome.delivered} or {"failed"}
        sentences = [self._recovery_note] if "failed" in states else []
        sentences += [self._settled_note] if states - {"failed"} else []
        return " ".join(dict.fromkeys(sentences))

    def _owed(self, outcomes: Sequence[Outcome], claim: Claim | None) -> list[str]:
        if outcomes:
            return [f"{outcome.channel} to {outcome.recipient}" for outcome in outcomes if not outcome.delivered]
        if claim and claim.record.entries:
            lacking = [entry for entry in claim.record.entries if entry.state not in ("delivered", "skipped")]
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
