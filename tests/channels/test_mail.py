"""The report by email: one message, taken by a real server over TLS with login."""

import asyncio
import base64
import errno
import re
import ssl
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import trustme
from aiosmtplib import SMTPServerDisconnected
from msgspec.structs import replace

from src.channels.mail import MailChannel
from src.channels.smtp_errors import smtp_errors
from src.config.settings import Language, MailSettings
from src.config.timeouts import Timeouts
from src.domain.baseline import Deviation
from src.domain.delivery import Outcome
from src.errors import DeliveryError, Problem
from src.message.mail import render_page, render_subject, render_text
from src.runtime.redaction import Redaction

from ..builders import CREATED, alert_text, make_content, make_deadline, make_report
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.smtp import Delivery

pytestmark = pytest.mark.sampled

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def make_channel(
    sandbox: Sandbox, *, trusted: trustme.CA | None = None, timeout: float = 60, **changes: str
) -> MailChannel:
    """Make the channel that leads to the sandbox's mail server."""
    tls = ssl.create_default_context()
    (trusted or sandbox.authority).configure_trust(tls)
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("SMTP_")}
    timeouts = Timeouts(smtp=timeout, smtp_quit=0.2)
    return MailChannel(MailSettings.model_validate(values | changes), tls, timeouts, hide=Redaction().hide)


def send(sandbox: Sandbox, *, limit: float = 60, **changes: Any) -> list[Outcome]:
    """Send a report through the sandbox's mail server within `limit` seconds."""
    channel = make_channel(sandbox, **changes)
    report = make_report(sandbox.folder)
    return asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline(limit)))


def failure(sandbox: Sandbox, **changes: Any) -> Problem:
    """Send a report that nobody gets, and return why."""
    outcomes = send(sandbox, **changes)
    assert [False] * len(outcomes) == [outcome.delivered for outcome in outcomes]
    assert sandbox.mails == []
    return problem_of(outcomes[0])


def problem_of(outcome: Outcome) -> Problem:
    """Return why a report was not delivered."""
    assert outcome.problem
    return outcome.problem


def test_one_message_reaches_all_recipients(sandbox: Sandbox) -> None:
    """Everyone sees who else got it."""
    outcomes = send(sandbox)

    (delivery,) = sandbox.mailbox.deliveries
    assert delivery.recipients == RECIPIENTS
    assert delivery.message["To"] == ", ".join(RECIPIENTS)
    (sender,) = delivery.message["From"].addresses
    assert (delivery.sender, sender.addr_spec) == ("reports@example.com", "reports@example.com")
    assert sender.display_name == "Digital Twin"
    assert [(address, True) for address in RECIPIENTS] == [(o.recipient, o.delivered) for o in outcomes]


def in_headers(delivery: Delivery) -> list[str]:
    """List the recipients that a header of the message or of its parts names, decoded or as it was sent."""
    heads = [f"{name}: {value}" for part in delivery.message.walk() for name, value in part.items()]
    heads.append(delivery.raw.partition(b"\r\n\r\n")[0].decode())
    return [address for address in (*RECIPIENTS, "ops@example.com") if any(address in head for head in heads)]


@pytest.mark.parametrize(
    "how", [{}, {"left_out": "Too large."}, {"link": "https://example.com/a", "until": CREATED}], ids=lambda how: [*how]
)
def test_hidden_recipients_stand_in_the_envelope_alone(sandbox: Sandbox, how: dict[str, Any]) -> None:
    """One message to all, whose To is the sender: with its file, without it and with a link."""
    report = make_report(sandbox.folder)
    report = replace(report, attachment=replace(report.attachment, **how))
    channel = make_channel(sandbox, smtp_hide_recipients="true", smtp_from="Reports <reports@example.com>")

    outcomes = asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    (delivery,) = sandbox.mailbox.deliveries
    assert (delivery.recipients, [outcome.delivered for outcome in outcomes]) == (RECIPIENTS, [True, True])
    assert (delivery.message["To"], in_headers(delivery)) == ("reports@example.com", [])
    assert not any(address.encode() in delivery.raw for address in RECIPIENTS)


