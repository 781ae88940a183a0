"""A workbook that is too large for a channel: a link in its place, or the message without it, and out loud."""

import asyncio
from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..domain.attachment import Attachment
from ..domain.outcome import Outcome
from ..errors import DeliveryError, Problem, StorageError, TooLargeError
from ..message.report import Report
from ..phrases.language import phrases_of
from ..runtime.retry import RetryPolicy
from ..supabase.storage import Storage

_GROUP = "The report went without its workbook"


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
