"""A workbook that is too large for a channel: a link in its place, or the message without it, and out loud."""

import asyncio
from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..domain.attachment import Attachment
from ..domain.outcome import Outcome
from ..errors import Problem, StorageError
from ..message.content import Report
from ..phrases.language import phrases_of
from ..runtime.retry import RetryPolicy
from ..supabase.storage import Storage


class StoredAttachment:
    """The workbook of `report` in the bucket: put there when first asked for, once, whoever asks."""

    def __init__(self, storage: Storage | None, report: Report, policy: RetryPolicy) -> None:
        self._storage = storage
        self._report = report
        self._policy = policy
        self._turn = asyncio.Lock()
        self._found: Attachment | StorageError | None = None

    async def with_link(self) -> Attachment:
        """Return the attachment with its link; raise StorageError if there can be none."""
        async with self._turn:
            if self._found is None:
                try:
                    self._found = await self._put()
                except StorageError as error:
                    self._found = error
        if isinstance(self._found, StorageError):
            raise self._found
        return self._found

    async def _put(self) -> Attachment:
        if self._storage is None:
            raise StorageError(
                "storage.no_bucket",
                "There is no bucket where it could be put behind a link.",
                "Set REPORT_BUCKET to a private bucket of Supabase Storage.",
            )
        report = self._report
        return await self._storage.put(report.workbook, report.attachment, report.folder, self._policy)


class OversizeFallback:
    """Holds `report` as it goes by one channel: with its workbook, until that turns out too large there.

    `without_attachment` are those who had it without its workbook: they don't get that again.
    """

    def __init__(self, channel: str, report: Report, stored: StoredAttachment, without_attachment: Set[str]) -> None:
        self._channel = channel
        self.report = report
        self._stored = stored
        self._without_attachment = without_attachment
        self._problem: Problem | None = None

    async def replace_attachment(self, too_large: Problem | None) -> None:
        """Put a link in place of the workbook, which is `too_large`; where there is none, leave it out."""
        try:
            attachment = await self._stored.with_link()
        except StorageError as error:
            reasons = [too_large.reason] if too_large else []
            self._problem = replace(
                error.problem,
                key=f"without_workbook.{error.problem.key}",
                reason=" ".join(["The report went without its workbook.", *reasons, error.problem.reason]),
                said=" / ".join(filter(None, [too_large.said if too_large else "", error.problem.said])),
                group="The report went without its workbook",
            )
            attachment = self.report.attachment
            phrases = phrases_of(self.report.content.language)
            attachment = replace(attachment, left_out=phrases.too_large(self._channel, attachment.size))
        self.report = replace(self.report, attachment=attachment)

    def already_sent(self, recipients: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of those who would only get again what they have."""
        if not self._problem:
            return []
        return [self._lacking(recipient) for recipient in recipients if recipient in self._without_attachment]

    def judged(self, outcome: Outcome) -> Outcome:
        """Return what `outcome` comes to: whoever got it without its workbook still lacks that."""
        if outcome.delivered and self._problem:
            return self._lacking(outcome.recipient)
        if outcome.too_large and not self.report.attachment.is_attached:  # there is nothing left to leave out
            problem = Problem(
                key="too_large.without_workbook",
                reason=f"Even without its workbook: {outcome.problem.reason if outcome.problem else ''}",
                said=outcome.problem.said if outcome.problem else "",
                remedy="Raise that limit.",
                group="The report went without its workbook",
            )
            return replace(outcome, state="refused", retry=False, too_large=False, problem=problem)
        return outcome

    def _lacking(self, recipient: str) -> Outcome:
        return Outcome(channel=self._channel, recipient=recipient, state="without file", problem=self._problem)