def test_a_repeat_and_what_follows_a_limit_of_recipients_hide_them_too(sandbox: Sandbox) -> None:
    """Whoever is served alone would else see whom the first message went to."""
    report = replace(make_report(sandbox.folder), repeats="report.first")
    channel = make_channel(sandbox, smtp_hide_recipients="true")
    sandbox.mailbox.most_recipients = 1

    asyncio.run(channel.send(report, RECIPIENTS, frozenset(RECIPIENTS), make_deadline()))
    asyncio.run(channel.send(report, RECIPIENTS[1:], frozenset(), make_deadline()))

    deliveries = sandbox.mailbox.deliveries
    assert [delivery.recipients for delivery in deliveries] == [RECIPIENTS[:1], RECIPIENTS[1:], RECIPIENTS[1:]]
    assert [in_headers(delivery) for delivery in deliveries] == [[], [], []]
    assert [delivery.message["References"] for delivery in deliveries] == ["<report.first@example.com>"] * 3


def test_no_header_of_an_alert_names_a_hidden_recipient(sandbox: Sandbox) -> None:
    """The subject of an all-clear would; its text does, for the operators."""
    channel = make_channel(sandbox, smtp_hide_recipients="true", smtp_alert_to="ops@example.com")
    words = f"✅ All clear: email to {RECIPIENTS[0]}, email to {RECIPIENTS[1]}, telegram to @group/12 work again."

    asyncio.run(channel.alert(alert_text(words), CREATED, channel.operators))

    (delivery,) = sandbox.mailbox.deliveries
    assert (delivery.recipients, in_headers(delivery)) == (("ops@example.com",), [])
    assert "@group/12 work again" in delivery.message["Subject"]
    assert delivery.text.strip() == words


def test_the_workbook_is_attached_whole_under_its_plain_name(sandbox: Sandbox) -> None:
    """A phone knows what to open it with."""
    send(sandbox)

    delivery = sandbox.mailbox.deliveries[0]
    (part,) = delivery.message.iter_attachments()
    assert (part.get_content_type(), part.get_filename()) == (XLSX, "report_20261122_130000.xlsx")
    assert delivery.attachment() == make_report(sandbox.folder).workbook.read_bytes()


def test_the_mail_has_text_and_page_of_the_same_and_the_workbook_beside_both(sandbox: Sandbox) -> None:
    """Whoever shows no HTML reads the text; both are sent as ASCII in short lines, which every server takes."""
    send(sandbox)

    delivery = sandbox.mailbox.deliveries[0]
    kinds = [part.get_content_type() for part in delivery.message.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", XLSX]
    report = make_report(sandbox.folder)
    assert delivery.text == render_text(report.content, report.attachment)
    assert delivery.page == render_page(report.content, report.attachment)
    assert delivery.raw.isascii()
    assert max(map(len, delivery.raw.splitlines())) <= 998


def test_a_retry_is_known_by_its_message_id(sandbox: Sandbox) -> None:
    """A mailbox that got the first attempt after all can drop the second."""
    send(sandbox)
    send(sandbox)

    first, second = (delivery.message for delivery in sandbox.mailbox.deliveries)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"] == "<report.hourly.20261122T130000Z.0123456789ab@example.com>"


def test_the_message_bears_its_date_and_says_that_no_person_wrote_it(sandbox: Sandbox) -> None:
    """Neither is added by Python; without the second, holiday notes come back every hour."""
    send(sandbox)

    message = sandbox.mailbox.deliveries[0].message
    assert parsedate_to_datetime(message["Date"]) == CREATED
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("setting", "name"),
    [("Reports <reports@example.com>", "Reports"), ("Отчёты, №1 <reports@example.com>", "Отчёты, №1")],
)
def test_a_sender_may_have_a_name(sandbox: Sandbox, setting: str, name: str) -> None:
    """Comma and all; the server is told the bare address, and answers go where they should."""
    send(sandbox, smtp_from=setting, smtp_reply_to="team@example.com")
    asyncio.run(make_channel(sandbox, smtp_from=setting).alert(alert_text("⚠️ …"), CREATED, ["ops@example.com"]))

    for delivery in sandbox.mailbox.deliveries:
        (address,) = delivery.message["From"].addresses
        assert (address.display_name, address.addr_spec) == (name, "reports@example.com")
        assert (delivery.sender, delivery.raw.isascii()) == ("reports@example.com", True)
        assert delivery.message["Message-ID"].endswith("@example.com>")
    assert [delivery.message["Reply-To"] for delivery in sandbox.mailbox.deliveries] == ["team@example.com", None]


