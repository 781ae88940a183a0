"""The pods of an Indexed Job alert of one cause once: what one of them told stands in the ledger, for all of them."""

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


async def alert(
    services: Services,
    window: Window | None,
    failures: Sequence[Failure],
    policy: RetryPolicy,
    *,
    claim: Claim | None = None,
    outcomes: Sequence[Outcome] = (),
) -> AlertResult:
    """Alert of `failures`, in an Indexed Job only of what no other pod has told that day.

    While one pod alerts, the others wait for it. Where the ledger can't be used, each alerts for itself.
    """
    told: AlertResult | None = None
    now = services.run.clock()
    shared = shared_by_pods(services.run.options, services.settings.report, now)
    if shared and not services.alerts.muted:
        causes = [f"{cause} on {now:%Y-%m-%d}" for failure in failures for cause in failure.causes]
        try:
            async with services.ledger.claim(shared, _patient(services, policy)) as job:
                if not job.is_new(causes):
                    logger.info("Another pod of this Job has alerted of this; nobody is told again")
                    return "before"
                told = await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)
                if told == "now":
                    await job.note_alert(causes)
        except LedgerError as error:
            logger.warning("What other pods have alerted of is not known: %s", error, extra={"event": "ledger_failed"})
    return told or await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)


def _patient(services: Services, policy: RetryPolicy) -> RetryPolicy:
    """Return a policy that outlasts another pod's alert, by Telegram and then by email."""
    longest = 2 * services.run.timeouts.alert + services.run.timeouts.alert_note
    return replace(policy, deadline=asyncio.get_running_loop().time() + longest)
