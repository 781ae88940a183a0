"""One window, from its claim in the ledger to the outcome of every recipient."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..config.loader import Settings
from ..domain.outcome import Outcome
from ..domain.window import Window, as_option
from ..errors import LedgerError, ReportError, TimeLimitError
from ..ledger.claim import Claim
from ..ledger.interface import Ledger
from ..ledger.record import Trigger
from ..message.alert import STOPPED, Failure
from ..runtime.atomic_write import take_away
from ..runtime.logs import window_in_hand
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from ..supabase.storage import Storage
from .alerts import Alerts
from .build import Builder
from .deliver import deliver

logger = logging.getLogger(__name__)


class Result(Struct, frozen=True, kw_only=True):
    """How one window, or a whole run, went: its exit code, in words, and `why` it failed if it did.

    `sent` tells whether anything was sent, `known` whether its failure was told of before; `window` is its start,
    `rows` are those it had, `bytes` those of its workbook.
    """

    code: int
    sent: bool = False
    known: bool = False
    words: str = ""
    why: str = ""
    window: str | None = None
    rows: int | None = None
    bytes: int | None = None


class Producer(Struct, frozen=True, kw_only=True):
    """Makes and delivers the reports of a run, with what the run was composed of."""

    settings: Settings
    table: AnalysesTable
    builder: Builder
    ledger: Ledger
    channels: Sequence[Channel]
    storage: Storage | None
    alerts: Alerts
    policy: RetryPolicy
    clock: Callable[[], datetime]
    again: Callable[[Window], str]
    resender: str

    async def produce(
        self,
        window: Window,
        *,
        trigger: Trigger = "manual",
        resend: bool = False,
        remarks: Sequence[str] = (),
        watermark: datetime | None = None,
    ) -> Result:
        """Report `window` to those to whom a run of this `trigger` sends it; log and alert whatever fails.

        `watermark` is noted in the window's record.
        """
        window_in_hand.set(as_option(window))
        result = await self._produce(window, trigger, resend=resend, remarks=remarks, watermark=watermark)
        return replace(result, window=as_option(window))

    async def _produce(
        self, window: Window, trigger: Trigger, *, resend: bool, remarks: Sequence[str], watermark: datetime | None
    ) -> Result:
        late = trigger == "catch_up"
        try:
            async with self.ledger.claim(window) as claim:
                try:
                    resend_by = self.resender if resend else ""
                    await claim.open_for(addresses(self.channels), trigger, resend_by=resend_by, watermark=watermark)
                    return await self._claimed(window, claim, late=late, remarks=remarks)
                except asyncio.CancelledError:
                    await self._stopped(window, claim)
                    raise
                except TimeLimitError as error:
                    if late:
                        logger.warning("%s The next run makes it good.", error, extra={"event": "postponed"})
                        return Result(code=1, known=True, words=f"failed: {error.stage}", why=str(error))
                    return await self._failed(window, error.stage, str(error), claim)
                except ReportError as error:
                    return await self._failed(window, error.stage, str(error), claim)
                except Exception as error:
                    logger.exception("The run broke down", extra={"event": "broke_down"})
                    why = f"It broke down ({type(error).__name__}: {error}). Read the log, then run this window again."
                    return await self._failed(window, "the run", why, claim)
        except LedgerError as error:
            return await self._failed(window, error.stage, str(error), None)

    async def _claimed(self, window: Window, claim: Claim, *, late: bool, remarks: Sequence[str]) -> Result:
        if not any(claim.owed(channel.name) for channel in self.channels):
            self._log_delivered_before(window, claim)
            words = "skipped before" if claim.record.is_skipped else "delivered before"
            return Result(code=0, words=words, rows=claim.record.rows)
        building = self.builder.build(window, resent=claim.record.resent, late=late, remarks=remarks)
        async with building as (report, summary):
            if report is None:
                return await self._skip(window, claim)
            claim.record.rows, claim.record.late_rows = summary.rows, 0  # saved with the first sending
            size = report.attachment.size
            outcomes = await deliver(report, self.channels, claim, self.policy, self.storage)
            result = replace(await self._conclude(window, claim, outcomes), rows=summary.rows, bytes=size)
            if late and result.code == 0:  # nobody looks for it; the present window's stays
                take_away(report.workbook, self.settings.report.report_dir)
            return result

    async def _conclude(self, window: Window, claim: Claim, outcomes: Sequence[Outcome]) -> Result:
        failed = [outcome for outcome in outcomes if not outcome.delivered]
        done = f"{len(outcomes) - len(failed)} of {len(outcomes)}"
        words = f"{done} written" if any(one.state == "written" for one in outcomes) else f"delivered to {done}"
        logger.info("%s: %s", window.label(), words, extra={"event": "concluded"})
        notices = [Failure(what="nothing yet", why=outcome.notice) for outcome in outcomes if outcome.notice]
        if notices:
            await self.alerts.send(None, notices)
        if failed:
            told = await self.alerts.send(window, _failures(failed), claim=claim, outcomes=outcomes)
            return Result(
                code=1, sent=len(failed) < len(outcomes), known=told == "before", words=words, why=failed[0].failure
            )
        if claim.record.is_done(addresses(self.channels)):
            await self.alerts.all_clear(window, claim)
        return Result(code=0, sent=True, words=words)

    async def _skip(self, window: Window, claim: Claim) -> Result:
        await claim.skip()
        logger.info("%s: skipped: no rows", window.label(), extra={"event": "skipped"})
        if claim.record.is_done(addresses(self.channels)):
            await self.alerts.all_clear(window, claim)
        return Result(code=0, words="skipped: no rows", rows=0)

    async def _failed(self, window: Window, stage: str, why: str, claim: Claim | None) -> Result:
        logger.error("%s", why, extra={"event": "failed", "stage": stage})
        told = await self.alerts.send(window, [Failure(what=stage, why=why)], claim=claim)
        return Result(code=1, known=told == "before", words=f"failed: {stage}", why=why)

    async def _stopped(self, window: Window, claim: Claim) -> None:
        """Tell of a run that was stopped from outside, unless its window was told of already."""
        self.alerts.knows_of_stop = True
        if claim.record.is_done(addresses(self.channels)):
            end = "skipped" if claim.record.is_skipped else "delivered"
            logger.warning("Stopped after %s was %s", window.label(), end, extra={"event": "stopped"})
            return
        logger.error("Stopped before %s was delivered", window.label(), extra={"event": "stopped"})
        if not claim.record.alerted or claim.record.cleared:
            await self.alerts.send(window, [STOPPED], claim=claim)

    def _log_delivered_before(self, window: Window, claim: Claim) -> None:
        end = "skipped before, for it had no rows" if claim.record.is_skipped else "delivered before"
        extra = {"event": "delivered_before"}
        logger.info("%s was %s. To send it again: %s", window.label(), end, self.again(window), extra=extra)
        for entry in claim.record.entries:
            extra |= {"channel": entry.channel, "recipient": entry.recipient}
            logger.info("%s to %s: %s at %s", entry.channel, entry.recipient, entry.state, entry.at, extra=extra)


def _failures(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their reason, so that a dead server is told of once."""
    by_reason: dict[str, list[str]] = {}
    for outcome in failed:
        by_reason.setdefault(outcome.failure, []).append(f"{outcome.channel} to {outcome.recipient}")
    return [Failure(what=", ".join(recipients), why=why) for why, recipients in by_reason.items()]
