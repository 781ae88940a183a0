"""One report to every recipient of every channel → one outcome each."""

import asyncio
import logging
import time
from collections.abc import Sequence

from msgspec.structs import replace

from ..channels.interface import Channel, Limits
from ..domain.outcome import Outcome, not_delivered
from ..errors import DeliveryError, Problem, unexpected
from ..ledger.claim import Claim
from ..message.content import Report
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import one_line_quote
from ..supabase.storage import Storage
from .oversize import OversizeFallback, StoredAttachment

logger = logging.getLogger(__name__)
_NO_TIME = DeliveryError(
    "time_limit",
    "The run's time limit passed before it was this recipient's turn.",
    "Raise REPORT_TIME_LIMIT if that happens often.",
    group="The time limit",
    transient=True,
)


async def deliver(
    report: Report,
    channels: Sequence[Channel],
    claim: Claim,
    policy: RetryPolicy,
    send_limit: float,
    storage: Storage | None = None,
) -> list[Outcome]:
    """Send `report` to all who are owed it, channels side by side; return the outcome of each of them.

    `send_limit`: seconds for one sending. `storage` takes a workbook that is too large for a channel.

    A channel that fails, even in a way nobody foresaw, neither stops nor delays another.
    Raise LedgerError if `claim` can't be written; what was sent then may be sent again.
    """
    stored = StoredAttachment(storage, report, policy)
    deliveries = [ChannelDelivery(channel, report, claim, policy, send_limit, stored) for channel in channels]
    by_channel = await asyncio.gather(*(one.run() for one in deliveries), return_exceptions=True)
    for failed in by_channel:
        if isinstance(failed, BaseException):  # the ledger's; the other channels have come to their end
            raise failed
    return [outcome for outcomes in by_channel if isinstance(outcomes, list) for outcome in outcomes]


