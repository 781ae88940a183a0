"""What tests read out of an alert: by the form of its lines, never by its sentences."""

import re
from collections.abc import Sequence


def lacking(alert: str) -> tuple[list[str], list[str]]:
    """Return who is still owed the report, and who was refused it, as the alert names them."""
    return _listed(alert, "Still owed"), _listed(alert, "Refused")


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
    """Return what failed, as the headings of the alert name it."""
    return re.findall(r"^Failed: (.+)$", alert, re.MULTILINE)


def are_clear(alerts: Sequence[str]) -> list[bool]:
    """Tell of each alert whether it is an all-clear."""
    return [alert.startswith("✅ All clear: ") for alert in alerts]


def keys_in(alert: str) -> list[str]:
    """Return the keys of the problems that the alert names with their sections of the runbook."""
    named = re.findall(r"^Runbook: .* \((.+)\)$", alert, re.MULTILINE)
    return [key for keys in named for key in keys.split(", ")]


def hours_in(alert: str) -> list[str]:
    """Return the hours that the alert names, each as often as it does."""
    return re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d-\d\d:\d\d UTC", alert)


def window_of(alert: str) -> str:
    """Return the window that the alert is about; nothing if it is about none."""
    found = re.search(r"^Window: \w+ report, (.+)$", alert, re.MULTILINE)
    return found[1] if found else ""


def said_to_work(alert: str) -> list[tuple[str, str]]:
    """Return the recipients, each with its channel, that an all-clear says work again."""
    lines = [line.partition(" again.")[0] for line in alert.splitlines() if " again." in line]
    return [(channel.lower(), recipient) for line in lines for channel, recipient in _RECIPIENT.findall(line)]


_RECIPIENT = re.compile(r"([Ee]mail|[Tt]elegram) to ([^\s,”]+)")


def failed_recipients(alert: str) -> set[tuple[str, str]]:
    """Return the recipients that the headings of an alert name as failed."""
    return {found for part in failed_parts(alert) for found in _RECIPIENT.findall(part)}


def delivered_to_everyone(all_clear: str) -> list[str]:
    """Return the hours of which an all-clear says that everyone has their report."""
    lines = all_clear.partition("\n\n")[0].splitlines()
    if " again." in lines[0] or "no longer" in lines[0]:
        return []
    first, *others = [line for line in lines if "skipped" not in line] or [""]
    return [
        hour
        for line in (first, *[one for one in others if re.fullmatch(r"[-\d]+ [-:\d]+ UTC", one)])
        for hour in hours_in(line)
    ]
