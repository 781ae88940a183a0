"""Ping a monitor outside the cluster when a run starts and ends; its own failure never fails a run."""

import asyncio
import logging
import ssl
from collections.abc import Container
from contextlib import suppress
from datetime import datetime
from operator import itemgetter

from msgspec.structs import replace
from pydantic import SecretStr

from ..config.environment import proxy_for
from ..config.timeouts import Timeouts
from ..domain.request import Note
from ..errors import Problem, ReportError, Rule
from ..ledger.notices import MONITOR, Notices
from ..runtime.connection import GROUP, diagnose
from ..runtime.http import CONNECTION_ERRORS, http_client
from ..runtime.redaction import Redaction
from ..runtime.visible_text import one_line_quote

logger = logging.getLogger(__name__)
LONGEST = 500
"""Characters of a ping's body; healthchecks.io keeps 100 kB, and who reads it has the alert too."""
_LONGEST_ANSWER, _LARGEST_ANSWER = 300, 1 << 20
"""Bytes of an answer that are kept, and that may come at once."""
_GROUP = "The monitor"
_OK = "ok"
_CONNECTION, _ANSWER = 0.6, 0.3
"""Of the time for a ping: the shares of a connection, with the name's look-up, and of an answer; a repeat has the rest.
"""


class MonitorRule(Rule, frozen=True, kw_only=True):
    """Matches answers with one of `statuses` and, if there are any, one of `words`, in lower case."""

    group: str = _GROUP
    statuses: Container[int]
    words: tuple[str, ...] = ()

    def matches(self, status: int, body: str) -> bool:
        """Return whether the rule is about an answer."""
        return status in self.statuses and (not self.words or any(words in body.lower() for words in self.words))


_UNKNOWN_CHECK = MonitorRule(
    key="monitor.unknown_check",
    statuses=(404, 410),
    reason="The monitor does not know this check, so it will not report a run that is missing.",
    remedy="Set HEARTBEAT_URL to the ping URL of a check that exists.",
)
_RATE_LIMIT = MonitorRule(
    key="monitor.rate_limit",
    statuses=(429,),
    reason="The monitor ignored the ping, because it receives too many.",
    remedy="Give each deployment a check of its own.",
    fault="nobody",
    later=True,
)
MONITOR_RULES = (
    replace(_UNKNOWN_CHECK, statuses=range(200, 300), words=("(not found)", "<!doctype html", "<html")),
    _UNKNOWN_CHECK,
    replace(_RATE_LIMIT, statuses=range(200, 300), words=("(rate limited)", "(rate-limited)")),
    _RATE_LIMIT,
    MonitorRule(
        key="monitor.unavailable",
        statuses=(408, 425, *range(500, 600)),
        reason="The monitor is out of order.",
        remedy="Wait until it works again.",
        fault="nobody",
        later=True,
    ),
    MonitorRule(
        key="monitor.redirect",
        statuses=range(300, 400),
        reason="The monitor answered with a redirect, which is not followed.",
        remedy="Set HEARTBEAT_URL to the address that the monitor names.",
    ),
    MonitorRule(
        key="monitor.refused",
        statuses=(*range(200), *range(400, 600)),
        reason="The monitor rejected the ping.",
        remedy="Its own words say why.",
    ),
)
"""The first rule that matches counts; a 2xx that none matches is a ping that was counted."""


def rule_for(status: int, body: str) -> MonitorRule | None:
    """Return the rule that an answer falls under; None if the ping was counted."""
    return next((rule for rule in MONITOR_RULES if rule.matches(status, body)), None)


