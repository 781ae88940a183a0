"""Which windows a run is about: by its options, its settings, or the scheduled time of its Job."""

import re
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from ..domain.window import Window, after, as_option, last_full, starting_at, until
from ..errors import OptionError, ReportError, SettingsError
from .options import Options
from .settings import ReportSettings

LONGEST_DELAY = timedelta(days=2)
"""A Job that starts later than this after its time is not one of this CronJob; its digits mean something else."""
CLOCK_SKEW = timedelta(days=1)
"""How far a node's clock may be behind the one that named the Job; a date's digits are years away."""


def choose_windows(options: Options, settings: ReportSettings, now: datetime) -> list[Window]:
    """Return the windows that options, REPORT_START, the Job's scheduled time or else `now` (aware) ask for.

    Oldest first; in an Indexed Job the one that is JOB_COMPLETION_INDEX windows after REPORT_START.
    Raise OptionError for a wrong --start or --count, SettingsError for a wrong variable.
    """
    first = _first(options, settings, now)
    if settings.job_completion_index is not None:
        return [_of_index(settings.job_completion_index, first, options, settings, now)]
    count = options.count or settings.report_count
    if count is None:
        return [first]
    if options.start is None and settings.report_start is None:
        if options.count is None:
            raise _wrong(settings, "REPORT_COUNT is set without REPORT_START; wanted: the first of the windows there")
        raise OptionError("--count needs the first of the windows.", "Add --start TIME, or set REPORT_START.")
    windows = windows_from(first, count, now)
    if len(windows) < count and options.count is None:
        raise _wrong(settings, f"REPORT_COUNT is {count}; wanted: at most {len(windows)}, for the others are not over")
    if len(windows) < count:
        raise OptionError(
            f"Of {count} windows from {as_option(first)} on, only {len(windows)} are over.",
            f"Ask for --count {len(windows)}.",
        )
    return windows


def _of_index(index: int, first: Window, options: Options, settings: ReportSettings, now: datetime) -> Window:
    """Return the window of one pod of an Indexed Job, whose `completions` alone tells how many there are.

    One that isn't over fails alone, not as wrong settings: those end the whole Job.
    """
    if not is_named(options, settings):
        raise _wrong(settings, "REPORT_START is missing; wanted: the first window of this Indexed Job")
    if settings.report_ledger != "supabase":  # pods that share a range but no ledger would send anew at each restart
        raise _wrong(settings, "REPORT_LEDGER is directory; wanted: supabase, which all pods of an Indexed Job share")
    windows = windows_from(first, index + 1, now)
    if len(windows) <= index:
        raise ReportError(
            "window.not_over",
            f"The window of index {index} is not over: from {as_option(first)} on, {len(windows)} are.",
            f"Run the Job again with {len(windows)} completions, or later.",
        )
    return windows[index]


def _wrong(settings: ReportSettings, problem: str) -> SettingsError:
    return SettingsError([problem], is_job=settings.job_name is not None)


def shared_by_pods(options: Options, settings: ReportSettings, now: datetime) -> Window | None:
    """Return the window under which the ledger keeps what the pods of an Indexed Job share; None in any other run.

    It begins a second after the Job's first one, as no window that is reported does.
    """
    if settings.job_completion_index is None or not is_named(options, settings):
        return None
    first = _first(options, settings, now)
    return replace(first, start=first.start + timedelta(seconds=1))


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


def windows_from(first: Window, count: int, now: datetime) -> list[Window]:
    """Return at most `count` windows from `first` on, as far as they are over at `now` (aware)."""
    windows = [first]
    while len(windows) < count and (following := after(windows[-1])).end <= now:
        windows.append(following)
    return windows


def _first(options: Options, settings: ReportSettings, now: datetime) -> Window:
    template, zone = settings.report_template, settings.report_timezone
    if options.until_now:
        return until(template, zone, now)
    if options.start is not None:
        return starting_at(options.start, template, zone, now)
    if settings.report_start is None:
        return last_full(template, zone, scheduled_time(settings.job_name, now) or now)
    try:
        return starting_at(settings.report_start, template, zone, now, option="REPORT_START=")
    except OptionError as error:
        raise _wrong(settings, str(error)) from None


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
