"""What is older than REPORT_KEEP_DAYS goes at the end of a scheduled run, and nothing else does."""

import json
import os
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from src.config.settings import SupabaseSettings
from src.domain.window import Template, last_full
from src.ledger.identity import identity_of_2_0

from ..builders import OPTION
from ..conftest import Run
from ..faults import copies, source_name, storage_says
from ..ledger.test_ledger import CATCH_UP, LEDGERS, job, opened_long_ago, this_hour
from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
KEEP = {"REPORT_KEEP_DAYS": "35"}
LONG = 40 * 24
"""Hours ago: longer than records are kept here."""
FORBIDDEN = Answer(status=403, body=b'{"code": "42501", "message": "permission denied for table report_deliveries"}')


@pytest.fixture(autouse=True)
def _may_delete(sandbox: Sandbox) -> None:
    """Give the secret key's role the right that removing needs."""
    sandbox.supabase.sql("grant delete on report_deliveries to service_role")


def recorded(sandbox: Sandbox, ledger: str) -> set[str]:
    """List the hours of which there is a record."""
    if ledger == "supabase":
        rows = sandbox.supabase.sql("select record->>'start' as start from report_deliveries")
        return {row["start"] for row in rows}
    return {json.loads(path.read_text())["start"] for path in (sandbox.folder / "report_ledger").glob("*.json")}


def record(sandbox: Sandbox, ledger: str, back: int) -> str:
    """Leave the record of an hour that was delivered `back` hours ago; return its start."""
    start = this_hour(back)
    if ledger == "supabase":
        opened_long_ago(sandbox, back)
    else:
        folder = sandbox.folder / "report_ledger"
        folder.mkdir(mode=0o700, exist_ok=True)
        content = {"template": "hourly", "start": start.isoformat(), "entries": [], "scheduled": True}
        path = folder / f"hourly-{source_name(sandbox)}-{start:%Y%m%dT%H%M%SZ}.json"
        path.write_text(json.dumps(content))
        path.with_suffix(".lock").touch()
    return start.isoformat()


@LEDGERS
def test_records_that_are_too_old_go_a_hundred_a_run_and_the_others_stay(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """The oldest first; without the setting everything stays."""
    old = [record(sandbox, ledger, back) for back in range(LONG + 102, LONG, -1)]
    young = {record(sandbox, ledger, back) for back in range(26, 1, -1)}
    foreign = sandbox.folder / "report_ledger" / "hourly-00000000-20200101T000000Z.json"
    if ledger == "directory":
        foreign.write_text('{"start": "foreign"}')
        young.add("foreign")
    scheduled = {"JOB_NAME": job(0), "REPORT_LEDGER": ledger}
    own = {this_hour(1).isoformat()}

    run(**scheduled)
    kept = recorded(sandbox, ledger)
    first = run(**scheduled, **KEEP)
    left = recorded(sandbox, ledger)
    second = run(**scheduled, **KEEP)

    assert kept == {*old, *young, *own}
    assert (first.code, left) == (0, {*old[100:], *young, *own})
    assert (second.code, recorded(sandbox, ledger)) == (0, {*young, *own})
    assert [record.args[0] for record in first.logged("retention") if isinstance(record.args, tuple)] == [100]
    assert foreign.exists() == (ledger == "directory")


def test_a_run_that_names_its_hour_removes_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """Nor does one that is limited to some, or a trial."""
    old = record(sandbox, "supabase", LONG)

    for arguments in (OPTION, ("--only", "manager@example.com"), ("--until-now", "--yes")):
        assert run(*arguments, **CATCH_UP, **KEEP).code == 0
    assert old in recorded(sandbox, "supabase")


def test_records_of_hours_that_are_still_to_be_told_of_stay(sandbox: Sandbox, run: RunTool) -> None:
    """After an outage longer than they are kept, the first alert that is taken names all that was missed."""
    first, later = record(sandbox, "supabase", LONG), record(sandbox, "supabase", LONG - 3)
    changes = {"REPORT_CHANNELS": "telegram", "REPORT_CATCH_UP": "1", **CATCH_UP, **KEEP}
    run(JOB_NAME=job(0), **changes, TELEGRAM_ALERT_CHAT_ID="777")
    untold = recorded(sandbox, "supabase")

    for _ in range(2):
        run(JOB_NAME=job(0), **changes)

    assert (first in untold, later in untold) == (False, True)
    assert [f"REPORT_START={this_hour(back):%Y-%m-%dT%H}" in sandbox.alerts[0] for back in (LONG - 1, LONG - 4)] == [
        True,
        True,
    ]
    assert later not in recorded(sandbox, "supabase")


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault(answer=FORBIDDEN, match="window_start=lte"), "ledger.permission"),
        (Fault(answer=Answer(status=400), match="window_start=lte"), "ledger.rejected"),
        (Fault(answer=Answer(status=401), match="window_start=lt."), "ledger.key"),
    ],
    ids=["no right to delete", "refused", "not readable"],
)
def test_what_cannot_be_removed_is_a_warning(sandbox: Sandbox, run: RunTool, fault: Fault, key: str) -> None:
    """The report is what matters."""
    old = record(sandbox, "supabase", LONG)
    sandbox.supabase.always = fault

    result = run(JOB_NAME=job(0), REPORT_CATCH_UP="0", **CATCH_UP, **KEEP)

    assert (result.code, sandbox.alerts) == (0, [])
    assert result.keys == [key]
    assert "retention_failed" in result.events
    assert old in recorded(sandbox, "supabase")