def test_an_unusual_hours_subject_arrives_as_it_was_written(sandbox: Sandbox) -> None:
    """In one line, its sign and all."""
    found = [
        Deviation(kind="few", value=300, usual=2391),
        Deviation(kind="failed", value=0.55, usual=0.04),
    ]
    channel, report = make_channel(sandbox), make_report(sandbox.folder, content=make_content(deviations=found))
    asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    (delivery,) = sandbox.mailbox.deliveries
    assert "⚠" in delivery.message["Subject"]
    assert delivery.message["Subject"] == render_subject(report.content)
    assert delivery.raw.isascii()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_subject_that_has_to_be_encoded_comes_in_words_of_the_length_that_is_allowed(
    sandbox: Sandbox, language: Language
) -> None:
    """RFC 2047: 75 characters, 76 in a line; old readers show a longer one as it stands."""
    found = [Deviation(kind="few", value=300, usual=2391), Deviation(kind="slow", value=1581951.5, limit=30)]
    content = make_content(deviations=found, language=language, late=True, name="Цифровой двойник, стенд")
    channel = make_channel(sandbox)
    asyncio.run(
        channel.send(make_report(sandbox.folder, content=content), channel.recipients, frozenset(), make_deadline())
    )

    (delivery,) = sandbox.mailbox.deliveries
    (header,) = re.findall(rb"^Subject: .+?\r?\n(?=\S)", delivery.raw, re.MULTILINE | re.DOTALL)
    words = re.findall(rb"=\?\S+", header)
    assert len(words) > 3
    assert max(map(len, words)) <= 75
    assert max(map(len, header.splitlines())) <= 76
    assert delivery.message["Subject"] == render_subject(content)


def test_the_mail_leaves_by_starttls_too(sandbox: Sandbox) -> None:
    """Port 587 of most providers."""
    send(sandbox, smtp_security="starttls", smtp_port=str(sandbox.mailbox.starttls_port))

    assert len(sandbox.mailbox.deliveries) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_server_nobody_vouches_for_gets_neither_password_nor_report(sandbox: Sandbox, security: str) -> None:
    """The certificate is verified, and nothing is sent if it doesn't hold."""
    port = sandbox.mailbox.tls_port if security == "tls" else sandbox.mailbox.starttls_port

    problem = failure(sandbox, trusted=trustme.CA(), smtp_security=security, smtp_port=str(port))

    assert problem.key == "smtp.untrusted"
    assert "SSL_CERT_FILE" in problem.remedy
    assert sandbox.mailbox.logins == []


def test_a_server_of_another_name_gets_nothing(sandbox: Sandbox) -> None:
    """The sandbox's certificate is for localhost."""
    problem = failure(sandbox, smtp_host="127.0.0.1")

    assert problem.key == "smtp.wrong_host"
    assert "SMTP_HOST" in problem.remedy
    assert sandbox.mailbox.logins == []


def test_a_refused_recipient_is_told_apart_from_the_others(sandbox: Sandbox) -> None:
    """The others still get theirs."""
    refused, served = RECIPIENTS
    sandbox.mailbox.refused = {refused: NO_SUCH}

    outcomes = {outcome.recipient: outcome for outcome in send(sandbox)}

    assert outcomes[served].delivered
    assert sandbox.mailbox.deliveries[0].recipients == (served,)
    problem = problem_of(outcomes[refused])
    assert (problem.key, problem.said) == ("smtp.recipient_refused", NO_SUCH)
    assert refused in problem.reason
    assert "SMTP_TO" in problem.remedy


