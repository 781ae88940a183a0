"""Send alerts: one when a failure begins, then one a day; and the all-clear."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Literal

from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..config.loader import LoadedSettings
from ..config.options import Options
from ..config.recipients import limited_to, nearest_recipients
from ..config.rerun_command import rerun_command, span_command
from ..config.settings import DEFAULT_NAME, ReportSettings
from ..config.timeouts import Timeouts
from ..domain.outcome import ChannelAddress, Outcome, OutcomeState, same
from ..domain.window import Window, as_option, last_full
from ..errors import LedgerError, Stage
from ..ledger.claim import Claim
from ..ledger.history import is_before_all, is_in_reach, refused_windows
from ..ledger.interface import Ledger
from ..ledger.notices import MONITOR, due, notices_without_table
from ..ledger.record import EntryState
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
    joined,
    ours,
    read_cause,
    recipient_names,
    render_alert,
)
from ..message.recovery import Recovery, recovery_note, render_all_clear
from ..runtime.progress import is_watched
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import visible
from .alert_routes import Route, operator_routes, reader_routes, send_alert

logger = logging.getLogger(__name__)
_LONGEST_NAMES = 500
"""Characters of the recipients in a command: an alert has 4,096 in all."""
_WITHOUT_SETTINGS = RecoveryNote(words="No report is sent until the settings are correct.")
AlertResult = Literal["now", "before", "nobody"]


class Alerts:
    """Sends alerts through `channels`, whose settings are whole even where others are not.

    `notices` know what somebody was told of: a failure that lasts is told of when it begins, then once a day.
    `muted`: nobody is to be told: it is a dry run or a trial from a terminal, or the operator stopped the run there.
    `at_hand` is the window that is being reported, or was last. `stop_is_told`: a stop by SIGTERM has been dealt with
    for it, or it has come to its end; `stop_is_failure`: as a failure, rather than left to the Job's next pod.
    `is_stopping`: this run is being stopped, and has little time. `time_left`: the seconds that are left of its time.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        options: Options,
        loaded: LoadedSettings,
        redaction: Redaction,
        clock: Callable[[], datetime],
        timeouts: Timeouts,
    ) -> None:
        self._channels = channels
        self._until_now = options.until_now
        self._settings = loaded.report
        self._redaction = redaction
        self._clock = clock
        self._timeouts = timeouts
        named, present = limited_to(options, loaded.report), [one for _, one in addresses(channels)]
        # One that is no recipient is the failure itself: its alert has the command for whoever was probably meant.
        self._only = named if loaded.problems or options.only else nearest_recipients(named, present)
        self._is_misnamed = self._only != named
        self._present = [] if loaded.problems or self._is_misnamed else addresses(channels, self._only)
        self._is_backfill = bool(options.count) or bool(
            loaded.report and (loaded.report.report_count or loaded.report.job_completion_index is not None)
        )
        self._name = loaded.report.report_name if loaded.report else DEFAULT_NAME
        self._unusual_chat = loaded.telegram.unusual_chat if loaded.telegram else None
        self._failing: set[str] = set()
        self._working: set[str] = set()
        self._recovered: list[Recovery] = []
        self._caught_up: list[Recovery] = []
        self.notices = notices_without_table(options, loaded)
        self.ledger: Ledger | None = None
        self.muted = options.dry_run or ((options.until_now or bool(options.only)) and is_watched())
        self.at_hand: Window | None = None
        self.stop_is_told = False
        self.stop_is_failure = False
        self.is_stopping = False
        self.time_left: Callable[[], float] = lambda: 0.0

    async def send(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        *,
        claim: Claim | None = None,
        outcomes: Sequence[Outcome] = (),
    ) -> AlertResult:
        """Alert of `failures`, unless somebody was told of them before; only what a channel took counts as told."""
        causes = [cause for failure in failures for cause in failure.causes(window)]
        keys = [cause.text for cause in causes]
        self._failing.update(keys)
        if self.muted:
            logger.info("No alert is sent: whoever started this run sees what failed")
            return "nobody"
        told = await self.notices.told()
        now = self._clock()
        named = [Cause(part=Stage.RUN, key=ALERTED, window=as_option(window)).text] if window else []
        is_stop = all(failure.problem.key == STOPPED_BY_SIGTERM.key for failure in failures)
        # A stop ends what failed before: whoever was alerted of this window needs no second alert.
        if not due(keys, told, now) or (is_stop and named and named[0] in told):
            logger.info("Already alerted; the next reminder comes 24 hours after the last one")
            result: AlertResult = "before"
        else:
            since = min((told[key] for key in keys if key in told), default=None)
            text = await self._text(window, failures, claim, outcomes, since)
            result = "now" if await self._send(text, outcomes) else "nobody"
        if result == "now":
            await self.notices.tell([*keys, *named], now)
        if claim and result != "nobody":
            await self._noted(claim.note_alert([replace(cause, window="").text for cause in causes]))
        return result

    def works(self, parts: Iterable[str]) -> None:
        """Note that `parts`, as alerts name them, did what they are for in this run."""
        self._working.update(parts)

    async def recovered(self, window: Window, claim: Claim, *, is_late: bool) -> None:
        """Note that `window` has reached everyone: an all-clear names it if an alert did.

        One that `is_late` is also named where an all-clear is given anyway: it was missed meanwhile.
        """
        recovery = Recovery(window=window, skipped=claim.record.is_skipped, as_usual=claim.record.is_as_usual)
        if claim.wants_all_clear:
            await self._noted(claim.note_all_clear())
            self._recovered.append(recovery)
        elif not self.muted and as_option(window) in [read_cause(key).window for key in await self.notices.told()]:
            self._recovered.append(recovery)
        elif is_late:
            self._caught_up.append(recovery)

    async def conclude(self, ledger: Ledger, policy: RetryPolicy, *, is_well: bool) -> None:
        """Give the all-clear of the run: for windows that an alert named, and for what was seen to work again.

        `is_well`: everything did what it is for.
        """
        if self.muted:
            return
        self.works((Stage.SETTINGS, Stage.RUN) if is_well else (Stage.SETTINGS,))
        told = await self.notices.told()
        causes = {key: read_cause(key) for key in told if key not in self._failing and not key.startswith(MONITOR)}
        over = {key: cause for key, cause in causes.items() if self._is_over(cause, is_well=is_well)}
        parts = [*dict.fromkeys(cause.part for cause in over.values() if cause.recovers)]
        gone = [part for part in parts if self._is_gone(part)]
        again = [part for part in parts if part not in gone]
        lacking = await self._lacking([cause for cause in over.values() if cause.part in again], ledger, policy)
        if self._recovered or parts:
            known = recipient_names(addresses(self._channels))
            recovered = sorted(self._recovered + self._caught_up, key=lambda one: one.window.start)
            text = render_all_clear(
                recovered,
                again,
                known=known,
                gone=gone,
                lacking=lacking,
                command=span_command(lacking, self._settings) if lacking and self._settings else "",
                name=self._name,
            )
            if not await self._send(text, what="The all-clear"):
                return
        self._recovered.clear()
        self._caught_up.clear()
        if over:
            await self.notices.clear(over, self._clock())

    def _is_over(self, cause: Cause, *, is_well: bool) -> bool:
        """Return whether what was alerted is over: its part was seen to work, or its recipient is gone."""
        if cause.recovers:
            return cause.part in self._working or self._is_gone(cause.part)
        return is_well or cause.window in [as_option(one.window) for one in self._recovered]

    def _is_gone(self, part: str) -> bool:
        """Return whether `part` is a recipient whom the settings name no more."""
        channel, _, recipient = part.partition(" to ")
        return bool(recipient) and same((channel, recipient)) not in map(same, addresses(self._channels))

    async def tell_of_unusual(self, text: str) -> None:
        """Tell the alert chat of an unusual window, which is no failure, unless it is one of the report's own chats.

        Neither a trial nor a backfill tells of one: the operator sees the reports.
        """
        if self.muted or self._until_now or self._is_backfill or not self._unusual_chat:
            return
        for channel in self._channels:
            if channel.name == "telegram":
                route = Route(channel=channel, recipients=[self._unusual_chat])
                what = "The message on an unusual window"
                await self._is_taken(joined([ours(self._redaction(text))]), route, what=what, told={"event": "unusual"})

    async def _text(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        claim: Claim | None,
        outcomes: Sequence[Outcome],
        since: datetime | None,
    ) -> AlertText:
        repeated, name = not self.notices.is_lasting, self._name
        if window is None or self._settings is None:
            is_setting = any(failure.what == Stage.SETTINGS for failure in failures)
            note = _WITHOUT_SETTINGS if is_setting else NO_RECOVERY_NOTE
            return render_alert(window, failures, since=since, is_repeated=repeated, note=note, name=name)
        only = self._recipients_of_command([outcome for outcome in outcomes if not outcome.delivered])
        coverage = self._coverage(claim, outcomes)
        ledger = None if claim and claim.record.scheduled else self.ledger
        is_before = ledger is not None and await is_before_all(window, ledger, self._timeouts.alert_note)
        return render_alert(
            window,
            failures,
            coverage=coverage,
            since=since,
            is_repeated=repeated,
            note=self._note(window, coverage, self._settings, is_before=is_before, to_everyone=not only),
            command=rerun_command(window, self._settings, until_now=self._until_now, only=only),
            name=name,
        )

    def _note(
        self, window: Window, coverage: Coverage, settings: ReportSettings, *, is_before: bool, to_everyone: bool
    ) -> RecoveryNote:
        if self._until_now:
            return NO_LATER_RUN
        if self._is_misnamed:
            return RecoveryNote(
                words="No run sends it until REPORT_ONLY is correct.",
                todo=f"To send it now to {', '.join(self._only)}, the nearest recipient:",
            )
        in_reach = is_in_reach(window, settings.report_catch_up, self._clock())
        return recovery_note(settings, coverage, in_reach=in_reach, is_before=is_before, to_everyone=to_everyone)

    async def _lacking(self, over: Sequence[Cause], ledger: Ledger, policy: RetryPolicy) -> list[Window] | None:
        """Return the windows refused while what is `over` failed, which no run sends; None if the ledger can't say."""
        refused = {same((channel, recipient)) for channel, recipient in (_address(one) for one in over if one.for_good)}
        if not (refused and self._settings):
            return []
        newest = last_full(self._settings.report_template, self._settings.report_timezone, self._clock())
        try:
            async with asyncio.timeout(self._timeouts.alert_note):
                return await refused_windows(ledger, newest, [*refused], policy)
        except (LedgerError, TimeoutError):
            return None

    def _recipients_of_command(self, lacking: Sequence[Outcome]) -> Sequence[str]:
        """Name those whom the command is for, where it would send to others besides.

        A lasting ledger knows who lacks the report; there a command without names also reaches the right address in
        place of a wrong one.
        """
        names = [outcome.recipient for outcome in lacking]
        if self._only:  # as many as fit: without a name, the command would be for everyone
            lengths = accumulate(len(name) + 1 for name in names or self._only)
            return [name for name, end in zip(names or self._only, lengths, strict=True) if end <= _LONGEST_NAMES]
        if self._settings and (self._settings.report_ledger == "supabase" or not self._settings.job_name):
            return []
        is_short = len(",".join(names)) <= _LONGEST_NAMES
        return names if is_short and len(names) < len(addresses(self._channels)) else []

    def _coverage(self, claim: Claim | None, outcomes: Sequence[Outcome]) -> Coverage:
        """Return who has the report and who lacks it: by this run's outcomes, of others by the ledger; else unknown."""
        tried = {same((one.channel, one.recipient)): one.state for one in outcomes}
        record = claim.record if claim and claim.record.entries else None
        if not (tried or record):
            return Coverage(owed=recipient_names(self._present))
        others = [one for one in self._present if same(one) not in tried]

        def those(outcome: OutcomeState, *states: EntryState) -> list[ChannelAddress]:
            by_ledger = record.those(others, *states) if record else []
            return [one for one in self._present if tried.get(same(one)) == outcome or one in by_ledger]

        return Coverage(
            owed=recipient_names(those("failed", "owed", "sending")),
            refused=recipient_names(those("refused", "refused")),
            without_file=recipient_names(those("without file", "without file")),
            have=recipient_names(those("delivered", "delivered")),
            is_certain=True,
        )

    async def _send(self, text: AlertText, outcomes: Sequence[Outcome] = (), *, what: str = "The alert") -> bool:
        """Send `text` to all operators, or to the first readers who can be told; return whether anybody was."""
        text = text.mapped(self._redaction).mapped(visible)
        operators = operator_routes(self._channels)
        if any(await asyncio.gather(*(self._is_taken(text, route, what=what) for route in operators))):
            return True
        for route in reader_routes(self._channels, outcomes):
            if await self._is_taken(text, route, what=what):
                return True
        extra = {"event": "nobody_alerted"}
        if self._channels:
            logger.error("Nobody could be alerted; this log is the only record of it:\n%s", text, extra=extra)
        else:  # what it is about was logged before
            logger.error("Nobody could be alerted: no channel has whole settings", extra=extra)
        return False

    async def _is_taken(
        self, text: AlertText, route: Route, *, what: str = "The alert", told: dict[str, str] | None = None
    ) -> bool:
        """Send `text` by `route`; return whether anybody got it."""
        failed = await send_alert(text, self._clock(), route, self._timeouts, self._seconds())
        channel = route.channel.name
        for recipient, error in failed.items():
            extra = {"event": "alert_failed", "channel": channel, "recipient": recipient, "key": error.problem.key}
            logger.error("%s could not be sent by %s to %s: %s", what, channel, recipient, error, extra=extra)
        reached = ", ".join(one for one in route.recipients if one not in failed)
        if reached:
            extra = (told or {"event": "alerted"}) | {"channel": channel}
            logger.info("%s was sent by %s to %s", what, channel, reached, extra=extra)
        return bool(reached)

    def _seconds(self) -> float:
        """Return how long an alert by one channel may take."""
        return self._timeouts.alert_at_stop if self.is_stopping else max(self._timeouts.alert, self.time_left())

    async def _noted(self, saving: Awaitable[None]) -> None:
        extra = {"event": "ledger_failed"}
        try:
            async with asyncio.timeout(self._timeouts.alert_note):
                await saving
        except LedgerError as error:  # rather told twice than not at all
            logger.warning("The alert could not be noted: %s", error, extra=extra)
        except TimeoutError:
            logger.warning("The alert could not be noted: the ledger did not answer in time", extra=extra)


def _address(cause: Cause) -> ChannelAddress:
    channel, _, recipient = cause.part.partition(" to ")
    return channel, recipient
