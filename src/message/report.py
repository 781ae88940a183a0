"""One window's report as a value: what it says, and where its workbook is."""

from datetime import datetime
from pathlib import Path

from msgspec import Struct

from ..domain.attachment import Attachment
from .content import Content


class Report(Struct, frozen=True, kw_only=True):
    """One window's report, ready for every recipient; each channel renders its own form of `content`.

    `identity` names this delivery: the same for every attempt at it, another for any other report. `repeats` is the
    identity of the delivery that this one repeats under a name of its own, if it does. `folder` is where the workbook
    is stored in the bucket. `is_as_usual`: those who get only unusual windows need not see it.
    `created` is aware UTC. `workbook` is the file on the disk, `attachment` how it reaches the recipients.
    """

    identity: str
    created: datetime
    workbook: Path
    attachment: Attachment
    content: Content
    folder: str = ""
    repeats: str = ""
    is_as_usual: bool = False