def test_a_refused_login_is_quoted_without_the_servers_words(sandbox: Sandbox) -> None:
    """A server may repeat in its words what it was told at the login, and that is the password."""
    said = base64.b64encode(b"\0reports\0wrong-Pa55").decode()
    sandbox.mailbox.login_reply = f"535 5.7.8 Not accepted: AUTH PLAIN {said} as wrong-Pa55"

    problem = failure(sandbox, smtp_password="wrong-Pa55")

    assert (problem.key, problem.said) == ("smtp.login", "535 5.7.8 (words withheld)")
    assert "wrong-Pa55" not in str(problem)
    assert said not in str(problem)


def test_a_reply_that_is_not_smtp_is_not_quoted(sandbox: Sandbox) -> None:
    """It may be the answer to a login, too."""
    sandbox.mailbox.login_reply = "You said AUTH PLAIN wrong-Pa55"

    problem = failure(sandbox, smtp_password="wrong-Pa55")

    assert (problem.key, problem.said) == ("smtp.not_smtp", "")
    assert "wrong-Pa55" not in str(problem)


def test_a_server_that_does_not_answer_is_given_up(sandbox: Sandbox) -> None:
    """A hanging server is an error within the limit of a sending; nobody can know whether it took the message."""
    sandbox.mailbox.data_faults = ["taken, silent"]

    outcomes = send(sandbox, limit=4)

    assert problem_of(outcomes[0]).key == "smtp.unanswered"
    assert [(outcome.state, outcome.retry, outcome.ambiguous) for outcome in outcomes] == [("failed", True, True)] * 2


def test_an_answer_to_the_final_dot_is_waited_for_longer_than_any_other(sandbox: Sandbox) -> None:
    """A server that looks for viruses, or is under load, has taken the message all the same."""
    sandbox.mailbox.data_faults, sandbox.mailbox.hold = ["taken, late"], 3.3

    outcomes = send(sandbox, timeout=3)

    assert [outcome.delivered for outcome in outcomes] == [True, True]
    assert len(sandbox.mails) == 1


def test_a_server_silent_at_quit_holds_up_nobody_and_is_hung_up_on(sandbox: Sandbox) -> None:
    """A 250 is the delivery; whatever comes after it changes nothing."""
    sandbox.mailbox.quit_silent = True
    channel = make_channel(sandbox)

    async def sent_and_left() -> tuple[list[Outcome], int, int]:
        report = make_report(sandbox.folder)
        outcomes = await channel.send(report, channel.recipients, frozenset(), make_deadline())
        goodbyes = asyncio.all_tasks() - {asyncio.current_task()}
        _, pending = await asyncio.wait(goodbyes, timeout=60)
        return outcomes, len(goodbyes), len(pending)

    outcomes, goodbyes, pending = asyncio.run(sent_and_left())

    assert [outcome.delivered for outcome in outcomes] == [True, True]
    assert (sandbox.mailbox.quits, goodbyes, pending) == (1, 1, 0)


NOT_TLS = ssl.SSLError(1, "wrong version number")
NOT_TLS.reason = "WRONG_VERSION_NUMBER"
MANY = [f"person{number}@example.com" for number in range(30)]
"""More than the sandbox's mail server takes for one message, where it is told so."""


@pytest.mark.parametrize(
    "reply", ["452 4.5.3 Error: too many recipients", "452 Too many recipients", "552 5.5.3 Too many recipients"]
)
def test_more_recipients_than_a_message_may_have_get_it_in_further_ones_at_once(sandbox: Sandbox, reply: str) -> None:
    """Over the same connection, to each address once, and each message is known for the same by its Message-ID."""
    sandbox.mailbox.most_recipients, sandbox.mailbox.too_many_reply = 8, reply

    outcomes = send(sandbox, smtp_to=",".join(MANY))

    deliveries = sandbox.mailbox.deliveries
    assert [(address, True) for address in MANY] == [(one.recipient, one.delivered) for one in outcomes]
    assert [len(delivery.recipients) for delivery in deliveries] == [8, 8, 8, 6]
    assert [address for delivery in deliveries for address in delivery.recipients] == MANY
    assert len({delivery.raw for delivery in deliveries}) == 1
    assert outcomes[-1].receipt.endswith("queued as 4”")
    assert len(sandbox.mailbox.logins) == 1


