"""The texts of a workbook in a part of the file of their own, to which cells refer by number (ECMA-376 part 1, 18.4.8).

So does Excel itself write them. Texts in their cells (`inlineStr`) would take less room, but some readers show nothing
there.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from zipfile import ZipFile

from ..phrases.english import English
from .cells import cell_text

_PART = "xl/sharedStrings.xml"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
_SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DECLARED = {
    "[Content_Types].xml": (b"</Types>", f'<Override PartName="/{_PART}" ContentType="{_TYPE}"/>'.encode()),
    "xl/_rels/workbook.xml.rels": (
        b"</Relationships>",
        f'<Relationship Id="rIdSharedStrings" Type="{_RELATION}" Target="sharedStrings.xml"/>'.encode(),
    ),
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

    def __init__(self, mark: str = English.SHORTENED) -> None:
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

    def declared_in(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the parts of a file with what says that there is the one of the texts."""
        declared = {
            part: parts[part].replace(end, own + end) for part, (end, own) in _DECLARED.items() if part in parts
        }
        return {**parts, **declared}

    def write(self, archive: ZipFile) -> None:
        """Write the part of the texts; with ZIP64, which some readers refuse, only where it needs it."""
        size = self._file.tell()
        self._file.seek(0)
        with archive.open(_PART, "w", force_zip64=size > _LARGE) as part:
            part.write(f'<sst xmlns="{_SPACE}" uniqueCount="{self._count}">'.encode())
            copyfileobj(self._file, part, 1 << 20)
            part.write(b"</sst>")

    def close(self) -> None:
        """Let go of the temporary file."""
        with suppress(OSError):  # what went wrong was said before
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
