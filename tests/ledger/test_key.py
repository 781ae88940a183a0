"""Whose ledger it is: deployments, projects, tables and zones are kept apart, and nothing else is."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ..alerts import ranges
from ..builders import OPTION
from ..conftest import Run
from ..faults import copies, source_name
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from .test_ledger import CATCH_UP, LEDGERS, ONCE, job, this_hour

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
TWICE = ((2, 2), (2, 2))


@LEDGERS
def test_a_deployment_of_another_name_takes_no_hour_from_production(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """Neither a trial's nor staging's: each sends its own."""
    run(*OPTION, REPORT_LEDGER=ledger, REPORT_LEDGER_NAME="trial")

    assert run(*OPTION, REPORT_LEDGER=ledger, REPORT_LEDGER_NAME="production").code == 0
    assert copies(sandbox) == TWICE


def test_in_a_cluster_the_namespace_is_the_name(sandbox: Sandbox, run: RunTool) -> None:
    """Nothing has to be set; REPORT_LEDGER_NAME wins where it is."""
    names: dict[str, str] = {"REPORT_LEDGER_NAME": "", "POD_NAMESPACE": "staging", **CATCH_UP}
    run(*OPTION, **names)
    run(*OPTION, **names | {"REPORT_LEDGER_NAME": "mine"})

    rows = sandbox.supabase.sql("select name, template, source, zone from report_deliveries order by name")
    rest = {"template": "hourly", "source": source_name(sandbox), "zone": "UTC"}
    assert rows == [{"name": "mine"} | rest, {"name": "staging"} | rest]


def test_outside_a_cluster_the_ledger_in_supabase_asks_whom_the_run_acts_for(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2 with the setting; nothing is sent, and nothing was contacted but to alert."""
    result = run(*OPTION, REPORT_LEDGER_NAME="", **CATCH_UP)

    assert (result.code, copies(sandbox), sandbox.supabase.requests) == (2, ((0, 0), (0, 0)), [])
    assert (result.keys, settings_named(result)) == (["settings"], ["REPORT_LEDGER_NAME"])


def settings_named(run: Run) -> list[str]:
    """Return the settings that a run found missing or wrong."""
    return re.findall(r"^ +([A-Z_]+) ", run.log, re.MULTILINE)


@pytest.mark.parametrize("name", ["Production", "a_b", "-a", "a-", "a" * 64, "a.b", "x' or '1'='1"])
def test_a_name_that_no_namespace_could_have_is_refused(sandbox: Sandbox, run: RunTool, name: str) -> None:
    """It stands in file names and in statements."""
    result = run(*OPTION, REPORT_LEDGER_NAME=name)

    assert (result.code, result.keys, settings_named(result)) == (2, ["settings"], ["REPORT_LEDGER_NAME"])


@LEDGERS
def test_another_spelling_of_the_address_is_the_same_project(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Capitals, a slash at the end, the path of the REST interface."""
    run(*OPTION, REPORT_LEDGER=ledger)
    url = sandbox.supabase.url

    for other in (f"{url}/", url.replace("http", "HTTP"), f"{url}/rest/v1/"):
        assert run(*OPTION, REPORT_LEDGER=ledger, SUPABASE_URL=other).code == 0

    assert copies(sandbox) == ONCE


def daily(zone: str) -> dict[str, str]:
    """Return the settings of daily reports in a zone."""
    return {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": zone, **CATCH_UP}


def test_another_zone_of_daily_reports_begins_a_new_history(sandbox: Sandbox, run: RunTool) -> None:
    """No old day is sent once more; the first day in the new zone is. None was missed, so nobody is told."""
    at = datetime.now(UTC)
    run("--start", f"{(at - timedelta(days=5)).date()}", clock=lambda: at, **daily("UTC"))
    sandbox.supabase.sql("update report_deliveries set scheduled = true")
    assert run(clock=lambda: at, **daily("UTC")).code == 0
    sent = len(sandbox.mails)
    assert sent > 3

    first, second = (run(clock=lambda: at, **daily("Pacific/Kiritimati")) for _ in range(2))

    assert (first.code, second.code, len(sandbox.mails)) == (0, 0, sent + 1)
    assert sandbox.alerts == []


def test_another_zone_after_an_outage_is_alerted_with_the_days_that_nobody_catches_up(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Once; the alert's command sends them."""
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    run(clock=lambda: at - timedelta(days=4), **daily("UTC"))

    results = [run(clock=lambda: at, **daily("Europe/Berlin")) for _ in range(2)]

    assert [one.code for one in results] == [0, 0]
    assert sandbox.alerted == ["ledger.begins_anew"]
    (alert,) = sandbox.failures
    assert ("REPORT_TIMEZONE" in alert, ranges(alert)[0]) == (True, ("2026-11-19", 3))


def record_of_1_0(state: str) -> dict[str, object]:
    """Write a record of a window field for field as version 1.0 did."""
    start = "2026-11-22T13:00:00+00:00"
    people = [*(("email", one) for one in RECIPIENTS), *(("telegram", one) for one in CHATS)]
    entries = [
        {"channel": channel, "recipient": recipient, "state": state, "receipt": "", "at": start}
        for channel, recipient in people
    ]
    return {
        "template": "hourly", "start": start, "entries": entries, "rows": 0, "resent": 0, "resent_by": "",
        "alerted": [], "cleared": False, "late_rows": 0, "given_up": False, "scheduled": False, "watermark": None,
        "unreadable": [],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "production", "trial"])
