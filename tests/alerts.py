"""What tests read out of an alert: by the form of its lines, never by its sentences."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

_RECIPIENT = re.compile(r"(email|telegram) to ([^\s,;”]+)")
_HOUR = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d-\d\d:\d\d UTC")


def lacking(alert: str) -> tuple[list[str], list[str]]:
    """Return who is still owed the report, and who was refused it, as the alert names them."""
    return [*_listed(alert, "Lack it"), *_listed(alert, "May lack it")], _listed(alert, "Refused")


def _listed(alert: str, label: str) -> list[str]:
    return [one for line in re.findall(rf"^{label}: (.+)$", alert, re.MULTILINE) for one in line.split(", ")]


def ranges(alert: str) -> list[tuple[str, int]]:
    """Return the first window of each command in the alert, and the number of windows that it sends."""
    found = re.findall(r"(?:REPORT_START=|--start )(\S+)(?: (?:REPORT_COUNT=|--count )(\d+))?", alert)
    return [(start, int(count or 1)) for start, count in found]


def command_in(alert: str) -> str:
    """Return the one command of an alert."""
    (command,) = re.findall(r"^(?:kubectl|python) .+$", alert, re.MULTILINE)
    return str(command)


def failed_parts(alert: str) -> list[str]:
    """Return what failed, as the headings of an alert of several failures name it."""
    return re.findall(r"^Failed: (.+)$", alert, re.MULTILINE)


def reasons(alert: str) -> list[str]:
    """Return the sentences of an alert for which an operator opens the runbook."""
    headline, *others = alert.splitlines()
    alone = " ".join([headline.partition("Generator: ")[2], *others[others.index("") + 1 :][:1]])
    return re.findall(r"^Failed: .+\n(.+)$", alert, re.MULTILINE) or [alone]


def are_clear(alerts: Sequence[str]) -> list[bool]:
    """Tell of each alert whether it is an all-clear."""
    return [alert.startswith("✅ All clear: ") for alert in alerts]


def keys_in(alert: str) -> list[str]:
    """Return the keys of the problems that the alert names with their sections of the runbook."""
    named = re.findall(r"^Runbook: .* \((.+)\)$", alert, re.MULTILINE)
    return [key for keys in named for key in keys.split(", ")]


def hours_in(alert: str) -> list[str]:
    """Return the hours that the alert names, each as often as it does."""
    return _HOUR.findall(alert)


def window_of(alert: str) -> str:
    """Return the window that the alert is about; nothing if it is about none."""
    hour = _HOUR.pattern
    found = re.search(rf" lacks? .*?({hour})$|({hour}) was not sent$", alert.splitlines()[0])
    return found[1] or found[2] if found else ""


def said_to_work(alert: str) -> list[tuple[str, str]]:
    """Return the recipients, each with its channel, that an all-clear says work again."""
    return _RECIPIENT.findall(alert.partition(" again")[0]) if " again" in alert else []


def failed_recipients(alert: str) -> set[tuple[str, str]]:
    """Return the recipients that an alert names as failed, or as lacking the report for another reason."""
    parts = failed_parts(alert) or [one for recipients in lacking(alert) for one in recipients]
    return {found for part in parts for found in _RECIPIENT.findall(part)}


def delivered_to_everyone(all_clear: str) -> list[str]:
    """Return the hours of which an all-clear says that everyone has their report."""
    said = all_clear.splitlines()[0].partition("; everyone has ")[2] or all_clear.partition(": everyone has ")[2]
    hours: list[str] = []
    for first, last in re.findall(rf"({_HOUR.pattern})(?: to ({_HOUR.pattern}))?", said.partition(";")[0]):
        start, end = _start_of(first), _start_of(last or first)
        while start <= end:
            hours.append(f"{start:%Y-%m-%d %H:%M}-{start + timedelta(hours=1):%H:%M} UTC")
            start += timedelta(hours=1)
    return hours


def _start_of(label: str) -> datetime:
    return datetime.fromisoformat(label[:16])
