"""The texts of alerts, in which the words of others and commands are marked."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from ..config.settings import DEFAULT_NAME
from ..domain.delivery import ChannelAddress
from ..domain.window import Window, as_option
from ..errors import Problem, Stage
from ..runtime.visible_text import shortened, units

ALERT = "⚠️ ERROR in Reports Generator:"
ALERTED = "alerted"
"""The key of the notice that an alert named a window, whatever its cause."""
_OF_ONE_WINDOW = (
    ALERTED,
    "ledger.begins_anew",
    "postponed",
    "stopped",
    "too_large",
    "without_workbook",
    "fewer_rows",
    "out_of_reach",
    "silent_runs",
    "source.rows_missing",
    "source.id_too_long",
    "source.not_over",
    "source.clocks_differ",
)
"""How the keys begin of problems that are about one window: that another one goes well doesn't solve them."""
TEST = "🔔 TEST of the alerts of Reports Generator:"
LONGEST = 4096
"""UTF-16 units of an alert: the characters of a message (Bot API, sendMessage)."""
_OWED_NAMED = 10
_SECTIONS_NAMED = 3
_HEADLINE = 180
"""UTF-16 units of the first line, unless the report's name is long."""
_REASON = 70
"""UTF-16 units that the reason has in the first line at least."""

RECOVERABLE = (
    *(Stage.ROWS, Stage.WORKBOOK, Stage.STORAGE, Stage.LEDGER, Stage.RUN, Stage.SETTINGS, Stage.MISSED, Stage.WATCH),
)
"""Stages that can be said to work again."""
_FOR_GOOD = " (for good)"
_CAUSE = re.compile(r"(?P<part>.*?): (?P<key>\S*)(?P<for_good> \(for good\))?(?: (?P<window>\S+))?", re.DOTALL)


class Piece(Struct, frozen=True, kw_only=True):
    """A piece of a text.

    A quote holds the words of others, of which no mail program or chat may make a link; a command is to be copied.
    """

    text: str
    is_quote: bool = False
    is_command: bool = False


class AlertText(Struct, frozen=True, kw_only=True):
    """A text for operators, piece by piece; `str()` gives it whole."""

    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def mapped(self, change: Callable[[str], str]) -> "AlertText":
        """Return the text with each piece changed."""
        changed = (replace(piece, text=change(piece.text)) for piece in self.pieces)
        return AlertText(pieces=tuple(changed))

    def shortened(self, limit: int) -> "AlertText":
        """Return at most `limit` UTF-16 units of the text; of a quote that is cut the closing mark stays."""
        kept, left = list[Piece](), limit
        for piece in self.pieces:
            size = units(piece.text)
            if size > left:
                kept.append(replace(piece, text=shortened(piece.text, max(0, left - piece.is_quote))))
                kept += [ours("”")] if piece.is_quote and left else []
                break
            kept.append(piece)
            left -= size
        return AlertText(pieces=tuple(kept))


def ours(text: str) -> Piece:
    """Return a piece of our own words."""
    return Piece(text=text)


def command_piece(line: str) -> Piece:
    """Return a piece that is a command."""
    return Piece(text=line, is_command=True)


def joined(pieces: Iterable[Piece]) -> AlertText:
    """Return a text of these pieces."""
    return AlertText(pieces=tuple(pieces))


def problem_pieces(problem: Problem) -> list[Piece]:
    """Return reason, the server's words as a quote, and remedy."""
    if not problem.said:
        return [ours(str(problem))]
    remedy = f" {problem.remedy}" if problem.remedy else ""
    reason = problem.reason.removesuffix(".")
    return [ours(f"{reason} (“"), Piece(text=problem.said, is_quote=True), ours(f"”).{remedy}")]


class Cause(Struct, frozen=True, kw_only=True):
    """Identify a failure when it occurs again: a part of the run, and the key of its problem.

    `for_good`: no later run sends what failed automatically. `window`: the only window that the problem is about; in
    another one it is news.
    """

    part: str
    key: str
    for_good: bool = False
    window: str = ""

    @property
    def text(self) -> str:
        """The form in which it is recorded."""
        window = f" {self.window}" if self.window else ""
        return f"{self.part}: {self.key}{_FOR_GOOD if self.for_good else ''}{window}"

    @property
    def recovers(self) -> bool:
        """Whether its part can be said to work again once it no longer fails."""
        is_part = self.part in RECOVERABLE or self.part.startswith(("email to ", "telegram to "))
        return is_part and not self.key.startswith((*_OF_ONE_WINDOW, STOPPED_BY_SIGTERM.key))


