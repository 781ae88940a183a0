"""A report too large for a channel: a link in place of its workbook, or without."""

from collections.abc import Sequence, Set

from msgspec.structs import replace

from ..domain.outcome import Outcome
from ..errors import Problem, StorageError
from ..message.report import Report
from ..phrases import english as phrases


class OversizeFallback:
    """Holds `report` as it goes now: with its workbook, until that turns out too large.

    `without_file` are those who got it without its workbook before; they don't get that again.
    """

    def __init__(self, channel: str, report: Report, without_file: Set[str]) -> None:
        self._channel = channel
        self.report = report
        self._without_file = without_file
        self._problem: Problem | None = None

    async def replace_file(self, too_large: str) -> None:
        """Put a link in place of the workbook, which is `too_large` (a sentence); where there is none, leave it out."""
        file = self.report.file
        try:
            if self.report.stored is None:
                raise _no_bucket()
            file = await self.report.stored()
        except StorageError as error:
            self._problem = Problem(
                key=f"without_workbook.{error.problem.key}",
                reason=f"The report went without its workbook. {too_large} {error.problem.reason}",
                remedy=error.problem.remedy,
            )
            file = replace(file, left_out=phrases.too_large(self._channel, file.size))
        self.report = replace(self.report, moved=file)

    def as_good_as_sent(self, recipients: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of those who would only get again what they have."""
        if not self._problem:
            return []
        return [self._lacks_file(recipient) for recipient in recipients if recipient in self._without_file]

    def judged(self, outcome: Outcome) -> Outcome:
        """Return what `outcome` comes to: whoever got it without its workbook still lacks that."""
        if outcome.delivered and self._problem:
            return self._lacks_file(outcome.recipient)
        if outcome.too_large and not self.report.file.along:  # there is nothing left to leave out
            problem = Problem(
                key="too_large.without_workbook",
                reason=f"Even without its workbook: {outcome.problem.reason if outcome.problem else ''}",
                remedy="Raise that limit.",
            )
            return replace(outcome, state="refused", retry=False, too_large=False, problem=problem)
        return outcome

    def _lacks_file(self, recipient: str) -> Outcome:
        return Outcome(channel=self._channel, recipient=recipient, state="without file", problem=self._problem)


def _no_bucket() -> StorageError:
    return StorageError(
        "storage.no_bucket",
        "There is no bucket where it could be put behind a link.",
        "Set REPORT_BUCKET to a private bucket of Supabase Storage.",
    )
