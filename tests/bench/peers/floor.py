"""What nobody can leave out: parse the pages, deflate the sheet. The sheet is given, and nothing is sent.

It prints how many rows it parsed.
"""

import json
import os
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

PAGE = 1000
CHUNK = 2**18


def pages() -> Iterator[list[object]]:
    """Fetch the hour's pages and parse them."""
    connection = HTTPConnection(os.environ["SUPABASE_URL"].removeprefix("http://"), timeout=60)
    offset = 0
    while True:
        query = {"created_at": f"gte.{os.environ['BENCH_START']}", "offset": offset, "limit": PAGE}
        connection.request("GET", f"/rest/v1/analyses?{urlencode(query)}")
        page: list[object] = json.loads(connection.getresponse().read())
        yield page
        if len(page) < PAGE:
            return
        offset += PAGE


def deflate(sheet: str, target: str, level: int) -> None:
    """Deflate the file `sheet` into the file `target`."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    with open(sheet, "rb") as source, open(target, "wb") as packed:  # noqa: PTH123 - no import that can be left out
        while chunk := source.read(CHUNK):
            packed.write(packer.compress(chunk))
        packed.write(packer.flush())


if __name__ == "__main__":
    print(sum(len(page) for page in pages()))
    deflate(os.environ["BENCH_SHEET"], f"{os.environ['REPORT_DIR']}/sheet", int(os.environ["BENCH_LEVEL"]))
