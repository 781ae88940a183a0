"""One report to every recipient of every channel → one outcome each; where its workbook is too large, with a link."""

import asyncio
import logging
import time
from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..channels.interface import Channel
from ..domain.delivery import Attachment, Outcome, not_delivered
from ..errors import DeliveryError, Problem, StorageError, TooLargeError, unexpected
from ..ledger.claim import Claim
from ..message.content import Report
from ..phrases.language import phrases_of
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import one_line_quote
from ..supabase.storage import Storage

logger = logging.getLogger(__name__)
_GROUP = "The report went without its workbook"
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

    A channel that fails, even unexpectedly, neither stops nor delays another.
    Raise LedgerError if `claim` can't be written; what was sent then may be sent again.
    """
    stored = StoredAttachment(storage, report, policy)
    deliveries = [ChannelDelivery(channel, report, claim, policy, send_limit, stored) for channel in channels]
    by_channel = await asyncio.gather(*(one.run() for one in deliveries), return_exceptions=True)
    for failed in by_channel:
        if isinstance(failed, BaseException):  # the ledger's; the other channels have come to their end
            raise failed
    return [outcome for outcomes in by_channel if isinstance(outcomes, list) for outcome in outcomes]


class StoredAttachment:
    """The workbook of `report` in the bucket: put there when first asked for, once, whoever asks."""

    def __init__(self, storage: Storage | None, report: Report, policy: RetryPolicy) -> None:
        self._storage = storage
        self._report = report
        self._policy = policy
        self._upload: asyncio.Task[Attachment] | None = None

    async def with_link(self) -> Attachment:
        """Return the attachment with its link; raise StorageError if there can be none."""
        if self._storage is None:
            raise StorageError(
                "storage.no_bucket",
                "There is no bucket where it could be put behind a link.",
                "Set REPORT_BUCKET to a private bucket of Supabase Storage.",
            )
        if self._upload is None:
            report = self._report
            uploading = self._storage.put(report.workbook, report.attachment, report.folder, self._policy)
            self._upload = asyncio.create_task(uploading)
        return await self._upload


class OversizeFallback:
    """Holds `report` as it goes by one channel: with its workbook, until that turns out too large there.

    `without_attachment` are those who had it without its workbook: they don't get that again.
    """

    def __init__(self, channel: str, report: Report, stored: StoredAttachment, without_attachment: Set[str]) -> None:
        self._channel = channel
        self.report = report
        self._stored = stored
        self._without_attachment = without_attachment
        self._error: DeliveryError | None = None
        """Why the report goes without its workbook and without a link."""

    @property
    def may_leave_out_file(self) -> bool:
        """Whether there is a workbook to leave out."""
        return self.report.attachment.is_attached

    async def replace_attachment(self, too_large: Problem) -> None:
        """Put a link in place of the workbook, which is `too_large`; where there is none, leave it out."""
        try:
            attachment = await self._stored.with_link()
        except StorageError as error:
            problem = error.problem
            self._error = DeliveryError(
                f"without_workbook.{problem.key}",
                f"{_GROUP}. {too_large.reason} {problem.reason}",
                problem.remedy,
                said=" / ".join(filter(None, [too_large.said, problem.said])),
                group=_GROUP,
            )
            attachment = self.report.attachment
            words = phrases_of(self.report.content.language).too_large(self._channel, attachment.size)
            attachment = replace(attachment, left_out=words)
        self.report = replace(self.report, attachment=attachment)

    def already_sent(self, recipients: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of those who would only get again what they have."""
        if not self._error:
            return []
        return [
            Outcome(channel=self._channel, recipient=recipient, state="without file", error=self._error)
            for recipient in recipients
            if recipient in self._without_attachment
        ]

    def adjusted(self, outcome: Outcome) -> Outcome:
        """Return `outcome` as it counts: whoever got the report without its workbook still lacks that."""
        if outcome.delivered and self._error:
            return replace(outcome, state="without file", receipt="", error=self._error)
        if isinstance(outcome.error, TooLargeError) and not self.may_leave_out_file:
            error = DeliveryError(
                "too_large.without_workbook",
                f"Even without its workbook: {outcome.error.problem.reason}",
                "Raise that limit.",
                said=outcome.error.problem.said,
                group=_GROUP,
            )
            return replace(outcome, state="refused", error=error)
        return outcome