class ChannelDelivery:
    """The report on its way by one channel: attempts, until nobody is left for whom another one may help.

    `repeats` are those to whom an earlier attempt may have brought it. What may have arrived is repeated once, and then
    left to the next run: a server that never answers would be sent copy after copy.
    """

    def __init__(
        self,
        channel: Channel,
        report: Report,
        claim: Claim,
        policy: RetryPolicy,
        send_limit: float,
        stored: StoredAttachment,
    ) -> None:
        self._channel = channel
        self._claim = claim
        self._policy = policy
        self._send_limit = send_limit
        self._fallback = OversizeFallback(channel.name, report, stored, claim.without_attachment(channel.name))
        self._repeats = claim.unconfirmed(channel.name)
        self._problems: dict[str, Problem | None] = {}

    async def run(self) -> list[Outcome]:
        """Return the final outcome of each recipient who is owed the report."""
        owed, final = self._claim.owed(self._channel.name), list[Outcome]()
        for attempt, wait in enumerate(self._policy.waits(), 1):
            if not owed:
                break
            outcomes = [replace(outcome, attempt=attempt) for outcome in await self._attempt(owed)]
            ambiguous = {outcome.recipient for outcome in outcomes if outcome.ambiguous}
            repeated, self._repeats = ambiguous & self._repeats, self._repeats | ambiguous
            too_large = [outcome for outcome in outcomes if outcome.too_large]
            failed = [outcome for outcome in outcomes if self._may_help(outcome, repeated, wait)]
            owed = tuple(outcome.recipient for outcome in (*too_large, *failed))
            final += [outcome for outcome in outcomes if outcome.recipient not in owed]
            if too_large:
                await self._go_without_file(too_large[0])
            if failed:
                await self._wait(failed, wait)
        for outcome in final:
            _log(outcome, self._fallback.report)
        return final

    def _may_help(self, outcome: Outcome, repeated: set[str], wait: float) -> bool:
        """Return whether another attempt may help: there is time, and what may have arrived was not repeated yet."""
        if not outcome.retry or outcome.too_large or outcome.recipient in repeated:
            return False
        # One that wants to be left alone for longer than there is time doesn't keep the others waiting.
        return self._policy.allows_sending(max(wait, outcome.retry_after))

    async def _attempt(self, owed: Sequence[str]) -> list[Outcome]:
        """Send once to each of `owed`, except those who have it as well as it can be sent now."""
        outcomes = self._fallback.already_sent(owed)
        await self._claim.note(outcomes)
        skipped = {outcome.recipient for outcome in outcomes}
        rest = tuple(recipient for recipient in owed if recipient not in skipped)
        # Those who may have it already come last: a server that never answers for one keeps it from nobody for ever.
        one_by_one = sorted(rest, key=lambda recipient: recipient in self._repeats)
        batches = [(one,) for one in one_by_one] if self._channel.one_by_one or not rest else [rest]
        for place, batch in enumerate(batches):
            if not self._policy.left():  # who is not tried must not be taken for one who may have it
                untried = [recipient for one in batches[place:] for recipient in one]
                outcomes += not_delivered(self._channel.name, untried, _NO_TIME)
                break
            await self._claim.sending(self._channel.name, batch)
            answers = await self._send(batch)
            # What an earlier attempt may have brought is still there, whatever this one failed of.
            await self._claim.note(
                [replace(one, ambiguous=one.ambiguous or one.recipient in self._repeats) for one in answers]
            )
            outcomes += answers
        return [self._with_cause(outcome) for outcome in outcomes]

    async def _send(self, recipients: Sequence[str]) -> list[Outcome]:
        """Send once to `recipients`; an answer under way is waited for, because giving up early makes duplicates."""
        longest = min(self._send_limit, self._policy.left())
        limits = Limits(deadline=asyncio.get_running_loop().time() + longest, answer=longest)
        began = time.monotonic()
        try:
            answers = await self._channel.send(self._fallback.report, recipients, self._repeats, limits)
        except Exception as error:  # the other channels' recipients must still get theirs
            problem = unexpected(self._channel.name, error, one_line_quote(error))
            extra = {"event": "broke_down", "channel": self._channel.name, "key": problem.key}
            logger.exception("%s broke down", self._channel.name, extra=extra)
            unknown = DeliveryError(
                problem.key, problem.reason, problem.remedy, said=problem.said, group=problem.group, ambiguous=True
            )
            answers = not_delivered(self._channel.name, recipients, unknown)
        seconds = time.monotonic() - began
        return [replace(self._fallback.judged(one), seconds=seconds) for one in answers]

    def _with_cause(self, outcome: Outcome) -> Outcome:
        """Of an attempt that the deadline cut short, tell what the one before failed of.

        What may have arrived is told as that.
        """
        before = self._problems.get(outcome.recipient)
        if not self._policy.left() and outcome.retry and not outcome.ambiguous and before:
            return replace(outcome, problem=before)
        self._problems[outcome.recipient] = outcome.problem
        return outcome

    async def _go_without_file(self, too_large: Outcome) -> None:
        statement, extra = self._retry(too_large)
        logger.warning("%s: %s Going on without the file.", self._channel.name, statement, extra=extra)
        await self._fallback.replace_attachment(too_large.problem)

    def _retry(self, failed: Outcome) -> tuple[str, dict[str, object]]:
        """Return why an attempt failed, and the fields of its line in the log."""
        extra: dict[str, object] = {"event": "retry", "channel": self._channel.name, "attempt": failed.attempt}
        return (failed.problem.statement, extra | {"key": failed.problem.key}) if failed.problem else ("", extra)

    async def _wait(self, failed: Sequence[Outcome], wait: float) -> None:
        wait = max([wait, *(outcome.retry_after for outcome in failed)])
        first = failed[0]
        reason, extra = self._retry(first)
        next_attempt = self._policy.describe_next(first.attempt, wait)
        logger.warning("%s, attempt %d: %s %s", self._channel.name, first.attempt, reason, next_attempt, extra=extra)
        await asyncio.sleep(wait)


def _log(outcome: Outcome, report: Report) -> None:
    fields = {"channel": outcome.channel, "recipient": outcome.recipient, "attempt": outcome.attempt}
    fields |= {"key": outcome.problem.key} if outcome.problem else {}
    fields |= {"seconds": round(outcome.seconds, 3), "bytes": report.attachment.size}
    if outcome.state == "written":
        logger.info("%s: written to %s", outcome.channel, outcome.receipt, extra={"event": "written", **fields})
    elif outcome.delivered:
        extra = {"event": "delivered", **fields}
        logger.info("%s to %s: delivered (%s)", outcome.channel, outcome.recipient, outcome.receipt, extra=extra)
    else:
        extra = {"event": "without_file" if outcome.state == "without file" else "not_delivered", **fields}
        end = "delivered WITHOUT its workbook" if outcome.state == "without file" else "NOT delivered"
        logger.error("%s to %s: %s. %s", outcome.channel, outcome.recipient, end, outcome.problem, extra=extra)
    if outcome.notice:
        logger.warning("%s", outcome.notice, extra={"event": "notice", **fields, "key": outcome.notice.key})
