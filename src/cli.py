"""The command line: which window is asked for, and the command that asks for one again."""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from . import VERSION
from .config.settings import LARGEST_COUNT, ReportSettings
from .domain.window import Window, after, as_option, last_full, starting_at, until
from .errors import OptionError, SettingsError

LIBRARIES = ("supabase", "openpyxl", "python-telegram-bot", "pydantic-settings")
EXAMPLES = """\
examples:
  reports_generator.py                                   the last full hour, to everyone who is owed it
  reports_generator.py --check                           is everything reachable?
  reports_generator.py --start 2026-11-23T13             that hour
  reports_generator.py --dry-run --output out            the files, sent to nobody
  reports_generator.py --start 2026-11-01T00 --count 720 --dry-run --output november

Settings come from the environment and .env; .env.example shows all of them."""
CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest."""
LONGEST_DELAY = timedelta(days=2)
"""A Job that starts later than this after its time is not one of this CronJob; its digits mean something else."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far a node's clock may be behind the one that named the Job."""


class _Parser(argparse.ArgumentParser):
    """Names the option that an unknown one was probably meant to be."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("unrecognized arguments:")[2].split()
        asked = [f"--{word.lstrip('-').partition('=')[0]}" for word in unknown]
        known = [option for action in self._actions for option in action.option_strings]
        meant = [near for one in asked for near in difflib.get_close_matches(one, known, n=1)]
        hint = f" Did you mean {' and '.join(meant)}?" if meant else ""
        self.exit(2, f"{self.prog}: {message}.{hint} --help shows the options.\n")


class _Version(argparse.Action):
    """Prints the versions that matter, found out only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
        python = ".".join(map(str, sys.version_info[:3]))
        print(f"{parser.prog} {VERSION} (Python {python}; {libraries})")  # noqa: T201 - the answer of this command
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Make the parser; what it does not understand is exit 2."""
    parser = _Parser(
        prog="reports_generator.py",
        usage="%(prog)s [options]",
        description="Report the last full hour of analyses: from Supabase, as a workbook, by email and Telegram.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    windows = parser.add_argument_group("which window, instead of the last full one")
    which = windows.add_mutually_exclusive_group()
    which.add_argument("--start", metavar="TIME", help="the one that starts then (UTC unless it carries an offset)")
    which.add_argument("--until-now", action="store_true", help="the sixty minutes (daily: 24 hours) up to this moment")
    windows.add_argument("--count", metavar="N", type=_count, help="N windows from --start on, oldest first")
    how = parser.add_argument_group("what is done with it")
    how.add_argument("--resend", action="store_true", help="deliver although the ledger says it was delivered")
    how.add_argument("--dry-run", action="store_true", help="send nothing: workbook, mail and caption become files")
    how.add_argument("--output", metavar="DIR", type=Path, help="the folder for them (default: this one)")
    instead = parser.add_argument_group("instead of a report")
    instead.add_argument("--check", action="store_true", help="try settings, table, mailbox, bot; send nothing")
    instead.add_argument("--version", action=_Version, nargs=0, help="print the versions")
    instead.add_argument("-h", "--help", action="help", help="print this")
    return parser


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options that contradict each other are exit 2 too."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.output and not options.dry_run:
        parser.error("--output wants --dry-run")
    if options.count and options.until_now:
        parser.error("--count wants --start, not --until-now")
    return options


def choose_windows(options: argparse.Namespace, settings: ReportSettings, now: datetime) -> list[Window]:
    """Return the windows that options, REPORT_START, the Job's scheduled time or else `now` (aware) ask for.

    Oldest first; in an Indexed Job only the one of its JOB_COMPLETION_INDEX.
    Raise OptionError for a wrong --start or --count, SettingsError for a wrong variable.
    """
    first = _first(options, settings, now)
    count = options.count or settings.report_count
    if count is None:
        return [first]
    if options.start is None and settings.report_start is None:
        if options.count is None:
            raise SettingsError(["REPORT_COUNT is set without REPORT_START; wanted: the first of the windows there"])
        raise OptionError("--count wants --start (or REPORT_START), the first of the windows.")
    windows = [first]
    while len(windows) < count and (following := after(windows[-1])).end <= now:
        windows.append(following)
    if len(windows) < count:
        raise OptionError(
            f"Of {count} windows from {as_option(first)} on only {len(windows)} are over. "
            f"Ask for --count {len(windows)}."
        )
    index = settings.job_completion_index
    if index is None:
        return windows
    if index >= count:
        raise SettingsError([f"JOB_COMPLETION_INDEX is {index}; wanted: less than REPORT_COUNT, {count}"])
    return [windows[index]]


def _first(options: argparse.Namespace, settings: ReportSettings, now: datetime) -> Window:
    template, zone = settings.report_template, settings.report_timezone
    if options.until_now:
        return until(template, zone, now)
    if options.start is not None:
        return starting_at(options.start, template, zone, now)
    if settings.report_start is None:
        return last_full(template, zone, scheduled_time(settings.job_name, now) or now)
    try:
        return starting_at(settings.report_start, template, zone, now)
    except OptionError as error:
        raise SettingsError([str(error).replace("--start ", "REPORT_START=")]) from None


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_COUNT:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to {LARGEST_COUNT}")
    return int(text)


def scheduled_time(job_name: str | None, now: datetime) -> datetime | None:
    """Return when a CronJob's Job was due (aware UTC): its name ends in the minutes since 1970.

    None for a name without them, as a Job made by hand has, or with digits that mean something else.
    Seen on Kubernetes 1.36 and long so, but promised nowhere.
    """
    match = re.search(r"-([0-9]{8,9})$", job_name or "")
    if not match:
        return None
    scheduled = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=int(match[1]))
    return scheduled if now - LONGEST_DELAY < scheduled < now + CLOCK_SKEW else None


def command_again(
    window: Window, settings: ReportSettings, *, until_now: bool = False, resend: bool = False, count: int = 1
) -> str:
    """Write the command that reports `count` windows from `window` on: for the cluster if this is a Job there."""
    if until_now:
        return "python reports_generator.py --until-now"
    start = as_option(window)
    if settings.job_name is None:
        options = [f"--start {start}", f"--count {count}" if count > 1 else "", "--resend" if resend else ""]
        return f"python reports_generator.py {' '.join(filter(None, options))}"
    namespace = settings.pod_namespace or NAMESPACE
    found = re.fullmatch(r"(.+?)(-again)?-[0-9]+", settings.job_name)
    cronjob = found[1] if found else CRONJOB  # a Job made by hand has a name of any kind
    variables = f"REPORT_START={start}"
    variables += f" REPORT_COUNT={count}" if count > 1 else ""
    variables += " REPORT_RESEND=true" if resend else ""
    return (
        f"kubectl create job {cronjob}-again-$(date +%s) --from=cronjob/{cronjob} -n {namespace} "
        f"--dry-run=client -o yaml | kubectl set env --local -f - {variables} -o yaml | kubectl create -f -"
    )
