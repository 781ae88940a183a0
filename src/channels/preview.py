"""A dry run: what a channel would send becomes a file beside the workbook, and nobody is sent anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..config.loader import Settings
from ..config.settings import MailSettings
from ..domain.outcome import Outcome
from ..message import caption
from ..message.report import Report
from ..phrases.language import phrases_of
from ..runtime.atomic_write import atomic_write
from .interface import Channel, Limits
from .mail import LARGEST
from .mime import compose, in_base64


class Preview(Struct, frozen=True, kw_only=True):
    """Stands in for the channel `name`: the report goes into a file in `folder`, as `written` writes it."""

    name: str
    folder: Path
    suffix: str
    written: Callable[[Report], Iterable[bytes]]
    recipients: tuple[str, ...] = ("file",)
    one_by_one: bool = False

    async def send(
        self,
        report: Report,
        recipients: Sequence[str],
        repeats: Set[str],  # noqa: ARG002
        limits: Limits,  # noqa: ARG002
    ) -> list[Outcome]:
        """Write the file, for its owner only; raise OSError if it can't be."""
        path = self.folder / f"{report.workbook.stem}{self.suffix}"
        with atomic_write(path) as file:
            file.writelines(self.written(report))
        return [Outcome(channel=self.name, recipient=one, state="written", receipt=str(path)) for one in recipients]

    async def alert(self, text: str, at: datetime) -> None:
        """Send nothing."""


def previews(settings: Settings) -> list[Channel]:
    """Make a preview of each channel that the settings choose, into REPORT_DIR."""
    mail, folder = settings.mail, settings.report.report_dir
    found: list[Channel] = []
    if mail:
        found.append(Preview(name="email", folder=folder, suffix=".eml", written=lambda report: _mail(report, mail)))
    if settings.telegram:
        found.append(Preview(name="telegram", folder=folder, suffix=".txt", written=_caption))
    return found


def _mail(report: Report, settings: MailSettings) -> Iterator[bytes]:
    attachment = report.attachment
    if in_base64(attachment.size) > LARGEST:
        phrases = phrases_of(report.content.language)
        attachment = replace(attachment, left_out=phrases.too_large("email", attachment.size))
        report = replace(report, attachment=attachment)
    return compose(report, settings.sender, settings.smtp_to).pieces()


def _caption(report: Report) -> Iterable[bytes]:
    return [caption.render(report.content, report.attachment).encode()]
