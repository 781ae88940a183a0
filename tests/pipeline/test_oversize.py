"""A workbook too large for a channel: behind a link, or missing out loud; never dropped in silence."""

import asyncio
import json
import re
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from msgspec.structs import replace

from src.channels import telegram
from src.channels.mail import MailChannel
from src.channels.telegram import TelegramChannel
from src.config.settings import MailSettings, TelegramSettings
from src.config.timeouts import Timeouts
from src.domain.delivery import Attachment, Outcome
from src.errors import TooLargeError
from src.message.content import Report
from src.phrases.language import ENGLISH
from src.pipeline.deliver import StoredAttachment
from src.runtime.redaction import Redaction

from ..builders import OPTION, make_deadline, make_policy, make_report, make_rows
from ..conftest import Run
from ..faults import copies, large, with_bucket
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..processes import killed_when
from ..sandbox import CHATS, RECIPIENTS, Sandbox, links
from ..sandbox.web import FOREVER, Answer, Fault
from ..supabase.test_storage import make_storage

phrases = ENGLISH

RunTool = Callable[..., Run]
BUCKET = {"REPORT_BUCKET": "reports"}
EVERYONE = [*RECIPIENTS, *CHATS]
WITHOUT = phrases.too_large("email", 0).partition(" (")[0]


def heavy(sandbox: Sandbox, *, start: datetime | None = None) -> None:
    """Let there be an hour whose workbook is too large for both channels, and a private bucket."""
    sandbox.supabase.insert(make_rows(5, start=start) if start else make_rows(5))
    with_bucket(large)(sandbox)


def states(sandbox: Sandbox) -> set[str]:
    """Return what the ledger's one record says of its recipients."""
    (path,) = (sandbox.folder / "report_ledger").glob("*.json")
    return {entry["state"] for entry in json.loads(path.read_text())["entries"]}


def texts(sandbox: Sandbox) -> list[str]:
    """List what people read in their reports."""
    return [mail.text for mail in sandbox.mails] + ["\n".join([one.text, *one.links]) for one in sandbox.messages]


