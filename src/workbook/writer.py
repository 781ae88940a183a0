"""Rows and figures → one `.xlsx` file.

The rows are streamed into the file as they come and are never all in memory; openpyxl draws all that is around
them (in its write-only mode, which wants widths and frozen panes set before a sheet's first row).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Self
from zipfile import ZIP_STORED, ZipFile

from openpyxl import Workbook
from openpyxl.packaging.core import DocumentProperties
from openpyxl.writer.excel import ExcelWriter

from ..config.settings import DEFAULT_NAME, Language
from ..domain.analysis import Analysis
from ..domain.summary import Summary
from ..domain.window import Window
from ..errors import WorkbookError
from ..phrases.language import Phrases, phrases_of
from . import data_sheet
from .archive import SharedStrings, WorkbookArchive
from .cells import cell
from .data_sheet import FIRST_ROW, SHEET_BYTES, SHEET_COLUMNS, SHEET_ROWS, Column, Styles, sheet_name
from .row_xml import RowWriter
from .summary_sheet import Assessment, Origin, write_summary

_AFTER_PAGE = re.compile(rb"(?=<drawing |<tableParts |</worksheet>)")
"""Where a sheet's ignored errors stand (ECMA-376 18.3.1.99)."""
_LAST_ROW = re.compile(rb'(?<=:)([A-Z]+)%d(?=">)' % (SHEET_ROWS + 1))
"""Where the ranges of a full sheet's conditional formats end."""
_IGNORED_ERRORS = b'<ignoredErrors><ignoredError sqref="A1:XFD1048576" numberStoredAsText="1"/></ignoredErrors>'
"""Long ids are text, so that no digit is lost: Excel is not to mark each as a possible mistake."""


