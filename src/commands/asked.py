"""The windows and recipients that a command is asked for, checked before anything is read or sent."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from ..config.loader import Settings
from ..config.options import Options, likeness, limited_to
from ..config.settings import ReportSettings
from ..domain.delivery import includes
from ..domain.window import Template, Window, after, around, as_option, bare_date, last_full, moment_of, until
from ..errors import OptionError, ReportError, SettingsError
from ..pipeline.run import is_named, scheduled_time

_CLOSE = 0.75
"""How alike both parts of two addresses are at least, before and behind the @, where one is a slip for the other."""
_NAMED = 20
"""Recipients that a sentence names."""


def choose_windows(options: Options, settings: ReportSettings, now: datetime) -> list[Window]:
    """Return the windows that options, REPORT_START, the Job's scheduled time or else `now` (aware) ask for.

    Oldest first; in an Indexed Job the one that is JOB_COMPLETION_INDEX windows after REPORT_START.
    Raise OptionError for a wrong --start or --count, SettingsError for a wrong variable.
    """
    first = _first_window(options, settings, now)
    if settings.job_completion_index is not None:
        return [_of_index(settings.job_completion_index, first, options, settings, now)]
    count = options.count or settings.report_count
    if count is None:
        return [first]
    if options.start is None and settings.report_start is None:
        if options.count is None:
            raise _wrong(settings, "REPORT_COUNT is set without REPORT_START; set that to the first of the windows")
        raise OptionError("--count needs the first of the windows.", "Add --start TIME, or set REPORT_START.")
    windows = windows_from(first, count, now)
    if len(windows) < count and options.count is None:
        raise _wrong(settings, f"REPORT_COUNT is {count}; use at most {len(windows)}, because the others are not over")
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
        raise _wrong(settings, "REPORT_START is missing; use the first window of this Indexed Job")
    if settings.report_ledger != "supabase":  # pods that share a range but no ledger would send anew at each restart
        raise _wrong(settings, "REPORT_LEDGER is directory; use supabase, which all pods of an Indexed Job share")
    windows = windows_from(first, index + 1, now)
    if len(windows) <= index:
        raise ReportError(
            "window.not_over",
            f"The window of index {index} is not over: from {as_option(first)} on, {len(windows)} are.",
            f"Run the Job again with {len(windows)} completions, or later.",
        )
    return windows[index]


def _first_window(options: Options, settings: ReportSettings, now: datetime) -> Window:
    """Return the first window that options, REPORT_START, the Job's scheduled time or else `now` (aware) ask for.

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
        return starting_at(settings.report_start, template, zone, now, option="REPORT_START=")
    except OptionError as error:
        raise _wrong(settings, str(error)) from None


def starting_at(text: str, template: Template, zone: ZoneInfo, now: datetime, *, option: str = "--start ") -> Window:
    """Return the window that starts at `text`, an ISO 8601 moment: UTC unless it carries an offset.

    For `daily` a bare date is that day of `zone`. `option` is what stands before `text` where it was asked for.
    Raise OptionError if no window starts there, or if it is not over at `now`; the error names the likely one.
    """
    is_variable = option.endswith("=")
    if template == "hourly" and (day := bare_date(text)):
        raise OptionError(
            f"{option}{text} is a whole day.",
            f"Ask for its hours with {option}{day}T00 {'REPORT_COUNT=24' if is_variable else '--count 24'}, "
            f"or for one of them, like {option}{day}T13.",
        )
    moment = moment_of(text, template, zone)
    if moment is None:
        raise OptionError(
            f"{option}{text} is not a valid date and time.",
            "Write it like 2026-11-23T13 (UTC) or 2026-11-23T16:00+03:00.",
        )
    window = around(moment, template, zone)
    if window.start != moment:
        what = f"a day in {zone.key}" if template == "daily" else "a full hour in UTC"
        raise OptionError(
            f"{option}{text} is not the start of {what}.",
            f"Did you mean {option}{as_option(window)}?",
        )
    if window.end > now:
        raise OptionError(
            f"{option}{text} names a window that is not over before {window.end:%Y-%m-%dT%H:%M} UTC.",
            f"Did you mean the last full one, {option}{as_option(last_full(template, zone, now))}"
            f"{', or --until-now' if option == '--start ' else ''}?",
        )
    return window


def _wrong(settings: ReportSettings, problem: str) -> SettingsError:
    """Return the error of a variable; where it is to be corrected depends on whether this is a Job."""
    return SettingsError([problem], is_job=settings.job_name is not None)


def windows_from(first: Window, count: int, now: datetime) -> list[Window]:
    """Return at most `count` windows from `first` on, only those that are over at `now` (aware)."""
    windows = [first]
    while len(windows) < count and (following := after(windows[-1])).end <= now:
        windows.append(following)
    return windows


def check_limit(options: Options, settings: Settings) -> None:
    """Raise OptionError or SettingsError if the run is limited to anyone who isn't a recipient now."""
    present = _recipients(settings)
    limit = limited_to(options, settings.report)
    unknown = [one for one in limit if not any(includes(one, recipient) for recipient in present)]
    if not unknown or options.dry_run:  # which sends to nobody, and need not know whom it could send to
        return
    named = ", ".join(unknown)
    near = [_nearest(one, present) for one in unknown]
    meant = ", ".join(filter(None, near)) if all(near) else ""
    if options.only:
        hint = f"Did you mean {meant}?" if meant else f"The settings name {_few(present)}."
        raise OptionError(f"--only {named}: not among the recipients.", hint)
    wanted = f"recipients that the settings name, like {meant}" if meant else f"some of {_few(present)}"
    is_job = settings.report.job_name is not None
    remedy = f"Did you mean {meant}?" if meant else ""
    raise SettingsError([f"REPORT_ONLY must name {wanted}, not {named}"], is_job=is_job, remedy=remedy)


def check_consent(options: Options, settings: Settings) -> None:
    """Raise OptionError if a trial would send to everybody without --yes."""
    if not options.until_now or options.dry_run or options.yes or limited_to(options, settings.report):
        return
    raise OptionError(
        f"--until-now would send to everybody: {_few(_recipients(settings))}.",
        "Add --only and yourself, or --yes to send to all of them.",
    )


def _recipients(settings: Settings) -> list[str]:
    chats = settings.telegram.telegram_chat_id if settings.telegram else ()
    return [*(settings.mail.smtp_to if settings.mail else ()), *chats]


def _few(recipients: list[str]) -> str:
    rest = len(recipients) - _NAMED
    return ", ".join([*recipients[:_NAMED], *([f"{rest} others"] if rest > 0 else [])])


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `name` is probably a slip for, an empty text if there is none."""
    score, nearest = max((likeness(name, one), one) for one in known)
    return nearest if score >= _CLOSE else ""
