"""The command line: which window is asked for, and the command that asks for one again."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from .errors import OptionError, SettingsError
from .settings import ReportSettings
from .window import Window, as_option, last_full, starting_at, until

CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest."""
LONGEST_DELAY = timedelta(days=2)
"""A Job that starts later than this after its time is not one of this CronJob; its digits mean something else."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far a node's clock may be behind the one that named the Job."""


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
    parser.add_argument(
        "--resend", action="store_true", help="deliver to everyone although the ledger says it was delivered"
    )
    return parser


def choose_window(options: argparse.Namespace, settings: ReportSettings, now: datetime) -> Window:
    """Return the window that the options, REPORT_START, the Job's scheduled time or else `now` (aware) ask for.

    Raise OptionError for a wrong --start, SettingsError for a wrong REPORT_START.
    """
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


def command_again(window: Window, settings: ReportSettings, *, until_now: bool = False, resend: bool = False) -> str:
    """Write the command that reports `window` again: for the cluster if this is a Job there, else for a shell."""
    if until_now:
        return "python reports_generator.py --until-now"
    start = as_option(window)
    if settings.job_name is None:
        return f"python reports_generator.py --start {start}{' --resend' if resend else ''}"
    namespace = settings.pod_namespace or NAMESPACE
    found = re.fullmatch(r"(.+?)(-again)?-[0-9]+", settings.job_name)
    cronjob = found[1] if found else CRONJOB  # a Job made by hand has a name of any kind
    variables = f"REPORT_START={start}{' REPORT_RESEND=true' if resend else ''}"
    return (
        f"kubectl create job {cronjob}-again-$(date +%s) --from=cronjob/{cronjob} -n {namespace} "
        f"--dry-run=client -o yaml | kubectl set env --local -f - {variables} -o yaml | kubectl create -f -"
    )