def test_the_link_leads_to_the_very_workbook_and_only_the_link_does(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever reads the message downloads what would have been attached; without its token nobody does."""
    heavy(sandbox)

    result = run(*OPTION, REPORT_LINK_HOURS="5", **BUCKET)

    workbook = (sandbox.folder / "report_20261122_130000.xlsx").read_bytes()
    assert (result.code, sandbox.alerts) == (0, [])
    assert dict.fromkeys(EVERYONE, workbook) == dict(sandbox.workbooks())
    (link,) = {link for text in texts(sandbox) for link in links(text)}
    path = link.partition("?")[0]
    for refused in (path, path.replace("/sign/", "/public/"), path.replace("/sign/", "/")):
        with pytest.raises(HTTPError, match=r"40[0-9]"):
            urllib.request.urlopen(refused, timeout=60)
    until = re.search(r"until (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", texts(sandbox)[0])
    assert until
    lives = datetime.strptime(until[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(hours=4.9) < lives < timedelta(hours=5.1)
    signed = [request.body for request in sandbox.supabase.requests if "/object/sign/" in request.target]
    assert json.loads(signed[0]) == {"expiresIn": 5 * 3600}


def test_a_link_that_telegram_would_drop_is_there_to_be_copied(sandbox: Sandbox, run: RunTool) -> None:
    """Supabase by a name without a dot, as inside a cluster: Telegram makes no link of that, without a word."""
    heavy(sandbox)
    address = sandbox.supabase.url.replace("127.0.0.1", "localhost")

    result = run(*OPTION, SUPABASE_URL=address, **BUCKET)

    assert (result.code, sandbox.alerts) == (0, [])
    assert sorted(receiver for receiver, _ in sandbox.workbooks()) == sorted(EVERYONE)
    assert all(sent.links == () for sent in sandbox.messages)
    assert all(re.search(rf" UTC:\n{address}/\S+\n", sent.text) for sent in sandbox.messages)


def test_it_is_stored_once_for_all_channels_and_only_when_needed(sandbox: Sandbox, run: RunTool) -> None:
    """An ordinary report never touches Storage."""
    sandbox.supabase.insert(make_rows(5))
    sandbox.supabase.make_bucket("reports")
    run(*OPTION, **BUCKET)
    assert not [request for request in sandbox.supabase.requests if "/storage/" in request.target]
    large(sandbox)

    run(*OPTION, "--resend", **BUCKET)

    uploads = [request for request in sandbox.supabase.requests if "/object/reports/" in request.target]
    assert [request.method for request in uploads] == ["POST"]
    assert len(sandbox.workbooks()) == 2 * len(EVERYONE)


def test_whoever_asks_at_once_gets_the_same_link_from_one_upload(sandbox: Sandbox) -> None:
    """Channels run side by side."""
    sandbox.supabase.make_bucket("reports")
    report = make_report(sandbox.folder)

    async def asked_by_three() -> list[Attachment]:
        stored = StoredAttachment(make_storage(sandbox), report, make_policy(60))
        return await asyncio.gather(*(stored.with_link() for _ in range(3)))

    found = asyncio.run(asked_by_three())

    assert sandbox.downloads(found[0].link) == [report.workbook.read_bytes()]
    assert [attachment == found[0] for attachment in found] == [True] * 3
    assert len([request for request in sandbox.supabase.requests if "/object/reports/" in request.target]) == 1


def test_what_fits_one_channel_is_still_sent_along_there(sandbox: Sandbox, run: RunTool) -> None:
    """Telegram takes more than most mail servers."""
    heavy(sandbox)
    sandbox.bot.largest = 50_000_000

    assert run(*OPTION, **BUCKET).code == 0

    assert [bool(sent.document) for sent in sandbox.messages] == [True, True]
    assert [len(mail.attachments()) for mail in sandbox.mails] == [0]
    assert len(sandbox.workbooks()) == len(EVERYONE)


def test_without_a_bucket_everyone_gets_the_message_and_is_told_what_is_missing(sandbox: Sandbox, run: RunTool) -> None:
    """It counts as failed, and the alert names what to do."""
    heavy(sandbox)

    result = run(*OPTION)

    assert result.code == 1
    assert [mail.recipients for mail in sandbox.mails] == [RECIPIENTS]
    assert [sent.chat for sent in sandbox.messages] == [*CHATS]
    size = (sandbox.folder / "report_20261122_130000.xlsx").stat().st_size
    assert all(phrases.too_large("email", size) in mail.text for mail in sandbox.mails)
    assert all(phrases.too_large("telegram", size) in sent.text for sent in sandbox.messages)
    (alert,) = sandbox.alerts
    assert sandbox.alerted == ["without_workbook.storage.no_bucket"]
    for fact in (f"localhost:{sandbox.mailbox.tls_port}", "60 kB", "REPORT_BUCKET"):
        assert fact in alert
    assert sorted(map(str, result.given("recipient", "without_file"))) == sorted(EVERYONE)
    assert "delivered" not in result.events
    assert states(sandbox) == {"without file"}


def test_nobody_gets_the_message_without_its_workbook_twice(sandbox: Sandbox, run: RunTool) -> None:
    """A restart of the same Job neither sends nor alerts again, and still fails."""
    heavy(sandbox)
    run(*OPTION)

    again = run(*OPTION)

    assert (again.code, len(sandbox.mails), len(sandbox.messages), len(sandbox.alerts)) == (1, 1, len(CHATS), 1)
    assert states(sandbox) == {"without file"}


@pytest.mark.parametrize("option", [(), ("--resend",)], ids=["the alert's command", "--resend"])
def test_once_there_is_a_bucket_it_is_made_good(sandbox: Sandbox, run: RunTool, option: tuple[str, ...]) -> None:
    """In a mail of its own, which no mailbox drops as a repeat of the one without."""
    heavy(sandbox)
    run(*OPTION)

    assert run(*OPTION, *option, **BUCKET).code == 0

    assert sorted(EVERYONE) == sorted(recipient for recipient, _ in sandbox.workbooks())
    assert len({mail.message["Message-ID"] for mail in sandbox.mails}) == 2
    assert sandbox.alerts[-1].startswith("✅ All clear")
    assert states(sandbox) == {"delivered"}
    assert not any(phrases.REPEAT in text for text in texts(sandbox))


def test_later_runs_leave_a_message_without_its_workbook_alone(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody gets it every hour again, nor is alerted of it."""
    run(JOB_NAME=job(2), **CATCH_UP)
    heavy(sandbox, start=this_hour(2))
    assert run(JOB_NAME=job(1), **CATCH_UP).code == 1

    later = run(JOB_NAME=job(0), **CATCH_UP)

    assert (later.code, "before" in later.log) == (0, False)
    assert [WITHOUT in mail.text for mail in sandbox.mails] == [False, True, False]
    assert len(sandbox.alerts) == 1


def test_a_run_killed_while_storing_owes_the_report(sandbox: Sandbox, run: RunTool) -> None:
    """Between finding it too large and sending the link nothing counts as refused."""
    heavy(sandbox)
    sandbox.supabase.always = Fault(delay=FOREVER, match="/storage/")

    def is_storing() -> bool:
        """Tell whether both channels, each having found it too large, wait for the link."""
        is_asked = any("/storage/" in request.target for request in sandbox.supabase.requests)
        return is_asked and len(sandbox.bot.requests) == len(CHATS) and states(sandbox) == {"owed"}

    killed_when(sandbox, is_storing, **BUCKET)

    sandbox.supabase.always = None
    assert run(*OPTION, **BUCKET).code == 0
    assert {*EVERYONE} == {recipient for recipient, _ in sandbox.workbooks()}


def test_a_server_that_refuses_even_the_message_without_is_not_asked_for_ever(sandbox: Sandbox, run: RunTool) -> None:
    """There is nothing left to leave out."""
    heavy(sandbox)
    sandbox.mailbox.largest = 100

    result = run(*OPTION, **BUCKET)

    assert (result.code, copies(sandbox), len(sandbox.alerts)) == (1, ((0, 0), (1, 1)), 1)
    assert (sandbox.alerted, "0 kB" in sandbox.alerts[0]) == (["too_large.without_workbook"], True)
    assert len(sandbox.mailbox.logins) == 2


def test_a_mailbox_that_takes_less_than_its_server_gets_a_link(sandbox: Sandbox, run: RunTool) -> None:
    """RFC 1870 lets a server say so at the recipient; the others have it attached."""
    sandbox.supabase.insert(make_rows(5))
    sandbox.supabase.make_bucket("reports")
    sandbox.mailbox.refused_once[RECIPIENTS[0]] = "552 5.2.3 Message exceeds local size limit"

    assert run(*OPTION, **BUCKET).code == 0

    assert {mail.recipients: len(mail.attachments()) for mail in sandbox.mails} == {
        RECIPIENTS[1:]: 1,
        RECIPIENTS[:1]: 0,
    }
    assert copies(sandbox) == ((1, 1), (1, 1))


def test_the_link_stands_in_no_log_and_no_alert(sandbox: Sandbox, run: RunTool) -> None:
    """Not even where a server's words repeat it."""
    heavy(sandbox)
    token = "eyJhbGciOiJIUzI1NiJ9." + "q7Zk1x" * 30
    (another := sandbox.folder / "another").mkdir()
    run(*OPTION, REPORT_DIR=str(another), **BUCKET)
    (target,) = {request.target for request in sandbox.supabase.requests if "/object/sign/" in request.target}
    path = target.removeprefix("/storage/v1")
    body = json.dumps({"signedURL": f"{path}?token={token}"}).encode()
    sandbox.supabase.faults.append(Fault(answer=Answer(body=body), match="/object/sign/"))
    sandbox.mailbox.data_reply = f"554 5.7.1 unwanted link token={token[:120]}"

    result = run(*OPTION, **BUCKET)

    assert any(token in text for text in texts(sandbox))
    assert result.code == 1
    assert "unwanted link" in sandbox.alerts[0]
    assert "unwanted link" in result.log
    for written in (*sandbox.alerts, result.log):
        assert token[:60] not in written


def test_telegram_shows_no_preview_of_the_link(sandbox: Sandbox, run: RunTool) -> None:
    """Its servers would download the workbook for that."""
    heavy(sandbox)

    run(*OPTION, **BUCKET)

    (first, second) = [request for request in sandbox.bot.requests if request.target.endswith("/sendMessage")]
    for request in (first, second):
        assert b"is_disabled%22%3A+true" in request.body or b'"is_disabled": true' in request.body


def test_a_storage_that_fails_is_told_as_the_cause(sandbox: Sandbox, run: RunTool) -> None:
    """The operator reads why there is no link; the readers don't have to."""
    sandbox.supabase.insert(make_rows(5))
    large(sandbox)

    run(*OPTION, **BUCKET)

    assert sandbox.alerted == ["without_workbook.storage.no_such_bucket"]
    for fact in ("SUPABASE_KEY", "bucket reports", "HTTP 404", "REPORT_BUCKET"):
        assert fact in sandbox.alerts[0]
    assert not any("bucket" in text for text in texts(sandbox))


def by_mail(sandbox: Sandbox, report: Report) -> list[Outcome]:
    """Send a report by mail alone."""
    tls = ssl.create_default_context()
    sandbox.authority.configure_trust(tls)
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("SMTP_")}
    channel = MailChannel(MailSettings.model_validate(values), tls, Timeouts(), hide=Redaction().hide)
    return asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))


