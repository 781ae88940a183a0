"""The message on the wire: whole to the byte, and what servers do in its midst is taken for what it is."""

import asyncio
import os
import re
import ssl
import tracemalloc
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import trustme

from src.channels.mail import MailChannel
from src.config.settings import MailSettings
from src.config.timeouts import Timeouts
from src.domain.delivery import Outcome
from src.message.content import Report
from src.runtime.redaction import Redaction

from ..builders import make_content, make_deadline, make_report

CERTIFICATES = trustme.CA()
ENOUGH = 1_000_000
"""Bytes after which a server has seen enough."""
CUT = b"cut"
DOTS = "\n.\n..dot\n.x\n" + "." * 200 + "\nend\n"


class Server:
    """A mail server by hand; `midst` is what it says instead of reading on after ENOUGH bytes of a message.

    None: it reads all of it. CUT: it hangs up.
    """

    def __init__(self, midst: bytes | None = None) -> None:
        self.midst = midst
        self.size = 0
        self.data = b""
        self.left = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak to one client."""
        writer.write(b"220 here\r\n")
        try:
            while command := (await reader.readline()).upper():
                writer.write(self._answer(command))
                if command.startswith(b"DATA"):
                    await self._take(reader, writer)
                if command.startswith(b"QUIT"):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self.left.set()

    def _answer(self, command: bytes) -> bytes:
        if announced := re.search(rb"SIZE=(\d+)", command):
            self.size = int(announced[1])
        answers = {b"EHLO": b"250-here\r\n250-SIZE 100000000\r\n250 AUTH PLAIN", b"AUTH": b"235 ok", b"DATA": b"354 go"}
        return answers.get(command[:4], b"250 ok") + b"\r\n"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.midst is not None:
            self.data = await reader.readexactly(ENOUGH)
            if self.midst == CUT:
                raise ConnectionError
            writer.write(self.midst)
            await asyncio.sleep(60)
        while not self.data.endswith(b"\r\n.\r\n") and (read := await reader.read(2**16)):
            self.data += read
        writer.write(b"250 2.0.0 queued\r\n")


def send(server: Server, report: Report, timeout: float = 60) -> Outcome:
    """Send a report to one address through `server`."""
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATES.configure_trust(ours)
    CERTIFICATES.issue_cert("localhost").configure_cert(theirs)
    values = {"smtp_host": "localhost", "smtp_user": "reports", "smtp_password": "a password"}
    values |= {"smtp_from": "reports@example.com", "smtp_to": "team@example.com"}

    async def sending() -> Outcome:
        async with await asyncio.start_server(server, "127.0.0.1", 0, ssl=theirs) as serving:
            port = str(serving.sockets[0].getsockname()[1])
            channel = MailChannel(
                MailSettings.model_validate(values | {"smtp_port": port}),
                ours,
                Timeouts(smtp=timeout),
                hide=Redaction().hide,
            )
            (outcome,) = await channel.send(report, channel.recipients, frozenset(), make_deadline())
            if outcome.delivered:
                await server.left.wait()
            return outcome

    return asyncio.run(sending())


def report_of(folder: Path, workbook: bytes) -> Report:
    """Make a report with that workbook, and lines that begin with dots in its text and page."""
    return make_report(folder, content=make_content(remarks=[DOTS]), workbook=workbook)


@pytest.mark.parametrize("size", [0, 1, 57, 58, 4096 * 57, 4096 * 57 + 1, 700_001])
def test_text_page_and_workbook_arrive_to_the_byte_and_as_many_as_were_announced(tmp_path: Path, size: int) -> None:
    """Lines that begin with a dot too, and however many pieces the workbook goes out in."""
    server, content = Server(), os.urandom(size)

    outcome = send(server, report_of(tmp_path, content))

    raw = server.data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    assert outcome.delivered
    assert server.size == len(raw)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[^\r\n]{999}", raw)
    message = message_from_bytes(raw, _class=EmailMessage, policy=default)
    (attached,) = message.iter_attachments()
    assert attached.get_content() == content
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text
    assert page
    assert DOTS in text.get_content().replace("\r\n", "\n")
    assert DOTS in page.get_content().replace("\r\n", "\n")


def test_a_refusal_in_the_midst_is_taken_at_once_with_its_words(tmp_path: Path) -> None:
    """Some servers look into a message while it comes, and then read no further."""
    outcome = send(Server(b"554 5.7.1 A virus\r\n"), report_of(tmp_path, os.urandom(3 * ENOUGH)))

    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", False, False)
    assert outcome.problem
    assert (outcome.problem.key, outcome.problem.said) == ("smtp.message", "554 5.7.1 A virus")


def test_a_server_that_has_a_message_before_it_was_sent_has_not_got_it(tmp_path: Path) -> None:
    """Something between is out of order: it may or may not be there."""
    outcome = send(Server(b"250 2.0.0 queued\r\n"), report_of(tmp_path, os.urandom(3 * ENOUGH)))

    assert (outcome.state, outcome.ambiguous) == ("failed", True)
    assert outcome.problem
    assert outcome.problem.key == "smtp.unanswered"


def test_a_message_that_is_cut_off_in_its_midst_is_not_there(tmp_path: Path) -> None:
    """Without its final dot; it goes again as often as there is time."""
    outcome = send(Server(CUT), report_of(tmp_path, os.urandom(3 * ENOUGH)))

    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", True, False)
    assert outcome.problem
    assert outcome.problem.key == "smtp.broken"


@pytest.mark.slow
def test_a_server_that_reads_no_further_is_given_up_and_the_message_is_not_gathered_in_memory(tmp_path: Path) -> None:
    """A workbook of 20 MB waits on the disk; without its final dot nobody can have taken it."""
    report = report_of(tmp_path, os.urandom(18_000_000))
    tracemalloc.start()

    outcome = send(Server(b""), report, timeout=0.5)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", True, False)
    assert outcome.problem
    assert outcome.problem.key == "smtp.timed_out"
    assert peak < 8_000_000


def test_a_workbook_that_cannot_be_read_again_is_not_the_mail_servers_fault(tmp_path: Path) -> None:
    """The operator looks at the disk."""
    report = report_of(tmp_path, b"x" * 1000)
    report.workbook.unlink()
    report.workbook.mkdir()

    outcome = send(Server(), report)

    assert outcome.problem
    assert outcome.problem.key == "workbook.unreadable"
    assert (outcome.state, outcome.retry, outcome.ambiguous) == ("failed", False, False)