def read_cause(text: str) -> Cause:
    """Return the cause that was recorded as `text`."""
    found = _CAUSE.fullmatch(text)
    if not found:
        return Cause(part=text, key="")
    part, key, for_good, window = found.group("part", "key", "for_good", "window")
    return Cause(part=part, key=key, for_good=bool(for_good), window=window or "")


class Command(Struct, frozen=True, kw_only=True):
    """A command that can be pasted as it is, and the windows that it sends, if it isn't alone."""

    line: str
    label: str = ""


class Failure(Struct, frozen=True, kw_only=True):
    """`what` failed, and why; `parts` are those that `what` names, if several.

    `for_good`: no later run sends what failed automatically. Of a failure that is about no window of its own, `later`
    says what later runs do, and `todo` introduces the `commands`.
    """

    what: str
    problem: Problem
    parts: Sequence[str] = ()
    for_good: bool = False
    later: str = ""
    todo: str = "Send it now:"
    commands: Sequence[Command] = ()

    def causes(self, window: Window | None) -> list[Cause]:
        """Return a cause for each part; `window` is the one being reported."""
        key = self.problem.key
        only_here = as_option(window) if window and key.startswith(_OF_ONE_WINDOW) else ""
        return [
            Cause(part=part, key=key, for_good=self.for_good, window=only_here) for part in self.parts or [self.what]
        ]


class Coverage(Struct, frozen=True, kw_only=True):
    """Which recipients have a window's report, and which lack it, each as its channel and address.

    `owed` are sent it by a later run, `refused` are not; those `without_file` have it without its workbook.
    `is_certain`: the ledger says so.
    """

    owed: Sequence[str] = ()
    refused: Sequence[str] = ()
    without_file: Sequence[str] = ()
    have: Sequence[str] = ()
    is_certain: bool = False

    @property
    def lacking(self) -> int:
        """The number of those who lack it, or its workbook."""
        return len(self.owed) + len(self.refused) + len(self.without_file)


def recipient_names(recipients: Iterable[ChannelAddress]) -> list[str]:
    """Return each as its channel and address in words."""
    return [f"{channel} to {recipient}" for channel, recipient in recipients]


class RecoveryNote(Struct, frozen=True, kw_only=True):
    """Say in `words` what later runs do about a window, and introduce the command that sends it now with `todo`."""

    words: str = ""
    todo: str = "Correct the cause, then send it:"


NO_RECOVERY_NOTE = RecoveryNote()
NO_LATER_RUN = RecoveryNote(words="No run sends it automatically: it was a report up to now.")


STOPPED_BY_SIGTERM = Problem(
    key="stopped",
    reason="The run was stopped by SIGTERM.",
    remedy="Its Job reached its deadline, or its node was drained.",
    group="Stopped by SIGTERM",
)


def render_alert(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    coverage: Coverage = Coverage(),  # noqa: B008 - frozen
    since: datetime | None = None,
    is_repeated: bool = False,
    note: RecoveryNote = NO_RECOVERY_NOTE,
    command: str = "",
    name: str = DEFAULT_NAME,
) -> AlertText:
    """Write an alert: cause, window, what later runs do, the remedy, who lacks the report, and the command.

    `since`: when it was alerted first. `is_repeated`: no ledger can be reached that would remember the alert. `name`
    says whose report it is, unless it is the default one.
    """
    failures = sorted(failures, key=lambda failure: (-len(failure.parts), not failure.for_good))
    later = note.words or " ".join(dict.fromkeys(failure.later for failure in failures if failure.later))
    head = [_headline(window, failures, coverage, name), *([later] if later else [])]
    tail = _recipients(coverage)
    if since:
        tail += [f"First alerted at {since:%Y-%m-%d %H:%M} UTC. --deliveries lists who lacks which report."]
    tail += ["Every run repeats this alert until the ledger can be reached again."] if is_repeated else []
    first, last = "\n".join(head), "".join(f"\n{line}" for line in [*tail, *_sections(failures)])
    end = joined([ours(f"\n{last}"), *_commands(failures, note, command)])
    # What is said of the failures is cut short, never the window, who lacks the report, or the command.
    if len(failures) == 1:
        body = joined(_described_alone(failures[0].problem, head[0]))
    else:
        body = joined(
            piece for one in failures for piece in [ours(f"\n\nFailed: {one.what}\n"), *problem_pieces(one.problem)]
        )
    body = body.shortened(LONGEST - units(first) - units(str(end)))
    return joined([ours(first), *body.pieces, *end.pieces]).shortened(LONGEST)


