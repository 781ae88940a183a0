"""What is alerted now and what is over, decided from causes, notices and the moment alone."""

from datetime import timedelta
from typing import Any

import pytest

from src.errors import Stage
from src.ledger.notices import MONITOR, REMINDER
from src.message.alert import Cause
from src.pipeline.alerts import find_over, is_news

from ..builders import START

WINDOW = "2026-11-23T13"
ROWS = Cause(part=Stage.ROWS, key="source.unavailable").text
MAIL = Cause(part="email to a@example.com", key="smtp.recipient_refused", for_good=True).text
STOPPED = Cause(part=Stage.RUN, key="stopped", window=WINDOW).text


@pytest.mark.parametrize(
    ("keys", "ago", "is_alerted"),
    [
        ([ROWS], None, True),
        ([ROWS], timedelta(hours=1), False),
        ([ROWS], REMINDER - timedelta(seconds=1), False),
        ([ROWS], REMINDER, True),
        ([ROWS, MAIL], timedelta(hours=1), True),
    ],
    ids=["begins", "lasts", "not yet a day", "a day", "another one begins"],
)
def test_a_failure_is_alerted_when_it_begins_and_then_once_a_day(
    keys: list[str], ago: timedelta | None, is_alerted: bool
) -> None:
    """One new cause is enough to alert of all."""
    notices = {} if ago is None else {ROWS: START - ago}

    assert is_news(keys, "", notices, START, is_stop=False) is is_alerted


@pytest.mark.parametrize(("is_stop", "is_alerted"), [(True, False), (False, True)])
def test_a_stop_is_no_news_where_its_window_was_alerted(is_stop: bool, is_alerted: bool) -> None:
    """It ends what failed before; another failure of the same window is news."""
    assert is_news([STOPPED], WINDOW, {WINDOW: START}, START, is_stop=is_stop) is is_alerted


@pytest.mark.parametrize(
    ("cause", "seen", "is_over"),
    [
        (ROWS, {"working": {Stage.ROWS}}, True),
        (ROWS, {"is_well": True}, False),
        (ROWS, {"working": {Stage.ROWS}, "failing": {ROWS}}, False),
        (MAIL, {}, False),
        (MAIL, {"everyone": [("email", "b@example.com")]}, True),
        (MAIL, {"everyone": [("email", "A@Example.com")]}, False),
        (STOPPED, {}, False),
        (STOPPED, {"recovered": {WINDOW}}, True),
        (STOPPED, {"is_well": True}, True),
        (f"{MONITOR}ok", {"is_well": True}, False),
    ],
)
def test_only_what_was_seen_to_work_or_is_gone_is_over(cause: str, seen: dict[str, Any], is_over: bool) -> None:
    """What still fails is not, nor what nobody looked at."""
    facts: dict[str, Any] = {
        "failing": (),
        "working": (),
        "recovered": (),
        "everyone": [("email", "a@example.com")],
        "is_well": False,
    }

    assert (cause in find_over([cause], **(facts | seen))) is is_over
