"""Who is told of a failure, and that nobody is told twice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from ..channels.interface import Channel, addresses
from ..config.loader import LoadedSettings
from ..config.rerun_command import rerun_command
from ..config.schedule import Options
from ..config.settings import DEFAULT_NAME
from ..config.timeouts import Timeouts
from ..domain.outcome import Outcome
from ..domain.window import Window
from ..errors import DeliveryError, LedgerError
from ..ledger.claim import Claim
from ..message.alert import Failure, recovery, render, render_all_clear
from ..runtime.redaction import Redaction
from ..runtime.visible_text import visible

logger = logging.getLogger(__name__)
AlertResult = Literal["now", "before", "nobody"]


class Alerts:
    """Sends alerts through `channels`, whose settings are whole even where others are not.

    `muted`: nobody is to be told, for it is a dry run or the operator at the terminal stopped the run.
    `stop_is_told`: a stop by SIGTERM has been dealt with for the window at hand.
    Of many windows that fail of one cause, one alert is sent; the table at the end names them all.
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
        everyone = [f"{channel} to {recipient}" for channel, recipient in addresses(channels)]
        self._everyone = ["everyone"] if loaded.problems else everyone
        self._is_backfill = bool(options.count or (loaded.report and loaded.report.report_count))
        self._name = loaded.report.report_name if loaded.report else DEFAULT_NAME
        self._unusual_chat = loaded.telegram.unusual_chat if loaded.telegram else None
        self._told: set[str] = set()
        self.muted = options.dry_run
        self.stop_is_told = False

    async def send(
        self,
        window: Window | None,
        failures: Sequence[Failure],
        *,
        claim: Claim | None = None,
        outcomes: Sequence[Outcome] = (),
    ) -> AlertResult:
        """Alert of `failures`, unless somebody was told of them before; only what a channel took counts as told."""
        causes = [cause for failure in failures for cause in failure.causes]
        if self.muted:
            logger.info("No alert is sent")
            return "nobody"
        if (claim and not claim.is_new(causes)) or (self._is_backfill and self._told.issuperset(causes)):
            logger.info("Alerted of this before; nobody is told again")
            return "before"
        text = self._text(window, failures, claim, outcomes)
        if not await self._send(text, _healthiest_first(self._channels, outcomes)):
            return "nobody"
        self._told.update(causes)
        if claim:
            await self._noted(claim.note_alert(causes))
        return "now"

    async def all_clear(self, window: Window, claim: Claim) -> None:
        """Tell whoever was alerted of `window` that all is well, once."""
        if not claim.wants_all_clear:
            return
        text = render_all_clear(window, skipped=claim.record.is_skipped, name=self._name)
        if await self._send(text, _healthiest_first(self._channels)):
            await self._noted(claim.note_all_clear())

    async def tell_of_unusual(self, text: str) -> None:
        """Tell the alert chat of an unusual window, which is no failure, unless it is one of the report's own chats.

        Neither a trial nor a backfill tells of one: the operator sees the reports.
        """
        if self.muted or self._until_now or self._is_backfill or not self._unusual_chat:
            return
        for channel in self._channels:
            if channel.name == "telegram":
                await self._is_taken(
                    self._redaction(text), channel, what="The message on an unusual window", told={"event": "unusual"}
                )

    def _text(
        self, window: Window | None, failures: Sequence[Failure], claim: Claim | None, outcomes: Sequence[Outcome]
    ) -> str:
        if window is None or self._settings is None:
            return render(window, failures, owed=self._everyone if window else (), name=self._name)
        lacking = [outcome for outcome in outcomes if not outcome.delivered]
        return render(
            window,
            failures,
            owed=self._owed(claim, lacking),
            recovery=recovery(
                self._settings,
                owed=not outcomes or any(outcome.state == "failed" for outcome in lacking),
                settled=any(outcome.state != "failed" for outcome in lacking),
            ),
            command=rerun_command(window, self._settings, until_now=self._until_now),
            name=self._name,
        )

    def _owed(self, claim: Claim | None, lacking: Sequence[Outcome]) -> list[str]:
        if lacking:
            return [f"{outcome.channel} to {outcome.recipient}" for outcome in lacking]
        if claim and claim.record.entries:
            lacking_now = claim.record.lacking(addresses(self._channels))
            return [f"{channel} to {recipient}" for channel, recipient in lacking_now]
        return [*self._everyone]

    async def _send(self, text: str, channels: Sequence[Channel]) -> bool:
        """Send `text` through the first channel that takes it; tell whether one did, and never raise."""
        text = visible(self._redaction(text))
        for channel in channels:
            if await self._is_taken(text, channel):
                return True
        extra = {"event": "nobody_alerted"}
        if channels:
            logger.error("Nobody could be alerted; this log is the only word of it:\n%s", text, extra=extra)
        else:  # what it is about was logged before
            logger.error("Nobody could be alerted: no channel has whole settings", extra=extra)
        return False

    async def _is_taken(
        self, text: str, channel: Channel, *, what: str = "The alert", told: dict[str, str] | None = None
    ) -> bool:
        extra = {"event": "alert_failed", "channel": channel.name}
        try:
            async with asyncio.timeout(self._timeouts.alert):
                await channel.alert(text, self._clock())
        except DeliveryError as error:
            logger.error("%s could not be sent by %s: %s", what, channel.name, error, extra=extra)
        except TimeoutError:
            limit = self._timeouts.alert
            logger.error("%s could not be sent by %s within %.0f s", what, channel.name, limit, extra=extra)
        except Exception:  # what the alert is about matters more
            logger.exception("%s could not be sent by %s", what, channel.name, extra=extra)
        else:
            told = told or {"event": "alerted"}
            logger.info("%s was sent by %s", what, channel.name, extra=told | {"channel": channel.name})
            return True
        return False

    async def _noted(self, saving: Awaitable[None]) -> None:
        extra = {"event": "ledger_failed"}
        try:
            async with asyncio.timeout(self._timeouts.alert_note):
                await saving
        except LedgerError as error:  # rather told twice than not at all
            logger.warning("The alert could not be noted: %s", error, extra=extra)
        except TimeoutError:
            logger.warning("The alert could not be noted: the ledger did not answer in time", extra=extra)


def _healthiest_first(channels: Sequence[Channel], outcomes: Sequence[Outcome] = ()) -> list[Channel]:
    """Order channels for an alert: those without a failed outcome first, then Telegram before email."""
    failed = {outcome.channel for outcome in outcomes if not outcome.delivered}
    return sorted(channels, key=lambda channel: (channel.name in failed, channel.name != "telegram"))
