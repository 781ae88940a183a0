"""The words: subject, text and caption of a report, and the alert when something failed.

Every text is plain; nothing of the table stands in a subject.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .cells import visible
from .summary import Summary
from .window import Window

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption (1,024 characters in the Bot API's sendDocument, its own count being wider)."""
LATE = " (late)"
ALL_CLEAR = "✅ All clear:"
ALERT = "⚠️ ERROR in Reports Generator:"
ALERT_LIMIT = 4096
"""UTF-16 units of an alert: the characters of a message (Bot API, sendMessage)."""
_OWED_NAMED = 10
_STATUSES_SHOWN = 8
_STATUS_LENGTH = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """Where the workbook is for one channel: sent along, behind a `link` instead, or left out for a reason.

    `size` in bytes; `until` (aware UTC) is when the link ends; `left_out` is a sentence.
    """

    name: str
    size: int
    link: str = ""
    until: datetime | None = None
    left_out: str = ""

    @property
    def along(self) -> bool:
        """Whether it is sent along."""
        return not self.link and not self.left_out


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """One report in the words of every channel."""

    subject: str
    text: str
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One window's report, ready for every recipient.

    `identity` names this delivery: the same for every attempt at it, another for any other report;
    `repeats` is the identity of the delivery that this one repeats on purpose, if it does.
    `created` is aware UTC. `worded` writes the report for a channel, given where its file is.
    `stored` puts the workbook behind a link, or raises StorageError; None where there is no REPORT_BUCKET.
    `moved` says where the workbook is, if not sent along.
    """

    window: Window
    identity: str
    created: datetime
    attachment: Path
    worded: Callable[[File], Wording]
    repeats: str = ""
    stored: Callable[[], Awaitable[File]] | None = None
    moved: File | None = None

    @property
    def file(self) -> File:
        """Where the workbook is: sent along, unless it was moved."""
        return self.moved or File(name=self.attachment.name, size=self.attachment.stat().st_size)


def worded(file: File, window: Window, summary: Summary, *, late: bool = False, remarks: Sequence[str] = ()) -> Wording:
    """Write a report's subject, text and caption."""
    return Wording(
        subject=subject(window, late=late),
        text=body(window, summary, file, late=late, remarks=remarks),
        caption=caption(window, summary, file, late=late, remarks=remarks),
    )


def subject(window: Window, *, late: bool = False) -> str:
    """Write the subject of the mail: `Digital Twin Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
    return f"Digital Twin {_title(window)} - {window.label()}{LATE if late else ''}"


def caption(
    window: Window, summary: Summary, file: File | None = None, *, late: bool = False, remarks: Sequence[str] = ()
) -> str:
    """Write the text under the file in a chat, at most CAPTION_LIMIT long."""
    head = f"{_title(window)} - {window.label()}{LATE if late else ''}"
    where = [_whereabouts(file)] if file and not file.along else []
    text = "\n\n".join([head, *where, _figures(window, summary), *remarks])
    return _fitted(text, CAPTION_LIMIT)


def marked_as_repeat(text: str) -> str:
    """Add to a caption that its message may be there already; the caption stays within its limit."""
    note = "\n\nThis may be a repeat: the answer to the first attempt got lost."
    return _fitted(text, CAPTION_LIMIT - len(note)) + note


def body(window: Window, summary: Summary, file: File, *, late: bool = False, remarks: Sequence[str] = ()) -> str:
    """Write the mail's plain text: the window, the main figures, remarks, what is attached."""
    parts = [
        f"{_title(window)} for Digital Twin{LATE if late else ''}\n{window.label()}",
        _figures(window, summary),
        *remarks,
        f"{_whereabouts(file)}\n",
    ]
    return "\n\n".join(parts)


