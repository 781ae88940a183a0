"""What a delivery is known by: one content has one Message-ID and one place in the bucket, another content another."""

import json
from collections.abc import Callable

import pytest

from src.config.settings import SupabaseSettings
from src.ledger.identity import identity_of_2_0
from src.phrases.language import ENGLISH

from ..builders import OPTION, make_rows, make_window
from ..conftest import Run
from ..processes import killed_when, noted
from ..sandbox import Sandbox
from ..test_run import forget

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}


def message_ids(sandbox: Sandbox) -> list[str]:
    """List the Message-IDs of the reports, in their order."""
    return [str(mail.message["Message-ID"]) for mail in sandbox.mails]


@pytest.mark.parametrize(
    "other", [{"REPORT_LEDGER_NAME": "russian"}, {"SUPABASE_TABLE": "analyses_named"}], ids=["name", "table"]
)
def test_two_deployments_never_share_a_message_id(sandbox: Sandbox, run: RunTool, other: dict[str, str]) -> None:
    """A mailbox that drops repeats would lose one of two different mails."""
    run(*OPTION)
    forget(sandbox)
    run(*OPTION, **other)

    assert len({*message_ids(sandbox)}) == 2


def killed_after_the_mail_was_taken(sandbox: Sandbox) -> None:
    """End a run whose mail arrived without an answer."""
    sandbox.mailbox.data_faults.append("taken, silent")
    killed_when(sandbox, lambda: sandbox.mailbox.deliveries and noted(sandbox, "telegram") == {"delivered"})


def test_a_repeat_with_more_rows_is_another_mail_that_says_it_may_be_a_repeat(sandbox: Sandbox, run: RunTool) -> None:
    """Under the same Message-ID a mailbox would keep the shorter report and drop the whole one."""
    sandbox.supabase.insert(make_rows(3))
    killed_after_the_mail_was_taken(sandbox)
    sandbox.supabase.insert(make_rows(5)[3:])

    assert run(*OPTION).code == 0

    first, second = sandbox.mails
    assert first.message["Message-ID"] != second.message["Message-ID"]
    assert second.message["References"] == first.message["Message-ID"]
    assert [ENGLISH.REPEAT in mail.text for mail in (first, second)] == [False, True]


def test_an_attempt_that_sent_nothing_in_between_does_not_take_the_mark_from_a_repeat_with_more_rows(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Its login is refused: the mail that may have arrived is still the one before it."""
    sandbox.supabase.insert(make_rows(3))
    killed_after_the_mail_was_taken(sandbox)
    sandbox.supabase.insert(make_rows(5)[3:])
    assert run(*OPTION, SMTP_PASSWORD="wrong").code == 1

    assert run(*OPTION).code == 0

    first, second = sandbox.mails
    assert second.message["References"] == first.message["Message-ID"]
    assert [ENGLISH.REPEAT in mail.text for mail in (first, second)] == [False, True]


def test_an_hour_that_version_2_0_sent_without_an_answer_is_repeated_under_its_old_id(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The upgrade makes no second mail of it."""
    sandbox.supabase.insert(make_rows(3))
    killed_after_the_mail_was_taken(sandbox)
    (path,) = (sandbox.folder / "report_ledger").glob("*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in record.items() if name != "identity"}))

    assert run(*OPTION).code == 0

    project = SupabaseSettings.model_validate(
        {"supabase_url": sandbox.supabase.url, "supabase_key": "x" * 20, "supabase_table": "analyses"}
    )
    assert message_ids(sandbox)[1] == f"<{identity_of_2_0(project, make_window())}@example.com>"


def test_readers_of_each_language_have_a_stored_workbook_of_their_own(sandbox: Sandbox, run: RunTool) -> None:
    """A link for English readers never opens the Russian file."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.insert(make_rows(3))
    settings = {"REPORT_BUCKET": "reports", "REPORT_CHANNELS": "email"}
    for language in ("en", "ru"):
        sandbox.mailbox.largest = 2000
        run(*OPTION, REPORT_LANGUAGE=language, **settings)
        forget(sandbox)

    uploads = [one.target for one in sandbox.supabase.requests if one.target.startswith("/storage/v1/object/reports/")]
    folders = [target.split("/")[5:7] for target in uploads]
    assert len({deployment for deployment, _ in folders}) == 1
    assert [identity.rpartition(".")[2] for _, identity in folders] == ["en", "ru"]
