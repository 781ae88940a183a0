"""One question to Supabase Storage about one bucket: sent once, and its failures put into words.

Requests and answers are those of hosted Supabase (github.com/supabase/storage, src/http), where a refusal is mostly
HTTP 400 and the true status stands in the body.
"""

import re
from typing import Any

import httpx

from ..errors import StorageError
from ..runtime.connection import CONNECTION_ERRORS, diagnose, is_transient_status, retry_after
from .decode import excerpt

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Bucket:
    """A bucket by its `name`, asked through `client`, whose base address is that of Storage."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self._client = client
        self._name = name

    async def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request with httpx's `options` and return the object that answers it; raise StorageError if none."""
        try:
            response = await self._client.request(method, path, **options)
        except CONNECTION_ERRORS as error:
            found = diagnose(error)
            raise StorageError(
                f"storage.{found.kind}",
                f"Supabase Storage could not be asked: {found.reason}.",
                f"{found.remedy}; SUPABASE_URL says where it is.",
                transient=found.transient,
            ) from error
        content = _object(response)
        if not response.is_success:
            raise self._refusal(response, content)
        return content

    def _refusal(self, response: httpx.Response, content: dict[str, Any]) -> StorageError:
        told = str(content.get("statusCode"))
        status = int(told) if re.fullmatch(r"[1-5][0-9]{2}", told) else response.status_code
        words = str(content["message"]).encode() if "message" in content else response.content
        said = f"(HTTP {status}, {excerpt(words)})"
        if status in (401, 403) or "jwt" in str(content.get("error")).lower():
            return StorageError(
                "storage.permission",
                f"SUPABASE_KEY may not store in the bucket {self._name} {said}.",
                "Use a secret key, or give its role policies on storage.buckets (select) and storage.objects "
                "(select, insert, update).",
            )
        refusals = {
            404: (
                "storage.no_such_bucket",
                f"SUPABASE_KEY sees no bucket {self._name} in Supabase Storage {said}.",
                "Create it there, private, or correct REPORT_BUCKET.",
            ),
            413: (
                "storage.too_large",
                f"Supabase Storage takes no file of this size {said}.",
                "Raise the limit of the bucket or of the project.",
            ),
            415: (
                "storage.type",
                f"The bucket {self._name} takes no workbooks {said}.",
                f"Allow the type {XLSX} there.",
            ),
        }
        if status in refusals:
            return StorageError(*refusals[status])
        return StorageError(
            "storage.failed",
            f"Supabase Storage did not do it {said}.",
            "Read its words, and check the project's status page.",
            transient=is_transient_status(status),
            retry_after=retry_after(response.headers),
        )


def unreadable(wanted: str) -> StorageError:
    """Say that an answer lacks what was asked for."""
    return StorageError(
        "storage.bad_answer",
        f"Supabase Storage's answer does not say {wanted}.",
        "Check SUPABASE_URL and any proxy on the way.",
        transient=True,
    )


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