def late_rows(window: Window, more: int, *, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty."""
    rows = "1 row has" if more == 1 else f"{more:,} rows have"
    end = "it was skipped as empty" if skipped else "its report was sent"
    return f"{rows} come late for {window.label()}, after {end}."


def too_large(channel: str, file: File) -> str:
    """Say to those who get it why the workbook is left out."""
    return (
        f"It is too large for {channel} ({megabytes(file.size)}) and could not be put behind a link. "
        "Whoever looks after these reports has been told."
    )


def _whereabouts(file: File) -> str:
    if file.left_out:
        return f"The workbook could not be sent along. {file.left_out}"
    if not file.link:
        return f"Every analysis is in the attached workbook, {file.name}."
    until = f" until {file.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if file.until else ""
    return f"Every analysis is in the workbook ({megabytes(file.size)}). Download it{until}:\n{file.link}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What failed, and why: `why` is a sentence that ends in what to do."""

    what: str
    why: str

    @property
    def cause(self) -> str:
        """What stays the same when it fails again: without the server's words, which stand in brackets."""
        return f"{self.what}: {self.why.partition('(')[0].strip()}"


STOPPED = Failure(
    what="the run", why="It was stopped by SIGTERM (a deadline, or its node was drained). Run this window again."
)


def alert(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    owed: Sequence[str] = (),
    outlook: str = "",
    command: str | None = None,
) -> str:
    """Write the alert: the window, what failed and why, who is still owed the report, what makes it good."""
    head, tail = [ALERT], []
    if window:
        head.append(f"Window: {window.template} report, {window.label()}")
    told = [line for failure in failures for line in ("", f"Failed: {failure.what}", failure.why)]
    if owed:
        more = f" and {len(owed) - _OWED_NAMED} more" if len(owed) > _OWED_NAMED else ""
        tail += ["", f"Still owed: {', '.join(owed[:_OWED_NAMED])}{more}"]
    if outlook:
        tail.append(outlook)
    if command:
        tail += ["", "To make it good, mend the cause, then run:", command]
    first, last = "\n".join(head) + "\n", "\n".join(["", *tail])
    # What is told of the failures gives way, never the window, the owed or the command.
    return first + _fitted("\n".join(told), ALERT_LIMIT - len(first) - len(last)) + last


def all_clear(window: Window, *, skipped: bool = False) -> str:
    """Write that a window somebody was alerted of has reached everyone, or was `skipped` as empty."""
    end = "was skipped: it has no rows" if skipped else "has now been delivered to everyone"
    return f"{ALL_CLEAR} the {window.template} report of {window.label()} {end}."


def megabytes(size: int) -> str:
    """Write bytes for people: `26.1 MB`, or `12.3 kB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def number(value: int | float) -> str:
    """Write a sum for people: `1,234`, and of fractions at most six digits."""
    return f"{value:,}" if isinstance(value, int) else f"{round(value, 6):,}".removesuffix(".0")


def rate(value: float | None) -> str:
    """Write a share for people: `97.8 %`, or `-` where there is none."""
    return "-" if value is None else f"{value * 100:.1f} %"


def _title(window: Window) -> str:
    return f"{window.template.title()} Report"


def _figures(window: Window, summary: Summary) -> str:
    if not summary.rows:
        return f"No analyses in {window.label()}."
    statuses = summary.statuses()
    lines = [f"Analyses: {summary.rows:,}"]
    lines += [f"  {_shortened(status)}: {count:,}" for status, count in statuses[:_STATUSES_SHOWN]]
    if rest := statuses[_STATUSES_SHOWN:]:
        lines.append(f"  {len(rest):,} other statuses: {sum(count for _, count in rest):,}")
    lines += [
        f"Records processed: {number(summary.processed)}",
        f"Records failed: {number(summary.failed)}",
        f"Success rate: {rate(summary.success_rate)}",
    ]
    return "\n".join(lines)


def _shortened(status: str) -> str:
    line = " ".join(visible(status).split())
    return line if len(line) <= _STATUS_LENGTH else line[: _STATUS_LENGTH - 1] + "…"


def _fitted(text: str, limit: int) -> str:
    """Cut `text` to `limit` UTF-16 units, with a mark."""
    units = text.encode("utf-16-le")
    return text if len(units) <= limit * 2 else units[: limit * 2 - 2].decode("utf-16-le", "ignore") + "…"
