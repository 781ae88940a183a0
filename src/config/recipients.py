"""Which recipients a run is limited to: those of --only or REPORT_ONLY."""

from collections.abc import Sequence
from difflib import get_close_matches

from ..domain.outcome import includes
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
    known = {recipient.casefold(): recipient for recipient in present}
    limit = limited_to(options, settings.report)
    unknown = [one for one in limit if not any(includes(one, recipient) for recipient in present)]
    if not unknown:
        return
    named = ", ".join(unknown)
    meant = ", ".join(known[_nearest(one, [*known])] for one in unknown)
    if options.only:
        raise OptionError(f"--only {named}: not among the recipients.", f"Did you mean {meant}?")
    raise SettingsError([f"REPORT_ONLY names {named}; wanted: recipients that the settings name, like {meant}"])


def _nearest(name: str, known: Sequence[str]) -> str:
    (nearest,) = get_close_matches(name.casefold(), known, n=1, cutoff=0)
    return nearest
