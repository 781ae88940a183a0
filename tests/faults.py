"""The table of faults: what is done to an edge, and what comes of it. test_faults.py tries it, docs/ show it.

`mails` are the workbooks that each address got, attached or behind a link, `chats` those of the two chats.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from src.config.timeouts import Timeouts
from src.domain.delivery import chat_and_topic
from src.domain.window import HOUR

from .builders import NO_TIME, QUICK, START, data_rows_again, make_rows
from .sandbox import CHATS, RECIPIENTS, Sandbox
from .sandbox.telegram import refusal
from .sandbox.web import FOREVER, Answer, Fault

Plan = Callable[[Sandbox], object]
HTTP_EDGES = ("Supabase", "Telegram", "Storage", "Ledger (table)")
LATE = 0.6
"""Seconds: longer than the ordinary waits of SHORT_WAITS."""
SHORT_WAITS = replace(QUICK, supabase_read=0.4, storage_read=0.4, smtp=0.4, telegram_read=0.4)
"""For what comes late: whichever wait ends early on a busy machine, the next attempt makes up for it."""
SHORT_SEND = replace(QUICK, send=2.5)
"""For a server that never answers: the other channel has to be through with a sending in that time."""
SHORT_RUN = replace(QUICK, supabase_read=0.2, supabase_answer=0.4, run=0.5)
"""For what fails to the end of the time limit, before which nothing else has to be done."""
SHORT_STORAGE = replace(QUICK, storage_read=0.2, storage=0.5)
HTML = b"<html><title>Bad Gateway</title></html>"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault: `plan` brings it about in the sandbox, `changes` in the settings, with `timeouts` that suit it."""

    edge: str
    fault: str
    plan: Plan = lambda _: None
    changes: dict[str, str] = field(default_factory=dict)
    mails: tuple[int, int] = (1, 1)
    chats: tuple[int, int] = (1, 1)
    alerts: int = 0
    code: int = 0
    timeouts: Timeouts = QUICK
    at: datetime | None = None
    """When the run starts, if not now."""
    bare: bool = False
    """Every message comes once, one of them without the workbook."""
    moved: bool = False
    """A chat goes by another id afterwards."""
    marked: bool = False
    """Every copy says that it may be a repeat."""
    unseen: bool = False
    """What was cut off reached nobody, which the repeat can't know."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """How the HTTP servers are spoken to: over TLS, and in the clear as well where the fault is theirs."""
        in_the_clear = self.edge in HTTP_EDGES and "TLS" not in self.fault
        return ("https", "http") if in_the_clear else ("https",)


def once(status: int, body: bytes = b"", **headers: str) -> Plan:
    """Let Supabase answer once with a status."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda box: box.supabase.faults.append(Fault(answer=Answer(status=status, headers=headers, body=body)))


def supabase(**fault: object) -> Plan:
    """Let Supabase fail once."""
    return lambda box: box.supabase.faults.append(Fault(**fault))  # type: ignore[arg-type]


def for_ever(**fault: object) -> Plan:
    """Let Supabase fail every time."""
    return lambda box: setattr(box.supabase, "always", Fault(**fault))  # type: ignore[arg-type]


def chat(*faults: Fault) -> Plan:
    """Let the first requests to Telegram fail."""
    return lambda box: box.bot.faults.extend(faults)


def data(*faults: str) -> Plan:
    """Let the mail server fail after DATA."""
    return lambda box: box.mailbox.data_faults.extend(faults)


def mailbox(**changes: object) -> Plan:
    """Let the mail server be different."""

    def change(box: Sandbox) -> None:
        for name, value in changes.items():
            setattr(box.mailbox, name, value)

    return change


def oauth2(plan: Plan = lambda _: None) -> Plan:
    """Log in by OAuth2, and do `plan`."""

    def change(box: Sandbox) -> None:
        box.mailbox.login_methods = "LOGIN PLAIN XOAUTH2"
        box.changes |= box.tokens.settings
        plan(box)

    return change


def token(**fault: object) -> Plan:
    """Let the token endpoint fail once."""
    return oauth2(lambda box: box.tokens.faults.append(Fault(**fault)))  # type: ignore[arg-type]


def short(times: int) -> Plan:
    """Let the server count more rows than it gives."""
    answers = [
        Answer(headers={"content-range": "0-1/9000"}, body=json.dumps(make_rows(2)).encode()),
        Answer(body=b"[]"),
    ]
    return lambda box: box.supabase.faults.extend([Fault(answer=answer) for answer in answers] * times)


def repeats(box: Sandbox) -> None:
    """Let the first of five rows come again on the second page, with a later moment."""
    rows = make_rows(5)
    again = rows[0] | {"created_at": rows[4]["created_at"]}
    pages = [rows[:3], [*rows[3:], again], []]
    headers = {"content-range": "0-2/5"}
    answers = [Answer(headers=headers, body=json.dumps(page).encode()) for page in pages]
    box.supabase.faults += [Fault(answer=answer) for answer in answers]


