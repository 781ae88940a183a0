"""A monitor outside of the cluster is told that a run began and how it ended; its own trouble never fails a run."""

import asyncio
import logging
import ssl
from collections.abc import Callable

import httpx
from pydantic import SecretStr

from ..runtime.connection import CONNECTION_ERRORS, diagnose

logger = logging.getLogger(__name__)
TIMEOUT = 5.0
"""Seconds for one ping: it must fit into the grace period after SIGTERM, beside the alert."""
REASON = 500
"""Characters of a reason; healthchecks.io keeps 100 kB, and who reads it has the alert too."""


class Heartbeat:
    """Pings the check at `url` (the form of healthchecks.io), if there is one; `redact` cleans reasons."""

    def __init__(self, url: SecretStr | None, tls: ssl.SSLContext, redact: Callable[[str], str]) -> None:
        self._url = url.get_secret_value() if url else ""
        self._tls = tls
        self._redact = redact

    async def started(self) -> None:
        """Tell that a run began."""
        await self._ping("/start", "")

    async def ended(self, failure: str) -> None:
        """Tell that the run ended well, or the `failure` that it ended with."""
        await self._ping("/fail" if failure else "", self._redact(failure)[:REASON])

    async def _ping(self, path: str, reason: str) -> None:
        if not self._url:
            return
        try:
            async with asyncio.timeout(TIMEOUT), httpx.AsyncClient(verify=self._tls, timeout=TIMEOUT) as session:
                answer = await session.post(f"{self._url}{path}", content=reason.encode())
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            why = diagnose(error).reason
        else:
            why = "" if answer.is_success else f"it answered with HTTP {answer.status_code}"
        if why:
            logger.warning(
                "The monitor at HEARTBEAT_URL could not be told: %s. The report itself is not touched by that.",
                why,
                extra={"event": "heartbeat_failed"},
            )
