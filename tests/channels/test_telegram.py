"""The report by Telegram: the workbook as a document in each chat."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import trustme
from msgspec.structs import replace

from src.channels.telegram import TelegramChannel
from src.config.settings import TelegramSettings
from src.config.timeouts import Timeouts
from src.domain.baseline import Comparison, Deviation, Usual
from src.domain.delivery import Outcome
from src.errors import DeliveryError
from src.message.caption import render_caption
from src.message.content import Content

from ..answers.rows import blamed
from ..builders import CREATED, alert_text, make_content, make_deadline, make_report
from ..sandbox import CHATS, Sandbox
from ..sandbox.markup import plain
from ..sandbox.telegram import refusal
from ..sandbox.web import FOREVER, Answer, Fault

STUCK_SOON = Timeouts(telegram_upload=0.5)


def make_channel(sandbox: Sandbox, timeouts: Timeouts = STUCK_SOON, /, **changes: str) -> TelegramChannel:
    """Make the channel that leads to the sandbox's Bot API; it gives up an upload that is stuck soon."""
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("TELEGRAM_")}
    settings = TelegramSettings.model_validate(values | changes)
    return TelegramChannel(settings, ssl.create_default_context(), timeouts)


def send(sandbox: Sandbox, *, answer: float = 60, content: Content | None = None, **changes: str) -> list[Outcome]:
    """Send a report to one chat after the other, whose answer is waited for that many seconds."""
    channel = make_channel(sandbox, **changes)
    report = make_report(sandbox.folder, content=content)

    async def one_by_one() -> list[Outcome]:
        sent = [await channel.send(report, [chat], frozenset(), make_deadline(answer)) for chat in channel.recipients]
        return [outcome for outcomes in sent for outcome in outcomes]

    return asyncio.run(one_by_one())


def test_every_chat_gets_the_workbook_whole_with_its_caption(sandbox: Sandbox) -> None:
    """Once each."""
    outcomes = send(sandbox)

    report = make_report(sandbox.folder)
    words = plain(render_caption(report.content, report.attachment))
    expected = (words, "report_20261122_130000.xlsx", report.workbook.read_bytes())
    assert [(chat, *expected) for chat in CHATS] == [
        (sent.chat, sent.text, sent.file_name, sent.document) for sent in sandbox.bot.sent
    ]
    assert [(chat, True) for chat in CHATS] == [(o.recipient, o.delivered) for o in outcomes]


def test_a_caption_is_sent_as_telegrams_html(sandbox: Sandbox) -> None:
    """The chat shows bold words and signs, not tags and entities; an alert is shown as it stands."""
    content = make_content("<script> &amp; 1", "<b>")
    send(sandbox, content=content)
    asyncio.run(make_channel(sandbox).alert(alert_text("<b> & </i>"), CREATED, CHATS[:1]))

    *reports, alert = [sent.text for sent in sandbox.bot.sent]
    assert len(reports) == len(CHATS)
    assert all(f"\n{content.headlines[0]}\n" in text for text in reports)
    assert all("\n<b> 1 · <script> &amp; 1 1" in text for text in reports)
    assert alert == "<b> & </i>"


NORMAL = Comparison(usual=Usual(analyses=1))
UNUSUAL = [Deviation(kind="many", value=1, usual=0)]


@pytest.mark.parametrize(
    ("setting", "silent"),
    [
        ("", [True, False, False]),
        ("never", [False] * 3),
        ("normal", [True, False, False]),
        ("always", [True] * 3),
    ],
)
def test_which_reports_make_no_sound_is_a_setting(sandbox: Sandbox, setting: str, silent: list[bool]) -> None:
    """By default those of normal hours; without a baseline no hour is normal. An alert always makes a sound."""
    contents = [
        make_content(comparison=NORMAL),
        make_content(comparison=NORMAL, deviations=UNUSUAL),
        make_content(),
    ]

    for content in contents:
        send(sandbox, content=content, telegram_chat_id=CHATS[0], telegram_silent=setting)
    asyncio.run(make_channel(sandbox, telegram_silent=setting).alert(alert_text("alert"), CREATED, CHATS[:1]))

    assert [sent.silent for sent in sandbox.bot.sent] == [*silent, False]


