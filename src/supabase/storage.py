"""A private bucket of Supabase Storage: a workbook too large for a channel is put there and linked for a while."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from msgspec.structs import replace

from ..config.settings import SupabaseSettings
from ..config.timeouts import Timeouts
from ..domain.attachment import Attachment
from ..errors import StorageError
from ..runtime.retry import RetryPolicy, retry
from .bucket import XLSX, Bucket, unreadable

_CHUNK = 1 << 16
_LINK = re.compile(r"(?:/storage/v1)?(/object/sign/[!-~]+[?&]token=([!-~]+))")
"""Hosted Supabase leaves the prefix out; others write it."""


class Storage:
    """The bucket of REPORT_BUCKET. Each link lives `lifetime`; its token is told to `hide`, for it opens the file."""

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
        self._key = settings.supabase_key.get_secret_value()
        self._bucket = bucket
        self._lifetime = lifetime
        self._tls = tls
        self._clock = clock
        self._hide = hide
        self._limit = timeouts.storage
        self._timeout = httpx.Timeout(timeouts.storage_read, connect=min(timeouts.connect, timeouts.storage_read))

    async def put(self, attachment: Path, folder: str, policy: RetryPolicy) -> Attachment:
        """Put `attachment` into `folder` of the bucket, in place of one that is there, and return it with its link.

        It may take half of the run's time that is left, so that a report can still go without.
        Raise StorageError if the bucket is missing or public, or the file can't be stored or linked.
        """
        seconds = min(self._limit, policy.left() / 2)
        policy = replace(policy, deadline=asyncio.get_running_loop().time() + seconds)
        path = f"{self._bucket}/{folder}/{attachment.name}"
        try:
            file = _file(attachment)
            async with asyncio.timeout(seconds), self._client() as client:
                bucket = Bucket(client, self._bucket)
                await retry(lambda: self._check_private(bucket), policy)
                await retry(lambda: self._upload(bucket, path, attachment, file.size), policy)
                until = self._clock() + self._lifetime
                link = await retry(lambda: self._sign(bucket, path), policy)
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
        return replace(file, link=link, until=until)

    async def check(self) -> str:
        """Look whether the bucket is there and private; raise StorageError if not."""
        async with self._client() as client:
            await self._check_private(Bucket(client, self._bucket))
        return f"{self._bucket} is there and private"

    def _client(self) -> httpx.AsyncClient:
        headers = {"apikey": self._key, "Authorization": f"Bearer {self._key}"}
        # A redirect is not followed: it would carry the key to another host.
        return httpx.AsyncClient(
            base_url=self._address, headers=headers, verify=self._tls, timeout=self._timeout, follow_redirects=False
        )

    async def _check_private(self, bucket: Bucket) -> None:
        found = await bucket.ask("GET", f"/bucket/{self._bucket}")
        if not isinstance(found.get("public"), bool):
            raise unreadable("whether the bucket is private")
        if found["public"]:
            raise StorageError(
                "storage.public_bucket",
                f"The bucket {self._bucket} is public: whoever guesses a report's name could read it.",
                "Make it private, or set REPORT_BUCKET to one that is.",
            )

    async def _upload(self, bucket: Bucket, path: str, attachment: Path, size: int) -> None:
        headers = {"content-type": XLSX, "content-length": str(size), "x-upsert": "true"}
        answer = await bucket.ask("POST", f"/object/{path}", headers=headers, content=_chunks(attachment))
        if "Key" not in answer:
            raise unreadable("that the workbook is stored")

    async def _sign(self, bucket: Bucket, path: str) -> str:
        body = {"expiresIn": int(self._lifetime.total_seconds())}
        answer = await bucket.ask("POST", f"/object/sign/{path}", json=body)
        signed = _LINK.fullmatch(str(answer.get("signedURL") or answer.get("signedUrl")))
        if signed is None:
            raise unreadable("a signed link")
        self._hide([signed[2]])
        return f"{self._address}{signed[1]}"


class Shelf:
    """The place of one file in the bucket: put there when first asked for, once, whoever asks."""

    def __init__(self, storage: Storage, attachment: Path, folder: str, policy: RetryPolicy) -> None:
        self._storage = storage
        self._attachment = attachment
        self._folder = folder
        self._policy = policy
        self._turn = asyncio.Lock()
        self._found: Attachment | StorageError | None = None

    async def __call__(self) -> Attachment:
        """Return the file with its link; raise StorageError if it could not be put there."""
        async with self._turn:
            if self._found is None:
                try:
                    self._found = await self._storage.put(self._attachment, self._folder, self._policy)
                except StorageError as error:
                    self._found = error
        if isinstance(self._found, StorageError):
            raise self._found
        return self._found


def _file(attachment: Path) -> Attachment:
    return Attachment(name=attachment.name, size=attachment.stat().st_size)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
