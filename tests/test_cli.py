"""The command line: what is meant, what is refused, what is suggested."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from src import VERSION
from src.cli import parse
from src.commands.asked import choose_windows
from src.config.settings import ReportSettings
from src.domain.window import as_option
from src.errors import OptionError, ReportError, SettingsError

NOW = datetime(2026, 11, 23, 14, 37, tzinfo=UTC)


def starts(*arguments: str, **settings: object) -> list[str]:
    """Choose the windows at NOW."""
    report = ReportSettings.model_validate({"report_timezone": ZoneInfo("UTC")} | settings)
    return [as_option(window) for window in choose_windows(parse(arguments), report, NOW)]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("--strat=2026", "--start"), ("--dryrun", "--dry-run"), ("--chek", "--check"), ("--untilnow", "--until-now")],
)
def test_a_near_miss_is_told_what_was_meant(capsys: pytest.CaptureFixture[str], wrong: str, meant: str) -> None:
    """And nothing is done; an option is never guessed."""
    with pytest.raises(SystemExit) as stopped:
        parse([wrong])

    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    assert f"unrecognized arguments: {wrong}." in shown
    assert f" {meant}?" in shown.partition(f"{wrong}.")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "x"], "--output goes with --dry-run"),
        (["--until-now", "--count", "2"], "--until-now is a window of its own, without --start and --count"),
        (["--start", "a", "--until-now"], "--until-now is a window of its own, without --start and --count"),
        (["--yes"], "--yes goes with --until-now"),
        (["--count", "0"], "0 is not a number from 1 to "),
        (["--check", "--test-alert"], "--check goes without --test-alert"),
        (["--check", "--dry-run"], "--check goes without --dry-run"),
        (["--test-alert", "--only", "a"], "--test-alert goes alone"),
        (["--json"], "--json goes with --check or --deliveries"),
        (["--json", "--dry-run"], "--json goes with --check or --deliveries"),
        (["--deliveries", "--resend", "--json"], "--deliveries goes alone, or with --json"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Rather than one of them being ignored."""
    with pytest.raises(SystemExit) as stopped:
        parse(arguments)

    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_version_names_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """Program, Python, libraries."""
    with pytest.raises(SystemExit) as stopped:
        parse(["--version"])

    assert stopped.value.code == 0
    pattern = (
        rf"reports_generator\.py {re.escape(VERSION)} \(Python 3\.[\d.]+; supabase [\d.]+, openpyxl [\d.]+, .+\)\n"
    )
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One screen, with examples."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        parse(["--help"])

    shown = capsys.readouterr().out.splitlines()
    assert stopped.value.code == 0
    assert len(shown) <= 45
    assert "  reports_generator.py --start 2026-11-23T13" in shown


def test_count_names_windows_one_after_the_other() -> None:
    """Oldest first; over midnight, and by days of a zone over a clock change."""
    assert starts("--start", "2026-11-22T22", "--count", "3") == ["2026-11-22T22", "2026-11-22T23", "2026-11-23T00"]
    days = starts(
        "--start", "2026-10-24", "--count", "3", report_template="daily", report_timezone=ZoneInfo("Europe/Berlin")
    )
    assert days == ["2026-10-24", "2026-10-25", "2026-10-26"]


def test_variables_stand_for_the_options() -> None:
    """A Job made from the CronJob takes none."""
    assert starts(report_start="2026-11-23T10", report_count=2) == ["2026-11-23T10", "2026-11-23T11"]


def test_an_indexed_job_takes_the_window_of_its_index() -> None:
    """Each pod one, whatever count is set besides: `completions` is the only number."""
    asked = {"report_start": "2026-11-23T10", "report_ledger": "supabase"}

    assert starts(**asked, job_completion_index=2) == ["2026-11-23T12"]
    assert starts(**asked, job_completion_index=2, report_count=2) == ["2026-11-23T12"]
    with pytest.raises(SettingsError, match="REPORT_START "):
        starts(report_ledger="supabase", job_completion_index=0)


def test_an_index_whose_window_is_not_over_is_no_wrong_setting() -> None:
    """Exit 1: by exit 2 one pod would end the whole Job."""
    with pytest.raises(ReportError, match=r"from 2026-11-23T10 on, 4 are.* with 4 completions") as caught:
        starts(report_start="2026-11-23T10", report_ledger="supabase", job_completion_index=4)

    assert caught.value.exit_code == 1


def test_windows_that_are_not_over_are_refused_with_how_many_are() -> None:
    """At 14:37 the hour from 14:00 is not."""
    with pytest.raises(OptionError, match="Ask for --count 4"):
        starts("--start", "2026-11-23T10", "--count", "5")


def test_count_wants_a_start() -> None:
    """The last full hour and what comes after it is nothing."""
    with pytest.raises(OptionError, match="Add --start TIME"):
        starts("--count", "5")
