"""What the command line asks for, and to which recipients it, or else REPORT_ONLY, limits a run."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path

from msgspec import Struct

from ..domain.delivery import includes
from .settings import ReportSettings


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    start: str | None = None
    until_now: bool = False
    yes: bool = False
    count: int | None = None
    resend: bool = False
    only: tuple[str, ...] | None = None
    dry_run: bool = False
    output: Path | None = None
    check: bool = False
    test_alert: bool = False
    watch: bool = False
    deliveries: str | None = None
    json: bool = False

    @property
    def is_trial(self) -> bool:
        """Whether the run leaves no trace in the ledger and at the monitor."""
        return self.until_now or self.dry_run


def limited_to(options: Options, settings: ReportSettings | None) -> tuple[str, ...]:
    """Return the recipients that a run is limited to; none if it isn't."""
    return options.only or (settings.report_only if settings else None) or ()


def nearest_recipients(only: tuple[str, ...], present: Sequence[str]) -> tuple[str, ...]:
    """Return `only`, in place of each that stands for none of `present` the one that is most like it."""
    if not present:
        return only
    nearest = (
        one if any(includes(one, recipient) for recipient in present) else max(present, key=partial(likeness, one))
        for one in only
    )
    return tuple(dict.fromkeys(nearest))


def likeness(one: str, other: str) -> float:
    """Return how alike two addresses are (0 to 1) in whatever case, in that part in which they are least alike.

    Colleagues have all behind the @ in common, which says nothing.
    """
    (name, _, domain), (other_name, _, other_domain) = (text.casefold().partition("@") for text in (one, other))
    pairs = ((name, other_name), (domain, other_domain))
    return min(SequenceMatcher(None, *pair).ratio() for pair in pairs)
