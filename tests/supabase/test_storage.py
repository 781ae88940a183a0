"""Supabase Storage: what is asked, and what comes of its answers."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from src.config.settings import SupabaseSettings
from src.config.timeouts import Timeouts
from src.domain.delivery import Attachment
from src.errors import StorageError
from src.runtime.http import LARGEST_ANSWER
from src.runtime.retry import RetryPolicy
from src.supabase.storage import Storage

from ..builders import QUICK, START
from ..faults import storage_says
from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault

NAME = "report_20261122_130000.xlsx"
PATH = f"/object/sign/reports/report.hourly.x/{NAME}"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ1cmwiOiJyIn0.c2lnbmF0dXJl_-"
CONTENT = b"PK\x03\x04" + bytes(range(256)) * 2000
"""More than one chunk of an upload."""


def make_storage(
    sandbox: Sandbox, *, hidden: list[str] | None = None, url: str = "", timeouts: Timeouts = QUICK
) -> Storage:
    """Make the client of the bucket `reports`, within a running loop, with hardly any time between attempts."""
    values = {"supabase_url": url or sandbox.supabase.url, "supabase_key": sandbox.supabase.secret_key}
    return Storage(
        SupabaseSettings.model_validate(values),
        "reports",
        timedelta(hours=72),
        tls=ssl.create_default_context(),
        timeouts=timeouts,
        clock=lambda: START,
        hide=(hidden if hidden is not None else []).extend,
    )


def put(sandbox: Sandbox, *, first_wait: float = 0.01, content: bytes | None = CONTENT, **options: Any) -> Attachment:
    """Put a file into the bucket, with the `options` of make_storage; without `content` there is no file."""
    workbook = sandbox.folder / NAME
    if content is not None:
        workbook.write_bytes(content)

    async def asked() -> Attachment:
        storage = make_storage(sandbox, **options)
        deadline = asyncio.get_running_loop().time() + 120
        policy = RetryPolicy(deadline=deadline, first_wait=first_wait, longest_wait=first_wait)
        return await storage.put(workbook, Attachment(name=NAME, size=len(CONTENT)), "report.hourly.x", policy)

    return asyncio.run(asked())


def failure(sandbox: Sandbox, **options: Any) -> str:
    """Put a file that can't be put, and return the key of the problem."""
    with pytest.raises(StorageError) as caught:
        put(sandbox, **options)
    return caught.value.problem.key


def test_the_file_comes_back_through_its_link_byte_by_byte(sandbox: Sandbox) -> None:
    """With its name, its size, and the moment when the link ends."""
    sandbox.supabase.make_bucket("reports")

    file = put(sandbox)

    assert (file.name, file.size, file.until) == (
        "report_20261122_130000.xlsx",
        len(CONTENT),
        START + timedelta(hours=72),
    )
    assert sandbox.downloads(f"here: {file.link} .") == [CONTENT]


def test_the_upload_is_streamed_and_takes_the_place_of_an_earlier_one(sandbox: Sandbox) -> None:
    """Its length is known beforehand, and a repeat is no error."""
    sandbox.supabase.make_bucket("reports")
    put(sandbox)
    sandbox.supabase.requests.clear()

    put(sandbox)

    bucket, upload, sign = sandbox.supabase.requests
    assert upload.target == "/storage/v1/object/reports/report.hourly.x/report_20261122_130000.xlsx"
    assert (upload.headers["content-length"], upload.headers["x-upsert"]) == (str(len(CONTENT)), "true")
    assert "transfer-encoding" not in upload.headers
    assert json.loads(sign.body) == {"expiresIn": 72 * 3600}
    assert (bucket.method, bucket.target) == ("GET", "/storage/v1/bucket/reports")