Outcome = dict[str, Any]
NOBODY: Outcome = {"mails": (0, 0), "chats": (0, 0)}
FAILS: Outcome = NOBODY | {"alerts": 1, "code": 1}
FAILS_AT_THE_LIMIT: Outcome = FAILS | {"timeouts": SHORT_RUN}
NO_MAIL: Outcome = {"mails": (0, 0), "alerts": 1, "code": 1}
NO_CHAT: Outcome = {"chats": (0, 0), "alerts": 1, "code": 1}

IN_TOPIC = {"TELEGRAM_CHAT_ID": f"{CHATS[0]}/12,{CHATS[1]}"}
HIDDEN = {"SMTP_HIDE_RECIPIENTS": "true"}
TABLE, BUCKET = {"REPORT_LEDGER": "supabase"}, {"REPORT_BUCKET": "reports"}
NO_LOGIN = {"SMTP_LOGIN": "none", "SMTP_USER": "", "SMTP_PASSWORD": ""}
TOO_MANY = refusal(429, "Too Many Requests: retry after 1", retry_after=1)
TOO_LARGE = refusal(413, "Request Entity Too Large")
BLOCKED, GONE = refusal(403, "Forbidden: bot was blocked by the user"), refusal(400, "Bad Request: chat not found")
UNSUPPORTED = b'{"code": "42501", "message": "permission denied for table analyses"}'


def second_page_cut(box: Sandbox) -> None:
    """Let pages hold two rows, and the second page end within."""
    box.supabase.page_cap = 2
    box.supabase.faults += [Fault(), Fault(cut="within")]


def bot_gone(box: Sandbox) -> None:
    """Let the Bot API be out of order."""
    box.bot.always = Fault(answer=Answer(status=502, body=HTML))


def source_name(box: Sandbox) -> str:
    """Name the sandbox's table as the ledger does."""
    return hashlib.sha256(f"{box.supabase.url} analyses".encode()).hexdigest()[:8]


def second_question(**fault: Any) -> Plan:
    """Let Supabase fail at the second question to the ledger, the first that writes."""
    match = "report_deliveries"
    return lambda box: box.supabase.faults.extend([Fault(match=match), Fault(match=match, **fault)])


def claimed_by(holder: str, lease: int, *, record_format: int = 2) -> Plan:
    """Let another pod have claimed the window, with `lease` seconds from now."""
    start = "2026-11-22T13:00:00+00:00"
    record = {"template": "hourly", "start": start, "format": record_format}
    columns = "name, template, source, zone, window_start, record, holder, lease_seconds"
    sql = f"insert into report_deliveries ({columns}) values ('production', 'hourly', $1, 'UTC', $2, $3, $4, $5)"

    def claim(box: Sandbox) -> None:
        values = (source_name(box), start, json.dumps(record), holder, str(lease))
        box.supabase.sql(sql, *values)

    return claim


def foreign_record(box: Sandbox) -> None:
    """Put something else where the window's record belongs."""
    (box.folder / "report_ledger").mkdir(mode=0o700)
    (box.folder / "report_ledger" / f"hourly-{source_name(box)}-production-20261122T130000Z.json").write_text("{}")


def not_over(seconds: float) -> Plan:
    """Let the window be over by Supabase's clock in `seconds`."""

    return lambda box: box.supabase.show(START + HOUR - timedelta(seconds=seconds))


def large(box: Sandbox) -> None:
    """Let the workbook be larger than either channel takes."""
    digits = "select string_agg(md5(random()::text), '') from generate_series(1, 900) where id is not null"
    box.supabase.sql(f"update analyses set status = ({digits})")
    box.mailbox.largest = box.bot.largest = 60_000


def with_bucket(plan: Plan, *, public: bool = False) -> Plan:
    """Let a bucket be there besides."""

    def both(box: Sandbox) -> None:
        box.supabase.make_bucket("reports", public=public)
        plan(box)

    return both


def stored(times: int = 1, **fault: Any) -> Plan:
    """Let the workbook be too large, and its storing fail some times, or with 0 every time."""

    def plan(box: Sandbox) -> None:
        with_bucket(large)(box)
        failing = Fault(**{"match": "/storage/"} | fault)
        box.supabase.faults += [failing] * times
        box.supabase.always = None if times else failing

    return plan


def storage_says(status: int, words: str) -> Answer:
    """Refuse as hosted Storage does: HTTP 400, the true status within."""
    body = {"statusCode": str(status), "error": words, "message": words}
    return Answer(status=400, headers={"content-type": "application/json"}, body=json.dumps(body).encode())


def open_folder(box: Sandbox) -> None:
    """Let the ledger's folder be open to others."""
    (box.folder / "report_ledger").mkdir()
    (box.folder / "report_ledger").chmod(0o755)


