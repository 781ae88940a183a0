"""Retry what may pass, with growing waits, until a deadline.

The only layer of retries: postgrest's own is not used, and the other clients have none.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ReportError

logger = logging.getLogger(__name__)
T = TypeVar("T")


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Waits between attempts, in seconds, and the moment of the event loop's clock at which they end.

    Where something else waits for its turn, no further attempt at a sending begins after `sendings_until`, and no
    report is built for longer than until `building_until`.
    """

    deadline: float
    first_wait: float
    longest_wait: float
    sendings_until: float = math.inf
    building_until: float = math.inf

    def waits(self) -> Iterator[float]:
        """Yield exponentially longer waits, each with jitter, so that runs do not come in step."""
        wait = self.first_wait
        while True:
            yield wait * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it
            wait = min(wait * 2, self.longest_wait)

    def left(self) -> float:
        """Return the seconds until the end."""
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def describe_next(self, attempt: int, wait: float) -> str:
        """Say when the next attempt is made, and after the first one also for how long."""
        end = f", for up to {self.left():.0f} s more" if attempt == 1 else ""
        return f"Retrying in {wait:.1f} s{end}."

    def allows(self, wait: float) -> bool:
        """Return whether there is time for `wait` and something after it."""
        return asyncio.get_running_loop().time() + wait < self.deadline

    def allows_sending(self, wait: float) -> bool:
        """Return whether another attempt at a sending may begin after `wait`."""
        return self.allows(wait) and asyncio.get_running_loop().time() + wait < self.sendings_until

    def sharing(self, share: float) -> "RetryPolicy":
        """Return this policy with further attempts at a sending for a `share` of the time that is left.

        A sending that is in progress then goes on.
        """
        return replace(self, sendings_until=asyncio.get_running_loop().time() + self.left() * share)

    def building_for(self, share: float) -> "RetryPolicy":
        """Return this policy with a `share` of the time that is left for building a report."""
        return replace(self, building_until=asyncio.get_running_loop().time() + self.left() * share)


async def retry(action: Callable[[], Awaitable[T]], policy: RetryPolicy) -> T:
    """Do `action` until it succeeds; raise its error if it is not transient or the deadline leaves no time.

    A server that asks for a longer wait than that gets one more attempt within the time: what it says may be wrong or
    out of date.
    """
    was_put_off = False
    for attempt, wait in enumerate(policy.waits(), 1):
        try:
            return await action()
        except ReportError as error:
            if not error.transient or not policy.allows(wait):
                raise
            if policy.allows(error.retry_after):
                wait = max(wait, error.retry_after)
            elif was_put_off:
                raise
            else:
                wait, was_put_off = max(wait, min(policy.left() / 2, policy.longest_wait)), True
            extra = {"event": "retry", "stage": error.stage, "attempt": attempt, "key": error.problem.key}
            logger.warning("%s %s", error.problem.statement, policy.describe_next(attempt, wait), extra=extra)
        await asyncio.sleep(wait)
    raise AssertionError("waits never end")