def test_the_mail_servers_limit_is_held_against_the_whole_message(sandbox: Sandbox) -> None:
    """As it goes over the line, to the byte."""
    report = make_report(sandbox.folder)
    by_mail(sandbox, report)
    size = len(sandbox.mails[0].raw)

    sandbox.mailbox.largest = size
    assert [outcome.delivered for outcome in by_mail(sandbox, report)] == [True, True]
    sandbox.mailbox.largest = size - 1
    outcomes = by_mail(sandbox, report)
    assert [isinstance(outcome.error, TooLargeError) for outcome in outcomes] == [True, True]
    assert f"which takes {(size - 1) / 1e3:.0f} kB" in str(outcomes[0].problem)
    assert len(sandbox.mails) == 2


@pytest.mark.parametrize("named", [None, 0], ids=["no SIZE", "SIZE 0"])
def test_a_server_that_names_no_limit_gets_25_mb_at_most(sandbox: Sandbox, named: int | None) -> None:
    """RFC 1870: 0 says that there is none; the mailboxes behind it have theirs."""
    sandbox.mailbox.largest = named
    report = make_report(sandbox.folder)
    assert [outcome.delivered for outcome in by_mail(sandbox, report)] == [True, True]

    # As base64 writes it, four bytes for three, it is a byte too large: too much to compose first.
    outcomes = by_mail(sandbox, replace(report, attachment=Attachment(name="report.xlsx", size=18_750_001)))

    assert [(isinstance(outcome.error, TooLargeError), outcome.ambiguous) for outcome in outcomes] == [
        (True, False)
    ] * 2
    assert "which takes 25 MB" in str(outcomes[0].problem)


