"""The pods of an Indexed Job alert one after the other, so that each knows what the others have told."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..config.schedule import shared_by_pods
from ..domain.outcome import Outcome
from ..domain.window import Window
from ..errors import LedgerError
from ..ledger.claim import Claim
from ..message.alert import Failure
from ..runtime.retry import RetryPolicy
from .alerts import AlertResult
from .services import Services

logger = logging.getLogger(__name__)


async def alert_in_turn(
    services: Services,
    window: Window | None,
    failures: Sequence[Failure],
    policy: RetryPolicy,
    *,
    claim: Claim | None = None,
    outcomes: Sequence[Outcome] = (),
) -> AlertResult:
    """Alert of `failures`, in an Indexed Job when no other pod does: it may be telling the same.

    Where the ledger can't be used, each alerts for itself.
    """
    shared = shared_by_pods(services.run.options, services.settings.report, services.run.clock())
    if shared and not services.alerts.muted:
        try:
            async with services.ledger.claim(shared, _outlasting_another_alert(services, policy)):
                return await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)
        except LedgerError as error:
            logger.warning("What other pods have alerted of is not known: %s", error, extra={"event": "ledger_failed"})
    return await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)


def _outlasting_another_alert(services: Services, policy: RetryPolicy) -> RetryPolicy:
    """Return a policy that outlasts another pod's alert, by Telegram and then by email."""
    longest = 2 * services.run.timeouts.alert + services.run.timeouts.alert_note
    return replace(policy, deadline=asyncio.get_running_loop().time() + longest)
