"""What operators are told of a failure, and of its end."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, ReportSettings
from ..domain.window import Window, as_option
from ..errors import Problem, Stage
from ..runtime.visible_text import one_line_quote, shortened, units
from .alert_text import AlertText, Piece, describe, joined, ours

ALL_CLEAR = "✅ All clear:"
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
_PARTS_NAMED = 10
_SECTIONS_NAMED = 3
_WINDOWS_NAMED = 30
_HEADLINE = 200
"""UTF-16 units of the first line."""


_RECOVERABLE = (
    *(Stage.ROWS, Stage.WORKBOOK, Stage.STORAGE, Stage.LEDGER, Stage.RUN, Stage.SETTINGS, Stage.MISSED, Stage.WATCH),
)
"""Stages that can be said to work again."""
_FOR_GOOD = " (for good)"
_CAUSE = re.compile(r"(?P<part>.*?): (?P<key>\S*)(?P<for_good> \(for good\))?(?: (?P<window>\S+))?", re.DOTALL)


class Cause(Struct, frozen=True, kw_only=True):
    """What an alert is recognized by when the same fails again: a part of the run, and the key of its problem.

    `for_good`: no later run sends by itself what failed so. `window`: the one window that the problem is about; in
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
        is_part = self.part in _RECOVERABLE or self.part.startswith(("email to ", "telegram to "))
        return is_part and not self.key.startswith((*_OF_ONE_WINDOW, STOPPED_BY_SIGTERM.key))


def read_cause(text: str) -> Cause:
    """Return the cause that was recorded as `text`."""
    found = _CAUSE.fullmatch(text)
    if not found:
        return Cause(part=text, key="")
    part, key, for_good, window = found.group("part", "key", "for_good", "window")
    return Cause(part=part, key=key, for_good=bool(for_good), window=window or "")


class Failure(Struct, frozen=True, kw_only=True):
    """`what` failed, and why; `parts` are those that `what` names, if several.

    `for_good`: no later run sends by itself what failed so.
    """

    what: str
    problem: Problem
    parts: Sequence[str] = ()
    for_good: bool = False

    def causes(self, window: Window | None) -> list[Cause]:
        """Return a cause for each part; `window` is the one being reported."""
        key = self.problem.key
        only_here = as_option(window) if window and key.startswith(_OF_ONE_WINDOW) else ""
        return [
            Cause(part=part, key=key, for_good=self.for_good, window=only_here) for part in self.parts or [self.what]
        ]


class RecoveryNote(Struct, frozen=True, kw_only=True):
    """What will become of a window without anybody's doing, in `words`; `is_automatic`: all that is owed is sent."""

    words: str = ""
    is_automatic: bool = False


NO_RECOVERY_NOTE = RecoveryNote()
NO_LATER_RUN = RecoveryNote(words="This was a report up to now, which no later run sends.")


STOPPED_BY_SIGTERM = Problem(
    key="stopped",
    reason="The run was stopped by SIGTERM.",
    remedy="Its Job came to its deadline, or its node was drained.",
    group="Stopped by SIGTERM",
)


def render(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    owed: Sequence[str] = (),
    refused: Sequence[str] = (),
    since: datetime | None = None,
    is_repeated: bool = False,
    note: RecoveryNote = NO_RECOVERY_NOTE,
    command: str = "",
    name: str = DEFAULT_NAME,
) -> AlertText:
    """Write an alert: the window, what failed and why, who lacks the report, what will happen, the command.

    `owed` are sent it by a later run, `refused` are not. `since`: when it was alerted first. `is_repeated`: where
    alerts are recorded can't be reached. `name` says whose report it is, unless it is the default one.
    """
    report = [] if name == DEFAULT_NAME else [f"Report: {name}"]
    head = [_headline(window, failures, name), *report]
    head += [f"Window: {window.template} report, {window.label()}"] if window else []
    tail = []
    if since:
        tail += ["", f"Told before, at {since:%Y-%m-%d %H:%M} UTC. --deliveries lists who lacks which report."]
    tail += [""] if owed or refused else []
    tail += [f"Still owed: {_some_of(owed)}"] if owed else []
    tail += [f"Refused: {_some_of(refused)}"] if refused else []
    tail += [note.words] if note.words else []
    todo = "To send it at once, run:" if note.is_automatic else "To send it, fix the cause, then run:"
    tail += ["", todo, command] if command else []
    tail += ["", "Every run repeats this alert as long as the ledger can't be reached."] if is_repeated else []
    first, last = "\n".join(head), "".join(f"\n{line}" for line in [*tail, *_sections(failures)])
    # What is said of the failures is cut short, never the window, who is owed the report, or the command.
    told = joined(piece for failure in failures for piece in _described(failure))
    return joined([ours(first), *told.shortened(LONGEST - units(first) - units(last)).pieces, ours(last)])


def _some_of(recipients: Sequence[str]) -> str:
    more = f" and {len(recipients) - _OWED_NAMED} more" if len(recipients) > _OWED_NAMED else ""
    return f"{', '.join(recipients[:_OWED_NAMED])}{more}"


def _described(failure: Failure) -> list[Piece]:
    return [ours(f"\n\nFailed: {failure.what}\n"), *describe(failure.problem)]