def stored(sandbox: Sandbox) -> list[str]:
    """List the paths of the bucket."""
    return [row["name"] for row in sandbox.supabase.sql("select name from storage.objects order by name")]


BUCKET = {"REPORT_BUCKET": "reports"}


def old_workbooks(sandbox: Sandbox, run: RunTool) -> None:
    """Leave workbooks in the bucket: an old one with a resend, one of another table, and a young one."""
    sandbox.supabase.make_bucket("reports")
    sandbox.mailbox.largest = sandbox.bot.largest = 2000
    for back, arguments, changes in (
        (LONG, (), {}),
        (LONG, ("--resend",), {"POD_NAME": "again"}),
        (LONG, (), {"SUPABASE_TABLE": "analyses_named"}),
        (30, (), {}),
    ):
        run("--start", f"{this_hour(back):%Y-%m-%dT%H}", *arguments, **BUCKET, **changes)
    sandbox.mailbox.largest, sandbox.bot.largest = None, 50_000_000


def test_own_workbooks_in_the_bucket_that_are_too_old_go(sandbox: Sandbox, run: RunTool) -> None:
    """With those of resends; other tables' and younger ones stay."""
    old_workbooks(sandbox, run)
    before = stored(sandbox)

    result = run(JOB_NAME=job(0), **BUCKET, **KEEP)

    hour = f"report.hourly.{this_hour(LONG):%Y%m%dT%H%M%SZ}"
    gone = sorted({*before} - {*stored(sandbox)})
    assert (result.code, len(before), len(gone)) == (0, 4, 2)
    assert [path.split("/")[1].startswith(hour) for path in gone] == [True, True]
    assert [".resend.1." in path for path in gone] == [False, True]


@pytest.mark.parametrize(
    ("answer", "keys", "named"),
    [
        (storage_says(403, "Unauthorized"), ["storage.permission"], "SUPABASE_KEY"),
        (Answer(body=b"[]"), [], "SUPABASE_KEY"),
        (Answer(body=b"<html>"), ["storage.bad_answer"], ""),
    ],
    ids=["refused", "row-level security", "odd"],
)
def test_workbooks_in_the_bucket_that_cannot_be_removed_are_a_warning(
    sandbox: Sandbox, run: RunTool, answer: Answer, keys: list[str], named: str
) -> None:
    """A key without the right to delete finds nothing to delete."""
    old_workbooks(sandbox, run)
    sandbox.supabase.faults += [Fault(answer=answer, match="/storage/v1/object/reports")]

    result = run(JOB_NAME=job(0), **BUCKET, **KEEP)

    (warned,) = result.logged("retention_failed")
    assert (result.code, result.keys, warned.levelname) == (0, keys, "WARNING")
    assert named in warned.getMessage()


@pytest.mark.parametrize("template", ["hourly", "daily"])
def test_workbooks_where_versions_before_2_1_put_them_go_too(
    sandbox: Sandbox, run: RunTool, template: Template
) -> None:
    """In the bucket itself, where those of other tables stay; whatever is in a folder goes with it."""
    sandbox.supabase.make_bucket("reports")
    values = {"supabase_url": sandbox.supabase.url, "supabase_key": sandbox.supabase.secret_key}
    own, other = (SupabaseSettings.model_validate(values | {"supabase_table": name}) for name in ("analyses", "other"))
    window = last_full(template, ZoneInfo("America/New_York"), this_hour(LONG))
    mine, others = identity_of_2_0(own, window), identity_of_2_0(other, window)
    gone = [f"{mine}/report.xlsx", f"{mine}.resend.2/report_2.xlsx", f"{mine}.resend.2/report_3.xlsx"]
    kept = [f"{others}/report.xlsx", f"{mine}x/report.xlsx", f"mine/{mine}/report.xlsx"]
    for name in (*gone, *kept):
        sandbox.supabase.sql("insert into storage.objects (bucket_id, name) values ('reports', $1)", name)
    of_template = {"REPORT_TEMPLATE": template, "REPORT_TIMEZONE": "America/New_York"}

    result = run(JOB_NAME=job(0), **BUCKET, **KEEP, **of_template)

    assert (result.code, stored(sandbox)) == (0, sorted(kept))


