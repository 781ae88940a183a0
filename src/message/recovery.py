"""What later runs do about a failure, and the texts of all-clears, once it is over."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, ReportSettings
from ..domain.window import Window, as_ranges
from ..runtime.visible_text import one_line_quote
from .alert import RECOVERABLE, AlertText, Coverage, Piece, RecoveryNote, command_piece, joined, ours

ALL_CLEAR = "✅ All clear:"
_PARTS_NAMED = 10
_RANGES_NAMED = 5
_WINDOWS_NAMED = 30


def recovery_note(
    settings: ReportSettings, coverage: Coverage, *, in_reach: bool, is_before: bool, to_everyone: bool
) -> RecoveryNote:
    """Say whether later runs send the report to those whom `coverage` says it lacks.

    `in_reach`: catching up reaches the window. `is_before`: no scheduled run began with it or an earlier one, so that
    none looks for it. `to_everyone`: the command names nobody.
    """
    if settings.report_ledger != "supabase" and settings.job_name is None:
        return RecoveryNote(words="No run sends it automatically, because REPORT_LEDGER is not supabase.")
    if settings.report_ledger != "supabase":
        again = "the command sends to everyone again" if to_everyone else "each run of the command sends again"
        return RecoveryNote(
            words="Kubernetes may start this Job again; no other run sends it automatically. "
            f"This deployment keeps no lasting ledger, so {again}."
        )
    back = f"{settings.report_catch_up} {'days' if settings.report_template == 'daily' else 'hours'}"
    settled = _settled(coverage)
    if not coverage.owed and settled:
        return RecoveryNote(words=f"No run sends it automatically: {settled}.")
    if not in_reach:
        return RecoveryNote(words=f"No run sends it automatically: runs look only {back} back (REPORT_CATCH_UP).")
    if is_before:
        return RecoveryNote(words="No run sends it automatically: the ledger's first scheduled report is a later one.")
    once = f"automatically once the cause is gone; runs look {back} back."
    if not settled:
        return RecoveryNote(words=f"The next run sends it {once}", todo="Send it at once:")
    some = _recipients_in_words(len(coverage.owed))
    return RecoveryNote(words=f"The next run sends it to {some} {once} No run sends the rest: {settled}.")


def _settled(coverage: Coverage) -> str:
    """Say what no later run changes."""
    refused, without_file = len(coverage.refused), len(coverage.without_file)
    parts = [f"{_recipients_in_words(refused)} {'was' if refused == 1 else 'were'} refused"] if refused else []
    parts += [f"{_recipients_in_words(without_file)} got it without the workbook"] if without_file else []
    return ", ".join(parts)


def _recipients_in_words(count: int) -> str:
    return "1 recipient" if count == 1 else f"{count} recipients"


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
