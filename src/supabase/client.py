"""One question to Supabase's REST interface: sent once, timed, and its failures translated."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from postgrest import AsyncPostgrestClient, AsyncQueryRequestBuilder, AsyncRequestBuilder

from ..config.settings import SupabaseSettings
from ..config.timeouts import Timeouts
from ..errors import SourceUnreachableError
from ..runtime.connection import CONNECTION_ERRORS, diagnose
from .replies import refusal

_KINDS = {"sb_secret_": "a secret key", "sb_publishable_": "a publishable key"}
_SEES_ALL = ("a secret key", "a JWT of service_role")


class PostgrestClient:
    """A Supabase project's REST address, and the kind of the key that is used there."""

    def __init__(self, client: AsyncPostgrestClient, *, key_kind: str, answer_limit: float) -> None:
        self._client = client
        self.key_kind = key_kind
        self._answer_limit = answer_limit

    @property
    def sees_all(self) -> bool:
        """Whether row-level security never hides rows from the key."""
        return self.key_kind in _SEES_ALL

    def table(self, name: str) -> AsyncRequestBuilder:
        """Begin a query."""
        return self._client.from_(name)

    async def answer(self, query: AsyncQueryRequestBuilder, table: str) -> httpx.Response:
        """Send `query` and return the answer; raise SourceError if none came or it is a refusal."""
        return self.checked(await self.send(query, table), table)

    def checked(self, response: httpx.Response, table: str) -> httpx.Response:
        """Return `response`; raise SourceError if it is a refusal."""
        if not response.is_success:
            raise refusal(response, table, sees_all=self.sees_all)
        return response

    async def send(self, query: AsyncQueryRequestBuilder, table: str) -> httpx.Response:
        """Send `query` and return the answer, be it a refusal; raise SourceUnreachableError if none came."""
        try:
            # Sent by hand: execute() hides the status and takes an HTML page or a cut body for data.
            async with asyncio.timeout(self._answer_limit):
                return await query.request.send(httpx.Headers())
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            found = diagnose(error)
            raise SourceUnreachableError(
                f"source.{found.kind}",
                f"Supabase could not be asked for the table {table}: {found.reason}.",
                f"{found.remedy}; SUPABASE_URL says where it is.",
                transient=found.transient,
            ) from error


@asynccontextmanager
async def open_client(
    settings: SupabaseSettings, tls: ssl.SSLContext, timeouts: Timeouts
) -> AsyncIterator[PostgrestClient]:
    """Open the project that `settings` names; its connections end with the block."""
    key = settings.supabase_key.get_secret_value()
    # A redirect is not followed: it would carry the key to another host.
    timeout = httpx.Timeout(timeouts.supabase_read, connect=min(timeouts.connect, timeouts.supabase_read))
    async with httpx.AsyncClient(verify=tls, timeout=timeout, follow_redirects=False) as session:
        client = AsyncPostgrestClient(
            f"{settings.supabase_url}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            http_client=session,
        )
        yield PostgrestClient(client, key_kind=key_kind(key), answer_limit=timeouts.supabase_answer)


def key_kind(key: str) -> str:
    """Tell what kind of key it is: by its beginning, or a JWT by its role."""
    for beginning, kind in _KINDS.items():
        if key.startswith(beginning):
            return kind
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        role = str(claims["role"])
    except (LookupError, TypeError, ValueError):
        return "a key of an unknown kind"
    return f"a JWT of {role}" if role.isidentifier() else "a JWT of an odd role"
