"""Which recipients a run is limited to: those of --only or REPORT_ONLY."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import partial

from ..domain.outcome import includes
from ..errors import OptionError, SettingsError
from .loader import Settings
from .options import Options
from .settings import ReportSettings

_CLOSE = 0.75
"""How alike both parts of two addresses are at least, before and behind the @, where one is a slip for the other."""
_NAMED = 20
"""Recipients that a sentence names."""


def limited_to(options: Options, settings: ReportSettings | None) -> tuple[str, ...]:
    """Return the recipients that a run is limited to; none if it isn't."""
    return options.only or (settings.report_only if settings else None) or ()


def check_limit(options: Options, settings: Settings) -> None:
    """Raise OptionError or SettingsError if the run is limited to somebody who isn't a recipient now."""
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


def nearest_recipients(only: tuple[str, ...], present: Sequence[str]) -> tuple[str, ...]:
    """Return `only`, in place of each that stands for none of `present` the one that is most like it."""
    if not present:
        return only
    nearest = (
        one if any(includes(one, recipient) for recipient in present) else max(present, key=partial(_likeness, one))
        for one in only
    )
    return tuple(dict.fromkeys(nearest))


def check_consent(options: Options, settings: Settings) -> None:
    """Raise OptionError if a trial would send to everybody, and nobody said that it should."""
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
    likeness, nearest = max((_likeness(name, one), one) for one in known)
    return nearest if likeness >= _CLOSE else ""


def _likeness(one: str, other: str) -> float:
    """Return how alike two addresses are (0 to 1) in whatever case, in that part in which they are least alike.

    Colleagues have all behind the @ in common, which says nothing.
    """
    (name, _, domain), (other_name, _, other_domain) = (text.casefold().partition("@") for text in (one, other))
    pairs = ((name, other_name), (domain, other_domain))
    return min(SequenceMatcher(None, *pair).ratio() for pair in pairs)