def topic(*, number: int = 12, is_open: bool = True, moved: bool = False, cut: bool = False) -> Plan:
    """Let both chats have a topic, and the first request of all fail if the chat has `moved`, or is `cut` off."""

    def plan(box: Sandbox) -> None:
        box.bot.topics = {name: {number: is_open} for name in CHATS}
        answer = refusal(400, "Bad Request: upgraded", migrate_to_chat_id=int(CHATS[1]))
        box.bot.faults += [Fault(answer=answer)] if moved else [Fault(cut="after")] if cut else []

    return plan


def _row(edge: str, fault: str, plan: Plan, *, changes: dict[str, str] | None = None, **outcome: Any) -> Row:
    return Row(edge=edge, fault=fault, plan=plan, changes=changes or {}, **outcome)


ROWS = [
    _row("Supabase", "connection cut before an answer, once", supabase(cut="before")),
    _row("Supabase", "connection ended in the TLS handshake, once", supabase(cut="handshake")),
    _row("Supabase", "answer cut off in the middle, once", supabase(cut="within")),
    _row("Supabase", "answer later than the time-out, once", supabase(delay=FOREVER), timeouts=SHORT_WAITS),
    _row("Supabase", "second page cut off, once: asked again from its cursor",
         second_page_cut),
    _row("Supabase", "500 once", once(500)),
    _row("Supabase", "502 with a web page, once", once(502, HTML)),
    _row("Supabase", "503 with Retry-After, once", once(503, retry_after="1")),
    _row("Supabase", "429 with Retry-After, once", once(429, retry_after="1")),
    _row("Supabase", "503 with a Retry-After of an hour, once: asked again all the same", once(
        503, retry_after="3600")),
    _row("Supabase", "408 once", once(408)),
    _row("Supabase", "425 once", once(425)),
    _row("Supabase", "web page with 200, once", once(200, HTML)),
    _row("Supabase", "empty body with 200, once", once(200)),
    _row("Supabase", "fewer rows than counted, once", short(1)),
    _row("Supabase", "fewer rows than counted, twice", short(2), **FAILS),
    _row("Supabase", "a row whose created_at changes while it is read: it counts once", repeats),
    _row("Supabase", "503 until the time limit", for_ever(answer=Answer(status=503)), **FAILS_AT_THE_LIMIT),
    _row("Supabase", "an answer that trickles in, until the time limit", for_ever(drip=0.05), **FAILS_AT_THE_LIMIT),
    _row("Supabase", "no answer, until the time limit", for_ever(delay=FOREVER), **FAILS_AT_THE_LIMIT),
    _row("Supabase", "host unknown, until the time limit", lambda _: None,
         changes={"SUPABASE_URL": "https://no-such-project.invalid"}, **FAILS_AT_THE_LIMIT),
    _row("Supabase", "wrong key", lambda _: None, changes={"SUPABASE_KEY": "sb_secret_of_elsewhere"}, **FAILS),
    _row("Supabase", "permission denied", once(403, UNSUPPORTED), **FAILS),
    _row("Supabase", "no such table", lambda _: None, changes={"SUPABASE_TABLE": "nowhere"}, **FAILS),
    _row("Supabase", "a column is missing", lambda _: None, changes={"SUPABASE_TABLE": "analyses_other"}, **FAILS),
    _row("Supabase", "an object in place of rows", once(200, b'{"message": "hello"}'), **FAILS),
    _row("Supabase", "redirect to elsewhere", once(307, location="https://elsewhere.invalid/"), **FAILS),
    _row("Supabase", "by its clock the hour is over in a second: waited for", not_over(1), at=START + HOUR),
    _row("Supabase", "by its clock the hour is over in 20 minutes (one of two clocks is wrong): sent, and an alert",
         not_over(1200), alerts=1),
    _row("Supabase", "its clock shows a day of ten years ago: sent, and an alert", not_over(3650 * 86_400.0), alerts=1),
    _row("SMTP", "451 after DATA, once", data("451 4.3.0 Try again later")),
    _row("SMTP", "421 after DATA, once", data("421 4.3.2 Shutting down")),
    _row("SMTP", "connection cut before the message was accepted, once", data("cut")),
    _row("SMTP", "connection cut after the message was accepted, once: same Message-ID again", data("taken, cut"),
         mails=(2, 2)),
    _row("SMTP", "a late 250 for the message", mailbox(data_faults=["taken, late"], hold=LATE),
         timeouts=SHORT_WAITS),
    _row("SMTP", "no answer after the message was accepted, once: same Message-ID again",
         data("taken, silent"), mails=(2, 2), timeouts=SHORT_SEND),
    _row("SMTP", "no answer after the message was accepted, every time: repeated once in a run",
         data(*["taken, silent"] * 9), mails=(2, 2), alerts=1, code=1, timeouts=SHORT_SEND),
    _row("SMTP", "something other than 221 as the answer to QUIT", mailbox(quit_reply="421 4.3.0 Whatever")),
    _row("SMTP", "no answer to QUIT", mailbox(quit_silent=True)),
    _row("SMTP", "one recipient refused temporarily (450), then accepted", lambda box: box.mailbox.refused_once.update(
        {RECIPIENTS[0]: "450 4.2.0 Greylisted"})),
    _row("SMTP", "one recipient refused for good (550)", lambda box: box.mailbox.refused.update(
        {RECIPIENTS[0]: "550 5.1.1 No such user"}), mails=(0, 1), alerts=1, code=1),
    _row("SMTP", "all recipients refused for good", lambda box: box.mailbox.refused.update(
        dict.fromkeys(RECIPIENTS, "550 5.1.1 No such user")), **NO_MAIL),
    _row("SMTP", "452 for one recipient too many: the rest follows at once, with the same Message-ID",
         mailbox(most_recipients=1)),
    _row("SMTP", "452 for one recipient too many, connection cut at the second message: only that one again",
         mailbox(most_recipients=1, data_faults=["", "cut"])),
    _row("SMTP", "SMTP_HIDE_RECIPIENTS, 452 for one recipient too many: the rest follows at once, nobody is named",
         mailbox(most_recipients=1), changes=HIDDEN),
    _row("SMTP", "SMTP_HIDE_RECIPIENTS, one recipient refused for good (550), ledger in Supabase", lambda box:
         box.mailbox.refused.update({RECIPIENTS[0]: "550 5.1.1 No such user"}), changes=HIDDEN | TABLE, mails=(0, 1),
         alerts=1, code=1),
    _row("SMTP", "421 at a recipient, once", lambda box: box.mailbox.refused_once.update(
        {RECIPIENTS[0]: "421 4.7.0 Too many"})),
    _row("SMTP", "sending limit (450 4.7.1 at MAIL), to the end",
         mailbox(sender_reply="450 4.7.1 Error: too much mail"), timeouts=NO_TIME, **NO_MAIL),
    _row("SMTP", "sender refused (553)", mailbox(sender_reply="553 5.7.1 Not yours"), **NO_MAIL),
    _row("SMTP", "sender refused at each recipient (553)", mailbox(
        refused=dict.fromkeys(RECIPIENTS, "553 5.7.1 Not owned by user")), **NO_MAIL),
    _row("SMTP", "message refused as too large (552): it comes without its workbook", data("552 5.3.4 Too big"),
         bare=True, **NO_MAIL),
    _row("SMTP", "message refused as too large (552), with REPORT_BUCKET: a link to the workbook", with_bucket(
        data("552 5.3.4 Too big")), changes=BUCKET),
    _row("SMTP", "message refused (554)", data("554 5.7.1 Looks odd"), **NO_MAIL),
    _row("SMTP", "wrong password (535)", lambda _: None, changes={"SMTP_PASSWORD": "wrong"}, **NO_MAIL),
    _row("SMTP", "wrong password, and the server hangs up behind 535: two logins in the run",
         mailbox(login_faults=["535 5.7.8 Not accepted, cut"] * 99), **NO_MAIL),
    _row("SMTP", "SMTP_LOGIN=none, and the server takes mail from this machine", mailbox(wants_login=False),
         changes=NO_LOGIN),
    _row("SMTP", "SMTP_LOGIN=none, and the server wants a login (530)", lambda _: None, changes=NO_LOGIN, **NO_MAIL),
    _row("SMTP", "OAuth2: the token is refused once (535): another one is asked for",
         oauth2(mailbox(login_faults=["535 5.7.3 Authentication unsuccessful"]))),
    _row("SMTP", "OAuth2: a new token is refused too (535 5.7.3): the mailbox's permission is missing",
         oauth2(lambda box: setattr(box.tokens, "is_let_in", False)), **NO_MAIL),
    _row("SMTP", "certificate for another host name", lambda _: None, changes={"SMTP_HOST": "127.0.0.1"}, **NO_MAIL),
    _row("SMTP", "nothing listens, until the time limit", lambda _: None, changes={"SMTP_PORT": "1"}, timeouts=NO_TIME,
         **NO_MAIL),
    _row("Token endpoint", "503 once", token(answer=Answer(status=503, body=HTML))),
    _row("Token endpoint", "connection cut before an answer, once", token(cut="before")),
    _row("Token endpoint", "no answer, once", token(delay=FOREVER), timeouts=replace(QUICK, oauth=0.5)),
    _row("Token endpoint", "wrong client secret (invalid_client)", oauth2(
        lambda box: box.changes.update(SMTP_OAUTH_CLIENT_SECRET="wrong-Secret")), **NO_MAIL),
    _row("Token endpoint", "refresh token expired or revoked (invalid_grant)", oauth2(
        lambda box: box.changes.update(SMTP_OAUTH_REFRESH_TOKEN="1//0expired")), **NO_MAIL),
    _row("Token endpoint", "a web page with 200, every time", oauth2(
        lambda box: setattr(box.tokens, "always", Fault(answer=Answer(body=HTML)))), **NO_MAIL),
    _row("Telegram", "502 once", chat(Fault(answer=Answer(status=502, body=HTML)))),
    _row("Telegram", "429 with retry_after, once", chat(Fault(answer=TOO_MANY))),
    _row("Telegram", "connection ended in the TLS handshake, once", chat(Fault(cut="handshake"))),
    _row("Telegram", "connection cut before anything was done: the caption of the repeat says so",
         chat(Fault(cut="before")), unseen=True),
    _row("Telegram", "connection cut after the message was accepted: the caption of the repeat says so",
         chat(Fault(cut="after")), chats=(2, 1)),
    _row("Telegram", "a late answer", chat(Fault(hold=LATE)), timeouts=SHORT_WAITS),
    _row("Telegram", "no answer after the message was accepted: the caption of the repeat says so",
         chat(Fault(hold=FOREVER)), chats=(2, 1), timeouts=SHORT_SEND),
    _row("Telegram", "no answer after the message was accepted, every time: repeated once in a run",
         chat(Fault(hold=FOREVER), Fault(), Fault(hold=FOREVER)), chats=(2, 1), alerts=1, code=1, timeouts=SHORT_SEND),
    _row("Telegram", "chat has become a supergroup: followed, and an alert names the new id",
         chat(Fault(answer=refusal(400, "Bad Request: upgraded", migrate_to_chat_id=42))), chats=(0, 2), alerts=1,
         moved=True),
    _row("Telegram", "bot blocked in one chat (403)", chat(Fault(answer=BLOCKED)), chats=(0, 1), alerts=1, code=1),
    _row("Telegram", "one chat not found (400)", chat(Fault(answer=GONE)), chats=(0, 1), alerts=1, code=1),
    _row("Telegram", "too large (413) for one chat: the message comes without its workbook",
         chat(Fault(answer=TOO_LARGE)), chats=(0, 1), alerts=1, code=1, bare=True),
    _row("Telegram", "too large (413) for one chat, with REPORT_BUCKET: a link to the workbook", with_bucket(
        chat(Fault(answer=TOO_LARGE))), changes=BUCKET),
    _row("Telegram", "a topic is closed (TOPIC_CLOSED)", topic(is_open=False), changes=IN_TOPIC, chats=(0, 1),
         alerts=1, code=1),
    _row("Telegram", "a topic is gone (message thread not found), ledger in Supabase", topic(number=13),
         changes=IN_TOPIC | TABLE, chats=(0, 1), alerts=1, code=1),
    _row("Telegram", "the group of a topic has no topics: the report comes in the group itself, and an alert says so",
         lambda _: None, changes=IN_TOPIC, alerts=1),
    _row("Telegram", "the group of a topic has become another one: followed into the topic, and an alert names the id",
         topic(moved=True), changes=IN_TOPIC, chats=(0, 2), alerts=1, moved=True),
    _row("Telegram", "connection cut after a topic's message was accepted: the caption of the repeat says so", topic(
        cut=True), changes=IN_TOPIC | TABLE, chats=(2, 1)),
    _row("Telegram", "an answer that can't be understood (200)", chat(Fault(answer=Answer(body=b'{"ok": true}'))),
         chats=(0, 1), alerts=1, code=1),
    _row("Telegram", "wrong token (401)", lambda _: None,
         changes={"TELEGRAM_BOT_TOKEN": "123456789:wrong-AAH4cKzV0Qw9uXyZlmNopQr"}, **NO_CHAT),
    _row("Telegram", "502 until the time limit", bot_gone, timeouts=NO_TIME, **NO_CHAT),
    _row("Storage", "workbook too large for both channels: stored once, both get a link", with_bucket(large),
         changes=BUCKET),
    _row("Storage", "no REPORT_BUCKET: the messages come without the workbook", large, bare=True, **FAILS),
    _row("Storage", "503 once", stored(answer=Answer(status=503)), changes=BUCKET),
    _row("Storage", "connection cut during the upload, once", stored(cut="before", match="/object/reports/"),
         changes=BUCKET),
    _row("Storage", "stored, but the answer got lost, once: stored again under the same name", stored(
        cut="after", match="/object/reports/"), changes=BUCKET),
    _row("Storage", "answer later than the time-out, once", stored(delay=FOREVER, match="/object/reports/"),
         changes=BUCKET, timeouts=SHORT_WAITS),
    _row("Storage", "web page with 200, once", stored(answer=Answer(body=HTML)), changes=BUCKET),
    _row("Storage", "no link in the answer, once", stored(answer=Answer(body=b"{}"), match="/sign/"), changes=BUCKET),
    _row("Storage", "503 until its time is over: the messages come without the workbook", stored(
        0, answer=Answer(status=503)), changes=BUCKET, timeouts=SHORT_STORAGE, bare=True, **FAILS),
    _row("Storage", "no answer, until its time is over: without the workbook", stored(0, delay=FOREVER),
         changes=BUCKET, timeouts=SHORT_STORAGE, bare=True, **FAILS),
    _row("Storage", "no such bucket: without the workbook", large, changes=BUCKET, bare=True, **FAILS),
    _row("Storage", "the bucket is public: not used, without the workbook", with_bucket(
        large, public=True), changes=BUCKET, bare=True, **FAILS),
    _row("Storage", "permission denied: without the workbook", stored(answer=storage_says(
        403, "new row violates row-level security policy")), changes=BUCKET, bare=True, **FAILS),
    _row("Storage", "too large for Storage too (413): without the workbook", stored(answer=storage_says(
        413, "The object exceeded the maximum allowed size"), match="/object/reports/"), changes=BUCKET, bare=True,
         **FAILS),
    _row("Ledger (table)", "503 once, at the claim", supabase(
        answer=Answer(status=503), match="report_deliveries"), changes=TABLE),
    _row("Ledger (table)", "answer later than the time-out, once, at the claim", second_question(
        hold=FOREVER), changes=TABLE, timeouts=SHORT_WAITS),
    _row("Ledger (table)", "503 until the time limit", for_ever(
        answer=Answer(status=503), match="report_deliveries"), changes=TABLE, **FAILS_AT_THE_LIMIT),
    _row("Ledger (table)", "another run holds the window, until the time limit", claimed_by("another-pod", 600),
         changes=TABLE, **FAILS_AT_THE_LIMIT),
    _row("Ledger (table)", "a run that died held it: taken over when its lease ends", claimed_by("dead-pod", 1),
         changes=TABLE),
    _row("Ledger (table)", "a later version of the program wrote the record", claimed_by(
        "", 0, record_format=4), changes=TABLE, **FAILS),
    _row("Ledger (table)", "the hour's record is too large to be read, once: every copy may be a repeat", supabase(
        answer=Answer(body=b"[" * (1 << 20)), match="record&"), changes=TABLE, alerts=1, code=1, marked=True),
    _row("Ledger (directory)", "the record was not written by this program", foreign_record, **FAILS),
    _row("Ledger (directory)", "the folder belongs to somebody else, or others may enter it", open_folder, **FAILS),
    _row("Disk", "REPORT_DIR can't be written to", lambda _: None, changes={"REPORT_DIR": "/proc"}, **FAILS),
]  # fmt: skip