class ChannelDelivery:
    """Sends the report by one channel: attempt → outcomes → final, or another attempt, until none may help.

    `repeats` are those who may have it from an earlier attempt. What may have arrived is repeated once, and then left
    to the next run: a server that never answers would be sent copy after copy.
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
        self._errors: dict[str, DeliveryError | None] = {}

    async def run(self) -> list[Outcome]:
        """Return the final outcome of each recipient who is owed the report."""
        owed, final = self._claim.owed(self._channel.name), list[Outcome]()
        for attempt, wait in enumerate(self._policy.waits(), 1):
            if not owed:
                break
            outcomes = [replace(outcome, attempt=attempt) for outcome in await self._attempt(owed)]
            again = {outcome.recipient: outcome for outcome in outcomes if self._may_help(outcome, wait)}
            final += [outcome for outcome in outcomes if outcome.recipient not in again]
            self._repeats |= {one.recipient for one in outcomes if one.error and one.error.ambiguous}
            owed = tuple(again)
            await self._prepare([one.error for one in again.values() if one.error], attempt, wait)
        for outcome in final:
            _log(outcome, self._fallback.report)
        return final

    async def _attempt(self, owed: Sequence[str]) -> list[Outcome]:
        """Send once to each of `owed`, except those who have the report as it can be sent now."""
        outcomes = self._fallback.already_sent(owed)
        await self._claim.note(outcomes)
        skipped = {outcome.recipient for outcome in outcomes}
        # Those who may have it already come last: a server that never answers for one must not keep it from the others.
        waiting = sorted((one for one in owed if one not in skipped), key=lambda one: one in self._repeats)
        while waiting:
            if not self._policy.left():  # who is not tried must not be taken for one who may have it
                outcomes += not_delivered(self._channel.name, waiting, _NO_TIME)
                break
            batch, waiting = (waiting[:1], waiting[1:]) if self._channel.one_by_one else (waiting, [])
            await self._claim.sending(self._channel.name, batch)
            answers = [self._unconfirmed(self._fallback.adjusted(answer)) for answer in await self._send(batch)]
            await self._claim.note(answers)
            outcomes += answers
        return [self._with_cause(outcome) for outcome in outcomes]

    async def _send(self, recipients: Sequence[str]) -> list[Outcome]:
        """Send once to `recipients`; an answer under way is waited for, because giving up early makes duplicates."""
        deadline = asyncio.get_running_loop().time() + min(self._send_limit, self._policy.left())
        began = time.monotonic()
        try:
            answers = await self._channel.send(self._fallback.report, recipients, self._repeats, deadline)
        except Exception as error:  # the other channels' recipients must still get theirs
            problem = unexpected(self._channel.name, error, one_line_quote(error))
            extra = {"event": "broke_down", "channel": self._channel.name, "key": problem.key}
            logger.exception("%s broke down", self._channel.name, extra=extra)
            answers = not_delivered(self._channel.name, recipients, DeliveryError.of(problem, ambiguous=True))
        seconds = time.monotonic() - began
        return [replace(answer, seconds=seconds) for answer in answers]

    def _unconfirmed(self, outcome: Outcome) -> Outcome:
        """Return `outcome`; what an earlier attempt may have brought is still there, however this one failed."""
        is_ambiguous = outcome.state == "failed" and (outcome.ambiguous or outcome.recipient in self._repeats)
        return replace(outcome, ambiguous=is_ambiguous)

    def _with_cause(self, outcome: Outcome) -> Outcome:
        """Return `outcome`; if the deadline cut its attempt short, with the error of the attempt before.

        What may have arrived keeps its own error, which says so.
        """
        error, before = outcome.error, self._errors.get(outcome.recipient)
        if before and error and outcome.retry and not error.ambiguous and not self._policy.left():
            return replace(outcome, error=before)
        self._errors[outcome.recipient] = error
        return outcome

    def _may_help(self, outcome: Outcome, wait: float) -> bool:
        """Return whether another attempt may help: there is time, and what may have arrived was not repeated yet."""
        error = outcome.error
        if isinstance(error, TooLargeError):
            return self._fallback.may_leave_out_file
        if not error or not outcome.retry or (error.ambiguous and outcome.recipient in self._repeats):
            return False
        # A recipient who has to wait longer than there is time does not keep the others waiting.
        return self._policy.allows_sending(max(wait, error.retry_after))

    async def _prepare(self, errors: Sequence[DeliveryError], attempt: int, wait: float) -> None:
        """Make ready for the next attempt: leave out a workbook that is too large; wait after any other error."""
        too_large = [error for error in errors if isinstance(error, TooLargeError)]
        others = [error for error in errors if not isinstance(error, TooLargeError)]
        if too_large:
            self._log_retry(too_large[0], attempt, "Going on without the file.")
            await self._fallback.replace_attachment(too_large[0].problem)
        if others:
            wait = max([wait, *(error.retry_after for error in others)])
            self._log_retry(others[0], attempt, self._policy.describe_next(attempt, wait))
            await asyncio.sleep(wait)

    def _log_retry(self, error: DeliveryError, attempt: int, what_next: str) -> None:
        name, problem = self._channel.name, error.problem
        extra = {"event": "retry", "channel": name, "attempt": attempt, "key": problem.key}
        logger.warning("%s, attempt %d: %s %s", name, attempt, problem.statement, what_next, extra=extra)


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
