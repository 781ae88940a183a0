"""Put workbooks too large for a channel into a private bucket of Supabase Storage, behind a link that expires.

Requests and answers are those of hosted Supabase (github.com/supabase/storage, src/http), where a refusal is mostly
HTTP 400 with the true status in its body. Codes and statuses: src/internal/errors/codes.ts there.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..config.environment import proxy_for
from ..config.settings import SupabaseSettings
from ..config.timeouts import Timeouts
from ..domain.delivery import MEDIA_TYPE, Attachment
from ..errors import StorageError
from ..runtime.connection import diagnose
from ..runtime.http import CONNECTION_ERRORS, LARGEST_ANSWER, Response, http_client
from ..runtime.retry import RetryPolicy, retry
from .client import ClockSkew
from .credentials import ROLE_SQL, Credentials, credentials
from .reply import CLOCK, Action, Reply, ReplyRule, as_error, first_match, passing_rule, read_reply
from .rest_rules import PROJECT_RULES

LISTED = 100
"""Names requested at once: each takes some 200 bytes of an answer."""
_CHUNK = 1 << 16
_PREFIX = "/storage/v1"
"""Of the path in a signed link; hosted Supabase leaves it out, others write it."""
_TOKEN = re.compile(r"[A-Za-z0-9._-]{20,4096}")
"""A JWT (RFC 7515): three parts in base64url, with dots between."""
_ACTIONS: dict[Action, tuple[str, str]] = {
    "store": ("may not store in the bucket", "select, insert, update"),
    "list": ("may not list the bucket", "select"),
    "remove": ("may not remove from the bucket", "select, delete"),
}
"""What was refused, and the rights on storage.objects that it requires."""
_OTHERS = "Look for what else uses the project."

STORAGE_RULES = (
    CLOCK,
    ReplyRule(
        key="permission",
        status="401",
        code="",
        words=r"\A(?!<)",  # of the gateway, which looks at the key alone; a web page is not its own
        reason="Supabase rejected SUPABASE_KEY.",
        remedy="Set SUPABASE_KEY to a key from the project's API settings.",
    ),
    ReplyRule(
        key="permission",
        status="40[013]",
        code="InvalidJWT|.*JWT.*",
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key of this project, or a token that has not expired.",
    ),
    ReplyRule(
        key="permission",
        status="40[13]",
        words=r"\A(?!<)",
        reason="{setting} {refused} {bucket}.",
        remedy="Use a secret key, or give its role policies on storage.buckets (select) and storage.objects "
        f"({{rights}}): {ROLE_SQL} has them.",
    ),
    ReplyRule(
        key="no_such_bucket",
        status="404",
        words="bucket not found|related resource does not exist|resource was not found",
        reason="{setting} sees no bucket {bucket} in Supabase Storage.",
        remedy="Create it there, private, or correct REPORT_BUCKET.",
    ),
    ReplyRule(
        key="no_such_file",
        status="404",
        words="object not found",
        reason="Supabase Storage doesn't find a file in the bucket {bucket}.",
        remedy="Look for what removes files from the bucket.",
    ),
    ReplyRule(
        key="too_large",
        status="413",
        reason="Supabase Storage takes no file of this size.",
        remedy="Raise the size limit of the bucket or of the project.",
    ),
    ReplyRule(
        key="type",
        status="415|422",
        reason="The bucket {bucket} takes no workbooks.",
        remedy=f"Allow the type {MEDIA_TYPE} in its settings.",
    ),
    passing_rule(key="locked", reason="Another request holds the file in the bucket {bucket}.", status="423"),
    passing_rule(
        key="rate_limit", reason="Supabase Storage limits the number of requests.", remedy=_OTHERS, status="429"
    ),
    passing_rule(
        key="rate_limit", reason="Supabase Storage limits the number of requests.", remedy=_OTHERS, words="SlowDown"
    ),
    *(replace(rule, group="", code=".*") for rule in PROJECT_RULES),
    passing_rule(
        key="gateway", reason="Supabase's gateway has no answer from Storage.", status="50[234]|52.|530", code=""
    ),
    passing_rule(key="failed", reason="Supabase Storage is out of order.", status="5..|408|425"),
    ReplyRule(
        key="rejected",
        reason="Supabase Storage rejected the request.",
        remedy="Its words say why.",
    ),
)


class Storage:
    """The bucket of REPORT_BUCKET. Each link is valid for `lifetime`.

    `hide` is called with its token, which opens the file.
    """

    def __init__(
        self,
        settings: SupabaseSettings,
        bucket: str,
        lifetime: timedelta,
        *,
        tls: ssl.SSLContext,
        clock: Callable[[], datetime],
        hide: Callable[[Iterable[str]], None],
        timeouts: Timeouts,
    ) -> None:
        self._address = f"{settings.supabase_url}{_PREFIX}"
        self._credentials = credentials(settings)
        self._bucket = bucket
        self._lifetime = lifetime
        self._tls = tls
        self._clock = clock
        self._hide = hide
        self._skew = ClockSkew("storage", self._credentials, timeouts)
        self._timeouts = timeouts

    async def put(self, workbook: Path, attachment: Attachment, folder: str, policy: RetryPolicy) -> Attachment:
        """Put `workbook` into `folder` of the bucket, replacing one that is there; return `attachment` with its link.

        It may take half of the run's remaining time, so that a report can still be sent without it.
        Raise StorageError if the bucket is missing or public, or the file can't be stored or linked.
        """
        seconds = min(self._timeouts.storage, policy.left() / 2)
        policy = replace(policy, deadline=asyncio.get_running_loop().time() + seconds)
        path = f"{self._bucket}/{folder}/{attachment.name}"
        try:
            async with asyncio.timeout(seconds):
                await retry(self.check, policy)
                await retry(lambda: self._upload(path, workbook, attachment.size), policy)
                until = self._clock() + self._lifetime
                link = await retry(lambda: self._sign(path), policy)
        except TimeoutError as error:
            raise StorageError(
                "storage.timed_out",
                "Supabase Storage did not take the workbook in time.",
                "Check the Supabase project and the network on the way.",
            ) from error
        except OSError as error:
            raise StorageError(
                "workbook.unreadable",
                f"The workbook can't be read ({error.strerror}).",
                "Check the disk of REPORT_DIR.",
            ) from error
        return replace(attachment, link=link, until=until)

    async def check(self) -> str:
        """Return that the bucket is there and private; raise StorageError if not."""
        match await self._ask("GET", f"/bucket/{self._bucket}"):
            case {"public": False}:
                return f"{self._bucket} is there and private"
            case {"public": True}:
                raise StorageError(
                    "storage.public_bucket",
                    f"The bucket {self._bucket} is public: whoever guesses a report's name could read it.",
                    "Make it private, or set REPORT_BUCKET to one that is.",
                )
        raise bad_answer("whether the bucket is private")

    async def names(self, folder: str, beginning: str, policy: RetryPolicy) -> AsyncGenerator[str]:
        """Yield the names in `folder` with this `beginning`, sorted; "" is the bucket itself."""
        body = {"prefix": folder, "search": beginning, "limit": LISTED, "sortBy": {"column": "name", "order": "asc"}}
        offset = 0
        while found := await retry(lambda: self._list(body | {"offset": offset}), policy):  # noqa: B023 - awaited here
            for name in found:
                if name.startswith(beginning):
                    yield name
            offset += len(found)

    async def remove(self, paths: Sequence[str], policy: RetryPolicy) -> int:
        """Remove files of the bucket by their paths; return how many were removed.

        Raise StorageError if the request fails; a key that may not remove them finds none.
        """
        body, path = {"prefixes": [*paths]}, f"/object/{self._bucket}"
        removed = await retry(lambda: self._ask("DELETE", path, action="remove", json=body), policy)
        if not isinstance(removed, list):
            raise bad_answer("what was removed")
        return len(removed)

    async def _list(self, body: dict[str, Any]) -> list[str]:
        found = await self._ask("POST", f"/object/list/{self._bucket}", action="list", json=body)
        try:
            return [str(entry["name"]) for entry in found]
        except (TypeError, LookupError) as error:
            raise bad_answer("what is in the bucket") from error

    async def _upload(self, path: str, workbook: Path, size: int) -> None:
        headers = {"content-type": MEDIA_TYPE, "content-length": str(size), "x-upsert": "true"}
        answer = await self._ask("POST", f"/object/{path}", headers=headers, content=_Chunks(workbook))
        if not isinstance(answer, dict) or "Key" not in answer:
            raise bad_answer("that the workbook is stored")

    async def _sign(self, path: str) -> str:
        body = {"expiresIn": int(self._lifetime.total_seconds())}
        match await self._ask("POST", f"/object/sign/{path}", json=body):
            case {"signedURL": str(signed)} | {"signedUrl": str(signed)}:
                found, _, token = signed.removeprefix(_PREFIX).partition("?token=")
                if found == f"/object/sign/{path}" and _TOKEN.fullmatch(token):
                    self._hide([token])
                    return f"{self._address}{found}?token={token}"
        raise bad_answer("a signed link to the workbook")

    async def _ask(self, method: str, path: str, *, action: Action = "store", **options: Any) -> Any:
        """Send a request with httpx's `options`; return the JSON of the answer, None if it is not JSON.

        Raise StorageError if no answer comes, or a refusal.
        """

        async def send() -> Response:
            async with http_client(
                self._tls,
                proxy_for(self._address),
                limit=LARGEST_ANSWER,
                connect=self._timeouts.connect,
                answer=self._timeouts.storage_read,
                base_url=self._address,
                headers=self._credentials.headers,
            ) as client:
                return await client.request(method, path, **options)

        try:
            response = await self._skew.answer(send)
        except CONNECTION_ERRORS as error:
            found = diagnose(error)
            raise StorageError(
                f"storage.{found.kind}",
                f"Supabase Storage can't be reached: {found.reason}.",
                f"{found.remedy}; SUPABASE_URL says where it is.",
                transient=found.transient,
            ) from error
        if not response.is_success:
            raise storage_refusal(read_reply(response, action), self._bucket, self._credentials)
        with suppress(ValueError, RecursionError):
            return json.loads(response.content)
        return None


def storage_refusal(reply: Reply, bucket: str, used: Credentials) -> StorageError:
    """Return the error of a refused request about `bucket` with the credentials `used`."""
    rule = first_match(STORAGE_RULES, reply, used)
    return as_error(StorageError, "storage", rule, reply, storage_facts(reply.action, bucket, used))


def storage_facts(action: Action, bucket: str, used: Credentials) -> dict[str, str]:
    """Return the facts that reasons and remedies of the rules name."""
    refused, rights = _ACTIONS[action]
    return {"setting": used.setting, "bucket": bucket, "refused": refused, "rights": rights}


def bad_answer(wanted: str) -> StorageError:
    """Return the error of an answer that does not say what was `wanted`."""
    return StorageError(
        "storage.bad_answer",
        f"Supabase Storage's answer does not say {wanted}.",
        "Look for what changes answers on the way, such as a proxy.",
        transient=True,
    )


class _Chunks:
    """The content of a file in pieces, from its beginning at each attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
