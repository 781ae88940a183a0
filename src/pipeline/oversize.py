"""A workbook that is too large for a channel: a link in its place, or the message without it, and out loud."""

import asyncio
from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..domain.attachment import Attachment
from ..domain.outcome import Outcome
from ..errors import StorageError
from ..message.report import Report
from ..phrases import english as phrases
from ..supabase.storage import Storage


class StoredAttachment:
    """The workbook of `report` in the bucket: put there when first asked for, once, whoever asks."""

    def __init__(self, storage: Storage | None, report: Report) -> None:
        self._storage = storage
        self._report = report
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
                "Set REPORT_BUCKET to a private bucket of Supabase Storage, so that a link can go in its place, "
                "then run this window again."
            )
        return await self._storage.put(self._report.workbook, self._report.attachment, self._report.identity)


class OversizeFallback:
    """Holds `report` as it goes by one channel: with its workbook, until that turns out too large there.

    `without_attachment` are those who had it without its workbook: they don't get that again.
    """

    def __init__(self, channel: str, report: Report, stored: StoredAttachment, without_attachment: Set[str]) -> None:
        self._channel = channel
        self.report = report
        self._stored = stored
        self._without_attachment = without_attachment
        self._why = ""

    async def replace_attachment(self, too_large: str) -> None:
        """Put a link in place of the workbook; where there can be none, leave it out and keep in mind why."""
        try:
            attachment = await self._stored.with_link()
        except StorageError as error:
            self._why = f"The report went without its workbook. {too_large} {error}"
            attachment = self.report.attachment
            attachment = replace(attachment, left_out=phrases.too_large(self._channel, attachment.size))
        self.report = replace(self.report, attachment=attachment)

    def already_sent(self, recipients: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of those who would only get again what they have."""
        if not self._why:
            return []
        return [self._lacking(recipient) for recipient in recipients if recipient in self._without_attachment]

    def judged(self, outcome: Outcome) -> Outcome:
        """Say what `outcome` comes to: who got it without its workbook still lacks that."""
        if outcome.delivered and self._why:
            return self._lacking(outcome.recipient)
        if outcome.too_large and not self.report.attachment.is_attached:  # there is nothing left to leave out
            why = f"{outcome.failure} Even without its workbook it is. Look at that limit, then run this window again."
            return replace(outcome, state="refused", retry=False, too_large=False, failure=why)
        return outcome

    def _lacking(self, recipient: str) -> Outcome:
        return Outcome(channel=self._channel, recipient=recipient, state="without file", failure=self._why)
