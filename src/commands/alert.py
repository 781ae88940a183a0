"""`--test-alert`: send a test by every way that an alert takes, and print the result of each."""

import asyncio
from collections.abc import Sequence

from ..domain.request import Result
from ..errors import Problem, ReportError
from ..message.alert import render_test
from ..message.alert_text import AlertText, joined, ours
from ..pipeline.alert_routes import Route, operator_routes, reader_routes, send_alert
from ..pipeline.failures import failed_result
from ..pipeline.run import Run
from ..runtime.terminal import print_answer
from .check import CheckResult, failed_check, result_line

_TO_READERS = "accepted. Readers get the alerts, because SMTP_ALERT_TO and TELEGRAM_ALERT_CHAT_ID are not set"


async def send_test_alert(run: Run) -> Result:
    """Send the test, print a line for each recipient, and return 1 if one of them did not get it."""
    try:
        run.loaded.checked()
    except ReportError as error:
        return failed_result(error)
    channels = run.channels()
    operators = operator_routes(channels)
    words = "accepted" if operators else _TO_READERS
    text = joined([ours(run.redaction(render_test(run.clock())))])
    routes = operators or reader_routes(channels)
    results = await asyncio.gather(*(_results(text, route, words, run) for route in routes))
    found = [result for one in results for result in one]
    width = max(len(result.part) for result in found)
    for result in found:
        print_answer(result_line(result, width, run.redaction))
    return _summed_up(found)


async def _results(text: AlertText, route: Route, words: str, run: Run) -> list[CheckResult]:
    failed = await send_alert(run, text, route, run.timeouts.alert)
    return [
        failed_check(f"{route.channel.name} {one}", failed[one].problem)
        if one in failed
        else CheckResult(part=f"{route.channel.name} {one}", status="OK", words=words)
        for one in route.recipients
    ]


def _summed_up(found: Sequence[CheckResult]) -> Result:
    wrong = [result.part for result in found if result.status != "OK"]
    if not wrong:
        return Result(code=0, words=f"the test alert was accepted for all {len(found)}")
    problem = Problem(
        key="test_alert",
        reason=f"The test alert was not accepted for {', '.join(wrong)}.",
        remedy="Their lines say what to do.",
        group="An alert could not be sent",
    )
    return Result(code=1, words=f"the test alert was not accepted for {len(wrong)} of {len(found)}", problem=problem)
