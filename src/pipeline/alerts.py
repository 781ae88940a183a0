"""Who is told of a failure, and that nobody is told twice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from datetime import datetime
from itertools import accumulate
from typing import Literal

from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..config.loader import LoadedSettings
from ..config.options import Options
from ..config.recipients import limited_to
from ..config.rerun_command import rerun_command
from ..config.settings import DEFAULT_NAME, ReportSettings
from ..config.timeouts import Timeouts
from ..domain.outcome import ChannelAddress, Outcome, same
from ..domain.window import Template, Window, after, as_option, last_full
from ..errors import LedgerError, Stage
from ..ledger.claim import Claim
from ..ledger.history import windows_before
from ..ledger.interface import Ledger, ReadLimit
from ..ledger.notices import MONITOR, due, notices_without_table
from ..ledger.record import Record
from ..message.alert import (
    ALERTED,
    NO_LATER_RUN,
    STOPPED_BY_SIGTERM,
    Cause,
    Failure,
    Recovery,
    read_cause,
    recovery_note,
    render,
    render_all_clear,
)
from ..message.alert_text import AlertText, joined, ours
from ..runtime.progress import is_watched
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import visible
from .alert_routes import Route, operator_routes, reader_routes, send_alert

logger = logging.getLogger(__name__)
_LONGEST_NAMES = 500
"""Characters of the recipients in a command: an alert has 4,096 in all."""
_LOOKED_BACK: dict[Template, int] = {"hourly": 31 * 24, "daily": 31}
"""Windows among which refused ones are looked for when their recipient works again."""
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
        self._only = limited_to(options, loaded.report)
        everyone = [f"{channel} to {recipient}" for channel, recipient in addresses(channels, self._only)]
        self._everyone = ["everyone"] if loaded.problems else everyone
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
            logger.info("Alerted of this before; nobody is told again before a day has passed")
            result: AlertResult = "before"
        else:
            since = min((told[key] for key in keys if key in told), default=None)
            text = self._text(window, failures, claim, outcomes, since)
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
        recovery = Recovery(window=window, skipped=claim.record.is_skipped)
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
        left = await self._left([cause for cause in over.values() if cause.part in again], ledger, policy)
        if self._recovered or parts:
            known = _named(addresses(self._channels))
            recovered = sorted(self._recovered + self._caught_up, key=lambda one: one.window.start)
            text = render_all_clear(recovered, again, known=known, gone=gone, left=left, name=self._name)
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

    def _text(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        claim: Claim | None,
        outcomes: Sequence[Outcome],
        since: datetime | None,
    ) -> AlertText:
        if window is None or self._settings is None:
            owed = self._everyone if window else []
            repeated = not self.notices.is_lasting
            return render(window, failures, owed=owed, since=since, is_repeated=repeated, name=self._name)
        lacking = [outcome for outcome in outcomes if not outcome.delivered]
        only = self._recipients_of_command(lacking)
        owed, refused = self._lacking(claim, lacking)
        return render(
            window,
            failures,
            owed=owed,
            refused=refused,
            since=since,
            is_repeated=not self.notices.is_lasting,
            note=NO_LATER_RUN
            if self._until_now
            else recovery_note(
                self._settings,
                owed=not outcomes or any(outcome.state == "failed" for outcome in lacking),
                settled=any(outcome.state != "failed" for outcome in lacking),
                in_reach=self._is_in_reach(window, self._settings),
                to_everyone=not only,
            ),
            command=rerun_command(window, self._settings, until_now=self._until_now, only=only),
            name=self._name,
        )

    async def _left(self, over: Sequence[Cause], ledger: Ledger, policy: RetryPolicy) -> list[str]:
        """Say which reports were refused while what is `over` failed, and how to send them: no run does by itself."""
        refused = {same((channel, recipient)) for channel, recipient in (_address(one) for one in over if one.for_good)}
        if not (refused and self._settings):
            return []
        newest = last_full(self._settings.report_template, self._settings.report_timezone, self._clock())
        reached = windows_before(after(newest), _LOOKED_BACK[newest.template])
        try:
            async with asyncio.timeout(self._timeouts.alert_note):
                records = await ledger.records(reached[0].start, newest.end, policy, ReadLimit())
        except (LedgerError, TimeoutError):
            return ["Reports that were refused meanwhile are not sent by themselves; --deliveries lists the last ones."]
        lacking = [one for one in reached if _lacks(records.get(one.start), refused)]
        if not lacking:
            return []
        count = reached.index(lacking[-1]) - reached.index(lacking[0]) + 1
        reports = "1 report was" if len(lacking) == 1 else f"{len(lacking)} reports were"
        span = lacking[0].label() if len(lacking) == 1 else f"{lacking[0].label()} to {lacking[-1].label()}"
        command = rerun_command(lacking[0], self._settings, count=count)
        return [f"{reports} refused meanwhile ({span}). No run sends them by itself. To send them, run:", command]

    def _is_in_reach(self, window: Window, settings: ReportSettings) -> bool:
        """Return whether the next run catches `window` up."""
        newest = last_full(window.template, window.zone, self._clock())
        reach = windows_before(after(newest), settings.report_catch_up)
        return bool(reach) and window.start >= reach[0].start

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

    def _lacking(self, claim: Claim | None, lacking: Sequence[Outcome]) -> tuple[list[str], list[str]]:
        """Return who is still owed the report, and who was refused it."""
        if lacking:
            owed = [(one.channel, one.recipient) for one in lacking if one.state == "failed"]
            return _named(owed), _named([(one.channel, one.recipient) for one in lacking if one.state != "failed"])
        if claim and claim.record.entries:
            present = addresses(self._channels, self._only)
            return _named(claim.record.still_owed(present)), _named(claim.record.refused(present))
        return [*self._everyone], []

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


def _named(recipients: Sequence[ChannelAddress]) -> list[str]:
    return [f"{channel} to {recipient}" for channel, recipient in recipients]


def _address(cause: Cause) -> ChannelAddress:
    channel, _, recipient = cause.part.partition(" to ")
    return channel, recipient


def _lacks(record: Record | LedgerError | None, recipients: Set[ChannelAddress]) -> bool:
    """Return whether `record` is of a window that one of `recipients` was refused."""
    return isinstance(record, Record) and bool(record.refused([*recipients]))