@pytest.mark.parametrize(("size", "too_large"), [(50_000_000, False), (50_000_001, True)])
def test_telegram_gets_50_mb_at_most(sandbox: Sandbox, size: int, too_large: bool) -> None:
    """What is larger isn't even uploaded."""
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("TELEGRAM_")}
    channel = TelegramChannel(TelegramSettings.model_validate(values), ssl.create_default_context(), Timeouts())
    report = replace(make_report(sandbox.folder), attachment=Attachment(name="report.xlsx", size=size))

    outcomes = asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    assert [isinstance(outcome.error, TooLargeError) for outcome in outcomes] == [too_large] * len(CHATS)
    assert bool(sandbox.bot.requests) != too_large
    assert telegram.LARGEST == 50_000_000


def test_the_file_of_a_missed_window_is_removed_once_everyone_has_it(sandbox: Sandbox, run: RunTool) -> None:
    """The present window's stays."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.bot.blocked = {CHATS[0]}
    run(JOB_NAME=job(0), **CATCH_UP)

    def kept() -> set[Path]:
        return {sandbox.folder / f"report_{this_hour(back):%Y%m%d_%H}0000.xlsx" for back in (3, 1)}

    assert kept() | {sandbox.folder / f"report_{this_hour(2):%Y%m%d_%H}0000.xlsx"} == {*sandbox.folder.glob("*.xlsx")}
    sandbox.supabase.sql("truncate report_deliveries")
    sandbox.bot.blocked = set()
    run(JOB_NAME=job(2), **CATCH_UP)

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0

    assert kept() == {*sandbox.folder.glob("*.xlsx")}
