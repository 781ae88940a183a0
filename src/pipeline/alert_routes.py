"""The ways an alert takes: to operators where the settings name some, else to readers; each tried again for a while."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from ..channels.interface import Channel
from ..config.timeouts import Timeouts
from ..domain.outcome import Outcome
from ..errors import DeliveryError, unexpected
from ..message.alert import AlertText
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import one_line_quote

logger = logging.getLogger(__name__)
ATTEMPTS = 5
"""Attempts at an alert by one channel; their growing waits fit into the time after SIGTERM."""


class Route(Struct, frozen=True, kw_only=True):
    """One channel, and those whom it tells."""

    channel: Channel
    recipients: Sequence[str]

    @property
    def label(self) -> str:
        """Channel and recipients in words."""
        return f"{self.channel.name} to {', '.join(self.recipients)}"


def operator_routes(channels: Sequence[Channel]) -> list[Route]:
    """Return the ways to the operators, all of which an alert takes."""
    return [Route(channel=channel, recipients=channel.operators) for channel in channels if channel.operators]


def reader_routes(channels: Sequence[Channel], outcomes: Sequence[Outcome] = ()) -> list[Route]:
    """Return the ways to readers, of which an alert takes the first that works, when no operator could be told.

    A channel without a failed outcome comes first, then Telegram before email. Who is an operator too was tried before.
    """
    failed = {outcome.channel for outcome in outcomes if not outcome.delivered}
    ordered = sorted(channels, key=lambda channel: (channel.name in failed, channel.name != "telegram"))
    readers = [(one, [who for who in one.alerted_readers if who not in one.operators]) for one in ordered]
    return [Route(channel=channel, recipients=recipients) for channel, recipients in readers if recipients]


async def send_alert(
    text: AlertText, at: datetime, route: Route, timeouts: Timeouts, seconds: float | None = None
) -> dict[str, DeliveryError]:
    """Send `text`, written `at` (aware), by `route`; return an error for each who did not get it, and never raise.

    What may succeed a moment later is tried again, until `seconds` are over, or without them the least that an alert
    has.
    """
    seconds = timeouts.alert if seconds is None else seconds
    policy = RetryPolicy(
        deadline=asyncio.get_running_loop().time() + seconds,
        first_wait=timeouts.first_wait,
        longest_wait=timeouts.longest_wait,
    )
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
        error = DeliveryError(problem.key, problem.reason, problem.remedy, said=problem.said, group=problem.group)
    return dict.fromkeys(route.recipients, error)
