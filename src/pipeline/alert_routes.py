"""Send alerts: to operators where the settings name some, else to readers; by each channel several attempts."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from ..channels.interface import Channel
from ..domain.delivery import Outcome
from ..errors import DeliveryError, unexpected
from ..message.alert import AlertText, joined, ours
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import one_line_quote, visible
from .run import Run

logger = logging.getLogger(__name__)
ATTEMPTS = 5
"""Attempts at an alert by one channel; their growing waits fit into the time after SIGTERM."""


class Route(Struct, frozen=True, kw_only=True):
    """One channel, and the recipients who get an alert by it."""

    channel: Channel
    recipients: Sequence[str]


def operator_routes(channels: Sequence[Channel]) -> list[Route]:
    """Return the ways to the operators, all of which an alert takes."""
    return [Route(channel=channel, recipients=channel.operators) for channel in channels if channel.operators]


def reader_routes(channels: Sequence[Channel], outcomes: Sequence[Outcome] = ()) -> list[Route]:
    """Return the ways to readers, of which an alert takes the first that works, when no operator was reached.

    A channel without a failed outcome comes first, then one that `alerts_first`.
    Who is an operator too was tried before.
    """
    failed = {outcome.channel for outcome in outcomes if not outcome.delivered}
    ordered = sorted(channels, key=lambda channel: (channel.name in failed, not channel.alerts_first))
    readers = [(one, [who for who in one.alerted_readers if who not in one.operators]) for one in ordered]
    return [Route(channel=channel, recipients=recipients) for channel, recipients in readers if recipients]


class AlertSender:
    """Sends texts to the operators, or to readers where no operator can be reached."""

    def __init__(self, run: Run, channels: Sequence[Channel]) -> None:
        self._run = run
        self._channels = channels

    async def send(self, text: AlertText, outcomes: Sequence[Outcome] = (), *, what: str = "The alert") -> bool:
        """Send `text` to all operators, or to the first readers whom it reaches; return whether it reached anybody."""
        text = text.mapped(self._run.redaction).mapped(visible)
        operators = operator_routes(self._channels)
        if any(await asyncio.gather(*(self._send_by(route, text, what=what) for route in operators))):
            return True
        for route in reader_routes(self._channels, outcomes):
            if await self._send_by(route, text, what=what):
                return True
        extra = {"event": "nobody_alerted"}
        if self._channels:
            logger.error("Nobody could be alerted; this log is the only record of it:\n%s", text, extra=extra)
        else:  # what it is about was logged before
            logger.error("Nobody could be alerted: no channel has whole settings", extra=extra)
        return False

    async def send_unusual(self, text: str) -> None:
        """Send `text` on an unusual window, which is no failure, to those whom channels notify of it."""
        what = "The message on an unusual window"
        for channel in self._channels:
            if channel.notified:
                route = Route(channel=channel, recipients=channel.notified)
                await self._send_by(route, joined([ours(self._run.redaction(text))]), what=what, event="unusual")

    async def _send_by(self, route: Route, text: AlertText, *, what: str, event: str = "alerted") -> bool:
        """Send `text` by one channel; return whether it reached anybody."""
        channel = route.channel.name
        failed = await send_alert(self._run, text, route, self._run.alert_time)
        for recipient, error in failed.items():
            extra = {"event": "alert_failed", "channel": channel, "recipient": recipient, "key": error.problem.key}
            logger.error("%s could not be sent by %s to %s: %s", what, channel, recipient, error, extra=extra)
        reached = ", ".join(one for one in route.recipients if one not in failed)
        if reached:
            logger.info("%s was sent by %s to %s", what, channel, reached, extra={"event": event, "channel": channel})
        return bool(reached)


async def send_alert(run: Run, text: AlertText, route: Route, seconds: float) -> dict[str, DeliveryError]:
    """Send `text` by `route`; return an error for each who did not get it, and never raise.

    What may succeed a moment later is tried again, until `seconds` are over.
    """
    policy, at = run.policy(seconds), run.clock()
    failed: dict[str, DeliveryError] = {}
    waiting = route.recipients
    for attempt, wait in enumerate(policy.waits(), 1):
        found = await _attempt(text, at, Route(channel=route.channel, recipients=waiting), policy, seconds)
        failed = {one: error for one, error in failed.items() if one not in waiting} | found
        waiting = [one for one, error in found.items() if error.transient]
        wait = max([wait, *(found[one].retry_after for one in waiting)])
        if not waiting or attempt == ATTEMPTS or not policy.allows(wait):
            return failed
        problem, next_attempt = found[waiting[0]].problem, policy.describe_next(attempt, wait)
        extra = {"event": "retry", "channel": route.channel.name, "attempt": attempt, "key": problem.key}
        logger.warning("The alert, attempt %d: %s %s", attempt, problem.statement, next_attempt, extra=extra)
        await asyncio.sleep(wait)
    raise AssertionError("waits never end")


async def _attempt(
    text: AlertText, at: datetime, route: Route, policy: RetryPolicy, seconds: float
) -> dict[str, DeliveryError]:
    try:
        async with asyncio.timeout_at(policy.deadline):
            return await route.channel.alert(text, at, route.recipients)
    except TimeoutError:
        reason = f"{route.channel.name} did not take it within {seconds:.0f} s."
        error = DeliveryError("alert.timeout", reason, "Check its server.", group="An alert could not be sent")
    except Exception as unforeseen:  # what the alert is about matters more
        problem = unexpected(route.channel.name, unforeseen, one_line_quote(unforeseen))
        extra = {"event": "broke_down", "channel": route.channel.name, "key": problem.key}
        logger.exception("The alert by %s broke down", route.channel.name, extra=extra)
        error = DeliveryError.of(problem)
    return dict.fromkeys(route.recipients, error)
