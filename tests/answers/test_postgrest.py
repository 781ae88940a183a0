"""Each answer of PostgREST and of the gateways before it has its verdict."""

import pytest

from src.errors import Problem, ReportError, SourceError
from src.ledger.table_rules import LEDGER_RULES, refused, unusable
from src.supabase.decode import read_json, read_page
from src.supabase.reply import first_match, read_reply
from src.supabase.rest_rules import RULES, refusal

from .supabase import Case, blamed, read_cases

CASES = read_cases("postgrest.tsv")


def judged(case: Case) -> tuple[Problem, str, str]:
    """Return the problem that a case comes to, whose fault it is, and when to try again."""
    response, is_ledger = case.response(), case.request.startswith("ledger")
    table = "report_deliveries" if is_ledger else "analyses"
    if response.is_success:
        error = unreadable(case.body, table)
        error = unusable(error) if is_ledger and isinstance(error, SourceError) else error
        return error.problem, case.fault, "later" if error.transient else "final"  # it is no data there
    reply = read_reply(response, "write" if case.request == "ledger-write" else "read", table)
    rule = first_match(LEDGER_RULES if is_ledger else RULES, reply, case.used)
    found = (refused if is_ledger else refusal)(response, table, case.used)
    return found.problem, rule.fault, "later" if rule.later else "final"


def unreadable(body: bytes, table: str) -> ReportError:
    """Return the error of an answer with status 200 that can't be read."""
    with pytest.raises(ReportError) as caught:
        (read_page if table == "analyses" else read_json)(body, table)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_has_its_verdict(case: Case) -> None:
    """Its key, whose fault it is, whether another attempt may help, and no setting is blamed but the right one."""
    problem, fault, when = judged(case)

    part = "" if case.key.startswith("ledger.") else "source."
    assert (problem.key, fault, when) == (f"{part}{case.key}", case.fault, case.when)
    assert blamed(problem.remedy) <= case.settings
    assert case.settings <= blamed(str(problem))
