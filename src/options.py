"""The command line: which window is asked for, and the command that asks for one again."""

import argparse
import re
from datetime import datetime

from .errors import OptionError, SettingsError
from .settings import ReportSettings
from .window import Window, as_option, last_full, starting_at, until


def make_parser() -> argparse.ArgumentParser:
    """Make the parser; what it does not understand is exit 2."""
    parser = argparse.ArgumentParser(
        prog="reports_generator.py",
        description="Report the last full hour of analyses: from Supabase, as a workbook, by email and Telegram.",
        epilog="Settings come from the environment and .env; .env.example shows all of them.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--start",
        metavar="TIME",
        help="report the window that starts then, like 2026-11-23T13 (UTC unless it carries an offset), "
        "instead of the last full one",
    )
    which.add_argument(
        "--until-now", action="store_true", help="report the sixty minutes (daily: 24 hours) up to this moment"
    )
    return parser


def choose_window(options: argparse.Namespace, settings: ReportSettings, now: datetime) -> Window:
    """Return the window that the options, REPORT_START or else `now` (aware) ask for.

    Raise OptionError for a wrong --start, SettingsError for a wrong REPORT_START.
    """
    template, zone = settings.report_template, settings.report_timezone
    if options.until_now:
        return until(template, zone, now)
    if options.start is not None:
        return starting_at(options.start, template, zone, now)
    if settings.report_start is None:
        return last_full(template, zone, now)
    try:
        return starting_at(settings.report_start, template, zone, now)
    except OptionError as error:
        raise SettingsError([str(error).replace("--start ", "REPORT_START=")]) from None


def command_again(window: Window, settings: ReportSettings, *, until_now: bool) -> str:
    """Write the command that reports `window` again: for the cluster if this is a Job there, else for a shell."""
    if until_now:
        return "python reports_generator.py --until-now"
    start = as_option(window)
    if settings.job_name is None:
        return f"python reports_generator.py --start {start}"
    cronjob = re.sub(r"-[0-9]+$", "", settings.job_name)
    return (
        f"kubectl create job again --from=cronjob/{cronjob} -n production --dry-run=client -o yaml "
        f"| kubectl set env --local -f - REPORT_START={start} -o yaml | kubectl create -f -"
    )