def test_the_token_of_a_link_is_told_as_a_secret(sandbox: Sandbox) -> None:
    """It opens the file to whoever reads it."""
    sandbox.supabase.make_bucket("reports")
    hidden: list[str] = []

    file = put(sandbox, hidden=hidden)

    assert hidden == [file.link.partition("token=")[2]]


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param({"signedURL": f"{PATH}?token={TOKEN}"}, id="hosted"),
        pytest.param({"signedUrl": f"/storage/v1{PATH}?token={TOKEN}"}, id="others"),
    ],
)
def test_either_form_of_a_signed_link_becomes_a_whole_address(sandbox: Sandbox, signed: dict[str, str]) -> None:
    """With the prefix of Storage once."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.faults.append(Fault(answer=Answer(body=json.dumps(signed).encode()), match="/object/sign/"))

    file = put(sandbox)

    assert file.link == f"{sandbox.supabase.url}/storage/v1{PATH}?token={TOKEN}"


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(f"/object/sign/reports/other.xlsx?token={TOKEN}", id="another file"),
        pytest.param(f"{PATH}/../../private.xlsx?token={TOKEN}", id="a path that goes on"),
        pytest.param(f"https://evil.example{PATH}?token={TOKEN}", id="another host"),
        pytest.param(f"/storage/v1/storage/v1{PATH}?token={TOKEN}", id="the prefix twice"),
        pytest.param(f"{PATH}?token={TOKEN[:19]}", id="a token of 19 characters"),
        pytest.param(f"{PATH}?token={'x' * 4097}", id="a token of 4,097 characters"),
        pytest.param(f"{PATH}?token={TOKEN}&download=evil.exe", id="more behind the token"),
        pytest.param(f"{PATH}?token={TOKEN}\n", id="a line break"),
        pytest.param(f"{PATH}?token={'²' * 40}", id="other characters"),
        pytest.param("/object/sign/" + "?token=" * 140_000, id="a megabyte of beginnings"),
    ],
)
def test_a_link_to_anything_but_the_workbook_is_refused_at_once(sandbox: Sandbox, signed: str) -> None:
    """It would stand in every message; and a pattern that goes back and forth would not heed the time limit."""
    sandbox.supabase.make_bucket("reports")
    body = json.dumps({"signedURL": signed}).encode()
    sandbox.supabase.faults.append(Fault(answer=Answer(body=body), match="/object/sign/"))
    hidden: list[str] = []

    file = put(sandbox, hidden=hidden)

    assert len(hidden) == 1  # of the second attempt
    assert sandbox.downloads(file.link) == [CONTENT]
    assert "evil" not in file.link


@pytest.mark.parametrize(
    ("match", "answer", "key"),
    [
        ("/bucket/", storage_says(404, "Bucket not found"), "storage.no_such_bucket"),
        ("/bucket/", storage_says(401, "jwt expired"), "storage.permission"),
        ("/bucket/", Answer(status=302), "storage.redirect"),
        ("/object/reports", storage_says(403, "row-level security"), "storage.permission"),
        ("/object/reports", storage_says(400, "Invalid JWT"), "storage.permission"),
        ("/object/reports", storage_says(413, "exceeded"), "storage.too_large"),
        ("/object/reports", storage_says(415, "mime type"), "storage.type"),
        ("/object/reports", storage_says(409, "odd"), "storage.rejected"),
        ("/object/sign", storage_says(404, "Object not found"), "storage.no_such_file"),
    ],
)
def test_a_refusal_is_not_tried_again(sandbox: Sandbox, match: str, answer: Answer, key: str) -> None:
    """The true status stands in the body of an HTTP 400."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.faults.append(Fault(answer=answer, match=match))

    assert failure(sandbox) == key
    assert match in sandbox.supabase.requests[-1].target


NOT_YET = Answer(status=401, body=b'{"code": "PGRST303", "message": "JWT issued at future"}')


@pytest.mark.parametrize("match", ["/bucket/", "/object/reports", "/object/sign"])
def test_a_token_of_the_future_is_waited_for(sandbox: Sandbox, match: str) -> None:
    """Also where a whole upload has to begin anew."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.faults += [Fault(answer=NOT_YET, match=match)] * 3

    file = put(sandbox)

    assert sandbox.downloads(file.link) == [CONTENT]


def test_a_clock_that_stays_off_is_given_up(sandbox: Sandbox) -> None:
    """Long before the time for the workbook is over."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.always = Fault(answer=NOT_YET, match="/object/reports")

    assert failure(sandbox, timeouts=Timeouts(clock=0.05, clock_wait=0.01)) == "storage.clock"


