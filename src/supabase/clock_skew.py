"""Ask again while Supabase's own servers disagree about the time.

Its gateway turns a secret key into a token of that moment, and PostgREST refuses a token that its clock takes for one
of the future. The same request succeeds a second or two later.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from ..config.timeouts import Timeouts
from ..runtime.http import Response
from .credentials import Credentials
from .reply import CLOCK, read_reply

logger = logging.getLogger(__name__)


class ClockSkew:
    """Asks again for as long as `timeouts.clock` says, all requests of a client taken together.

    A clock that stays off costs a run that time once, not at every request.
    """

    def __init__(self, part: str, used: Credentials, timeouts: Timeouts) -> None:
        self._key = f"{part}.{CLOCK.key}"
        self._used = used
        self._timeouts = timeouts
        self._since: float | None = None

    async def answer(self, ask: Callable[[], Awaitable[Response]]) -> Response:
        """Return what `ask` answers: the first answer that is not about the clock, or the last one in time."""
        while True:
            response = await ask()
            reply = None if response.is_success else read_reply(response, "read")
            if not reply or not CLOCK.matches(reply, self._used):
                self._since = None
                return response
            now = asyncio.get_running_loop().time()
            self._since = now if self._since is None else self._since
            wait = self._timeouts.clock_wait * random.uniform(1, 2)  # noqa: S311 - no secret hangs on it
            if now + wait > self._since + self._timeouts.clock:
                return response
            extra = {"event": "retry", "key": self._key}
            logger.warning("%s Retrying in %.1f s.", CLOCK.problem(reply.said, {}).statement, wait, extra=extra)
            await asyncio.sleep(wait)
