"""Each answer of Supabase Storage and of the gateways before it has its verdict."""

import asyncio

import pytest

from src.errors import StorageError
from src.runtime.http import Response
from src.supabase.reply import Action, first_match, read_reply
from src.supabase.storage import STORAGE_RULES, storage_refusal

from ..builders import make_policy
from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault
from ..supabase.test_storage import make_storage, put
from .supabase import CREDENTIALS, Case, blamed, read_cases

ACTIONS: dict[str, Action] = {
    "bucket": "store",
    "upload": "store",
    "sign": "store",
    "list": "list",
    "remove": "remove",
}
"""What the program asks for; it downloads nothing."""
CASES = [case for case in read_cases("storage.tsv") if case.request in ACTIONS]
REFUSALS = [case for case in CASES if not case.response().is_success]
UNREADABLE = [case for case in CASES if case.response().is_success]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_a_refusal_has_its_verdict(case: Case) -> None:
    """Its key, whose fault it is, whether another attempt may help, and no setting is blamed but the right one."""
    reply = read_reply(case.response(), ACTIONS[case.request])
    rule = first_match(STORAGE_RULES, reply, case.used)
    problem = storage_refusal(reply, "reports", case.used).problem

    assert (problem.key, rule.fault, rule.later) == (f"storage.{case.key}", case.fault, case.when == "later")
    assert blamed(problem.remedy) <= case.settings
    assert case.settings <= blamed(str(problem))


def test_a_redirect_is_one_whatever_code_its_body_has() -> None:
    """A gateway of one's own may write an error there."""
    answer = Response(307, json={"error": "moved", "message": "Temporary Redirect"})

    assert first_match(STORAGE_RULES, read_reply(answer, "store"), CREDENTIALS["secret"]).key == "redirect"


@pytest.mark.parametrize("case", UNREADABLE, ids=lambda case: case.name)
def test_an_answer_that_cannot_be_read_has_its_verdict(sandbox: Sandbox, case: Case) -> None:
    """It may be another one at the next attempt, and blames no setting."""
    sandbox.supabase.make_bucket("reports")
    answer = Answer(status=case.status, headers=case.headers, body=case.body)
    sandbox.supabase.always = Fault(answer=answer, match=f"/object/{case.request}/")

    async def list_folders() -> None:
        async for _ in make_storage(sandbox).names("", "report.", make_policy()):
            pass

    with pytest.raises(StorageError) as caught:
        asyncio.run(list_folders()) if case.request == "list" else put(sandbox, first_wait=200)

    error = caught.value
    assert (error.problem.key, error.transient) == (f"storage.{case.key}", case.when == "later")
    assert blamed(error.problem.remedy) <= case.settings
