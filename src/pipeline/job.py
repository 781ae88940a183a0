"""A Job on a cluster: the window that its name tells, its other pods, and the command that makes another one."""

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from ..config.options import Options
from ..config.settings import ReportSettings
from ..domain.window import Window, after, around, as_option, moment_of

LONGEST_DELAY = timedelta(days=2)
"""A Job that starts later than this after its time is not one of this CronJob; its digits mean something else."""
CLOCK_SKEW = timedelta(days=1)
"""How far a node's clock may be behind the one that named the Job; a date's digits are years away."""
CRONJOB = "reports-generator"
NAMESPACE = "production"
"""The CronJob's name and namespace in the manifest, which also tells both to the program."""
_LONGEST_BEGINNING = 46
"""Characters of a CronJob's name in that of a new Job, which has 63 at most, `-again-` and ten digits among them."""


def shared_by_pods(options: Options, settings: ReportSettings) -> Window | None:
    """Return the window under which the ledger keeps what the pods of an Indexed Job share; None in any other run.

    It begins a second after the Job's first one, as no window that is reported does.
    """
    text = options.start or settings.report_start
    if settings.job_completion_index is None or text is None:
        return None
    moment = moment_of(text, settings.report_template, settings.report_timezone)
    first = moment and around(moment, settings.report_template, settings.report_timezone)
    return replace(first, start=first.start + timedelta(seconds=1)) if first else None


def goes_by_job(options: Options, settings: ReportSettings, now: datetime) -> bool:
    """Return whether the run's window follows from its Job's name, so that no clock of this machine matters."""
    is_own = not (options.until_now or is_named(options, settings))
    return is_own and scheduled_time(settings.job_name, now) is not None


def has_next_pod(options: Options, settings: ReportSettings, now: datetime) -> bool:
    """Return whether another pod of the Job surely does the run's work if its node is drained now, or a later run.

    The Job is a scheduled one whose drained pods are replaced, the ledger lasts and missed windows are caught up, and
    there is time for another attempt: the Job's deadline is more than two of REPORT_TIME_LIMIT after its schedule.
    """
    due = scheduled_time(settings.job_name, now)
    is_whole = goes_by_job(options, settings, now) and not (options.is_trial or options.only or settings.report_only)
    is_caught_up = settings.report_ledger == "supabase" and settings.report_catch_up > 0
    if not (due and is_whole and is_caught_up and settings.sequential_job_uid):
        return False
    return now < due + timedelta(seconds=settings.report_time_limit)


def is_named(options: Options, settings: ReportSettings) -> bool:
    """Return whether the run's window was named, by --start or REPORT_START, rather than being its own."""
    return options.start is not None or settings.report_start is not None


def scheduled_time(job_name: str | None, now: datetime) -> datetime | None:
    """Return when a CronJob's Job was due (aware UTC): its name ends in the minutes since 1970.

    None for a name without them, as a Job made by hand has, or with digits that mean something else.
    Seen on Kubernetes 1.36 and for a long time before, but promised nowhere.
    """
    match = re.search(r"-([0-9]{8,9})$", job_name or "")
    if not match:
        return None
    scheduled = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=int(match[1]))
    return scheduled if now - LONGEST_DELAY < scheduled < now + CLOCK_SKEW else None


def rerun_command(
    window: Window,
    settings: ReportSettings,
    *,
    until_now: bool = False,
    resend: bool = False,
    count: int = 1,
    only: Sequence[str] = (),
) -> str:
    """Write the command that reports `count` windows from `window` on: for the cluster if this is a Job there.

    `only`: to these recipients; without any, to all.
    """
    start = shlex.quote(as_option(window))
    if until_now or settings.job_name is None:
        options = ["--until-now" if until_now else f"--start {start}", f"--count {count}" if count > 1 else ""]
        options += ["--resend" if resend else "", only_option(only), "--yes" if until_now and not only else ""]
        return f"python reports_generator.py {' '.join(filter(None, options))}"
    namespace = shlex.quote(settings.pod_namespace or NAMESPACE)
    # Without CRONJOB_NAME only a scheduled Job's name tells it, or that of a Job that such a command made.
    found = re.fullmatch(r"(.+?)-(?:[0-9]{8,9}|again-[0-9]+)", settings.job_name)
    cronjob = settings.cronjob_name or (found[1] if found else CRONJOB)
    job = shlex.quote(cronjob[:_LONGEST_BEGINNING].rstrip("-."))
    variables = f"REPORT_START={start}"
    variables += f" REPORT_COUNT={count}" if count > 1 else ""
    variables += " REPORT_RESEND=true" if resend else ""
    variables += f" REPORT_ONLY={shlex.quote(','.join(only))}" if only else ""
    return (
        f"kubectl create job {job}-again-$(date +%s) --from=cronjob/{shlex.quote(cronjob)} -n {namespace} "
        f"--dry-run=client -o yaml | kubectl set env --local -f - {variables} -o yaml | kubectl create -f -"
    )


def span_command(windows: Sequence[Window], settings: ReportSettings) -> str:
    """Write the command that reports the first of `windows`, oldest first, to the last, and what lies between."""
    count, window = 1, windows[0]
    while window.start < windows[-1].start:
        count, window = count + 1, after(window)
    return rerun_command(windows[0], settings, count=count)


def only_option(recipients: Sequence[str]) -> str:
    """Write the option that limits a run to `recipients`; nothing without any.

    With `=`, for the number of a group begins with a minus.
    """
    return f"--only={shlex.quote(','.join(recipients))}" if recipients else ""