SPECIAL = {
    "Run|killed (-9) before reading any rows, then run again": (
        "ledger/test_attempts.py::test_a_run_that_was_killed_has_been_counted",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|killed (-9) while reading a page, then run again": (
        "ledger/test_ledger.py::test_a_run_killed_in_mid_page_leaves_no_half_workbook",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|killed (-9) during the upload to Telegram, then run again": (
        "ledger/test_ledger.py::test_a_chat_whose_upload_was_killed_is_told_that_it_may_be_a_repeat",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|killed (-9) after Telegram accepted it, before the ledger recorded it, then run again": (
        "ledger/test_ledger.py::test_a_run_killed_before_it_noted_telegrams_answer_sends_again_and_says_so",
        ("1", "2", "1", "0", "0"),
    ),
    "Run|killed (-9) after the mail server accepted it, before the ledger recorded it, then run again": (
        "ledger/test_ledger.py::test_a_run_killed_before_it_noted_the_mail_servers_answer_sends_under_the_same_id",
        ("2, same Message-ID", "1", "1", "0", "0"),
    ),
    "Run|two at once in one folder": (
        "ledger/test_ledger.py::test_two_runs_of_one_hour_at_once_send_it_once",
        ("1", "1", "1", "0", "0, 0"),
    ),
    "Run|two at once in two folders, ledger in Supabase": (
        "ledger/test_ledger.py::test_two_runs_of_one_hour_at_once_send_it_once",
        ("1", "1", "1", "0", "0, 0"),
    ),
    "Run|three hours missed, ledger in Supabase: sent later, marked late": (
        "ledger/test_ledger.py::test_three_hours_missed_are_made_good_oldest_first_behind_the_present_one",
        ("4", "4", "4", "0", "0"),
    ),
    "Run|three hours missed, one mailbox says 452 for hours: the others get them all": (
        "ledger/test_ledger.py::test_a_mailbox_that_says_later_for_hours_keeps_no_missed_hour_from_the_others",
        ("1; 5 for the other", "5", "5", "1", "1"),
    ),
    "Run|the node's clock is up to an hour behind: the hour of the Job's name": (
        "test_run.py::test_a_job_reports_the_hour_of_its_name_whatever_the_clocks_show",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|REPORT_KEEP_DAYS without the right to delete: a warning": (
        "pipeline/test_retention.py::test_what_cannot_be_removed_is_a_warning",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|`daily` over a clock change: 25 hours, once": (
        "ledger/test_ledger.py::test_a_day_over_a_clock_change_is_delivered_once",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|two deployments in one project, ledger in Supabase: each sends its own": (
        "ledger/test_key.py::test_a_deployment_of_another_name_takes_no_hour_from_production",
        ("2", "2", "2", "0", "0, 0"),
    ),
    "Run|killed (-9) three times in one hour: stepped over, the two hours after it are sent": (
        "ledger/test_attempts.py::test_after_three_runs_that_were_killed_a_window_is_stepped_over_and_told_of_once",
        ("2", "2", "2", "1", "1, 0"),
    ),
    "Run|rows committed between two attempts: who got fewer is told": (
        "ledger/test_late_rows.py::test_without_a_history_an_alert_tells_who_got_fewer_rows",
        ("1", "1", "1", "1", "0"),
    ),
    "Ledger (table)|a write carried out after its run gave it up: changes nothing": (
        "ledger/test_claim.py::test_a_write_that_is_carried_out_late_changes_nothing",
        ("1", "1", "1", "0", "0"),
    ),
    "Ledger (table)|a history without an end: the hour is sent, missed ones are not looked for": (
        "test_attacks.py::test_a_history_without_an_end_keeps_the_hour_from_nobody_and_is_alerted",
        ("1", "1", "1", "1", "1"),
    ),
    "Ledger (table)|a record that somebody else changes all the time, in the run's name": (
        "test_attacks.py::test_a_record_that_somebody_else_changes_all_the_time_ends_the_attempt",
        ("0", "0", "0", "1", "1"),
    ),
    "Ledger (table)|the table of version 1.0: nothing is sent until its SQL is run": (
        "ledger/test_upgrade.py::test_until_its_sql_is_run_the_new_version_sends_nothing_and_names_the_file",
        ("0", "0", "0", "1", "1"),
    ),
    "Ledger (table)|version 1.0 on the new table: sends nothing": (
        "ledger/test_upgrade.py::test_version_1_0_gets_no_claim_on_the_new_table",
        ("0", "0", "0", "1", "1"),
    ),
    "Run|an empty hour that can't be compared, REPORT_WHEN_EMPTY=skip: sent": (
        "pipeline/test_fair_turns.py::test_an_empty_hour_that_could_not_be_compared_is_sent",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|SIGTERM, a moment after something else was alerted": (
        "ledger/test_evidence.py::test_a_stop_is_alerted_whatever_else_was_alerted_a_moment_ago",
        ("0", "0", "0", "1 each", "1, 143"),
    ),
    "Run|the clock is 40 days ahead, with REPORT_KEEP_DAYS: a day is caught up, no record is removed": (
        "ledger/test_evidence.py::test_a_clock_that_is_weeks_ahead_removes_no_record",
        ("25", "25", "25", "2", "0"),
    ),
    "Run|killed (-9) after the mail server accepted it, then more rows, run again: another mail, marked": (
        "ledger/test_identity.py::test_a_repeat_with_more_rows_is_another_mail_that_says_it_may_be_a_repeat",
        ("2, two Message-IDs", "1", "1", "1", "0"),
    ),
    "Run|another ledger name after an outage: the hours between are alerted with their command": (
        "pipeline/test_all_clear.py::test_settings_that_were_changed_in_an_outage_do_not_drop_its_hours_silently",
        ("3", "3", "3", "1", "0, 0, 0"),
    ),
    "Run|two deployments with other recipients under one ledger name": (
        "pipeline/test_all_clear.py::test_two_deployments_that_share_a_ledger_are_found",
        ("1", "0", "0", "1", "0, 0"),
    ),
    "Ledger (table)|a stale read behind a write whose answer was lost": (
        "ledger/test_evidence.py::test_a_replica_that_is_behind_makes_no_run_believe_that_its_window_was_taken_over",
        ("1", "1", "1", "0", "0"),
    ),
    "Ledger (table)|a wrong key, then the right one": (
        "pipeline/test_all_clear.py::test_a_stop_before_the_window_was_claimed_is_cleared_when_it_is_delivered",
        ("1", "1", "1", "1, all-clear", "1, 0"),
    ),
    "Recipients|one served alone by catch-up while the server blocks everybody, then accepted": (
        "ledger/test_evidence.py::test_a_recipient_who_is_served_alone_is_not_refused_when_the_server_blocks_everybody",
        ("4", "4", "4", "2, all-clear", "0, 1, 1, 0"),
    ),
    "Run|an hour that can't be compared, with REPORT_ONLY_UNUSUAL: sent to everybody": (
        "pipeline/test_only_unusual.py::test_what_matters_or_is_not_known_is_sent_to_everyone",
        ("1", "1", "1", "0", "0"),
    ),
    "Run|three hours missed that are as usual: caught up for all but those in REPORT_ONLY_UNUSUAL": (
        "pipeline/test_only_unusual.py::test_missed_hours_that_are_as_usual_are_settled_without_a_message",
        ("0; 5 for the other", "5", "0", "1, all-clear", "0, 1, 0, 0"),
    ),
    "Recipients|one in REPORT_ONLY_UNUSUAL, an hour that is as usual, then requested": (
        "pipeline/test_only_unusual.py::test_an_hour_that_is_as_usual_is_sent_to_the_others_alone",
        ("0; 1 for the other", "1", "0", "0", "0, 0"),
    ),
    "Recipients|the same hour with `--only` those who were left out, then with `--resend`": (
        "pipeline/test_only_unusual.py::test_whoever_asks_for_such_an_hour_gets_it_sent",
        ("2", "2", "2", "0", "0, 0, 0, 0"),
    ),
    "Recipients|all in REPORT_ONLY_UNUSUAL, and a row comes late for an hour that was as usual: the next is sent": (
        "pipeline/test_only_unusual.py::test_rows_that_come_late_for_such_an_hour_are_announced_to_all_and_not_from_zero",
        ("1", "1", "1", "0", "0, 0, 0, 0"),
    ),
    "Disk|full": (
        "ledger/test_ledger.py::test_a_disk_that_is_full_fails_the_run_and_says_so",
        ("0", "0", "0", "1", "1"),
    ),
    "Recipients|one of three refused, then accepted on the second run": (
        "ledger/test_ledger.py::test_one_of_three_refused_and_accepted_on_the_second_run",
        ("1 each", "1", "1", "1, all-clear", "1, 0"),
    ),
    "Recipients|one refused for good, for three hours": (
        "ledger/test_ledger.py::test_an_address_refused_for_good_is_alerted_once_a_day",
        ("0; 3 for the other", "3", "3", "1", "1, 1, 1"),
    ),
    "Recipients|one refused, then the alert's command run twice, also by two people at once": (
        "commands/test_only.py::test_the_command_for_one_who_was_refused_sends_once_when_the_cause_is_gone",
        ("1 each", "1", "1", "1, all-clear", "1, 0, 0"),
    ),
    "Recipients|the hour sent with --only to one, then by the scheduled run": (
        "commands/test_only.py::test_a_run_for_some_sends_to_them_alone",
        ("1 each", "1", "1", "0", "0, 0"),
    ),
    "Recipients|one added later, then the hour requested": (
        "ledger/test_ledger.py::test_a_window_that_is_named_reaches_recipients_who_were_added_or_corrected",
        ("1 each", "1", "1", "0", "0, 0"),
    ),
    "Recipients|one added later: hours that a scheduled run has opened aren't sent to them": (
        "ledger/test_ledger.py::test_a_recipient_who_is_added_gets_no_hour_that_a_scheduled_run_opened_before",
        ("0 for the new one", "1", "1", "0", "0"),
    ),
    "Recipients|a topic in place of its chat, which was owed an hour: it gets its own and those that nobody opened": (
        "channels/test_topics.py::test_a_topic_that_is_added_gets_no_hour_that_is_owed_to_its_chat",
        ("–", "2 of 3", "–", "0", "1, 0"),
    ),
    "Recipients|two topics of one chat, one of them closed, then open, in both ledgers": (
        "channels/test_topics.py::test_each_topic_is_a_recipient_of_its_own",
        ("–", "1 each", "–", "1, all-clear", "1, 0"),
    ),
    "Run|a pause in the schedule, REPORT_CATCH_UP=0: its hours are neither sent nor alerted": (
        "ledger/test_ledger.py::test_without_catching_up_the_hours_of_a_pause_are_neither_sent_nor_alerted",
        ("2", "2", "2", "0", "0, 0"),
    ),
}  # fmt: skip
"""What no row can bring about: the test that does, and what comes of it."""