def test_folders_of_the_bucket_that_no_report_made_are_passed_over(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever may write there can't fail the runs, or keep what is old from being removed."""
    old_workbooks(sandbox, run)
    odd = ["00000101T000000Z", "00010101T000000Z", "20261399T000000Z", "20269999T999999Z"]
    names = [f"report.{template}.{moment}.ab12/x.xlsx" for moment in odd for template in ("hourly", "daily")]
    for name in names:
        sandbox.supabase.sql("insert into storage.objects (bucket_id, name) values ('reports', $1)", name)
    before = stored(sandbox)
    day = {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": "America/New_York"}

    results = [run(JOB_NAME=job(0), **BUCKET, **KEEP, **changes) for changes in ({}, day)]

    assert [(one.code, "retention_failed" in one.events) for one in results] == [(0, False)] * 2
    assert len(before) - len(stored(sandbox)) == 2
    assert {*names} <= {*stored(sandbox)}


def test_what_nobody_foresaw_while_removing_is_a_warning(sandbox: Sandbox, run: RunTool) -> None:
    """The report has gone out, and everyone who looks at the exit code should know."""
    sandbox.supabase.always = Fault(answer=Answer(body=b"[{}]"), match="window_start=lt.")

    result = run(JOB_NAME=job(0), REPORT_CATCH_UP="0", **CATCH_UP, **KEEP)

    assert (result.code, sandbox.alerts) == (0, [])
    assert [record.levelname for record in result.logged("retention_failed")] == ["WARNING"]


def test_own_workbooks_in_the_folder_go_after_a_day(sandbox: Sandbox, run: RunTool) -> None:
    """What somebody else put there, and what bears another name, stays."""
    day_ago = time.time() - 25 * 3600
    for name in ("report_20261101_130000.xlsx", "report_daily_20261101.xlsx", "report_of_mine.xlsx", "notes.txt"):
        (sandbox.folder / name).touch()
        os.utime(sandbox.folder / name, (day_ago, day_ago))
    (sandbox.folder / "report_20261102_130000.xlsx").touch()
    (sandbox.folder / "report_20261103_130000.xlsx").symlink_to("notes.txt")

    run(JOB_NAME=job(0))
    kept = {path.name for path in sandbox.folder.iterdir()}
    run(JOB_NAME=job(0), **KEEP)

    gone = kept - {path.name for path in sandbox.folder.iterdir()}
    assert gone == {"report_20261101_130000.xlsx", "report_daily_20261101.xlsx"}


def test_an_hour_whose_record_is_gone_counts_as_never_delivered(sandbox: Sandbox, run: RunTool) -> None:
    """As the documents say; nobody is sent it unless somebody names it."""
    start = f"{this_hour(LONG):%Y-%m-%dT%H}"
    record(sandbox, "supabase", LONG)
    run(JOB_NAME=job(0), REPORT_CATCH_UP="0", **CATCH_UP, **KEEP)
    assert copies(sandbox) == ((1, 1), (1, 1))

    run("--start", start, **CATCH_UP)

    assert copies(sandbox) == ((2, 2), (2, 2))


def test_a_record_that_another_run_holds_stays(sandbox: Sandbox, run: RunTool) -> None:
    """Somebody is just sending that hour again."""
    old, held = record(sandbox, "supabase", LONG), record(sandbox, "supabase", LONG + 1)
    sandbox.supabase.sql(
        "update report_deliveries set holder = 'another', lease_seconds = 600 where record->>'start' = $1", held
    )

    assert run(JOB_NAME=job(0), REPORT_CATCH_UP="0", **CATCH_UP, **KEEP).code == 0

    assert (held in recorded(sandbox, "supabase"), old in recorded(sandbox, "supabase")) == (True, False)


def test_the_setting_whose_role_may_not_remove_workbooks_is_named(sandbox: Sandbox, run: RunTool) -> None:
    """The key of the project is not to blame where a token speaks in its place."""
    token = {"SUPABASE_JWT": sandbox.supabase.jwt("service_role")}
    old_workbooks(sandbox, run)
    sandbox.supabase.faults += [Fault(answer=Answer(body=b"[]"), match="/storage/v1/object/reports")]

    result = run(JOB_NAME=job(0), **BUCKET, **KEEP, **token)

    (line,) = [record.getMessage() for record in result.logged("retention_failed")]
    assert ["SUPABASE_JWT" in line, "SUPABASE_KEY" in line] == [True, False]