class WorkbookWriter:
    """A workbook in the making in `folder`, as a context manager: `add` pages of rows, then `save` once.

    `columns` are those of its rows; their headers are in `language`, as all else is. A sheet takes `sheet_rows` rows,
    and pages of them up to `sheet_bytes` bytes of XML, before the next one is begun, behind the Summary.
    """

    def __init__(
        self,
        window: Window,
        folder: Path,
        *,
        columns: Sequence[Column] = SHEET_COLUMNS,
        sheet_rows: int = SHEET_ROWS,
        sheet_bytes: int = SHEET_BYTES,
        language: Language = "en",
    ) -> None:
        self._path = folder / file_name(window)
        with disk_errors(self._path.name):
            self._archive = WorkbookArchive(self._path)
        self._phrases = phrases = phrases_of(language)
        self._window = window
        self._columns = columns
        self._sheet_bytes = sheet_bytes
        self._sheet_rows = sheet_rows
        self._book = Workbook(write_only=True)
        self._sheets = [self._book.create_sheet(sheet_name(window, 1, phrases))]
        self._summary_sheet = self._book.create_sheet(phrases.SUMMARY)
        self._strings = SharedStrings(phrases.SHORTENED)
        self._writer = RowWriter(columns, Styles(self._sheets[0], columns), self._strings, window.zone)
        self._tail = b""
        self._starts: list[int] = []
        self._filled = self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files of sheets that were begun and never saved."""
        for sheet in (*self._sheets, self._summary_sheet):
            with suppress(*_DISK_FAILURES):  # raised before
                if not sheet.closed:
                    sheet.close()
        self._archive.close()
        self._strings.close()

    def add(self, rows: Sequence[Analysis]) -> None:
        """Write `rows` below those already there; the first ones settle the widths of the columns.

        Raise WorkbookError if there is no room for them.
        """
        with disk_errors(self._path.name):
            while rows:
                if self._is_full:
                    self._end_sheet()
                    name = sheet_name(self._window, len(self._sheets) + 1, self._phrases)
                    self._sheets.append(self._book.create_sheet(name))
                if not self._filled:
                    self._begin_sheet(rows)
                taken = rows[: self._sheet_rows - self._filled]
                self._archive.write(self._writer.xml(taken, FIRST_ROW + self._filled))
                self._filled += len(taken)
                self._rows += len(taken)
                rows = rows[len(taken) :]

    def save(
        self,
        summary: Summary,
        *,
        table: str,
        generated: datetime,
        assessment: Assessment | None = None,
        name: str = DEFAULT_NAME,
    ) -> Path:
        """Write the Summary and what ends the file; return its path.

        `table` is where the rows came from, `generated` (aware) when the report was made, `name` whose report it is.
        Raise WorkbookError if the file cannot be written.
        """
        with disk_errors(self._path.name):
            if self._filled:
                self._end_sheet()
            else:
                self._draw_empty()
            origin = Origin(table=table, generated=generated, starts=self._starts, name=name)
            assessment = assessment or Assessment()
            write_summary(self._summary_sheet, self._window, summary, origin, assessment, self._phrases)
            self._book.properties = _properties(self._window, name, self._phrases)
            self._archive.finish(self._saved(), self._strings)
        return self._path

    @property
    def _is_full(self) -> bool:
        is_heavy = self._archive.sheet_bytes >= self._sheet_bytes
        return self._filled == self._sheet_rows or bool(self._filled and is_heavy)

    def _begin_sheet(self, rows: Sequence[Analysis]) -> None:
        self._starts.append(self._rows)
        data_sheet.begin(self._sheets[-1], self._columns, self._window, rows, self._phrases)
        head, self._tail = self._drawn(rows)
        number = len(self._book.sheetnames) if len(self._sheets) > 1 else 1  # the Summary is the second
        self._archive.begin(f"xl/worksheets/sheet{number}.xml", head)

    def _end_sheet(self) -> None:
        self._archive.end(_LAST_ROW.sub(rb"\g<1>%d" % (FIRST_ROW - 1 + self._filled), self._tail))
        data_sheet.end(self._sheets[-1], self._columns, self._window, len(self._sheets), self._filled, self._phrases)
        self._filled = 0

    def _draw_empty(self) -> None:
        sheet = self._sheets[-1]
        data_sheet.begin(sheet, self._columns, self._window, (), self._phrases)
        sheet.append([cell(sheet, self._phrases.no_analyses(self._window))])
        data_sheet.end(sheet, self._columns, self._window, len(self._sheets), 0, self._phrases)

    def _drawn(self, rows: Sequence[Analysis]) -> tuple[bytes, bytes]:
        """Draw a sheet that begins with `rows`, as if it were full; return what stands above and below its rows."""
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        Styles(sheet, self._columns)  # in the order of the whole book, so that styles have the same numbers
        data_sheet.begin(sheet, self._columns, self._window, rows, self._phrases)
        data_sheet.end(sheet, self._columns, self._window, len(self._sheets), SHEET_ROWS, self._phrases)
        with ZipFile(BytesIO(), "w", ZIP_STORED) as saved:
            ExcelWriter(book, saved).write_worksheet(sheet)
            (part,) = saved.namelist()
            head, end, tail = self._completed(saved.read(part)).partition(b"</sheetData>")
        return head, end + tail

    def _saved(self) -> dict[str, bytes]:
        """Return the parts of the book as Workbook.save writes them, but for its stamp of the moment, and its texts.

        The same report has the same properties.
        """
        content = BytesIO()
        ExcelWriter(self._book, ZipFile(content, "w", ZIP_STORED)).save()
        with ZipFile(content) as saved:
            parts = {part: saved.read(part) for part in saved.namelist()}
        return parts | {part: self._completed(xml) for part, xml in parts.items() if "/worksheets/sheet" in part}

    def _completed(self, sheet: bytes) -> bytes:
        """Return the XML of a sheet with shared texts, and with what openpyxl can't write: no warnings of numbers."""
        return _AFTER_PAGE.sub(_IGNORED_ERRORS, self._strings.put_into(sheet), count=1)


def _properties(window: Window, name: str, phrases: Phrases) -> DocumentProperties:
    end = window.end.astimezone(UTC).replace(tzinfo=None)
    return DocumentProperties(
        title=phrases.document_title(window),
        subject=phrases.document_subject(name),
        creator=phrases.DOCUMENT_CREATOR,
        created=end,
        modified=end,
    )


def file_name(window: Window) -> str:
    """Name the file by the window's start: in UTC for an hour or a trial, by the local date for a day."""
    if window.is_calendar_day:
        return f"report_daily_{window.start.astimezone(window.zone):%Y%m%d}.xlsx"
    return f"report_{window.start:%Y%m%d_%H%M%S}.xlsx"


_DISK_FAILURES = (OSError, ValueError, StopIteration)
"""Raised by openpyxl if a disk is full: its sheets are generators, which have ended at the second attempt."""


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Raise WorkbookError if the disk keeps `what` from being written."""
    try:
        yield
    except (OSError, StopIteration) as error:
        why = error.strerror if isinstance(error, OSError) else ""
        raise WorkbookError(
            "workbook.disk",
            f"{what} could not be written ({why or 'its file ended early'}).",
            "Check that REPORT_DIR and TMPDIR have room and may be written to.",
        ) from error