def test_a_report_without_its_document_makes_no_sound_either(sandbox: Sandbox) -> None:
    """It is the same report."""
    report = make_report(sandbox.folder)
    report = replace(report, attachment=replace(report.attachment, left_out="Too large."))
    channel = make_channel(sandbox, telegram_silent="always")

    asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    assert [(sent.document, sent.silent) for sent in sandbox.bot.sent] == [(b"", True)] * len(CHATS)


def refused(sandbox: Sandbox, caption: str) -> str:
    """Ask the stand-in itself to send a document with that caption; return what it has against it."""
    fields = {"chat_id": CHATS[0], "caption": caption, "parse_mode": "HTML"}
    url = f"{sandbox.bot.url}/bot{sandbox.environment['TELEGRAM_BOT_TOKEN']}/sendDocument"
    answer = httpx.post(url, data=fields, files={"document": ("a.xlsx", b"PK")}, timeout=60)
    return str(answer.json().get("description", ""))


@pytest.mark.parametrize("caption", ["a < b", "<script>x</script>", "<b>x", "x</b>", "<b><i>x</b></i>"])
def test_a_caption_that_is_no_html_of_telegrams_would_be_refused(sandbox: Sandbox, caption: str) -> None:
    """The stand-in is as strict as the real server, so that these tests mean something."""
    assert "parse entities" in refused(sandbox, caption)
    assert sandbox.bot.sent == []


def test_a_caption_is_measured_as_it_is_shown(sandbox: Sandbox) -> None:
    """Markup doesn't count, and an emoji counts twice."""
    fits, too_long = f"<b>{'&amp;' * 1022}🙂</b>", f"<b>{'&amp;' * 1023}🙂</b>"

    assert refused(sandbox, fits) == ""
    assert "too long" in refused(sandbox, too_long)


def test_a_channel_may_be_named(sandbox: Sandbox) -> None:
    """Public channels go by their name."""
    sandbox.bot.chats.add("@reports")

    (outcome,) = send(sandbox, telegram_chat_id="@reports")

    assert outcome.delivered
    assert sandbox.bot.sent[0].chat == "@reports"


def test_a_chat_that_is_not_found_does_not_keep_the_next_from_its_report(sandbox: Sandbox) -> None:
    """Each has an outcome of its own."""
    lost, served = CHATS
    sandbox.bot.chats.remove(lost)

    outcomes = {outcome.recipient: outcome for outcome in send(sandbox)}

    assert outcomes[served].delivered
    assert [served] == [sent.chat for sent in sandbox.bot.sent]
    problem = outcomes[lost].problem
    assert problem
    assert (problem.key, "not found" in problem.said) == ("telegram.unknown_chat", True)
    assert "TELEGRAM_CHAT_ID" in problem.remedy


def test_a_refusal_is_said_without_the_token(sandbox: Sandbox) -> None:
    """python-telegram-bot would put it into the text."""
    wrong = "123456789:wrong-AAH4cKzV0Qw9uXyZlmNopQr"

    outcomes = send(sandbox, telegram_bot_token=wrong)

    assert [outcome.delivered for outcome in outcomes] == [False, False]
    assert wrong not in repr(outcomes)


def test_no_more_is_asked_of_the_bot_api_than_to_send(sandbox: Sandbox) -> None:
    """No getMe before, one request a chat."""
    send(sandbox)

    assert [request.target.rpartition("/")[2] for request in sandbox.bot.requests] == ["sendDocument"] * 2


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault(cut="before"), "telegram.broken"),
        (Fault(delay=FOREVER), "telegram.unanswered"),
        (Fault(answer=refusal(502, "Bad Gateway")), "telegram.unavailable"),
    ],
    ids=["cut", "silent", "502"],
)
def test_a_broken_connection_is_told_and_the_next_chat_tried(sandbox: Sandbox, fault: Fault, key: str) -> None:
    """The one chat's bad luck is its own."""
    sandbox.bot.faults.append(fault)

    first, second = send(sandbox, answer=3)

    assert first.problem
    assert first.problem.key == key
    assert second.delivered