def _headline(window: Window | None, failures: Sequence[Failure], coverage: Coverage, name: str) -> str:
    """Say in one line what is wrong and who lacks which report, for a phone's lock screen and a list of mails.

    Without the words of others, which stand below.
    """
    problem = failures[0].problem
    end = _shortfall(window, coverage, "" if name == DEFAULT_NAME else f"{name} ")
    end = f"{f' ({len(failures) - 1} more below)' if failures[1:] else ''}. {end}".rstrip()
    room = max(_REASON, _HEADLINE - units(f"{ALERT} {end}"))
    cause = shortened(" ".join((problem.short or problem.reason).split()).rstrip("."), room)
    return f"{ALERT} {cause}{end}".replace("….", "…")


def _shortfall(window: Window | None, coverage: Coverage, name: str) -> str:
    """Say how many lack the report of `window`; its `name` ends in a blank, or is empty."""
    if window is None:
        return f"Report: {name}"[:-1] if name else ""
    report = f"{name}{window.label()}"
    count = coverage.lacking
    if not count:
        return f"{report} was not sent"
    lack = ("lacks" if count == 1 else "lack") if coverage.is_certain else "may lack"
    what = "the workbook of " if count == len(coverage.without_file) else ""
    return f"{count} of {count + len(coverage.have)} {lack} {what}{report}"


def _recipients(coverage: Coverage) -> list[str]:
    """Name those who lack the report, if there are any, and count those who have it."""
    lists = {
        "Lack it" if coverage.is_certain else "May lack it": coverage.owed,
        "Refused": coverage.refused,
        "Lack the workbook": coverage.without_file,
    }
    lines = [f"{label}: {_some_of(recipients)}" for label, recipients in lists.items() if recipients]
    if not (coverage.is_certain and lines):
        return lines
    by_mail = sum(one.startswith("email ") for one in coverage.have)
    counts = {"address": by_mail, "chat": len(coverage.have) - by_mail}
    plurals = {"address": "addresses", "chat": "chats"}
    have = [f"{count} {what if count == 1 else plurals[what]}" for what, count in counts.items() if count]
    return [*lines, f"Have it: {', '.join(have) or 'nobody'}"]


def _some_of(recipients: Sequence[str]) -> str:
    more = f" and {len(recipients) - _OWED_NAMED} more" if len(recipients) > _OWED_NAMED else ""
    return f"{', '.join(recipients[:_OWED_NAMED])}{more}"


def _described_alone(problem: Problem, headline: str) -> list[Piece]:
    """Describe the only problem, without its reason if the `headline` is all of that."""
    if problem.said or problem.short or problem.reason.removesuffix(".") not in headline:
        return [ours("\n\n"), *problem_pieces(problem)]
    return [ours(f"\n\n{problem.remedy}")] if problem.remedy else []


def _sections(failures: Sequence[Failure]) -> list[str]:
    """List the runbook's sections, each with the keys of the problems that it is about."""
    sections: dict[str, list[str]] = {}
    for failure in failures:
        sections.setdefault(failure.problem.group, []).append(failure.problem.key)
    named = [f"Runbook: {group} ({', '.join(dict.fromkeys(keys))})" for group, keys in sections.items() if group]
    return named[:_SECTIONS_NAMED]


def _commands(failures: Sequence[Failure], note: RecoveryNote, line: str) -> list[Piece]:
    """Return the command of the alert, and those of the failures, each under its introduction."""
    pieces = [ours(f"\n\n{note.todo}\n"), command_piece(line)] if line else []
    for failure in failures:
        if failure.commands:
            pieces.append(ours(f"\n\n{failure.todo}"))
        for one in failure.commands:
            pieces += [ours(f"\n{one.label}:\n" if one.label else "\n"), command_piece(one.line)]
    return pieces


def render_test_alert(at: datetime) -> str:
    """Write a test that was asked for `at` (aware)."""
    return (
        f"{TEST} nothing is wrong.\n\nSomebody ran --test-alert at {at:%Y-%m-%d %H:%M:%S} UTC. "
        "If a report fails, the alert comes the same way."
    )