def _sections(failures: Sequence[Failure]) -> list[str]:
    """List the runbook's sections, each with the keys of the problems that it is about."""
    sections: dict[str, list[str]] = {}
    for failure in failures:
        sections.setdefault(failure.problem.group, []).append(failure.problem.key)
    named = [f"Runbook: {group} ({', '.join(dict.fromkeys(keys))})" for group, keys in sections.items() if group]
    return ["", *named[:_SECTIONS_NAMED]] if named else []


def _headline(window: Window | None, failures: Sequence[Failure], name: str) -> str:
    """Name report, window and cause in one line, which a phone's lock screen and a list of mails show.

    Without the words of others, which stand below.
    """
    report = "" if name == DEFAULT_NAME else f"{name}:"
    cause = " ".join(failures[0].problem.reason.split()) if failures else ""
    label = f"{window.label()}:" if window else ""
    return shortened(" ".join(filter(None, [ALERT, report, label, cause])), _HEADLINE)


class Recovery(Struct, frozen=True, kw_only=True):
    """A window that was late or told of, and has reached everyone, or was skipped as empty."""

    window: Window
    skipped: bool = False


def render_all_clear(
    recoveries: Sequence[Recovery],
    again: Sequence[str] = (),
    *,
    known: Collection[str] = (),
    gone: Sequence[str] = (),
    left: Sequence[str] = (),
    name: str = DEFAULT_NAME,
) -> AlertText:
    """Write that windows have reached everyone after all, which parts work `again`, and which recipients are `gone`.

    `known` are the recipients that the settings name now, as parts; any other part is the ledger's word alone, which
    anybody may have written there, and is quoted. `left` are lines about reports of the meantime that no run sends.
    """
    sentences = [_sentence(again, known, "works", "work", "again")] if again else []
    sentences += [_sentence(gone, known, "is", "are", "no longer among the recipients")] if gone else []
    if recoveries:
        head = [ours(_recovered(recoveries, name))]
        rest = [[ours(" " if place else "\n\n"), *_begun(one)] for place, one in enumerate(sentences)]
    else:
        head = [ours(f"{ALL_CLEAR} "), *sentences[0]]
        rest = [[ours(" "), *_begun(one)] for one in sentences[1:]]
    lines = [ours(f"\n{line}") for line in left]
    return joined([*head, *(piece for one in rest for piece in one), *lines])


def _recovered(recoveries: Sequence[Recovery], name: str) -> str:
    first, *others = recoveries
    report = f"{first.window.template} report"
    whose = "" if name == DEFAULT_NAME else f" {name}"
    if not others:
        end = "was skipped: it has no rows" if first.skipped else "has now been delivered to everyone"
        return f"{ALL_CLEAR} the {report}{whose} of {first.window.label()} {end}."
    named = [f"{one.window.label()}{' (skipped: it has no rows)' if one.skipped else ''}" for one in recoveries]
    more = [f"and {len(named) - _WINDOWS_NAMED} more"] if len(named) > _WINDOWS_NAMED else []
    head = f"{ALL_CLEAR} {len(named)} {report}s{whose} have now been delivered to everyone:"
    return "\n".join([head, *named[:_WINDOWS_NAMED], *more])


def _sentence(parts: Sequence[str], known: Collection[str], one: str, several: str, end: str) -> list[Piece]:
    """Say something of parts, those that are neither ours nor `known` as quotes."""
    pieces = list[Piece]()
    for part in parts[:_PARTS_NAMED]:
        pieces += [ours(", ")] if pieces else []
        if part in _RECOVERABLE or part in known:
            pieces.append(ours(part))
        else:
            pieces += [ours("“"), Piece(text=one_line_quote(part), is_quote=True), ours("”")]
    more = f" and {len(parts) - _PARTS_NAMED} more" if len(parts) > _PARTS_NAMED else ""
    return [*pieces, ours(f"{more} {one if len(parts) == 1 else several} {end}.")]


def _begun(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces as a sentence's beginning."""
    first = pieces[0].text
    return [ours(f"{first[:1].upper()}{first[1:]}"), *pieces[1:]]


def render_test(at: datetime) -> str:
    """Write a test that was asked for `at` (aware)."""
    return (
        f"{TEST} nothing is wrong.\n\nSomebody ran --test-alert at {at:%Y-%m-%d %H:%M:%S} UTC. "
        "If a report fails, the alert comes the same way."
    )


def recovery_note(
    settings: ReportSettings, *, owed: bool, settled: bool, in_reach: bool, to_everyone: bool
) -> RecoveryNote:
    """Say what later runs send by themselves.

    `owed`: somebody is still owed the report. `settled`: somebody was refused, or got it without its workbook, which
    no later run changes by itself. `in_reach`: catching up reaches the window. `to_everyone`: the command names nobody.
    """
    if settings.report_ledger == "supabase":
        notes = list[str]()
        if owed and in_reach:
            reach = settings.report_catch_up
            notes.append(f"Once the cause is gone, the next runs send it by themselves, up to {reach} windows back.")
        elif owed:
            notes.append("No later run sends it by itself: REPORT_CATCH_UP does not reach back so far.")
        notes += ["No later run sends by itself what was refused or went without its workbook."] if settled else []
        return RecoveryNote(words=" ".join(notes), is_automatic=owed and in_reach and not settled)
    if settings.job_name is None:
        return RecoveryNote(words="Nothing will send it by itself.")
    return RecoveryNote(
        words="Kubernetes may retry this Job; after that you must send it yourself. "
        "This deployment keeps no lasting ledger, so "
        + ("the command sends to everyone again." if to_everyone else "each run of the command sends again.")
    )