@pytest.mark.parametrize("reply", ["452 4.2.2 Mailbox full", "452 Mailbox full"])
def test_a_full_mailbox_among_others_is_one_recipients_own(sandbox: Sandbox, reply: str) -> None:
    """It is tried again later; whoever comes after it has the report now."""
    full = MANY[1]
    sandbox.mailbox.refused = {full: reply}

    outcomes = send(sandbox, smtp_to=",".join(MANY[:3]))

    assert [(one.state, one.retry) for one in outcomes] == [("delivered", False), NOT_NOW, ("delivered", False)]
    assert (problem_of(outcomes[1]).key, problem_of(outcomes[1]).said) == ("smtp.recipient_later", reply)


def test_a_server_that_takes_nobody_more_for_now_is_not_asked_for_ever(sandbox: Sandbox) -> None:
    """The first one refused in a message of its own is refused for itself."""
    sandbox.mailbox.most_recipients = 0

    outcomes = send(sandbox, smtp_to=",".join(MANY))

    assert [(one.state, one.retry) for one in outcomes] == [NOT_NOW] * 30


@pytest.mark.parametrize(("fault", "ambiguous"), [("cut", True), ("451 4.3.0 Later", False)])
def test_what_fails_in_a_further_message_takes_nothing_back_from_the_first(
    sandbox: Sandbox, fault: str, ambiguous: bool
) -> None:
    """And of those whose turn had not come, none can have it already."""
    sandbox.mailbox.most_recipients = 10
    sandbox.mailbox.data_faults = ["", fault]

    outcomes = send(sandbox, smtp_to=",".join(MANY))

    assert [one.delivered for one in outcomes] == [True] * 10 + [False] * 20
    assert {(one.state, one.retry) for one in outcomes[10:]} == {NOT_NOW}
    assert [one.ambiguous for one in outcomes[10:]] == [ambiguous] * 10 + [False] * 10
    assert all(one.problem and one.problem.remedy for one in outcomes[10:])


OURS, THEIRS, NOT_NOW = ("failed", False), ("refused", False), ("failed", True)
NO_SUCH, POLICY = "550 5.1.1 No such user", "550 5.7.1 Blocked by policy"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (NO_SUCH, NO_SUCH, (THEIRS, THEIRS)),
        ("550 No such user", "550 No such user", (THEIRS, THEIRS)),
        ("550 5.2.1 Mailbox disabled", "552 5.2.2 Mailbox full", (THEIRS, THEIRS)),
        (POLICY, None, (THEIRS, None)),
        (POLICY, POLICY, (OURS, OURS)),
        (POLICY, NO_SUCH, (OURS, THEIRS)),
        ("550 not allowed (#5.7.1)", "550 not allowed (#5.7.1)", (OURS, OURS)),
        ("550 5.1.7 Bad sender", None, (OURS, None)),
        ("550 5.1.8 Bad sender's domain", None, (OURS, None)),
        ("550 blocked: 5.1.8.9", None, (THEIRS, None)),
        ("550 5.3.0 Out of order", "550 5.3.0 Out of order", (OURS, OURS)),
        ("450 4.7.1 Greylisted", "450 4.7.1 Greylisted", (NOT_NOW, NOT_NOW)),
        ("450 4.7.1 Greylisted", NO_SUCH, (NOT_NOW, THEIRS)),
    ],
)
def test_a_refusal_at_a_recipient_is_settled_only_where_the_recipient_is_why(
    sandbox: Sandbox, first: str, second: str | None, expected: tuple[tuple[str, bool] | None, ...]
) -> None:
    """By the enhanced code of RFC 3463: address and mailbox are theirs, policy is ours where it keeps everyone out."""
    replies = {address: reply for address, reply in zip(RECIPIENTS, (first, second), strict=True) if reply}
    sandbox.mailbox.refused = replies

    outcomes = send(sandbox)

    assert tuple(None if one.delivered else (one.state, one.retry) for one in outcomes) == expected


def test_a_recipient_refused_alone_is_why_if_others_got_the_same_message_before(sandbox: Sandbox) -> None:
    """A server that takes one recipient at a time has taken it for the first."""
    sandbox.mailbox.most_recipients = 1
    sandbox.mailbox.refused = {RECIPIENTS[1]: POLICY}

    first, second = send(sandbox)

    assert first.delivered
    assert (second.state, second.retry) == THEIRS


