"""The texts of all-clears: what works again, and which windows have reached everyone."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from ..config.settings import DEFAULT_NAME
from ..domain.window import Window, as_ranges
from ..runtime.visible_text import one_line_quote
from .alert import RECOVERABLE
from .alert_text import AlertText, Piece, command_piece, joined, ours

ALL_CLEAR = "✅ All clear:"
_PARTS_NAMED = 10
_RANGES_NAMED = 5
_WINDOWS_NAMED = 30


class Recovery(Struct, frozen=True, kw_only=True):
    """A window that was late or alerted, and has reached everyone, or was skipped as empty.

    `as_usual`: those who get only unusual windows were not sent it.
    """

    window: Window
    skipped: bool = False
    as_usual: bool = False


def render_all_clear(
    recoveries: Sequence[Recovery],
    again: Sequence[str] = (),
    *,
    known: Collection[str] = (),
    gone: Sequence[str] = (),
    lacking: Sequence[Window] | None = (),
    command: str = "",
    name: str = DEFAULT_NAME,
) -> AlertText:
    """Write in one sentence which parts work `again`, which windows reached everyone, which recipients are `gone`.

    `known` are the recipients that the settings name now, as parts; any other part is the ledger's word alone, which
    anybody may have written there, and is quoted. Windows that some are still `lacking` are listed, with the `command`;
    None if they are not known.
    """
    sent = [one.window for one in recoveries if not one.skipped]
    others = any(one.as_usual for one in recoveries) and " (those in REPORT_ONLY_UNUSUAL only what is unusual of it)"
    skipped = [one.window for one in recoveries if one.skipped]
    clauses = [_said_of(again, known, "works again", "work again")] if again else []
    clauses += [_said_of(gone, known, "is no longer a recipient", "are no longer recipients")] if gone else []
    clauses += [[ours(f"everyone has {_ranges(sent)}{others or ''}")]] if sent else []
    clauses += (
        [[ours(f"{_ranges(skipped)} {'was' if len(skipped) == 1 else 'were'} skipped as empty")]] if skipped else []
    )
    clauses += [[ours(_refused(lacking))]] if lacking or lacking is None else []
    pieces = [ours(ALL_CLEAR if name == DEFAULT_NAME else f"{ALL_CLEAR} {name}:")]
    for place, clause in enumerate(clauses):
        pieces += [ours("; " if place else " "), *clause]
    if not lacking:
        return joined([*pieces, ours(".")])
    send = "Send it now:" if len(lacking) == 1 else "Send them now:"
    return joined([*pieces, ours(f"{_listed(lacking)}\n\n{send}\n"), command_piece(command)])


def _refused(lacking: Sequence[Window] | None) -> str:
    """Say how many reports no run sends."""
    if lacking is None:
        return "--deliveries lists the reports that were refused meanwhile, which no run sends"
    what = "the report that was" if len(lacking) == 1 else f"the {len(lacking)} reports that were"
    return f"no run sends {what} refused meanwhile:"


def _listed(lacking: Sequence[Window]) -> str:
    """List windows, each in its line."""
    listed = [window.label() for window in lacking[:_WINDOWS_NAMED]]
    listed += [f"and {len(lacking) - _WINDOWS_NAMED} more"] if len(lacking) > _WINDOWS_NAMED else []
    return "".join(f"\n{line}" for line in listed)


def _ranges(windows: Sequence[Window]) -> str:
    """Name windows, oldest first, those in a row by the first and the last."""
    ranges = as_ranges(windows)
    unit = "days" if windows[0].template == "daily" else "hours"
    named = [
        one[0].label() if len(one) == 1 else f"the {len(one)} {unit} from {one[0].label()} to {one[-1].label()}"
        for one in ranges[:_RANGES_NAMED]
    ]
    more = sum(map(len, ranges[_RANGES_NAMED:]))
    return ", ".join([*named, *([f"and {more} more {unit}"] if more else [])])


def _said_of(parts: Sequence[str], known: Collection[str], one: str, several: str) -> list[Piece]:
    """Say something of parts, those that are neither ours nor `known` as quotes."""
    pieces = list[Piece]()
    for part in parts[:_PARTS_NAMED]:
        pieces += [ours(", ")] if pieces else []
        if part in RECOVERABLE or part in known:
            pieces.append(ours(part))
        else:
            pieces += [ours("“"), Piece(text=one_line_quote(part), is_quote=True), ours("”")]
    more = f" and {len(parts) - _PARTS_NAMED} more" if len(parts) > _PARTS_NAMED else ""
    return [*pieces, ours(f"{more} {one if len(parts) == 1 else several}")]
