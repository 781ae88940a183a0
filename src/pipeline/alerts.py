"""Decide on alerts: one when a failure begins, then one a day; and the all-clear."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from itertools import accumulate
from typing import Literal

from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..config.options import limited_to, nearest_recipients
from ..config.settings import DEFAULT_NAME, ReportSettings
from ..domain.delivery import ChannelAddress, Outcome, normalized
from ..domain.window import Window, as_option, last_full
from ..errors import LedgerError, Stage
from ..ledger.claim import Claim
from ..ledger.history import is_before_all, is_in_reach, refused_windows
from ..ledger.interface import Ledger
from ..ledger.notices import MONITOR, Moments, Notices, due, notices_without_table
from ..message.alert import (
    ALERTED,
    NO_LATER_RUN,
    NO_RECOVERY_NOTE,
    STOPPED_BY_SIGTERM,
    AlertText,
    Cause,
    Coverage,
    Failure,
    RecoveryNote,
    read_cause,
    recipient_names,
    render_alert,
)
from ..message.recovery import Recovery, recovery_note, render_all_clear
from ..runtime.terminal import is_watched
from .alert_routes import AlertSender
from .failures import coverage_of
from .run import Run, rerun_command, shared_by_pods, span_command

logger = logging.getLogger(__name__)
_LONGEST_NAMES = 500
"""Characters of the recipients in a command: an alert has 4,096 in all."""
_WITHOUT_SETTINGS = RecoveryNote(words="No report is sent until the settings are correct.")
AlertResult = Literal["now", "before", "nobody"]
"""Whether somebody was alerted now, or before and less than a day ago; `nobody` was if no channel took the alert."""


def is_news(keys: Sequence[str], window: str, notices: Moments, now: datetime, *, is_stop: bool) -> bool:
    """Decide whether failures with these `keys` are alerted `now`: nobody was of one of them, or not for a day.

    `window` is the key of the window that they are about, if any. A stop ends what failed before: whoever was alerted
    of this window needs no second alert.
    """
    return bool(due(keys, notices, now)) and not (is_stop and window in notices)


def find_over(
    notices: Iterable[str],
    failing: Collection[str],
    working: Collection[str],
    recovered: Collection[str],
    everyone: Sequence[ChannelAddress],
    *,
    is_well: bool,
) -> dict[str, Cause]:
    """Decide which of the causes in `notices` are over, by their keys.

    A part of a run is over when it was seen `working` or is none of `everyone` any more; anything else when the run
    `is_well`, or when it is about a window that has `recovered`.
    """
    causes = {key: read_cause(key) for key in notices if key not in failing and not key.startswith(MONITOR)}

    def is_over(cause: Cause) -> bool:
        if cause.recovers:
            return cause.part in working or _is_gone(cause.part, everyone)
        return is_well or cause.window in recovered

    return {key: cause for key, cause in causes.items() if is_over(cause)}


class Alerts:
    """The alerts of a run through `channels`, whose settings are whole even where others are not.

    `notices` remember what somebody was alerted of, those in Supabase and its `ledger` while it is connected.
    """

    def __init__(
        self, run: Run, channels: Sequence[Channel], notices: Notices | None = None, ledger: Ledger | None = None
    ) -> None:
        self.notices = notices or notices_without_table(run.options, run.loaded)
        self._run = run
        self._ledger = ledger
        self._sender = AlertSender(run, channels)
        self._everyone = addresses(channels)
        named, is_wrong = limited_to(run.options, run.loaded.report), bool(run.loaded.problems)
        # A name that no recipient has is the failure itself: its alert has the command for the nearest one.
        is_kept = is_wrong or run.options.only
        self._only = named if is_kept else nearest_recipients(named, [recipient for _, recipient in self._everyone])
        self._is_misnamed = self._only != named
        self._present = [] if is_wrong or self._is_misnamed else addresses(channels, self._only)
        self._failing: set[str] = set()
        self._working: set[str] = set()
        self._recovered: list[Recovery] = []
        self._caught_up: list[Recovery] = []

    @property
    def is_muted(self) -> bool:
        """Whether nobody is alerted: it is a dry run or a trial on a terminal, or was stopped there."""
        options = self._run.options
        is_trial = options.until_now or bool(options.only)
        return options.dry_run or self._run.stop.by_hand or (is_trial and is_watched())

    async def send(
        self,
        failures: Sequence[Failure],
        window: Window | None = None,
        *,
        claim: Claim | None = None,
        outcomes: Sequence[Outcome] = (),
    ) -> AlertResult:
        """Alert of `failures`, unless somebody was before; only an alert that a channel took counts."""
        causes = [cause for failure in failures for cause in failure.causes(window)]
        keys, about = [cause.text for cause in causes], _about(window)
        self._failing.update(keys)
        if self.is_muted:
            logger.info("No alert is sent: whoever started this run sees what failed")
            return "nobody"
        async with self._turn():
            notices, now = await self.notices.told(), self._run.clock()
            is_stop = all(failure.problem.key == STOPPED_BY_SIGTERM.key for failure in failures)
            result: AlertResult = "before"
            if is_news(keys, about, notices, now, is_stop=is_stop):
                since = min((notices[key] for key in keys if key in notices), default=None)
                text = await self._text(failures, window, claim, outcomes, since)
                result = "now" if await self._sender.send(text, outcomes) else "nobody"
            else:
                logger.info("Already alerted; the next reminder comes 24 hours after the last one")
            if result == "now":
                await self.notices.tell(filter(None, [*keys, about]), now)
        if claim and result != "nobody":
            await self._noted(claim.note_alert([replace(cause, window="").text for cause in causes]))
        return result

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Keep the other pods of an Indexed Job from alerting during the block: they may alert of the same.

        Where the ledger can't be used, each alerts for itself, and so does a run that is being stopped.
        """
        run, report, ledger = self._run, self._run.loaded.report, self._ledger
        shared = shared_by_pods(run.options, report) if report and ledger else None
        longest = 2 * run.timeouts.alert + run.timeouts.alert_note  # another pod's, by Telegram and then by email
        async with AsyncExitStack() as stack:
            if ledger and shared and not run.stop.is_requested:
                try:
                    await stack.enter_async_context(ledger.claim(shared, run.policy(longest)))
                except LedgerError as error:
                    extra = {"event": "ledger_failed"}
                    logger.warning("What other pods have alerted of is not known: %s", error, extra=extra)
            yield

    async def send_unusual(self, text: str) -> None:
        """Send `text` on an unusual window to the alert chat, unless that is one of the report's own chats.

        Neither a trial nor a backfill sends it: the operator sees the reports.
        """
        options, report = self._run.options, self._run.loaded.report
        is_backfill = options.count or (report and (report.report_count or report.job_completion_index is not None))
        if not (self.is_muted or options.until_now or is_backfill):
            await self._sender.send_unusual(text)

    def mark_working(self, *parts: str) -> None:
        """Note that `parts`, as alerts name them, did what they are for in this run."""
        self._working.update(parts)

    async def mark_recovered(self, window: Window, claim: Claim, *, is_late: bool = False) -> None:
        """Note that `window` has reached everyone, if it has: an all-clear names it if an alert did.

        One that `is_late` is also named where an all-clear is given anyway: it was missed meanwhile.
        """
        record, everyone = claim.record, self._everyone
        # A run that is limited to some may find the window opened for nobody else yet.
        if not record.is_done(everyone) or (self._only and not record.is_settled(everyone)):
            return
        recovery = Recovery(window=window, skipped=record.is_skipped, as_usual=record.is_as_usual)
        if claim.wants_all_clear:
            await self._noted(claim.note_all_clear())
            self._recovered.append(recovery)
        elif not self.is_muted and as_option(window) in [read_cause(key).window for key in await self.notices.told()]:
            self._recovered.append(recovery)
        elif is_late:
            self._caught_up.append(recovery)

    async def conclude(self, *, is_well: bool) -> None:
        """Give the all-clear of the run: for windows that an alert named, and for what was seen to work again.

        `is_well`: everything did what it is for.
        """
        if self.is_muted:
            return
        working = self._working | {Stage.SETTINGS} | ({Stage.RUN} if is_well else set())
        recovered = {as_option(one.window) for one in self._recovered}
        notices = await self.notices.told()
        over = find_over(notices, self._failing, working, recovered, self._everyone, is_well=is_well)
        if (self._recovered or any(cause.recovers for cause in over.values())) and not await self._send_all_clear(over):
            return
        self._recovered.clear()
        self._caught_up.clear()
        if over:
            await self.notices.clear(over, self._run.clock())

    async def _send_all_clear(self, over: Mapping[str, Cause]) -> bool:
        """Send the all-clear for what is `over`; return whether it reached anybody."""
        report = self._run.loaded.report
        parts = [*dict.fromkeys(cause.part for cause in over.values() if cause.recovers)]
        gone = [part for part in parts if _is_gone(part, self._everyone)]
        again = [part for part in parts if part not in gone]
        lacking = await self._lacking([cause.part for cause in over.values() if cause.for_good and cause.part in again])
        text = render_all_clear(
            sorted(self._recovered + self._caught_up, key=lambda one: one.window.start),
            again,
            known=recipient_names(self._everyone),
            gone=gone,
            lacking=lacking,
            command=span_command(lacking, report) if lacking and report else "",
            name=report.report_name if report else DEFAULT_NAME,
        )
        return await self._sender.send(text, what="The all-clear")

    async def _lacking(self, refused: Sequence[str]) -> list[Window] | None:
        """Return the windows that were `refused` to recipients, which no run sends; None if the ledger can't say."""
        report, recipients = self._run.loaded.report, {normalized(_address(part)) for part in refused}
        if not (recipients and report and self._ledger):
            return []
        newest = last_full(report.report_template, report.report_timezone, self._run.clock())
        limit = self._run.timeouts.alert_note
        try:
            async with asyncio.timeout(limit):
                return await refused_windows(self._ledger, newest, [*recipients], self._run.policy(limit))
        except (LedgerError, TimeoutError):
            return None

    async def _text(
        self,
        failures: Sequence[Failure],
        window: Window | None,
        claim: Claim | None,
        outcomes: Sequence[Outcome],
        since: datetime | None,
    ) -> AlertText:
        report, is_repeated = self._run.loaded.report, not self.notices.is_lasting
        name = report.report_name if report else DEFAULT_NAME
        if window is None or report is None:
            is_setting = any(failure.what == Stage.SETTINGS for failure in failures)
            note = _WITHOUT_SETTINGS if is_setting else NO_RECOVERY_NOTE
            return render_alert(window, failures, since=since, is_repeated=is_repeated, note=note, name=name)
        only = self._recipients_of_command([one.recipient for one in outcomes if not one.delivered], report)
        coverage = coverage_of(claim.record if claim else None, self._present)
        is_scheduled = claim is not None and claim.record.scheduled
        return render_alert(
            window,
            failures,
            coverage=coverage,
            since=since,
            is_repeated=is_repeated,
            note=await self._note(window, coverage, report, is_scheduled=is_scheduled, to_everyone=not only),
            command=rerun_command(window, report, until_now=self._run.options.until_now, only=only),
            name=name,
        )

    async def _note(
        self, window: Window, coverage: Coverage, report: ReportSettings, *, is_scheduled: bool, to_everyone: bool
    ) -> RecoveryNote:
        """Say what later runs do about `window`; one that `is_scheduled` was opened by a run that others follow."""
        if self._run.options.until_now:
            return NO_LATER_RUN
        if self._is_misnamed:
            return RecoveryNote(
                words="No run sends it until REPORT_ONLY is correct.",
                todo=f"To send it now to {', '.join(self._only)}, the nearest recipient:",
            )
        in_reach, limit = is_in_reach(window, report.report_catch_up, self._run.clock()), self._run.timeouts.alert_note
        ledger = None if is_scheduled else self._ledger
        is_before = ledger is not None and await is_before_all(window, ledger, limit)
        return recovery_note(report, coverage, in_reach=in_reach, is_before=is_before, to_everyone=to_everyone)

    def _recipients_of_command(self, lacking: Sequence[str], report: ReportSettings) -> Sequence[str]:
        """Return those of `lacking` whom the command is for, where it would send to others besides.

        A lasting ledger knows who lacks the report; there a command without names also reaches the right address in
        place of a wrong one.
        """
        if self._only:  # as many as fit: without a name, the command would be for everyone
            names = lacking or self._only
            ends = accumulate(len(name) + 1 for name in names)
            return [name for name, end in zip(names, ends, strict=True) if end <= _LONGEST_NAMES]
        if report.report_ledger == "supabase" or not report.job_name:
            return []
        is_short = len(",".join(lacking)) <= _LONGEST_NAMES
        return lacking if is_short and len(lacking) < len(self._everyone) else []

    async def _noted(self, saving: Awaitable[None]) -> None:
        extra = {"event": "ledger_failed"}
        try:
            async with asyncio.timeout(self._run.timeouts.alert_note):
                await saving
        except LedgerError as error:  # rather an alert too many than one too few
            logger.warning("The alert could not be noted: %s", error, extra=extra)
        except TimeoutError:
            logger.warning("The alert could not be noted: the ledger did not answer in time", extra=extra)


def _about(window: Window | None) -> str:
    """Return the key of the notice that an alert named `window`; empty without one."""
    return Cause(part=Stage.RUN, key=ALERTED, window=as_option(window)).text if window else ""


def _is_gone(part: str, everyone: Sequence[ChannelAddress]) -> bool:
    """Return whether `part`, as alerts name it, is a recipient whom the settings name no more."""
    address = _address(part)
    return bool(address[1]) and normalized(address) not in map(normalized, everyone)


def _address(part: str) -> ChannelAddress:
    channel, _, recipient = part.partition(" to ")
    return channel, recipient