def test_a_limit_of_how_much_may_be_sent_is_no_fault_of_the_senders_address(sandbox: Sandbox) -> None:
    """Postfix says at MAIL that too much came; it passes."""
    sandbox.mailbox.sender_reply = "450 4.7.1 Error: too much mail from 192.0.2.7"

    outcomes = send(sandbox)

    problem = problem_of(outcomes[0])
    assert [(one.state, one.retry, one.ambiguous) for one in outcomes] == [(*NOT_NOW, False)] * 2
    assert problem.key == "smtp.rate_limit"
    assert "SMTP_FROM" not in str(problem)


@pytest.mark.parametrize("reply", ["450 4.1.8 Sender's domain not found", "452 4.3.1 Insufficient system storage"])
def test_what_a_server_does_not_do_now_at_mail_blames_no_setting(sandbox: Sandbox, reply: str) -> None:
    """It may pass, and the server's words say what it is."""
    sandbox.mailbox.sender_reply = reply

    outcomes = send(sandbox)

    problem = problem_of(outcomes[0])
    assert (problem.key, problem.said) == ("smtp.busy", reply)
    assert "SMTP_" not in problem.remedy
    assert [(one.state, one.retry) for one in outcomes] == [NOT_NOW] * 2


@pytest.mark.parametrize("reply", ["553 5.7.1 Sender address rejected", "550 5.1.8 Sender address rejected"])
def test_a_sender_refused_at_every_recipient_is_said_to_be_the_sender(sandbox: Sandbox, reply: str) -> None:
    """Postfix says there what the login may not send from (smtpd_delay_reject); the recipients are well."""
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, reply)

    problem = failure(sandbox)

    assert (problem.key, problem.said) == ("smtp.sender", reply)
    assert "SMTP_FROM" in problem.remedy


@pytest.mark.parametrize(
    ("hooks", "changes"),
    [
        ({}, {"smtp_password": "wrong-Pa55"}),
        ({}, {"smtp_host": "127.0.0.1"}),
        ({"helo_reply": "554 5.7.1 Blocked"}, {}),
        ({"sender_reply": "553 5.7.1 Not your address"}, {}),
        ({"data_reply": "554 5.7.1 Looks odd"}, {}),
        ({"data_reply": "550 5.1.1 No such user"}, {}),
        ({"login_methods": ""}, {}),
    ],
    ids=lambda value: " ".join(map(str, value.values())),
)
def test_what_concerns_the_sending_as_a_whole_is_ours_and_stays_owed(
    sandbox: Sandbox, hooks: dict[str, object], changes: dict[str, Any]
) -> None:
    """Trying again in this run doesn't help; a later one may find it put right."""
    for name, value in hooks.items():
        setattr(sandbox.mailbox, name, value)

    outcomes = send(sandbox, **changes)

    assert [(outcome.state, outcome.retry, outcome.ambiguous) for outcome in outcomes] == [("failed", False, False)] * 2


def test_an_address_refused_stays_so_when_the_message_fails_for_the_others(sandbox: Sandbox) -> None:
    """It isn't asked again for another's sake."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: NO_SUCH}
    sandbox.mailbox.data_reply = "451 4.3.0 Later"

    outcomes = send(sandbox)

    assert [(outcome.state, outcome.retry) for outcome in outcomes] == [THEIRS, NOT_NOW]


def test_tls_spoken_to_a_starttls_port_says_which_setting_to_change(sandbox: Sandbox) -> None:
    """The commonest mistake with port 587; the report stays owed until it is put right."""
    outcomes = send(sandbox, smtp_port=str(sandbox.mailbox.starttls_port))

    assert problem_of(outcomes[0]).key == "smtp.not_tls"
    assert "SMTP_SECURITY=starttls" in problem_of(outcomes[0]).remedy
    assert [(outcome.state, outcome.retry) for outcome in outcomes] == [OURS, OURS]
    assert sandbox.mails == []


def test_starttls_spoken_to_a_tls_port_says_which_setting_to_change(sandbox: Sandbox) -> None:
    """The commonest mistake with port 465: both wait for the other to speak."""
    problem = failure(sandbox, timeout=0.5, smtp_security="starttls")

    assert problem.key == "smtp.timed_out"
    assert "SMTP_SECURITY=tls" in problem.remedy


def test_starttls_cut_off_by_a_tls_port_says_which_setting_to_change(sandbox: Sandbox) -> None:
    """A server that has waited long enough for TLS hangs up."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def sending() -> list[Outcome]:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = str(server.sockets[0].getsockname()[1])
            channel = make_channel(sandbox, smtp_security="starttls", smtp_port=port)
            report = make_report(sandbox.folder)
            return await channel.send(report, channel.recipients, frozenset(), make_deadline())

    problem = problem_of(asyncio.run(sending())[0])

    assert problem.key == "smtp.broken"
    assert "SMTP_SECURITY=tls" in problem.remedy


