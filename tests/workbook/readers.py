"""What programs of all kinds read in a workbook, and whether it is the same."""

import csv
import io
import json
import math
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import pylightxl
from openpyxl.utils.datetime import from_excel
from python_calamine import CalamineWorkbook
from xlsx2csv import Xlsx2csv

from src.domain.analysis import Analysis, success_rates
from src.supabase.analyses import PAGE_ROWS
from src.supabase.decode import read_page

from ..builders import START, make_analysis, make_window, opened
from ..sandbox.lite import NODE
from ..sandbox.sample import sample_hour

NODE_LIBRARIES = Path(__file__).parent / "node"
Table = list[list[Any]]
Cells = dict[str, dict[str, Any]]
"""By sheets, then by addresses; without those that are empty."""
WINDOW = make_window(zone="Asia/Kolkata")
ODD = [
    make_analysis(id="with blanks & <signs>", status="🙂 =1+1", duration="n/a"),
    make_analysis(id=7, status=None, duration=None, records_processed=None, records_failed=None),
    make_analysis(id=2**60, status=" outer blanks ", duration=1 / 3, records_failed=200),
    make_analysis(id="x" * 300, status="a_b", records_failed=0, records_processed=0),
    make_analysis(id="late", created_at=START + timedelta(minutes=59, seconds=59.7)),
    make_analysis(id=10**15 - 1, created_at=START + timedelta(minutes=59, seconds=59.999999)),
]


def analyses(count: int) -> list[Analysis]:
    """Make the analyses of a sample hour and a few odd ones, in the order of time."""
    rows = sample_hour(START, count)
    pages = [rows[begin : begin + PAGE_ROWS] for begin in range(0, len(rows), PAGE_ROWS)]
    usual = [one for page in pages for one in read_page(json.dumps(page).encode(), "analyses")]
    return sorted([*usual, *ODD], key=attrgetter("created_at"))


def by_openpyxl(path: Path, sheet: str) -> Table:
    """Read by openpyxl."""
    return [[*row] for row in opened(path.read_bytes())[sheet].iter_rows(values_only=True)]


def by_calamine(path: Path, sheet: str) -> Table:
    """Read by calamine, which pandas and polars use."""
    return CalamineWorkbook.from_path(path).get_sheet_by_name(sheet).to_python(skip_empty_area=False)


def by_xlsx2csv(path: Path, sheet: str) -> Table:
    """Read by xlsx2csv, as it is in the file."""
    out = io.StringIO()
    Xlsx2csv(path, ignore_formats=["date", "float", "percentage"]).convert(out, sheetname=sheet)
    return [*csv.reader(io.StringIO(out.getvalue()))]


def by_pylightxl(path: Path, sheet: str) -> Table:
    """Read by pylightxl."""
    return [*pylightxl.readxl(path).ws(sheet).rows]


def moment(value: Any) -> datetime:
    """Read a moment in whatever form a reader gives it."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and ":" in value:
        text = value.replace("/", "-").partition(" UTC")[0]
        if text[2] == ".":  # Russian
            text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
        return datetime.fromisoformat(text).replace(tzinfo=None)
    found = from_excel(float(value))
    assert isinstance(found, datetime)
    return found


def same(found: Any, wanted: Any) -> bool:
    """Compare a cell with what was written, None being an empty one."""
    match wanted:
        case datetime():
            return found is not None and abs(moment(found) - wanted) <= timedelta(milliseconds=1)
        case None | "":
            return found in (None, "")
        case int() | float():
            return math.isclose(float(found), wanted, rel_tol=1e-14)
    return bool(found == wanted)


def cells_by_openpyxl(path: Path) -> Cells:
    """Read the whole workbook by openpyxl."""
    with warnings.catch_warnings(action="ignore"):  # of what LibreOffice adds and openpyxl would not write again
        book = opened(path.read_bytes())
    return {
        sheet.title: {
            cell.coordinate: cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None
        }
        for sheet in book
    }


def cells_by_node(*paths: Path) -> list[dict[str, Cells]]:
    """Read whole workbooks by libraries for Node: for each path, the cells by the library's name."""
    command = [str(NODE), "readers.mjs", *map(str, paths)]
    answer = subprocess.run(command, cwd=NODE_LIBRARIES, stdout=subprocess.PIPE, check=True, timeout=120)
    found: list[dict[str, Cells]] = json.loads(answer.stdout)
    return found


def shown_by_sheetjs(number_format: str, values: Sequence[float]) -> list[str]:
    """Return what SheetJS shows of numbers in a format."""
    script = "const [form, ...values] = process.argv.slice(1); const { SSF } = require('xlsx');"
    script += "console.log(JSON.stringify(values.map((value) => SSF.format(form, Number(value)))));"
    command = [str(NODE), "-e", script, "--", number_format, *map(str, values)]
    answer = subprocess.run(command, cwd=NODE_LIBRARIES, stdout=subprocess.PIPE, check=True, timeout=120)
    found: list[str] = json.loads(answer.stdout)
    return found


def cells_by_libreoffice(path: Path) -> Cells:
    """Read the whole workbook by LibreOffice: what it saves again."""
    with tempfile.TemporaryDirectory() as folder:
        profile = f"-env:UserInstallation={(Path(folder) / 'office').as_uri()}"
        command = ["soffice", "--headless", profile, "--convert-to", "xlsx", "--outdir", folder, str(path)]
        subprocess.run(command, capture_output=True, check=True, timeout=300)
        return cells_by_openpyxl(Path(folder) / path.name)


def differences(path: Path, program: str, cells: Cells) -> list[str]:
    """List the cells that a program read otherwise than openpyxl does."""
    wanted, found = cells_by_openpyxl(path), []
    if [*cells] != [*wanted]:
        found.append(f"{program} reads the sheets {[*cells]}, not {[*wanted]}")
    for sheet, one in wanted.items():
        other = cells.get(sheet, {})
        found += [
            f"{program} reads {other.get(address)!r} in {sheet}!{address}, not {one.get(address)!r}"
            for address in {**one, **other}
            if not same(other.get(address), one.get(address))
        ]
    return found


def written(row: Analysis) -> list[Any]:
    """List what the cells of a row hold."""
    local = row.created_at.astimezone(WINDOW.zone).replace(tzinfo=None, microsecond=0)
    row_id = str(row.id) if isinstance(row.id, int) and row.id >= 10**15 else row.id
    (rate,) = success_rates([row.records_processed], [row.records_failed])
    return [row_id, local, row.status, row.duration, row.records_processed, row.records_failed, rate]


def assert_same_cells(cells: Table, rows: Sequence[Analysis]) -> None:
    """Assert that a reader found in `cells` what was written of `rows`."""
    assert len(cells) == len(rows)
    for found, row in zip(cells, rows, strict=True):
        wanted = written(row)
        assert [same(one, two) for one, two in zip(found, wanted, strict=True)] == [True] * 7, (found, wanted)
