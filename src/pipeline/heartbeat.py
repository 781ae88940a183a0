"""A monitor outside of the cluster is told that a run began and how it ended; its own trouble never fails a run."""

import asyncio
import logging
import ssl

import httpx
from pydantic import SecretStr

from ..runtime.connection import CONNECTION_ERRORS, diagnose
from ..runtime.proxies import proxy_for
from ..runtime.redaction import Redaction

logger = logging.getLogger(__name__)
REASON = 500
"""Characters of a reason; healthchecks.io keeps 100 kB, and who reads it has the alert too."""


class Heartbeat:
    """Pings the check at `url` (the form of healthchecks.io), if there is one; a ping takes `limit` seconds at most."""

    def __init__(self, url: SecretStr | None, tls: ssl.SSLContext, redaction: Redaction, limit: float) -> None:
        self._url = url.get_secret_value() if url else ""
        self._tls = tls
        self._redaction = redaction
        self._limit = limit

    async def started(self) -> None:
        """Tell that a run began."""
        await self._ping("/start", "")

    async def ended(self, failure: str) -> None:
        """Tell that the run ended well, or the `failure` that it ended with."""
        await self._ping("/fail" if failure else "", self._redaction(failure)[:REASON])

    async def _ping(self, path: str, reason: str) -> None:
        if not self._url:
            return
        try:
            async with (
                asyncio.timeout(self._limit),
                httpx.AsyncClient(
                    verify=self._tls,
                    timeout=self._limit,
                    proxy=proxy_for(self._url, self._tls),
                    trust_env=False,
                ) as session,
                # Its status is all that is wanted: the body, which may never end, stays unread.
                session.stream("POST", f"{self._url}{path}", content=reason.encode("utf-8", "replace")) as answer,
            ):
                pass
        except httpx.InvalidURL:
            why = "that is not an address"
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            why = diagnose(error).reason
        else:
            why = "" if answer.is_success else f"it answered with HTTP {answer.status_code}"
        if why:
            logger.warning(
                "The monitor at HEARTBEAT_URL could not be told: %s. The report is not affected.",
                why,
                extra={"event": "heartbeat_failed"},
            )
