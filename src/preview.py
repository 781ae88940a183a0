"""A dry run: what a channel would send becomes a file beside the workbook, and nobody is sent anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from . import words
from .channels import Channel, Limits, Outcome
from .channels.mail import LARGEST
from .channels.mime import compose, in_base64
from .files import written_beside
from .message import Report
from .variables import MailSettings, TelegramSettings


class Preview(Struct, frozen=True, kw_only=True):
    """Stands in for the channel `name`: the report goes into a file of `suffix`, as `written` writes it."""

    name: str
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
        path = report.attachment.with_suffix(self.suffix)
        with written_beside(path) as file:
            file.writelines(self.written(report))
        return [Outcome(channel=self.name, recipient=one, state="written", receipt=str(path)) for one in recipients]

    async def alert(self, text: str, at: datetime) -> None:
        """Send nothing."""


def previews(mail: MailSettings | None, telegram: TelegramSettings | None) -> list[Channel]:
    """Make a preview of each channel that the settings choose."""
    found: list[Channel] = []
    if mail:
        found.append(Preview(name="email", suffix=".eml", written=lambda report: _mail(report, mail)))
    if telegram:
        found.append(Preview(name="telegram", suffix=".txt", written=_caption))
    return found


def _mail(report: Report, settings: MailSettings) -> Iterator[bytes]:
    if in_base64(report.file.size) > LARGEST:
        report = replace(report, moved=replace(report.file, left_out=words.too_large("email", report.file.size)))
    return compose(report, settings.smtp_from, settings.smtp_to).pieces()


def _caption(report: Report) -> Iterable[bytes]:
    return [report.worded(report.file).caption.encode()]
