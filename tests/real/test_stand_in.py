"""The stand-in of `make test` answers as the real PostgREST does, where the program depends on it."""

import json
import re
from typing import Any

import pytest

from ..sandbox import Sandbox
from ..sandbox.supabase import Supabase
from ..sandbox.web import Request
from .sandbox import START, RealSandbox

WINDOW = f"created_at=gte.{START:%Y-%m-%dT%H:%M:%SZ}&created_at=lt.{START:%Y-%m-%d}T14:00:00Z"
RECORD = f"report_deliveries?name=eq.production&template=eq.hourly&window_start=eq.{START:%Y-%m-%dT%H:%M:%SZ}"
MOMENT = rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+\+00"
CLAIM = {"holder": "pod-2", "lease_seconds": 600}


def answered(project: Supabase, method: str, path: str, body: object) -> list[Any]:
    """Return what a project with 1,200 rows and one claimed record answers, as far as it is the same every time."""
    project.sql("insert into analyses (created_at) select $1::timestamptz from generate_series(1, 1200)", f"{START}")
    project.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record, holder, lease_seconds) "
        "values ('production', 'hourly', 'x', 'UTC', $1::timestamptz, '{}', 'pod-1', -1)",
        f"{START}",
    )
    headers = {"apikey": project.secret_key, "content-type": "application/json"}
    headers["prefer"] = "count=exact" if method == "GET" else "return=representation"
    content = json.dumps(body).encode() if body else b""
    answer = project.answer(Request(method=method, target=f"/rest/v1/{path}", headers=headers, body=content, at=0.0))
    found = json.loads(re.sub(MOMENT, b"some moment", answer.body))
    shown = found if isinstance(found, dict) else [row.get("holder") for row in found]
    content_range = {name.lower(): value for name, value in answer.headers.items()}.get("content-range")
    return [answer.status, content_range if method == "GET" else "", shown]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", f"analyses?{WINDOW}&limit=5000", None, id="a page beyond the cap"),
        pytest.param("GET", f"analyses?{WINDOW}&limit=3", None, id="a page below the cap"),
        pytest.param("GET", "nowhere", None, id="no table to read"),
        pytest.param("POST", "nowhere", {"a": 1}, id="no table to insert into"),
        pytest.param("PATCH", "nowhere?a=eq.1", {"a": 1}, id="no table to update"),
        pytest.param("POST", "report_deliveries", CLAIM, id="a row without its key"),
        pytest.param("PATCH", f"{RECORD}&or=(holder.eq.pod-1)", CLAIM, id="or that applies no more"),
        pytest.param("PATCH", f"{RECORD}&or=(holder.eq.pod-1,holder.eq.pod-2)", CLAIM, id="or that still applies"),
        pytest.param("PATCH", f"{RECORD}&or=(lease_until.lt.now)", CLAIM, id="or over what the trigger sets"),
        pytest.param("PATCH", f"{RECORD}&or=(holder.eq.pod-3)", CLAIM, id="or that never applied"),
        pytest.param("PATCH", f"{RECORD}&holder=eq.pod-1", CLAIM, id="a filter that applies no more"),
        pytest.param("PATCH", f"{RECORD}&not.or=(holder.is.null)", {"holder": None}, id="not or"),
    ],
)
def test_the_stand_in_answers_as_postgrest_does(
    real: RealSandbox, sandbox: Sandbox, method: str, path: str, body: object
) -> None:
    """Status, count and rows, or the error."""
    assert answered(sandbox.supabase, method, path, body) == answered(real.supabase, method, path, body)
