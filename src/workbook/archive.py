"""A workbook's file in the making: sheets that are streamed into it, what openpyxl drew, and the texts of both.

The texts are in a part of their own, to which cells refer by number (ECMA-376 part 1, 18.4.8), as Excel itself writes
them. Texts in their cells (`inlineStr`) would take less room, but some readers show nothing there.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from posixpath import relpath
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl.xml.constants import (
    ARC_CONTENT_TYPES,
    ARC_SHARED_STRINGS,
    ARC_WORKBOOK_RELS,
    REL_NS,
    SHARED_STRINGS,
    SHEET_MAIN_NS,
)
from openpyxl.xml.functions import fromstring, tostring

from ..phrases.english import SHORTENED
from .cells import cell_text

LEVEL = 4
"""Of deflate. For the 34.3 MB of 100,000 sample rows, in seconds of processor time: level 3 makes 7.33 MB in 0.22, 4
makes 6.94 MB in 0.23, 5 makes 6.75 MB in 0.30, 6 (zlib's own choice) makes 6.70 MB in 0.47."""
_ABSOLUTE = re.compile(r'(?<= Target=")/[^"]*')
_TYPE = f'<Override PartName="/{ARC_SHARED_STRINGS}" ContentType="{SHARED_STRINGS}"/>'
_RELATION = f'<Relationship Id="rIdSharedStrings" Type="{REL_NS}/sharedStrings" Target="sharedStrings.xml"/>'
_DECLARED = {
    ARC_CONTENT_TYPES: (b"</Types>", _TYPE.encode()),
    ARC_WORKBOOK_RELS: (b"</Relationships>", _RELATION.encode()),
}
"""Where the part is declared: parts of the file, what ends them, and what is put before that."""
_KEPT = 1000
"""Texts whose numbers are kept, to be used again; whatever the table holds, memory stays flat."""
_SHORT = 200
"""Characters of a text whose number is kept, or that is certainly within a cell's limit."""
_IN_MEMORY, _LARGE = 1 << 20, 1 << 30
_PLAIN = re.compile(r"[A-Za-z0-9\n-]*")
"""Texts, a line each, that XML, blanks and escapes leave as they are."""
_INLINE = re.compile(rb't="inlineStr"><is>(<t[^<]*</t>)</is>')
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_BETWEEN = "</t></si><si><t>"


class SharedStrings:
    """The texts, numbered from 0 in the order in which they come; many of them in a temporary file.

    `mark` stands at the end of one that is too long for a cell.
    """

    def __init__(self, mark: str = SHORTENED) -> None:
        self.mark = mark
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 # close() ends it
        self._count = 0
        self._kept: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a text that may come again."""
        return self._number(text_xml(text, self.mark))

    def numbers(self, texts: Sequence[str]) -> range | None:
        """Take in texts, one at least, that won't come again.

        Return their numbers, or None if one of them has to stand in its cell.
        """
        lines, lengths = "\n".join(texts), {*map(len, texts)}
        is_plain = _PLAIN.fullmatch(lines) and lines.count("\n") == len(texts) - 1
        if is_plain and 0 < min(lengths) <= max(lengths) <= _SHORT:
            return self._take(f"<si><t>{lines}</t></si>".replace("\n", _BETWEEN), len(texts))
        if not all(map(is_shared, texts)):
            return None
        return self._take("".join([f"<si>{text_xml(text, self.mark)}</si>" for text in texts]), len(texts))

    def put_into(self, sheet: bytes) -> bytes:
        """Return the XML of a sheet with numbers in place of the texts in its cells."""
        return _INLINE.sub(self._replaced, sheet)

    def write(self, archive: ZipFile) -> None:
        """Write the part of the texts; with ZIP64, which some readers refuse, only where it needs it."""
        size = self._file.tell()
        self._file.seek(0)
        with archive.open(ARC_SHARED_STRINGS, "w", force_zip64=size > _LARGE) as part:
            part.write(f'<sst xmlns="{SHEET_MAIN_NS}" uniqueCount="{self._count}">'.encode())
            copyfileobj(self._file, part, 1 << 20)
            part.write(b"</sst>")

    def close(self) -> None:
        """Close the temporary file."""
        with suppress(OSError):  # raised before
            self._file.close()

    def _number(self, element: str) -> int:
        if element in self._kept:
            return self._kept[element]
        number = self._take(f"<si>{element}</si>", 1)[0]
        if len(self._kept) < _KEPT and len(element) <= 2 * _SHORT:
            self._kept[element] = number
        return number

    def _take(self, items: str, count: int) -> range:
        self._file.write(items.encode())
        self._count += count
        return range(self._count - count, self._count)

    def _replaced(self, match: re.Match[bytes]) -> bytes:
        return match[0] if b"_x" in match[1] else f't="s"><v>{self._number(match[1].decode())}</v>'.encode()


def is_shared(text: str) -> bool:
    """Return whether a text is among the shared ones.

    It stands in its cell where python-calamine, which pandas and polars use, would read it wrongly: it takes nothing
    but blanks for nothing, and reads escapes twice.
    """
    return "_x" not in text and bool(text.strip())


def text_xml(text: str, mark: str) -> str:
    """Write the element of a text, as a cell holds it, with `mark` where it is cut."""
    text = cell_text(text, mark)
    blanks = ' xml:space="preserve"' if text != text.strip() else ""
    return f"<t{blanks}>{text.translate(_MARKUP)}</t>"


class WorkbookArchive:
    """The file at `path`, for its owner only: one sheet after the other, until `finish` adds what is not streamed.

    `sheet_bytes` are those of the sheet that was begun last, before they are deflated. A sheet of 2 GiB would need
    ZIP64, which some readers refuse.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._zip = ZipFile(self._file, "w", ZIP_DEFLATED, compresslevel=LEVEL)
        self._sheet: IO[bytes] | None = None
        self.sheet_bytes = 0

    def begin(self, part: str, head: bytes) -> None:
        """Begin the sheet `part` with what stands above its rows."""
        self._sheet = self._zip.open(part, "w")
        self.sheet_bytes = 0
        self.write(head)

    def write(self, rows: bytes) -> None:
        """Write rows of the sheet that was begun last."""
        assert self._sheet, "a sheet is begun first"  # noqa: S101
        self._sheet.write(rows)
        self.sheet_bytes += len(rows)

    def end(self, tail: bytes) -> None:
        """End the sheet that was begun last with what stands below its rows."""
        self.write(tail)
        if self._sheet:
            self._sheet.close()
        self._sheet = None

    def finish(self, drawn: Mapping[str, bytes], strings: SharedStrings) -> None:
        """Add the parts that were `drawn`, apart from the sheets that were streamed, and `strings`."""
        streamed = {*self._zip.namelist()}
        strings.write(self._zip)
        for part, content in drawn.items():
            if part not in streamed:
                self._zip.writestr(part, _as_excel_writes(part, content))
        self._zip.close()
        self._file.close()

    def close(self) -> None:
        """Close the file, also in the midst of a sheet."""
        for part in (self._sheet, self._zip, self._file):
            with suppress(OSError, ValueError):  # raised before; a full disk raises at each of them
                if part:
                    part.close()


def _as_excel_writes(part: str, content: bytes) -> bytes:
    """Return a part that declares the shared texts, with relative targets, and the prefix `xdr:` in a drawing.

    openpyxl writes absolute targets and no prefix, which exceljs and xlsx-populate can't read.
    """
    end, declared = _DECLARED.get(part, (b"", b""))
    content = content.replace(end, declared + end) if end else content
    if part.endswith(".rels"):
        folder = "/" + part.partition("_rels/")[0]
        return _ABSOLUTE.sub(lambda match: relpath(match[0], folder), content.decode()).encode()
    if part.startswith("xl/drawings/"):
        return cast("bytes", tostring(fromstring(content)))  # openpyxl has registered the prefix
    return content
