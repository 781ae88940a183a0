"""`python -m tests.pictures`: the documents' pictures, of what really arrives for a sample hour in the sandbox.

First of all, SheetJS and LibreOffice have to read the workbook as openpyxl does, and one of odd rows too.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .builders import build
from .sandbox import Sandbox
from .sandbox.sample import sample_hour
from .workbook.readers import WINDOW, analyses, differences

DOCS = Path(__file__).parent.parent / "docs"
HOUR = datetime(2026, 11, 23, 13, tzinfo=UTC)
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync"
)
HEIGHTS = {360: 1380, 800: 1330}
SHOWN = 20
"""Cells that are named where many are read differently."""


def main() -> int:
    """Make docs/*.png anew; return 1 if a program for it is missing, or reads something else in the workbook."""
    if missing := [name for name in ("chromium", "soffice", "pdftoppm") if not shutil.which(name)]:
        print(f"Install {', '.join(missing)} first: the pictures are made with them.")
        return 1
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        with sandbox.serving():
            sandbox.supabase.insert(sample_hour(HOUR - timedelta(hours=1), 2219))
            sandbox.supabase.insert(sample_hour(HOUR, 2431))
            command = [sys.executable, "reports_generator.py", "--start", "2026-11-23T13"]
            subprocess.run(command, env=os.environ | sandbox.environment, check=True, cwd=DOCS.parent)
        workbook = sandbox.mails[0].attachment()
        odd = build(Path(folder), *analyses(300), window=WINDOW, sheet_rows=200)
        if misread := [line for content in (workbook, odd) for line in _misread(Path(folder), content)]:
            print("\n".join(misread[:SHOWN]), f"{len(misread)} cells in all are read differently.", sep="\n")
            return 1
        _sheets(Path(folder), workbook)
        for width in HEIGHTS:
            for scheme in ("light", "dark"):
                _mail(Path(folder), sandbox.mails[0].page, width, scheme)
    return 0


def _misread(folder: Path, workbook: bytes) -> list[str]:
    """List what SheetJS and LibreOffice read differently."""
    path = folder / "report.xlsx"
    path.write_bytes(workbook)
    return differences(path)


def _sheets(folder: Path, workbook: bytes) -> None:
    """Draw the first page of the data sheet, and of the Summary, which takes the last three."""
    (folder / "report.xlsx").write_bytes(workbook)
    profile = f"-env:UserInstallation={(folder / 'office').as_uri()}"
    command = ["soffice", "--headless", profile, "--convert-to", "pdf", "--outdir", str(folder), "report.xlsx"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=300)
    info = subprocess.run(["pdfinfo", "report.pdf"], check=True, cwd=folder, capture_output=True, text=True).stdout
    pages = int(info.partition("Pages:")[2].split()[0])
    for name, page in (("rows", 1), ("summary", pages - 2)):
        command = ["pdftoppm", "-r", "70", "-png", "-singlefile", "-f", str(page), "-l", str(page), "report.pdf"]
        subprocess.run([*command, str(DOCS / name)], check=True, cwd=folder)


def _mail(folder: Path, page: str, width: int, scheme: str) -> None:
    """Draw the mail in a frame of `width`, for Chromium's own window can't be that narrow."""
    (folder / "mail.html").write_text(page)
    height = HEIGHTS[width]
    frame = f'<iframe src="mail.html" style="border:0;width:{width}px;height:{height}px"></iframe>'
    (folder / "frame.html").write_text(f'<meta name="color-scheme" content="light dark"><body style="margin:0">{frame}')
    flags = [
        f"--user-data-dir={folder / 'chromium'}",
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        f"--screenshot={DOCS / f'mail-{width}-{scheme}.png'}",
    ]
    command = [*CHROMIUM.split(), *flags, (folder / "frame.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