@pytest.mark.parametrize("body", [b'{"ok": true, "result": {}}', b'{"ok": true}', b'{"ok": true, "result": []}'])
def test_an_answer_that_cannot_be_understood_is_one_chats_own(sandbox: Sandbox, body: bytes) -> None:
    """The next chat gets its report."""
    sandbox.bot.faults.append(Fault(answer=Answer(body=body)))

    first, second = send(sandbox)

    assert (first.delivered, first.ambiguous, second.delivered) == (False, True, True)


def test_a_bot_api_that_is_not_there_is_said(sandbox: Sandbox) -> None:
    """With the variable that says where it is looked for."""
    outcomes = send(sandbox, telegram_api_url="http://no-such-host.invalid")

    problems = {outcome.problem for outcome in outcomes}
    assert [problem.key for problem in problems if problem] == ["telegram.unknown_host"]
    assert ["TELEGRAM_API_URL" in problem.remedy for problem in problems if problem] == [True]


OURS, THEIRS, NOT_NOW = ("failed", False), ("refused", False), ("failed", True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(401, "Unauthorized"), OURS),
        (refusal(404, "Not Found"), OURS),
        (refusal(403, "Forbidden: bot was blocked by the user"), THEIRS),
        (refusal(403, "Forbidden: bot was kicked from the supergroup chat"), THEIRS),
        (refusal(400, "Bad Request: chat not found"), THEIRS),
        (refusal(400, "Bad Request: can't parse entities: Unsupported start tag"), OURS),
        (refusal(400, "Bad Request: not enough rights to send documents to the chat"), THEIRS),
        (refusal(429, "Too Many Requests: retry after 7", retry_after=7), NOT_NOW),
        (refusal(502, "Bad Gateway"), NOT_NOW),
    ],
    ids=lambda value: value.body.decode()[:90] if isinstance(value, Answer) else None,
)
def test_a_refusal_is_settled_only_where_the_chat_is_why(
    sandbox: Sandbox, answer: Answer, expected: tuple[str, bool]
) -> None:
    """A wrong token, or a message of ours that Telegram doesn't take, may be put right: the chat stays owed."""
    sandbox.bot.faults.append(Fault(answer=answer))

    outcome, _ = send(sandbox)

    assert (outcome.state, outcome.retry, outcome.ambiguous) == (*expected, False)


Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def send_to(
    sandbox: Sandbox,
    client: Client,
    *,
    size: int = 1,
    tls: ssl.SSLContext | None = None,
    timeouts: Timeouts = STUCK_SOON,
    seconds: float = 60,
) -> Outcome:
    """Send a workbook of `size` bytes to one chat through a server by hand, within `seconds`."""
    report = make_report(sandbox.folder, workbook=os.urandom(size))

    async def sending() -> Outcome:
        async with await asyncio.start_server(client, "127.0.0.1", 0, ssl=tls) as server:
            url = f"{'https' if tls else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
            changes = {"telegram_api_url": url, "telegram_chat_id": "42"}
            channel = make_channel(sandbox, timeouts, **changes)
            (outcome,) = await channel.send(report, channel.recipients, frozenset(), make_deadline(seconds))
            return outcome

    return asyncio.run(sending())


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the beginning of an upload, and hang up."""
    try:
        await reader.readexactly(100_000)
    finally:
        writer.transport.abort()


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the beginning of an upload and no more of it."""
    try:
        await reader.readexactly(100_000)
        await asyncio.sleep(60)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("client", [hang_up, stall])
def test_an_upload_cut_short_has_brought_nothing(sandbox: Sandbox, client: Client) -> None:
    """However httpx tells of it; it is tried again without a word of a repeat."""
    outcome = send_to(sandbox, client, size=20_000_000)

    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", True, False)


