"""Monitors' answers from public reports get the verdicts that they should."""

import asyncio
import logging
import re
import ssl

import pytest
from pydantic import SecretStr

from src.commands.heartbeat import Heartbeat, rule_for
from src.config.timeouts import Timeouts
from src.runtime.redaction import Redaction

from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault
from .rows import Row, blamed, read_rows, row_id, settings_of

ROWS = read_rows("monitor")
each = pytest.mark.parametrize("row", ROWS, ids=row_id)


@each
def test_an_answer_of_a_monitor_gets_its_verdict(row: Row) -> None:
    """Key, whose fault it is, now or later, and the setting that is blamed."""
    rule = rule_for(int(row["status"]), row["body"])

    if row["key"] == "ok":
        assert rule is None
        return
    assert rule
    assert (rule.key, rule.fault, rule.later) == (f"monitor.{row['key']}", row["fault"], row["when"] == "later")
    assert blamed(rule.remedy) == settings_of(row)


@pytest.mark.sampled
@each
def test_an_answer_of_a_monitor_is_a_warning_unless_it_counted_the_ping(
    sandbox: Sandbox, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    """With its key, as a server gives it."""
    headers = dict(re.findall(r"([A-Z][\w-]*): (.+?)(?:; (?=[A-Z][\w-]*: )|$)", row["headers"]))
    answer = Answer(status=int(row["status"]), headers=headers, body=row["body"].encode())
    sandbox.monitor.always = Fault(answer=answer)
    url = SecretStr(sandbox.monitor.check_url)

    asyncio.run(Heartbeat(url, ssl.create_default_context(), Redaction(), Timeouts()).started())

    warned = [record.__dict__["key"] for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ([] if row["key"] == "ok" else [f"monitor.{row['key']}"])
