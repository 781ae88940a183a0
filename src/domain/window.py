"""Which stretch of time a report covers: half-open, in aware UTC.

Nothing here asks the clock; `now` is always given.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

Template = Literal["hourly", "daily"]
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - compared without zones
"""Beyond these a moment does not exist in every zone, nor fit into a sheet."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Window(Struct, frozen=True, kw_only=True):
    """[start, end), both aware and in UTC; `zone` is where its people read times."""

    template: Template
    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def is_calendar_day(self) -> bool:
        """Whether it is a whole local day, rather than an hour or the 24 hours of a trial."""
        return self.template == "daily" and self == day_of(self.start.astimezone(self.zone).date(), self.zone)

    def label(self) -> str:
        """Name the window for people: `2026-11-23 13:00-14:00 UTC`, or `2026-11-23 Europe/Berlin` for a day.

        An hour's zone is written as its offset, because the hours around a clock change share their names.
        """
        start, end = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        if self.is_calendar_day:
            return f"{start:%Y-%m-%d} {self.zone.key}"
        dash = "-" if start.utcoffset() == end.utcoffset() else f" {offset_name(start)} - "
        end_date = "" if self.end - self.start < DAY else f"{end:%Y-%m-%d} "
        clock = "%H:%M:%S" if start.second else "%H:%M"
        return f"{start:%Y-%m-%d} {start.strftime(clock)}{dash}{end_date}{end.strftime(clock)} {offset_name(end)}"


def offset_name(moment: datetime) -> str:
    """Name an aware moment's offset: `UTC`, `UTC+3`, `UTC-3:30`."""
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def last_full(template: Template, zone: ZoneInfo, now: datetime) -> Window:
    """Given an aware `now`, return the last full hour of UTC, or the last full day of `zone`."""
    if template == "daily":
        return day_of(now.astimezone(zone).date() - DAY, zone)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Window(template=template, start=end - HOUR, end=end, zone=zone)


def before(window: Window) -> Window:
    """Return the window that ends where `window` starts."""
    return last_full(window.template, window.zone, window.start)


def after(window: Window) -> Window:
    """Return the window that starts where `window` ends."""
    return around(window.end, window.template, window.zone)


def as_ranges(windows: Sequence[Window]) -> list[list[Window]]:
    """Split `windows`, oldest first, where one does not begin at the end of the one before it."""
    breaks = [0, *(place for place in range(1, len(windows)) if windows[place - 1].end != windows[place].start)]
    return [[*windows[first:last]] for first, last in zip(breaks, [*breaks[1:], None], strict=True) if windows]


def to_compare_with(window: Window) -> Window:
    """Return the full hour or day before a full one, and before any other window the same span."""
    earlier = before(window)
    if earlier.end == window.start:
        return earlier
    return replace(window, start=window.start - (window.end - window.start), end=window.start)


def until(template: Template, zone: ZoneInfo, now: datetime) -> Window:
    """Return the sixty minutes, or 24 hours, up to an aware `now`."""
    end = now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    return Window(template=template, start=end - (DAY if template == "daily" else HOUR), end=end, zone=zone)


def day_of(day: date, zone: ZoneInfo) -> Window:
    """Return a local day from midnight to midnight: 23 or 25 hours long where the clocks change."""
    start, end = (datetime.combine(date_, time(), tzinfo=zone).astimezone(UTC) for date_ in (day, day + DAY))
    return Window(template="daily", start=start, end=end, zone=zone)


def bare_date(text: str) -> date | None:
    """Return the day that `text` is in any form of ISO 8601, None if it is anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str, template: Template, zone: ZoneInfo) -> datetime | None:
    """Return the moment that `text` is in ISO 8601, in UTC, which also is its zone if it has no offset.

    For `daily` a bare date is that day's beginning in `zone`. None for anything else, or what is too early or late.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not EARLIEST < moment.replace(tzinfo=None) < LATEST:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone if template == "daily" and bare_date(text) else UTC)
    return moment.astimezone(UTC)


def around(moment: datetime, template: Template, zone: ZoneInfo) -> Window:
    """Return the full hour, or the day of `zone`, that an aware moment lies in."""
    if template == "daily":
        return day_of(moment.astimezone(zone).date(), zone)
    start = moment.replace(minute=0, second=0, microsecond=0)
    return Window(template=template, start=start, end=start + HOUR, zone=zone)


def as_option(window: Window) -> str:
    """Write the window's start as people give it: `2026-11-23T13`, of a day `2026-11-23`."""
    if window.template == "daily":
        return f"{window.start.astimezone(window.zone):%Y-%m-%d}"
    return f"{window.start:%Y-%m-%dT%H}"
