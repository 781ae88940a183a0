"""Random sequences of faults, and runs until one succeeds: every row of the window for everyone, few copies."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from .builders import OPTION, QUICK, data_rows, ids, make_rows
from .conftest import Run
from .faults import HTML, copies
from .sandbox import Sandbox
from .sandbox.telegram import refusal
from .sandbox.web import FOREVER, Answer, Fault
from .test_run import forget

TIMEOUTS = structs.replace(QUICK, supabase_read=0.4, send=2.5)
SUPABASE = st.sampled_from(
    [
        Fault(cut="before"),
        Fault(cut="within"),
        Fault(answer=Answer(status=503)),
        Fault(answer=Answer(body=HTML)),
        Fault(answer=Answer(status=401)),
        Fault(delay=FOREVER),
        Fault(),
    ]
)
BOT = st.sampled_from(
    [
        Fault(cut="before"),
        Fault(cut="after"),
        Fault(answer=Answer(status=502, body=HTML)),
        Fault(answer=refusal(429, "Too Many Requests: retry after 0", retry_after=0)),
        Fault(hold=FOREVER),
        Fault(),
    ]
)
DATA = st.sampled_from(
    ["", "451 4.3.0 Later", "421 4.3.2 Down", "554 5.6.0 Never", "cut", "taken, cut", "taken, silent"]
)
RUNS = 8


@pytest.mark.parametrize(("ledger", "scheme"), [("directory", "http"), ("supabase", "https")])
def test_after_any_faults_everyone_has_every_row_and_no_more_copies_than_ambiguous_faults_explain(
    sandbox: Sandbox, run: Callable[..., Run], ledger: str, scheme: str
) -> None:
    """Whatever fails, as long as it ends some time."""
    sandbox.speak(scheme)
    rows = make_rows(7)

    @settings(
        max_examples=6, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(st.lists(SUPABASE, max_size=5), st.lists(BOT, max_size=4), st.lists(DATA, max_size=3))
    def check(supabase: list[Fault], bot: list[Fault], data: list[str]) -> None:
        sandbox.reset()
        forget(sandbox)
        sandbox.supabase.insert(rows)
        sandbox.supabase.page_cap = 3
        # The ledger's own faults are in the table; here it is the rest that fails.
        sandbox.supabase.faults += [replace(fault, match="/analyses") for fault in supabase]
        sandbox.bot.faults += bot
        sandbox.mailbox.data_faults += data
        codes: list[int] = []
        while not codes or (codes[-1] and len(codes) < RUNS):
            codes.append(run(*OPTION, timeouts=TIMEOUTS, REPORT_LEDGER=ledger, POD_NAME="pod").code)

        assert codes[-1] == 0
        mails, chats = copies(sandbox)
        ambiguous_mail = sum(fault.startswith("taken") for fault in data)
        ambiguous_chat = sum(fault.cut == "after" or fault.hold > 0 for fault in bot)
        assert all(1 <= count <= 1 + ambiguous_mail for count in mails)
        assert min(chats) >= 1
        assert sum(chats) <= 2 + ambiguous_chat
        for content in [mail.attachment() for mail in sandbox.mails] + [sent.document for sent in sandbox.messages]:
            assert ids(rows) == [line[0] for line in data_rows(content)]

    check()