@pytest.mark.parametrize(
    ("security", "port", "error", "named"),
    [
        ("starttls", "465", TimeoutError(), "SMTP_SECURITY=tls"),
        ("starttls", "465", SMTPServerDisconnected("Connection lost"), "SMTP_SECURITY=tls"),
        ("tls", "587", NOT_TLS, "SMTP_SECURITY=starttls"),
        ("tls", "587", TimeoutError(), "SMTP_SECURITY=starttls"),
        ("tls", "465", TimeoutError(), ""),
        ("starttls", "587", TimeoutError(), ""),
        ("starttls", "587", SMTPServerDisconnected("Connection lost"), ""),
        ("starttls", "465", ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), ""),
    ],
)
def test_a_known_port_with_the_other_security_is_named_where_that_may_be_why(
    sandbox: Sandbox, security: str, port: str, error: OSError, named: str
) -> None:
    """Ports 465 and 587 are fixed (RFC 8314); where both settings fit, nobody is told to change them."""
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("SMTP_")}
    settings = MailSettings.model_validate(values | {"smtp_security": security, "smtp_port": port})

    with pytest.raises(DeliveryError) as caught, smtp_errors(settings, connecting=True):
        raise error

    assert "".join(re.findall(r"SMTP_SECURITY=\w+", caught.value.problem.remedy)) == named


def test_a_connection_that_breaks_after_the_greeting_blames_no_setting(sandbox: Sandbox) -> None:
    """The server has spoken, so SMTP_SECURITY is right."""
    sandbox.mailbox.data_faults = ["cut"]
    port = str(sandbox.mailbox.starttls_port)

    problem, _ = map(problem_of, send(sandbox, smtp_security="starttls", smtp_port=port))

    assert problem.key == "smtp.unanswered"
    assert "SMTP_" not in problem.remedy


def test_an_unknown_mail_server_is_said(sandbox: Sandbox) -> None:
    """A typing error in SMTP_HOST."""
    problem = failure(sandbox, smtp_host="no-such-host.invalid")

    assert problem.key == "smtp.unknown_host"
    assert "no-such-host.invalid" in problem.reason
    assert "SMTP_HOST" in problem.remedy


@pytest.mark.parametrize(
    ("hook", "reply", "key"),
    [
        ("sender_reply", "553 5.7.1 Not your address", "smtp.sender"),
        ("data_reply", "554 5.7.1 Looks odd", "smtp.message"),
        ("data_reply", "552 5.2.2 Mailbox full", "smtp.message"),
        ("data_reply", "552 5.3.4 Too big", "too_large"),
        ("data_reply", "552 Exceeded", "too_large"),
        ("helo_reply", "554 5.7.1 Blocked", "smtp.turned_away"),
    ],
)
def test_a_refusal_on_the_way_says_what_was_refused(sandbox: Sandbox, hook: str, reply: str, key: str) -> None:
    """With the server's words."""
    setattr(sandbox.mailbox, hook, reply)

    problem = failure(sandbox)

    assert (problem.key, problem.said) == (key, reply)


def test_a_server_without_login_is_said(sandbox: Sandbox) -> None:
    """One that offers none, such as a relay."""
    sandbox.mailbox.login_methods = ""

    assert failure(sandbox).key == "smtp.login_method"
