"""The workbook of a report, as one channel carries it."""

from datetime import datetime

from msgspec import Struct

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
"""Of every workbook (IANA media types)."""


class Attachment(Struct, frozen=True, kw_only=True):
    """Where the workbook is for one channel: sent along, behind a `link` instead, or left out for a reason.

    `size` in bytes; `until` (aware UTC) is when the link ends; `left_out` is a sentence.
    """

    name: str
    size: int
    link: str = ""
    until: datetime | None = None
    left_out: str = ""

    @property
    def is_attached(self) -> bool:
        """Whether it is sent along."""
        return not self.link and not self.left_out