def test_an_upload_that_the_deadline_cuts_short_has_brought_nothing(sandbox: Sandbox) -> None:
    """It stays owed, and the next message does not say that it may be a repeat."""
    outcome = send_to(sandbox, stall, size=20_000_000, timeouts=Timeouts(), seconds=1)

    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", True, False)
    assert outcome.problem
    assert outcome.problem.key == "telegram.timed_out"


def test_a_certificate_that_is_not_trusted_stays_owed(sandbox: Sandbox) -> None:
    """Ours to put right: SSL_CERT_FILE, TELEGRAM_API_URL, or a proxy between."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    outcome = send_to(sandbox, hang_up, tls=context)

    assert outcome.problem
    assert outcome.problem.key == "telegram.untrusted"
    assert (outcome.state, outcome.retry, outcome.ambiguous) == (*OURS, False)


@pytest.mark.parametrize("left_out", ["", "It is too large."], ids=["with its workbook", "without"])
def test_a_sending_ends_at_its_limit_and_may_have_arrived(sandbox: Sandbox, left_out: str) -> None:
    """Whatever the server does meanwhile."""
    sandbox.bot.faults.append(Fault(hold=FOREVER))
    report = make_report(sandbox.folder)
    report = replace(report, attachment=replace(report.attachment, left_out=left_out))
    channel = make_channel(sandbox, telegram_chat_id="42")

    (outcome,) = asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline(3)))

    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", True, True)
    assert outcome.problem
    assert outcome.problem.key == "telegram.unanswered"


@pytest.mark.parametrize("workbook", ["/no/such/report.xlsx", "/proc/self/mem"], ids=["gone", "a broken disk"])
def test_a_workbook_that_cannot_be_read_is_not_telegrams_fault(sandbox: Sandbox, workbook: str) -> None:
    """The operator looks at the disk, and nobody takes it for a message that may have arrived."""
    channel = make_channel(sandbox, telegram_chat_id="42")
    report = replace(make_report(sandbox.folder), workbook=Path(workbook))

    (outcome,) = asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    assert outcome.problem
    assert outcome.problem.key == "workbook.unreadable"
    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", False, False)


BAD = refusal(400, "Bad Request: something new")
SLOW = refusal(429, "Too Many Requests: retry after 7", retry_after=7)
ODD = Answer(body=b"[]")
UNREAD = Answer(body=b'{"ok": true, "result": {}}')


@pytest.mark.parametrize(
    ("answer", "key"), [(BAD, "bad_request"), (SLOW, "rate_limit"), (ODD, "not_bot_api"), (UNREAD, "odd_answer")]
)
def test_what_fails_of_the_bot_is_said_of_no_chat(sandbox: Sandbox, answer: Answer, key: str) -> None:
    """The bot is asked for its name before any chat is."""
    sandbox.bot.faults.append(Fault(answer=answer))

    with pytest.raises(DeliveryError) as caught:
        asyncio.run(make_channel(sandbox).check())

    assert caught.value.problem.key == f"telegram.{key}"
    assert "chat" not in caught.value.problem.reason


def test_what_fails_of_a_chat_names_the_setting_that_names_the_chat(sandbox: Sandbox) -> None:
    """Of an alert and of a look as well."""
    channel = make_channel(sandbox, telegram_chat_id="42", telegram_alert_chat_id="-43")
    sandbox.bot.always = Fault(answer=refusal(400, "Bad Request: chat not found"))

    failed = [asyncio.run(channel.alert(alert_text("text"), CREATED, ["-43"]))["-43"]]
    for chat in ("42", "-43"):
        with pytest.raises(DeliveryError) as caught:
            asyncio.run(channel.check_recipient(chat))
        failed.append(caught.value)

    assert {error.problem.key for error in failed} == {"telegram.unknown_chat"}
    assert [blamed(error.problem.remedy) for error in failed] == [
        {"TELEGRAM_ALERT_CHAT_ID"},
        {"TELEGRAM_CHAT_ID"},
        {"TELEGRAM_ALERT_CHAT_ID"},
    ]
