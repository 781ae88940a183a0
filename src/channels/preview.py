"""A dry run: write what a channel would send into files beside the workbook, and send nothing."""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

from msgspec.structs import replace

from ..config.loader import Settings
from ..config.settings import ChannelName, MailSettings, Sender
from ..domain.delivery import Outcome, not_delivered
from ..errors import DeliveryError
from ..message.caption import render_caption
from ..message.content import Report
from ..message.mail import render_page
from ..phrases.language import phrases_of
from ..runtime.atomic_write import atomic_write
from .interface import Channel
from .mail import LARGEST
from .smtp_message import compose, in_base64

_EXAMPLE = Sender(address="reports@example.com")


class Preview(Channel):
    """Stands in for the channel `name`: files in `folder` show what it would send, by email as `mail` says.

    Without `mail`, because its settings are missing or wrong, the message bears addresses of an example.
    """

    way = "files"
    recipients = ("file",)

    def __init__(self, name: ChannelName, folder: Path, mail: MailSettings | None) -> None:
        self.name = name
        self._folder = folder
        self._mail = mail

    async def send(
        self,
        report: Report,
        recipients: Sequence[str],
        repeats: Set[str],  # noqa: ARG002
        deadline: float,  # noqa: ARG002
    ) -> list[Outcome]:
        """Write the files, for their owner only."""
        files = _mail(report, self._mail) if self.name == "email" else _caption(report)
        stem = self._folder / report.workbook.stem
        try:
            for suffix, pieces in files.items():
                _write(stem.with_suffix(suffix), pieces)
        except DeliveryError as error:
            return not_delivered(self.name, recipients, error)
        first, *others = files
        receipt = " and ".join([f"{stem.with_suffix(first)}", *others])
        return [Outcome(channel=self.name, recipient=one, state="written", receipt=receipt) for one in recipients]


def previews(settings: Settings) -> list[Channel]:
    """Make a preview of each channel that the settings choose, into REPORT_DIR."""
    folder = settings.report.report_dir
    return [Preview(name, folder, settings.mail) for name in settings.channels]


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    try:
        with atomic_write(path) as file:
            file.writelines(pieces)
    except OSError as error:
        raise DeliveryError(
            "preview.unwritable",
            f"{path} can't be written ({error.strerror}).",
            "Remove what is in its place, check the disk, or name another folder with --output.",
        ) from error


def _mail(report: Report, settings: MailSettings | None) -> Mapping[str, Iterable[bytes]]:
    """Return the message, and separately its page, which any browser opens."""
    attachment = report.attachment
    if in_base64(attachment.size) > LARGEST:
        phrases = phrases_of(report.content.language)
        attachment = replace(attachment, left_out=phrases.too_large("email", attachment.size))
        report = replace(report, attachment=attachment)
    page = render_page(report.content, report.attachment).encode()
    sender, recipients = (settings.sender, settings.smtp_to) if settings else (_EXAMPLE, ("you@example.com",))
    return {".eml": compose(report, sender, recipients).pieces(), ".html": [page]}


def _caption(report: Report) -> Mapping[str, Iterable[bytes]]:
    return {".txt": [render_caption(report.content, report.attachment).encode()]}
