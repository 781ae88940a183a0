"""The tree of errors is as drawn, and each sentence ends in what to do."""

import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from src import errors
from src.channels.mail import MailChannel
from src.channels.telegram import TelegramChannel
from src.commands.asked import starting_at
from src.config.settings import MailSettings, TelegramSettings
from src.config.timeouts import Timeouts
from src.domain.window import HOUR
from src.errors import (
    DeliveryError,
    InputError,
    LedgerError,
    LedgerVersionError,
    OptionError,
    RecordsTooLargeError,
    ReportError,
    SettingsError,
    SourceError,
    StorageError,
    TimeLimitError,
    TooLargeError,
    WorkbookError,
)
from src.ledger.directory import held_by_another
from src.ledger.record import read_record
from src.runtime.connection import tls_context
from src.runtime.redaction import Redaction
from src.supabase import source_errors
from src.supabase.source_errors import (
    BadAnswerError,
    ClocksDifferError,
    ColumnTypeError,
    HiddenRowsError,
    IdTooLongError,
    NotOverError,
    NotPostgrestError,
    OddRowError,
    PageTooLargeError,
    RepeatedIdsError,
    RowsMissingError,
)
from src.supabase.storage import bad_answer
from src.workbook.writer import WorkbookWriter

from .builders import START, alert_text, make_window

MODULES = (errors, source_errors)
CLASSES = dict.fromkeys(
    cls for module in MODULES for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, ReportError)
)
NEXT_STEP = re.compile(
    r"(Set|Check|Use|Run|run|Correct|Copy|Grant|Look|Write|Did you mean|It needs|give|Look in|helps: create) "
)


def drawn(module: ModuleType) -> dict[str, tuple[str, int]]:
    """Read a module's drawing: each class with its parent and its exit code."""
    tree: dict[str, tuple[str, int]] = {}
    line_of_parents: list[tuple[int, str, int]] = []
    for line in (module.__doc__ or "").splitlines():
        match = re.match(r"^( {4}[ │├└─]*)(\w+Error)\b\s*(\d)?", line)
        if match:
            depth = len(match[1])
            line_of_parents = [parent for parent in line_of_parents if parent[0] < depth]
            parent, inherited = line_of_parents[-1][1:] if line_of_parents else ("Exception", 1)
            code = int(match[3]) if match[3] else inherited
            tree[match[2]] = (parent, code)
            line_of_parents.append((depth, match[2], code))
    return tree


def test_the_drawn_tree_is_the_real_one() -> None:
    """Parents and exit codes; the branch of one module is the root of another."""
    real = {cls.__name__: (cls.__mro__[1].__name__, cls.exit_code) for cls in CLASSES}

    assert drawn(source_errors) | drawn(errors) == real


def raised_by(action: Callable[[], object]) -> ReportError:
    """Return the error that `action` raises."""
    with pytest.raises(ReportError) as caught:
        action()
    return caught.value


def unsaved() -> None:
    """Save a workbook into a folder that is not there."""
    WorkbookWriter(make_window(), Path("/no/such/folder"))


def unsent(channel: MailChannel | TelegramChannel) -> None:
    """Send an alert where nothing listens."""
    for error in asyncio.run(channel.alert(alert_text("text"), START, ["42"])).values():
        raise error


NOWHERE = {"smtp_host": "127.0.0.1", "smtp_port": 1, "smtp_user": "u", "smtp_password": "pass"}
MAIL = MailSettings.model_validate(NOWHERE | {"smtp_from": "a@b.c", "smtp_to": "a@b.c"})
TELEGRAM = TelegramSettings.model_validate(
    {
        "telegram_bot_token": "123456:AAHqwertyuiopasdfghjklzxcvbnm",
        "telegram_chat_id": "1",
        "telegram_api_url": "http://127.0.0.1:1",
    }
)
NOW = START + 30 * HOUR
EXAMPLES: dict[type[ReportError], list[Callable[[], ReportError]]] = {
    SettingsError: [
        lambda: SettingsError(["SMTP_PORT is missing; use a port"]),
        lambda: SettingsError(["SMTP_PORT is missing; use a port"], is_job=True),
    ],
    OptionError: [
        lambda: raised_by(lambda: starting_at("soon", "hourly", make_window().zone, NOW)),
        lambda: raised_by(lambda: starting_at("2026-11-22T13:30", "hourly", make_window().zone, NOW)),
        lambda: raised_by(lambda: starting_at("2099-11-22T13", "hourly", make_window().zone, NOW)),
    ],
    NotPostgrestError: [lambda: NotPostgrestError(table="analyses", came="nothing")],
    OddRowError: [lambda: OddRowError(table="analyses", column="id", said="null", condition="id is null")],
    BadAnswerError: [lambda: BadAnswerError(table="analyses", came="nothing")],
    PageTooLargeError: [lambda: PageTooLargeError(table="analyses")],
    IdTooLongError: [lambda: IdTooLongError(table="Analyses", length=70_000)],
    HiddenRowsError: [lambda: HiddenRowsError(table="analyses")],
    NotOverError: [lambda: NotOverError(label="2026-11-23 13:00-14:00 UTC", seconds=1200)],
    ClocksDifferError: [lambda: ClocksDifferError(minutes=125), lambda: ClocksDifferError(minutes=-125)],
    ColumnTypeError: [lambda: ColumnTypeError(table="analyses", said="text")],
    RepeatedIdsError: [lambda: RepeatedIdsError(table="analyses", row_id="7", count=2)],
    RowsMissingError: [lambda: RowsMissingError(arrived=1, counted=2, table="analyses")],
    StorageError: [lambda: bad_answer("a signed link")],
    LedgerError: [
        lambda: raised_by(lambda: read_record({}, START, "rm it")),
        lambda: held_by_another(make_window(), "another run"),
    ],
    LedgerVersionError: [lambda: raised_by(lambda: read_record({"format": 99}, START, "rm it"))],
    RecordsTooLargeError: [lambda: RecordsTooLargeError(table="report_deliveries")],
    TimeLimitError: [
        lambda: TimeLimitError(800, pages=0, expected=0),
        lambda: TimeLimitError(800, pages=247, expected=250),
        lambda: TimeLimitError(800, pages=250, expected=250),
    ],
    WorkbookError: [lambda: raised_by(unsaved)],
    DeliveryError: [
        lambda: raised_by(lambda: unsent(MailChannel(MAIL, tls_context(), Timeouts(smtp=1), hide=Redaction().hide))),
        lambda: raised_by(lambda: unsent(TelegramChannel(TELEGRAM, tls_context(), Timeouts(telegram_read=1)))),
    ],
}
BRANCHES = {ReportError, InputError, SourceError}
PARTS = {TooLargeError}
"""Their sentence is the first half; the second, with what to do, is added where it is known."""


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls not in BRANCHES | PARTS], ids=lambda cls: cls.__name__)
def test_the_text_of_every_error_ends_in_a_next_step(cls: type[ReportError]) -> None:
    """One that an operator can take; what servers answer stands in the golden files of tests/answers."""
    for example in EXAMPLES[cls]:
        error = example()
        assert type(error) is cls
        assert NEXT_STEP.search(re.split(r"[.?] |\n", str(error))[-1]), str(error)
        assert str(error).endswith((".", "?"))