@pytest.mark.parametrize(
    ("state", "sent"), [("delivered", 0), ("owed", 1), ("sending", 1), ("refused", 1), ("skipped", 1)]
)
def test_a_file_of_1_0_stays_what_it_is(sandbox: Sandbox, run: RunTool, state: str, sent: int, name: str) -> None:
    """A run that names its window sends what version 1.0 would have sent; a trial of another name sends its own."""
    folder = sandbox.folder / "report_ledger"
    folder.mkdir(mode=0o700)
    old = folder / f"hourly-{source_name(sandbox)}-20261122T130000Z.json"
    old.write_text(json.dumps(record_of_1_0(state)))

    codes = [run(*OPTION, REPORT_LEDGER_NAME=name).code for _ in range(2)]

    copies_each = 1 if name == "trial" else sent
    assert (codes, copies(sandbox)) == ([0, 0], ((copies_each, copies_each), (copies_each, copies_each)))


def test_without_a_name_the_files_are_those_of_1_0(sandbox: Sandbox, run: RunTool) -> None:
    """So that it can be gone back to."""
    run(*OPTION, REPORT_LEDGER_NAME="")

    names = {path.name for path in (sandbox.folder / "report_ledger").glob("*.json")}
    assert names == {f"hourly-{source_name(sandbox)}-20261122T130000Z.json"}


@pytest.mark.parametrize(
    ("options", "changes", "place"),
    [
        (OPTION, {}, "{folder}/report_ledger, name production"),
        (OPTION, {"REPORT_LEDGER_NAME": ""}, "{folder}/report_ledger"),
        ((), {"JOB_NAME": job(0), **CATCH_UP}, "Supabase, name production"),
        (("--until-now", "--yes"), CATCH_UP, "none"),
    ],
    ids=["folder", "without a name", "table", "trial"],
)
def test_the_first_line_of_a_run_says_where_its_ledger_is(
    sandbox: Sandbox, run: RunTool, options: tuple[str, ...], changes: dict[str, str], place: str
) -> None:
    """Whoever asks why an hour was sent twice begins there."""
    first = run(*options, **changes).records[0]

    assert first.__dict__["event"] == "ledger"
    (shown,) = first.args if isinstance(first.args, tuple) else ()
    assert str(shown).startswith(place.format(folder=sandbox.folder))


def test_a_check_says_that_a_folder_ends_with_its_pod_and_that_the_table_is_there(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Both are no failure; in a shell only the table is news, and with the table nothing is."""
    checks = [run("--check", **changes) for changes in ({"POD_NAMESPACE": "production"}, {}, CATCH_UP)]

    lines = [next(line for line in check.output.splitlines() if " ledger " in line) for check in checks]
    assert [(line.split()[0], line.count("; ")) for line in lines] == [("NOTE", 2), ("NOTE", 1), ("OK", 0)]
    assert ["REPORT_LEDGER=supabase" in line for line in lines] == [True, True, False]


def test_hours_that_another_deployment_missed_are_not_caught_up(sandbox: Sandbox, run: RunTool) -> None:
    """Each catches up its own."""
    run(JOB_NAME=job(3), REPORT_LEDGER_NAME="staging", **CATCH_UP)

    assert run(JOB_NAME=job(0), REPORT_LEDGER_NAME="production", **CATCH_UP).code == 0

    subjects = [mail.message["Subject"] for mail in sandbox.mails]
    hours = [f"{this_hour(back):%Y-%m-%d %H:%M}" for back in (4, 1)]
    assert [hour in subject for hour, subject in zip(hours, subjects, strict=True)] == [True, True]