class Heartbeat:
    """Pings the check at `url` (the form of healthchecks.io), if there is one.

    All attempts at a ping together take `timeouts.heartbeat` at most. The last ping is repeated if it may not have been
    counted, for without it the monitor alerts somebody of a run that went well; the first one is not worth a wait.
    """

    def __init__(self, url: SecretStr | None, tls: ssl.SSLContext, redaction: Redaction, timeouts: Timeouts) -> None:
        self._url = url.get_secret_value() if url else ""
        self._tls = tls
        self._redaction = redaction
        self._limit = timeouts.heartbeat
        self._waits = (timeouts.first_wait, 2 * timeouts.first_wait)
        self._answer = ""

    async def started(self) -> None:
        """Ping the monitor: a run began."""
        await self._ping("/start", "")

    async def succeeded(self, words: str) -> None:
        """Ping the monitor: the run ended well, as `words` say."""
        await self._ping("", words, is_last=True)

    async def failed(self, reason: str) -> None:
        """Ping the monitor: the run failed, and why."""
        await self._ping("/fail", reason, is_last=True)

    async def note(self, notices: Notices, at: datetime) -> None:
        """Keep the answer to the last ping in `notices`, from where --check takes it; nothing without a ping."""
        if self._answer:
            kept = f"{MONITOR}{self._answer}"
            await notices.clear([key for key in await notices.told() if key.startswith(MONITOR) and key != kept], at)
            await notices.tell([kept], at)

    async def _ping(self, path: str, words: str, *, is_last: bool = False) -> None:
        if not self._url:
            return
        body = self._redaction(words)[:LONGEST].encode("utf-8", "replace")
        deadline = asyncio.get_running_loop().time() + self._limit
        problem, may_pass = await self._attempt(f"{self._url}{path}", body, deadline)
        for wait in self._waits if is_last else ():
            if not (problem and may_pass) or asyncio.get_running_loop().time() + wait >= deadline:
                break
            extra = {"event": "retry", "key": problem.key}
            logger.info("%s Telling it again in %.1f s.", problem.statement, wait, extra=extra)
            await asyncio.sleep(wait)
            again, may_pass = await self._attempt(f"{self._url}{path}", body, deadline)
            # One that the time for a ping cut short says less than the one before.
            problem = problem if again and asyncio.get_running_loop().time() >= deadline else again
        self._answer = problem.key if problem else _OK
        if problem:
            extra = {"event": "heartbeat_failed", "key": problem.key}
            logger.warning("%s The reports are not affected.", problem, extra=extra)

    async def _attempt(self, url: str, body: bytes, deadline: float) -> tuple[Problem | None, bool]:
        """Ping once; return the problem, if there was one, and whether another attempt may end without it."""
        try:
            async with asyncio.timeout_at(deadline):
                status, said = await self._post(url, body, deadline)
            rule = rule_for(status, said)
            # One that receives too many pings had better not get another.
            may_pass = rule is not None and rule.later and rule.key != _RATE_LIMIT.key
            return (rule.problem(one_line_quote(f"HTTP {status} {said}"), {}) if rule else None), may_pass
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            found = diagnose(error, address="HEARTBEAT_URL", is_open=isinstance(error, ssl.SSLError))
            problem = Problem(
                key=f"monitor.{found.kind}",
                reason=f"The monitor could not be reached: {found.reason}.",
                remedy=f"{found.remedy}.",
                group=found.group,
            )
            return problem, found.transient

    async def _post(self, url: str, content: bytes, deadline: float) -> tuple[int, str]:
        """Send a ping; return status and beginning of the answer, as much of that as comes in time."""
        latest = deadline - 0.1 * self._limit
        async with (
            http_client(
                self._tls,
                proxy_for(self._url),
                limit=_LARGEST_ANSWER,
                connect=_CONNECTION * self._limit,
                answer=_ANSWER * self._limit,
            ) as session,
            session.stream("POST", url, content=content) as answer,
        ):
            body = b""
            with suppress(*CONNECTION_ERRORS, TimeoutError):  # the status says most, and the body may never end
                async with asyncio.timeout_at(latest):
                    async for piece in answer.aiter_raw(_LONGEST_ANSWER):
                        body += piece
                        if len(body) >= _LONGEST_ANSWER:
                            break
            return answer.status_code, body[:_LONGEST_ANSWER].decode("utf-8", "replace")


async def check_answer(notices: Notices) -> str:
    """Say what the monitor answered to the last run; raise ReportError if that ping was not counted."""
    kept = {key.removeprefix(MONITOR): at for key, at in (await notices.told()).items() if key.startswith(MONITOR)}
    if not kept:
        return Note("set, but not tried, because a ping would count as a run; no answer to a run is kept here")
    key, at = max(kept.items(), key=itemgetter(1))
    when = f"the last run at {at:%Y-%m-%d %H:%M} UTC"
    if key == _OK:
        return f"counted the ping of {when}"
    rule = next((rule for rule in MONITOR_RULES if rule.key == key), None)
    reason, remedy = (rule.reason, rule.remedy) if rule else ("The monitor could not be reached.", "See the run's log.")
    group = rule.group if rule else GROUP
    raise ReportError(key, f"{reason.removesuffix('.')} ({when}).", remedy, group=group)