@pytest.mark.parametrize("match", ["/bucket/", "/object/reports", "/object/sign"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(status=503), id="503"),
        pytest.param(storage_says(500, "Internal"), id="500 within 400"),
        pytest.param(storage_says(429, "Slow down"), id="429 within 400"),
        pytest.param(storage_says(423, "The resource is locked"), id="423 within 400"),
        pytest.param(
            Answer(status=544, body=b'{"statusCode": "544", "message": "The connection to the database timed out"}'),
            id="544",
        ),
        pytest.param(Answer(body=b"<html>Hello</html>"), id="web page"),
        pytest.param(Answer(body=b"[]"), id="list"),
        pytest.param(Answer(body=b"{}"), id="nothing"),
        pytest.param(Answer(body=b"[" * LARGEST_ANSWER), id="too deep"),
        pytest.param(
            Answer(body=b'{"public": "no", "signedURL": "https://elsewhere.invalid/?token=x"}'), id="something else"
        ),
    ],
)
def test_what_may_be_gone_at_the_next_attempt_is_tried_again(sandbox: Sandbox, match: str, answer: Answer) -> None:
    """At each of the three questions."""
    sandbox.supabase.make_bucket("reports")
    sandbox.supabase.faults.append(Fault(answer=answer, match=match))

    file = put(sandbox)

    assert sandbox.downloads(file.link) == [CONTENT]


def test_no_answer_is_read_beyond_a_bound(sandbox: Sandbox) -> None:
    """Whatever is out of order between may send for ever."""
    sandbox.supabase.make_bucket("reports")
    endless = b'{"public": false, "more": "' + b"x" * LARGEST_ANSWER + b'"}'
    sandbox.supabase.faults.append(Fault(answer=Answer(body=endless), match="/bucket/"))

    assert failure(sandbox) == "storage.answer_too_large"
    assert len(sandbox.supabase.requests) == 1


def test_a_public_bucket_gets_nothing(sandbox: Sandbox) -> None:
    """Whoever guesses a name could read it."""
    sandbox.supabase.make_bucket("reports", public=True)

    assert failure(sandbox) == "storage.public_bucket"
    assert [request.method for request in sandbox.supabase.requests] == ["GET"]


def test_a_workbook_that_cannot_be_read_is_said(sandbox: Sandbox) -> None:
    """Storage is not to blame."""
    sandbox.supabase.make_bucket("reports")

    assert failure(sandbox, content=None) == "workbook.unreadable"


def test_a_host_that_is_not_known_is_said(sandbox: Sandbox) -> None:
    """A typing error in SUPABASE_URL."""
    assert failure(sandbox, url="https://no-such-project.invalid", first_wait=200) == "storage.unknown_host"


def test_what_is_no_tls_after_the_handshake_is_said(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not taken for a workbook that can't be read."""
    monkeypatch.setenv("SSL_CERT_FILE", sandbox.environment["SSL_CERT_FILE"])
    sandbox.speak("https")
    sandbox.supabase.faults.append(Fault(cut="garbled"))

    assert failure(sandbox) == "storage.not_tls"


def test_it_leaves_half_of_the_time_for_a_message_without_the_workbook(sandbox: Sandbox) -> None:
    """However slowly the server answers."""
    sandbox.supabase.always = Fault(drip=0.5, answer=Answer(body=b'{"public": false}'))

    async def left_over() -> float:
        deadline = asyncio.get_running_loop().time() + 4
        policy = RetryPolicy(deadline=deadline, first_wait=0.01, longest_wait=0.01)
        attachment = Attachment(name=NAME, size=len(CONTENT))
        with pytest.raises(StorageError):
            await make_storage(sandbox).put(sandbox.folder / NAME, attachment, "report.hourly.x", policy)
        return policy.left()

    assert asyncio.run(left_over()) >= 1.5


def refused(sandbox: Sandbox, ask: Callable[[Storage, RetryPolicy], Awaitable[object]]) -> str:
    """Ask what the role may not do, and return what to do."""
    sandbox.supabase.always = Fault(answer=storage_says(403, "row-level security"), match="/storage/v1/object")

    async def asked() -> None:
        policy = RetryPolicy(deadline=asyncio.get_running_loop().time() + 120, first_wait=0.01, longest_wait=0.01)
        await ask(make_storage(sandbox), policy)

    with pytest.raises(StorageError) as caught:
        asyncio.run(asked())
    assert caught.value.problem.key == "storage.permission"
    return caught.value.problem.remedy


async def _list(storage: Storage, policy: RetryPolicy) -> None:
    async for _ in storage.names("", "report.", policy):
        pass


def test_a_refusal_names_what_was_refused_and_the_right_that_it_needs(sandbox: Sandbox) -> None:
    """Whoever may store may still lack the right to list or to remove."""
    sandbox.supabase.make_bucket("reports")

    listed = refused(sandbox, _list)
    removed = refused(sandbox, lambda storage, policy: storage.remove(["report.hourly.x/report.xlsx"], policy))

    assert "storage.objects (select)" in listed
    assert "storage.objects (select, delete)" in removed
