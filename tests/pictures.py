"""`python -m tests.pictures`: the documents' pictures, of what really arrives for a sample hour in the sandbox.

First of all, SheetJS and LibreOffice have to read the workbook as openpyxl does, and one of odd rows too.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from src.config.settings import Language

from .builders import build
from .phrases.golden import LANGUAGES
from .phrases.hours import Hour, got, hours
from .sandbox import Sandbox
from .sandbox.sample import sample_hour, sample_weeks
from .sandbox.smtp import Delivery
from .sandbox.supabase import Supabase
from .workbook.readers import WINDOW, analyses, cells_by_libreoffice, differences

DOCS = Path(__file__).parent.parent / "docs"
LOOKED_AT = DOCS.parent / ".sandbox" / "pictures"
"""Where the pictures are that no page shows."""
HOUR = datetime(2026, 11, 23, 13, tzinfo=UTC)
ROWS = 2431
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync"
)
HEIGHTS = {360: 1720, 800: 1640}
LOOKS = {"light": "color-scheme:light", "dark": "color-scheme:dark", "grey": "color-scheme:light;filter:grayscale(1)"}
"""How a mail is looked at, with the style of its frame."""
SHOWN = 20
"""Cells that are named where many are read differently."""
PROGRAMS = ("chromium", "soffice", "pdftoppm", "pdftotext", "fc-list")
SIGNS = {"emoji": "1f642", "the warning sign": "26a0"}
"""Signs of the sample that a font has to have, else the pictures show empty boxes (Debian: fonts-noto-color-emoji)."""


def _unusual(supabase: Supabase) -> None:
    """Many failures in ten minutes, which the weeks before didn't have."""
    supabase.insert(sample_weeks(HOUR, ROWS))
    supabase.insert(sample_hour(HOUR - timedelta(hours=1), 2219, troubled=False))
    supabase.insert(sample_hour(HOUR, ROWS))


def _normal(supabase: Supabase) -> None:
    supabase.insert(sample_weeks(HOUR, ROWS))
    supabase.insert(sample_hour(HOUR - timedelta(hours=1), 2219, troubled=False))
    supabase.insert(sample_hour(HOUR, ROWS, troubled=False))


def _empty(supabase: Supabase) -> None:
    supabase.insert(sample_weeks(HOUR, ROWS))
    supabase.insert(sample_hour(HOUR - timedelta(hours=1), 1100, troubled=False))


def _first_day(supabase: Supabase) -> None:
    """Nothing is known of earlier weeks."""
    supabase.insert(sample_hour(HOUR - timedelta(hours=1), 2219, troubled=False))
    supabase.insert(sample_hour(HOUR, ROWS, troubled=False))


KINDS: dict[str, Callable[[Supabase], None]] = {
    "unusual": _unusual,
    "normal": _normal,
    "empty": _empty,
    "first-day": _first_day,
}
"""What each kind of hour has in its table; the documents show the first."""


