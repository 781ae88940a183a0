"""Send requests to Supabase's REST interface, with a time limit, and translate their failures."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from postgrest import AsyncPostgrestClient, AsyncQueryRequestBuilder, AsyncRequestBuilder

from ..config.environment import proxy_for
from ..config.settings import SupabaseSettings
from ..config.timeouts import Timeouts
from ..errors import SourceError
from ..runtime.connection import diagnose
from ..runtime.http import (
    CONNECTION_ERRORS,
    LARGEST_PAGE,
    LARGEST_SHORT,
    AnswerTooLargeError,
    AsyncClient,
    Headers,
    Response,
    http_client,
)
from .credentials import Credentials, credentials
from .reply import CLOCK, read_reply
from .rest_rules import refusal
from .source_errors import ClocksDifferError, PageTooLargeError

logger = logging.getLogger(__name__)
LARGEST_DIFFERENCE = timedelta(minutes=5)
"""How far the clock of this machine may be from Supabase's before one of them counts as wrong."""


class ClockSkew:
    """Sends a request again while Supabase's own servers disagree about the time.

    Its gateway turns a secret key into a token of that moment, and PostgREST rejects a token that its clock takes for
    one of the future; the same request succeeds a second or two later. All requests of a client together wait as long
    as `timeouts.clock` says, so that a clock that stays off costs a run that time once.
    """

    def __init__(self, part: str, used: Credentials, timeouts: Timeouts) -> None:
        self._key = f"{part}.{CLOCK.key}"
        self._used = used
        self._timeouts = timeouts
        self._since: float | None = None

    async def answer(self, ask: Callable[[], Awaitable[Response]]) -> Response:
        """Return the first answer of `ask` that is not about the clock, or the last one in time."""
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


class PostgrestClient:
    """A Supabase project's REST address, and the credentials that are used there."""

    def __init__(
        self,
        client: AsyncPostgrestClient,
        short: AsyncPostgrestClient,
        *,
        credentials: Credentials,
        timeouts: Timeouts,
    ) -> None:
        self._client = client
        self._short = short
        self.credentials = credentials
        self._answer_limit = timeouts.supabase_answer
        self._skew = ClockSkew("source", credentials, timeouts)
        self._first_answer: tuple[datetime, float] | None = None

    @property
    def server_time(self) -> datetime | None:
        """The time by Supabase's own clock, computed from its first answer (aware, at most a second behind).

        None before any answer, and if that one has no date, or one beyond the calendar.
        """
        if self._first_answer is None:
            return None
        date, at = self._first_answer
        with suppress(OverflowError):
            return date + timedelta(seconds=time.monotonic() - at)
        return None

    def check_clock(self, now: datetime) -> None:
        """Raise ClocksDifferError if `now` (aware) is further from Supabase's clock than LARGEST_DIFFERENCE."""
        if (server_time := self.server_time) is None:
            return
        ahead = now - server_time
        if abs(ahead) > LARGEST_DIFFERENCE:
            raise ClocksDifferError(minutes=round(ahead / timedelta(minutes=1)))

    def table(self, name: str) -> AsyncRequestBuilder:
        """Begin a query."""
        return self._client.from_(name)

    def short(self, name: str) -> AsyncRequestBuilder:
        """Begin a query whose answer has LARGEST_SHORT bytes at most: many of them may be under way at once."""
        return self._short.from_(name)

    async def answer(self, query: AsyncQueryRequestBuilder, table: str) -> Response:
        """Send `query` and return the answer; raise SourceError if no answer comes or it is a refusal."""
        return self.checked(await self.send(query, table), table)

    def checked(self, response: Response, table: str) -> Response:
        """Return `response`; raise SourceError if it is a refusal."""
        if not response.is_success:
            raise refusal(response, table, self.credentials)
        return response

    async def send(self, query: AsyncQueryRequestBuilder, table: str) -> Response:
        """Send `query` and return the answer, even a refusal; raise SourceError if no answer comes that can be read.

        It is sent again while Supabase's own clocks differ.
        """
        response = await self._skew.answer(lambda: self._send(query, table))
        if self._first_answer is None and response.is_success:
            with suppress(KeyError, ValueError, TypeError, OverflowError):
                date = parsedate_to_datetime(response.headers["date"])
                self._first_answer = date.astimezone(UTC), time.monotonic()
        return response

    async def _send(self, query: AsyncQueryRequestBuilder, table: str) -> Response:
        try:
            # Sent by hand: execute() hides the status and takes an HTML page or a cut body for data.
            async with asyncio.timeout(self._answer_limit):
                response = await query.request.send(Headers())
        except AnswerTooLargeError as error:
            raise PageTooLargeError(table=table) from error
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            found = diagnose(error)
            raise SourceError(
                f"source.{found.kind}",
                f"Supabase can't be reached for the table {table}: {found.reason}.",
                f"{found.remedy}; SUPABASE_URL says where it is.",
                group="Supabase can't be reached",
                transient=found.transient,
            ) from error
        del response.stream  # it refers back to the response, whose content would stay until garbage is collected
        return response


@asynccontextmanager
async def open_client(
    settings: SupabaseSettings, tls: ssl.SSLContext, timeouts: Timeouts
) -> AsyncIterator[PostgrestClient]:
    """Open a client of the project that `settings` name; its connections end with the block."""
    used = credentials(settings)
    proxy, url = proxy_for(settings.supabase_url), f"{settings.supabase_url}/rest/v1"

    def client(limit: int) -> AsyncClient:
        return http_client(tls, proxy, limit=limit, connect=timeouts.connect, answer=timeouts.supabase_read)

    async with client(LARGEST_PAGE) as pages, client(LARGEST_SHORT) as short:
        clients = [AsyncPostgrestClient(url, headers=used.headers, http_client=session) for session in (pages, short)]
        yield PostgrestClient(*clients, credentials=used, timeouts=timeouts)


def quoted_value(value: object) -> str:
    """Quote a value for a PostgREST filter in brackets, where commas and brackets have a meaning."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
