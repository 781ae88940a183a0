"""A report on its way by one channel: with its workbook, until that turns out too large there."""

from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..domain.attachment import Attachment
from ..domain.outcome import Outcome
from ..errors import StorageError
from ..message.report import Report
from ..phrases import english as phrases


class OversizeFallback:
    """Holds `report` as it goes now. `bare` are those who had it without its workbook: they don't get that again."""

    def __init__(self, channel: str, report: Report, bare: Set[str]) -> None:
        self._channel = channel
        self.report = report
        self._bare = bare
        self._why = ""

    async def lighten(self, too_large: str) -> None:
        """Put a link in place of the workbook; where there can be none, leave it out and keep in mind why."""
        file = self.report.file
        stored = self.report.stored or _nowhere
        try:
            file = await stored()
        except StorageError as error:
            self._why = f"The report went without its workbook. {too_large} {error}"
            file = replace(file, left_out=phrases.too_large(self._channel, file.size))
        self.report = replace(self.report, moved=file)

    def spared(self, recipients: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of those who would only get again what they have."""
        if not self._why:
            return []
        spared = [recipient for recipient in recipients if recipient in self._bare]
        return [self._without_file(recipient) for recipient in spared]

    def judged(self, outcome: Outcome) -> Outcome:
        """Say what `outcome` comes to: who got it without its workbook still lacks that."""
        if outcome.delivered and self._why:
            return self._without_file(outcome.recipient)
        if outcome.too_large and not self.report.file.along:  # there is nothing left to leave out
            why = f"{outcome.failure} Even without its workbook it is. Look at that limit, then run this window again."
            return replace(outcome, state="refused", retry=False, too_large=False, failure=why)
        return outcome

    def _without_file(self, recipient: str) -> Outcome:
        return Outcome(channel=self._channel, recipient=recipient, state="without file", failure=self._why)


async def _nowhere() -> Attachment:
    raise StorageError(
        "Set REPORT_BUCKET to a private bucket of Supabase Storage, so that a link can go in its place, "
        "then run this window again."
    )