def main() -> int:
    """Make docs/*.png anew; return 1 if something for it is missing, or reads something else in the workbook."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        print(f"Install {', '.join(missing)} first: the pictures are made with them.")
        return 1
    if missing := [name for name, code in SIGNS.items() if not _fonts(code)]:
        print(f"Install a font with {' and '.join(missing)} first, like Noto Color Emoji and DejaVu Sans.")
        return 1
    DOCS.mkdir(exist_ok=True)
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mails = _mails(folder)
        workbook = mails["unusual"].attachment()
        odd = build(folder, *analyses(300), window=WINDOW, sheet_rows=200)
        if misread := [line for content in (workbook, odd) for line in _misread(folder, content)]:
            print("\n".join(misread[:SHOWN]), f"{len(misread)} cells in all are read differently.", sep="\n")
            return 1
        _sheets(folder, workbook)
        for kind, mail in mails.items():
            for width in HEIGHTS:
                for scheme in ("light", "dark"):
                    shown = DOCS / "mail" if kind == "unusual" else LOOKED_AT / kind
                    _mail(folder, mail.page, width, scheme, Path(f"{shown}-{width}-{scheme}.png"))
        for kind, hour in hours().items():
            draw_hour(folder, hour, LOOKED_AT / f"hour-{kind}.png")
    print(f"The documents' pictures are in {DOCS}, those of other hours in {LOOKED_AT}.")
    return 0


def _fonts(code: str) -> str:
    """List the fonts that have the character of this number."""
    command = ["fc-list", f":charset={code}", "family"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _mails(folder: Path) -> dict[str, Delivery]:
    """Send the report of each kind of hour in the sandbox; return the mails."""
    found = {}
    sandbox = Sandbox(folder)
    with sandbox.serving():
        for kind, fill in KINDS.items():
            sandbox.reset()
            fill(sandbox.supabase)
            command = [sys.executable, "reports_generator.py", "--start", "2026-11-23T13", "--resend"]
            subprocess.run(command, env=os.environ | sandbox.environment, check=True, cwd=DOCS.parent)
            (found[kind],) = sandbox.mails
    return found


def _misread(folder: Path, workbook: bytes) -> list[str]:
    """List what LibreOffice reads differently."""
    path = folder / "report.xlsx"
    path.write_bytes(workbook)
    return differences(path, "LibreOffice", cells_by_libreoffice(path))


def _sheets(folder: Path, workbook: bytes) -> None:
    """Draw the first page of the data sheet, and that of the Summary from a workbook without the pages before it."""
    _draw_page(folder, "rows", workbook, "Records Processed")
    _draw_page(folder, "summary", without_rows(workbook), "Records succeeded")


def without_rows(workbook: bytes) -> bytes:
    """Hide the first sheet of a workbook, so that only the second is printed."""
    content = io.BytesIO()
    with ZipFile(io.BytesIO(workbook)) as read, ZipFile(content, "w", ZIP_DEFLATED) as written:
        for name in read.namelist():
            part = read.read(name)
            if name == "xl/workbook.xml":
                part = re.sub(rb'(name="Hourly Report"[^>]* state=)"visible"', rb'\1"hidden"', part)
                part = part.replace(b'activeTab="0"', b'activeTab="1"')
            written.writestr(name, part)
    return content.getvalue()


def _draw_page(folder: Path, name: str, workbook: bytes, words: str) -> None:
    """Draw the first printed page that has these words."""
    (folder / f"{name}.xlsx").write_bytes(workbook)
    profile = f"-env:UserInstallation={(folder / 'office').as_uri()}"
    command = ["soffice", "--headless", profile, "--convert-to", "pdf", "--outdir", str(folder), f"{name}.xlsx"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=300)
    command = ["pdftotext", f"{name}.pdf", "-"]
    text = subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True).stdout
    page = next(number for number, shown in enumerate(text.split("\f"), 1) if words in " ".join(shown.split()))
    command = ["pdftoppm", "-r", "70", "-png", "-singlefile", "-f", f"{page}", "-l", f"{page}", f"{name}.pdf"]
    subprocess.run([*command, str(DOCS / name)], check=True, cwd=folder)


def draw_hour(folder: Path, hour: Hour, path: Path) -> None:
    """Draw an hour's mail into `path` as a phone shows it: in each language light, dark, grey, without styles."""
    frames = "".join(_frames(folder, hour, language) for language in LANGUAGES)
    width = len(LANGUAGES) * (len(LOOKS) + 1) * 360
    _screenshot(folder, f'<body style="margin:0;white-space:nowrap">{frames}', (width, 2200), "light", path)


def _frames(folder: Path, hour: Hour, language: Language) -> str:
    """Write the pages of an hour's mail in a language; return the frames that show them side by side."""
    page = got(folder, hour, language).forms.html
    (folder / f"{language}.html").write_text(page)
    (folder / f"{language}-bare.html").write_text(
        re.sub(r'<style>.*?</style>| (?:style|bgcolor)="[^"]*"', "", page, flags=re.S)
    )
    shown = [(f"{language}.html", style) for style in LOOKS.values()] + [(f"{language}-bare.html", "")]
    return "".join(
        f'<iframe src="{name}" style="border:0;width:360px;height:2200px;{style}"></iframe>' for name, style in shown
    )


def _mail(folder: Path, page: str, width: int, scheme: str, path: Path) -> None:
    """Draw the mail into `path`, in a frame of `width`, for Chromium's own window can't be that narrow."""
    (folder / "mail.html").write_text(page)
    height = HEIGHTS[width]
    frame = f'<iframe src="mail.html" style="border:0;width:{width}px;height:{height}px"></iframe>'
    _screenshot(folder, f'<body style="margin:0">{frame}', (width, height), scheme, path)


def _screenshot(folder: Path, body: str, size: tuple[int, int], scheme: str, path: Path) -> None:
    """Draw a page of frames into `path`."""
    (folder / "frame.html").write_text(f'<meta name="color-scheme" content="light dark">{body}')
    flags = [
        f"--user-data-dir={folder / 'chromium'}",
        f"--window-size={size[0]},{size[1]}",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        f"--screenshot={path}",
    ]
    command = [*CHROMIUM.split(), *flags, (folder / "frame.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