def as_markdown() -> str:
    """Write the table as docs/delivery.md shows it."""
    head = "| edge | fault | mails to each | first chat | second chat | alerts | exit |\n|---|---|---|---|---|---|---|"
    lines = []
    for row in ROWS:
        mails = str(row.mails[0]) if row.mails[0] == row.mails[1] else f"{row.mails[0]}; {row.mails[1]} for the other"
        first, second = row.chats
        lines.append(f"| {row.edge} | {row.fault} | {mails} | {first} | {second} | {row.alerts} | {row.code} |")
    for key, (_, cells) in SPECIAL.items():
        lines.append(f"| {key.replace('|', ' | ')} | {' | '.join(cells)} |")
    return "\n".join([head, *lines])


def copies(box: Sandbox) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count the workbooks that each address and each chat with its topics got, attached or behind a link."""
    got = Counter(chat_and_topic(recipient)[0] for recipient, _ in box.workbooks())
    return tuple(got[address] for address in RECIPIENTS), tuple(got[name] for name in CHATS)


ONCE = ((1, 1), (1, 1))
"""What `copies` counts where everyone got one report."""


def arrived(box: Sandbox) -> list[str]:
    """List the ids of the one workbook that all who got one have."""
    (content,) = {content for _, content in box.workbooks()}
    return sheet_ids(content)


def sheet_ids(workbook: bytes) -> list[str]:
    """List the ids in a workbook, top to bottom."""
    return [f"{row[0]:.0f}" if isinstance(row[0], float) else str(row[0]) for row in data_rows_again(workbook)]
