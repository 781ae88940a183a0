"""A private bucket of Supabase Storage: a workbook too large for a channel is put there and linked for a while.

Requests and answers are those of hosted Supabase (github.com/supabase/storage, src/http), where a refusal is mostly
HTTP 400 and the true status stands in the body.
"""

import asyncio
import functools
import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..config.limits import LARGEST_ANSWER
from ..config.proxies import proxy_for
from ..config.settings import SupabaseSettings
from ..config.timeouts import Timeouts
from ..domain.attachment import MEDIA_TYPE, Attachment
from ..errors import StorageError
from ..runtime.connection import diagnose
from ..runtime.http import CONNECTION_ERRORS, AsyncClient, http_client
from ..runtime.retry import RetryPolicy, retry
from .client import ClockSkew
from .credentials import credentials
from .reply import Action, json_object, read_reply
from .storage_rules import storage_refusal

LISTED = 100
"""Folders asked for at once: each takes some 200 bytes of an answer."""
_CHUNK = 1 << 16
_PREFIX = "/storage/v1"
"""Of the path in a signed link; hosted Supabase leaves it out, others write it."""
_TOKEN = re.compile(r"[A-Za-z0-9._-]{20,4096}")
"""A JWT (RFC 7515): three parts in base64url, with dots between."""


class Storage:
    """The bucket of REPORT_BUCKET. Each link lives `lifetime`.

    `hide` is called with its token, for that opens the file.
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
        self._address = f"{settings.supabase_url}/storage/v1"
        self._credentials = credentials(settings)
        self._bucket = bucket
        self._lifetime = lifetime
        self._tls = tls
        self._clock = clock
        self._hide = hide
        self._limit = timeouts.storage
        self._skew = ClockSkew("storage", self._credentials, timeouts)
        self._timeouts = timeouts

    async def put(self, workbook: Path, attachment: Attachment, folder: str, policy: RetryPolicy) -> Attachment:
        """Put `workbook` into `folder` of the bucket, in place of one that is there; return `attachment` with its link.

        It may take half of the run's time that is left, so that a report can still go without.
        Raise StorageError if the bucket is missing or public, or the file can't be stored or linked.
        """
        seconds = min(self._limit, policy.left() / 2)
        policy = replace(policy, deadline=asyncio.get_running_loop().time() + seconds)
        path = f"{self._bucket}/{folder}/{attachment.name}"
        try:
            async with asyncio.timeout(seconds), self._client() as client:
                await retry(lambda: self._check_private(client), policy)
                await retry(lambda: self._upload(client, path, workbook, attachment.size), policy)
                until = self._clock() + self._lifetime
                link = await retry(lambda: self._sign(client, path), policy)
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
        """Look whether the bucket is there and private; raise StorageError if not."""
        async with self._client() as client:
            await self._check_private(client)
        return f"{self._bucket} is there and private"

    async def folders(self, parent: str, beginning: str, policy: RetryPolicy) -> AsyncGenerator[str]:
        """Yield the names of the folders in `parent` that have this `beginning`, in their order; "" is the bucket."""
        offset = 0
        async with self._client() as client:
            while names := await retry(functools.partial(self._list, client, parent, beginning, offset), policy):
                for name in names:
                    if name.startswith(beginning):
                        yield name
                offset += len(names)

    async def _list(self, client: AsyncClient, parent: str, beginning: str, offset: int) -> list[str]:
        order = {"column": "name", "order": "asc"}
        body = {"prefix": parent, "search": beginning, "limit": LISTED, "offset": offset, "sortBy": order}
        content = await self._answer(client, "POST", f"/object/list/{self._bucket}", action="list", json=body)
        try:
            return [str(found["name"]) for found in json.loads(content)]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise bad_answer("what is in the bucket") from error

    async def remove(self, paths: Sequence[str], policy: RetryPolicy) -> int:
        """Remove files of the bucket by their paths; return how many of them were there.

        Raise StorageError if it can't be asked; a key that may not remove them finds none.
        """
        async with self._client() as client:
            ask = functools.partial(self._answer, client, "DELETE", f"/object/{self._bucket}", action="remove")
            content = await retry(lambda: ask(json={"prefixes": [*paths]}), policy)
        try:
            return len(json.loads(content))
        except (ValueError, TypeError, RecursionError) as error:
            raise bad_answer("what was removed") from error

    def _client(self) -> AsyncClient:
        return http_client(
            self._tls,
            proxy_for(self._address),
            limit=LARGEST_ANSWER,
            connect=self._timeouts.connect,
            answer=self._timeouts.storage_read,
            base_url=self._address,
            headers=self._credentials.headers,
        )

    async def _check_private(self, client: AsyncClient) -> None:
        found = await self._ask(client, "GET", f"/bucket/{self._bucket}")
        if not isinstance(found.get("public"), bool):
            raise bad_answer("whether the bucket is private")
        if found["public"]:
            raise StorageError(
                "storage.public_bucket",
                f"The bucket {self._bucket} is public: whoever guesses a report's name could read it.",
                "Make it private, or set REPORT_BUCKET to one that is.",
            )

    async def _upload(self, client: AsyncClient, path: str, workbook: Path, size: int) -> None:
        headers = {"content-type": MEDIA_TYPE, "content-length": str(size), "x-upsert": "true"}
        answer = await self._ask(client, "POST", f"/object/{path}", headers=headers, content=_Chunks(workbook))
        if "Key" not in answer:
            raise bad_answer("that the workbook is stored")

    async def _sign(self, client: AsyncClient, path: str) -> str:
        body = {"expiresIn": int(self._lifetime.total_seconds())}
        answer = await self._ask(client, "POST", f"/object/sign/{path}", json=body)
        signed = str(answer.get("signedURL") or answer.get("signedUrl")).removeprefix(_PREFIX)
        found, _, token = signed.partition("?token=")
        if found != f"/object/sign/{path}" or not _TOKEN.fullmatch(token):
            raise bad_answer("a signed link to the workbook")
        self._hide([token])
        return f"{self._address}{signed}"

    async def _ask(self, client: AsyncClient, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request with httpx's `options` and return the object that answers it; raise StorageError if none."""
        return json_object(await self._answer(client, method, path, action="store", **options))

    async def _answer(self, client: AsyncClient, method: str, path: str, *, action: Action, **options: Any) -> bytes:
        try:
            response = await self._skew.answer(lambda: client.request(method, path, **options))
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
        return response.content


def bad_answer(wanted: str) -> StorageError:
    """Say that an answer lacks what was asked for."""
    return StorageError(
        "storage.bad_answer",
        f"Supabase Storage's answer does not say {wanted}.",
        "Look for what changes answers on the way, such as a proxy.",
        transient=True,
    )


class _Chunks:
    """A file's content in pieces, from its beginning at each attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
