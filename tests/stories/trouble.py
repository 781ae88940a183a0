"""What may go wrong during one run of a story: answers of the servers, and moments at which the run is ended."""

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from ..answers.rows import Row, read_rows
from ..answers.supabase import read_cases
from ..faults import HTML
from ..sandbox import Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import FOREVER, Answer, Fault, Web

Ledger = Literal["supabase", "directory"]
Moment = Callable[[], bool]
SOURCE = (
    Fault(cut="before"),
    Fault(cut="within"),
    Fault(cut="after"),
    Fault(answer=Answer(status=503)),
    Fault(answer=Answer(status=401)),
    Fault(answer=Answer(body=HTML)),
)
BOT = (
    Fault(cut="before"),
    Fault(cut="after"),
    Fault(answer=Answer(status=502, body=HTML)),
    Fault(answer=refusal(429, "Too Many Requests: retry after 0", retry_after=0)),
)
MAIL = ("451 4.3.0 Later", "421 4.3.2 Down", "554 5.6.0 Never", "cut", "taken, cut")
_REFUSALS = ("theirs", "final")


def _is_usual(row: Row) -> bool:
    """Leave out replies of several lines or none, and those that change what is sent, or to whom."""
    words = row.get("reply") or row.get("body", "")
    return bool(words) and "\\n" not in words and "migrate" not in words and row["key"] not in ("too_large", "accepted")


_SMTP = [row for row in read_rows("smtp") if _is_usual(row) and row["reply"][:3].isdigit()]
_TELEGRAM = [row for row in read_rows("telegram") if _is_usual(row) and row["method"] == "sendDocument"]
_POSTGREST = [case for case in read_cases("postgrest.tsv") if case.credentials == "secret"]
_RECIPIENT = [row for row in _SMTP if row["phase"] == "rcpt" and row["key"] != "rest"]


def is_final(answer: str | Answer) -> bool:
    """Return whether a recipient who is answered so may count as refused for good.

    An address may even if the reply is about the sender: that others of the same mail were accepted shows better.
    """
    if isinstance(answer, str):
        return answer.startswith("5")
    rows = [row for row in _TELEGRAM if row["body"].encode() == answer.body]
    return any((row["fault"], row["when"]) == _REFUSALS for row in rows)


def recipient_reply(dice: random.Random) -> str:
    """Return what a mail server says to one address."""
    return dice.choice(_RECIPIENT)["reply"]


def chat_answer(dice: random.Random) -> Answer:
    """Return what the Bot API answers for one chat."""
    return _answer(dice.choice(_TELEGRAM))


def _answer(row: Row) -> Answer:
    headers = {"content-type": "application/json"}
    return Answer(status=int(row["status"]), headers=headers, body=row["body"].encode())


def _reply(dice: random.Random, phase: str) -> str:
    return dice.choice([row for row in _SMTP if row["phase"] == phase])["reply"]


def _of_supabase(dice: random.Random, *requests: str) -> Fault:
    case = dice.choice([case for case in _POSTGREST if case.request in requests])
    return Fault(answer=Answer(status=case.status, headers=case.headers, body=case.body))


def plan_short(sandbox: Sandbox, dice: random.Random) -> None:
    """Let a few requests fail, which another attempt of the same run may get over."""
    places = ("/analyses", "/report_deliveries", "/report_notices")
    sandbox.supabase.faults += [
        replace(dice.choice(SOURCE), match=dice.choice(places)) for _ in range(dice.randint(0, 2))
    ]
    sandbox.bot.faults += [dice.choice(BOT) for _ in range(dice.randint(0, 2))]
    sandbox.mailbox.data_faults += [dice.choice(MAIL) for _ in range(dice.randint(0, 2))]


def plan_long(sandbox: Sandbox, dice: random.Random) -> None:
    """Let a server answer as real ones have done, for as long as the run lasts."""
    mailbox, supabase, bot = sandbox.mailbox, sandbox.supabase, sandbox.bot
    plans: tuple[Callable[[], object], ...] = (
        lambda: setattr(supabase, "always", _of_supabase(dice, "rows", "count", "ledger-read")),
        lambda: setattr(supabase, "always", replace(_of_supabase(dice, "rows", "count"), match="/analyses")),
        lambda: setattr(supabase, "always", replace(_of_supabase(dice, "ledger-write"), match="/report_deliveries")),
        lambda: supabase.faults.append(replace(_of_supabase(dice, "ledger-read"), match="/report_deliveries")),
        lambda: setattr(supabase, "always", Fault(answer=Answer(status=503), match="/report_notices")),
        lambda: setattr(bot, "always", Fault(answer=_answer(_ours(dice)))),
        lambda: setattr(bot, "always", Fault(answer=Answer(status=502, body=HTML))),
        lambda: bot.faults.append(Fault(cut="after", match="sendMessage")),
        lambda: mailbox.login_faults.extend([_reply(dice, "auth")] * 9),
        lambda: setattr(mailbox, "sender_reply", _reply(dice, "mail")),
        lambda: setattr(mailbox, "data_reply", _reply(dice, "dot")),
        lambda: mailbox.data_faults.extend([dice.choice(MAIL)] * dice.randint(1, 3)),
    )
    for _ in range(dice.randint(1, 2)):
        dice.choice(plans)()


def _ours(dice: random.Random) -> Row:
    return dice.choice([row for row in _TELEGRAM if row["fault"] != "theirs"])


class Sigterm(threading.Event):
    """Comes when it is waited for or looked at: a SIGTERM to this process, once."""

    def wait(self, timeout: float | None = None) -> bool:
        """Send it, once the request that waits for this has come in."""
        return self.is_set()

    def is_set(self) -> bool:
        """Send it, and be set from then on."""
        if not super().is_set():
            self.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return True


def plan_end(sandbox: Sandbox, dice: random.Random, ledger: Ledger, until: threading.Event | None = None) -> Moment:
    """Let one request wait for its answer for ever, from `until` on; return whether it has come.

    What it asked for is done by then, or never, as the dice say.
    """
    is_done, skipped = dice.random() < 0.5, dice.randint(0, 6)
    never = Fault(hold=FOREVER, until=until) if is_done else Fault(delay=FOREVER, until=until)
    if dice.random() < 0.3:
        mailbox, taken = sandbox.mailbox, len(sandbox.mailbox.deliveries)
        mailbox.until = until
        mailbox.data_faults[:] = ["taken, silent"]
        return lambda: len(mailbox.deliveries) > taken
    server: Web = sandbox.supabase
    match = dice.choice(("/analyses", "/report_deliveries", "/report_notices")) if ledger == "supabase" else "/analyses"
    if dice.random() < 0.4:
        server, match, skipped = sandbox.bot, dice.choice(("sendDocument", "sendMessage")), skipped % 3
    fault = replace(never, match=match)
    server.faults[:] = [*[Fault(match=match)] * skipped, fault]
    return lambda: fault in server.held if is_done else fault not in server.faults


def end_all(sandbox: Sandbox) -> None:
    """Let nothing fail any more but recipients."""
    for server in (sandbox.supabase, sandbox.bot):
        server.faults.clear()
        server.always = None
    mailbox = sandbox.mailbox
    mailbox.data_faults.clear()
    mailbox.login_faults.clear()
    mailbox.sender_reply = mailbox.data_reply = mailbox.until = None
