"""Which recipients a run is limited to: those of --only or REPORT_ONLY."""

from collections.abc import Sequence
from difflib import get_close_matches

from ..errors import OptionError, SettingsError
from .loader import Settings
from .options import Options
from .settings import ReportSettings


def limited_to(options: Options, settings: ReportSettings | None) -> tuple[str, ...]:
    """Return the recipients that a run is limited to; none if it isn't."""
    return options.only or (settings.report_only if settings else None) or ()


def check_limit(options: Options, settings: Settings) -> None:
    """Raise OptionError or SettingsError if the run is limited to somebody who isn't a recipient now."""
    present = [*(settings.mail.smtp_to if settings.mail else ())]
    present += settings.telegram.telegram_chat_id if settings.telegram else ()
    only = limited_to(options, settings.report)
    unknown = [(one, near) for one, near in zip(only, _nearest(only, present), strict=True) if one != near]
    if not unknown:
        return
    named = ", ".join(one for one, _ in unknown)
    meant = ", ".join(near for _, near in unknown)
    if options.only:
        raise OptionError(f"--only {named}: not among the recipients.", f"Did you mean {meant}?")
    problem = f"REPORT_ONLY names {named}, who is no recipient"
    remedy = f"Did you mean {meant}?"
    raise SettingsError([problem], is_job=settings.report.job_name is not None, remedy=remedy)


def nearest_recipients(only: tuple[str, ...], present: Sequence[str]) -> tuple[str, ...]:
    """Return `only`, in place of each that is none of `present` the one whose name is nearest to it."""
    return tuple(dict.fromkeys(_nearest(only, present))) if present else only


def _nearest(only: Sequence[str], present: Sequence[str]) -> list[str]:
    known = {recipient.casefold(): recipient for recipient in present}
    nearest = [*only]
    for place, one in enumerate(only):
        if one.casefold() not in known:
            (name,) = get_close_matches(one.casefold(), known, n=1, cutoff=0)
            nearest[place] = known[name]
    return nearest
