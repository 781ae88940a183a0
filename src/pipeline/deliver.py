"""One report to every recipient of every channel → one outcome each; and the alert."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from ..channels.interface import Channel, Limits
from ..domain.outcome import Outcome, not_delivered
from ..errors import DeliveryError, meanwhile
from ..ledger.claim import Claim
from ..message.report import Report
from ..runtime.retry import RetryPolicy
from ..supabase.storage import Storage
from .oversize import OversizeFallback, StoredAttachment

logger = logging.getLogger(__name__)
SEND_LIMIT = 360.0
"""Seconds for one sending, its answer included; longer than any wait within it, shorter than the ledger's lease."""
ALERT_LIMIT = 20.0
"""Seconds for an alert by one channel: two fit into the grace period that Kubernetes gives after SIGTERM."""


async def deliver(
    report: Report, channels: Sequence[Channel], claim: Claim, policy: RetryPolicy, storage: Storage | None = None
) -> list[Outcome]:
    """Send `report` to all who are owed it, channels side by side; return the outcome of each of them.

    `storage` takes a workbook that is too large for a channel.

    A channel that fails, even in a way nobody foresaw, neither stops nor delays another.
    Raise LedgerError if `claim` can't be written; what was sent then may be sent again.
    """
    stored = StoredAttachment(storage, report)
    jobs = [_through(channel, report, claim, policy, stored) for channel in channels]
    by_channel = await asyncio.gather(*jobs, return_exceptions=True)
    for failed in by_channel:
        if isinstance(failed, BaseException):  # the ledger's; the other channels have come to their end
            raise failed
    return [outcome for outcomes in by_channel if isinstance(outcomes, list) for outcome in outcomes]


async def _through(
    channel: Channel, report: Report, claim: Claim, policy: RetryPolicy, stored: StoredAttachment
) -> list[Outcome]:
    """Send by one channel, and again to those for whom that may help, until the deadline.

    Where the workbook is too large, it goes once more without. What may have arrived is repeated once, and then left
    to the next run: a server that never answers would be sent copy after copy.
    """
    owed = claim.owed(channel.name)
    repeats = claim.unconfirmed(channel.name)
    fallback = OversizeFallback(channel.name, report, stored, claim.without_attachment(channel.name))
    final: list[Outcome] = []
    seen: dict[str, str] = {}
    for attempt, wait in enumerate(policy.waits(), 1):
        if not owed:
            break
        outcomes = await _round(channel, fallback, owed, repeats, claim, policy)
        outcomes = [_with_cause(one, seen, cut_off=not policy.left()) for one in outcomes]
        ambiguous = {outcome.recipient for outcome in outcomes if outcome.ambiguous}
        repeated, repeats = ambiguous & repeats, repeats | ambiguous
        too_large = [outcome for outcome in outcomes if outcome.too_large]
        failed = [outcome for outcome in outcomes if outcome.retry and not outcome.too_large]
        failed = [outcome for outcome in failed if outcome.recipient not in repeated]
        # One that wants to be left alone for longer than there is time doesn't give up the others.
        failed = [outcome for outcome in failed if policy.allows(max(wait, outcome.retry_after))]
        wait = max([wait, *(outcome.retry_after for outcome in failed)])
        owed = tuple(outcome.recipient for outcome in (*too_large, *failed))
        final += [replace(outcome, attempt=attempt) for outcome in outcomes if outcome.recipient not in owed]
        if too_large:
            extra = {"event": "retry", "channel": channel.name, "attempt": attempt}
            logger.warning("%s: %s Going on without the file.", channel.name, too_large[0].failure, extra=extra)
            await fallback.replace_attachment(too_large[0].failure)
        if failed:
            logger.warning(
                "%s, attempt %d: %s Trying again in %.1f s.",
                channel.name,
                attempt,
                meanwhile(failed[0].failure),
                wait,
                extra={"event": "retry", "channel": channel.name, "attempt": attempt},
            )
            await asyncio.sleep(wait)
    for outcome in final:
        _log(outcome, report)
    return final


def _with_cause(outcome: Outcome, seen: dict[str, str], *, cut_off: bool) -> Outcome:
    """Tell of an attempt that the time limit `cut_off` what the one before failed of; keep that in `seen`.

    What may have arrived is told as that.
    """
    before = seen.get(outcome.recipient)
    if cut_off and outcome.retry and not outcome.ambiguous and before:
        return replace(outcome, failure=before)
    seen[outcome.recipient] = outcome.failure
    return outcome


async def _round(
    channel: Channel,
    fallback: OversizeFallback,
    owed: Sequence[str],
    repeats: frozenset[str],
    claim: Claim,
    policy: RetryPolicy,
) -> list[Outcome]:
    """Send once to each of `owed`, but to those who have it as well as it can be sent now."""
    outcomes = fallback.already_sent(owed)
    await claim.note(outcomes)
    settled = {outcome.recipient for outcome in outcomes}
    rest = tuple(recipient for recipient in owed if recipient not in settled)
    batches = [(one,) for one in rest] if channel.one_by_one or not rest else [rest]
    for place, batch in enumerate(batches):
        await claim.sending(channel.name, batch)
        began = time.monotonic()
        answers = await _attempt(channel, fallback.report, batch, repeats, _limits(policy, len(batches) - place))
        seconds = time.monotonic() - began
        outcomes += (judged := [replace(fallback.judged(answer), seconds=seconds) for answer in answers])
        # What an earlier attempt may have brought is still there, whatever this one failed of.
        await claim.note([replace(one, ambiguous=one.ambiguous or one.recipient in repeats) for one in judged])
    return outcomes


async def _attempt(
    channel: Channel, report: Report, recipients: Sequence[str], repeats: frozenset[str], limits: Limits
) -> list[Outcome]:
    try:
        return await channel.send(report, recipients, repeats, limits)
    except Exception as error:  # the other channels' recipients must still get theirs
        logger.exception("%s broke down", channel.name, extra={"event": "broke_down", "channel": channel.name})
        why = f"{channel.name} broke down ({type(error).__name__}). Read the log, then run this window again."
        return not_delivered(channel.name, recipients, DeliveryError(why, ambiguous=True))


def _limits(policy: RetryPolicy, to_come: int) -> Limits:
    """Limit the next of the sendings `to_come`: no slow answer may use up the time of those behind it."""
    longest = min(policy.send_limit, policy.left())
    answer = min(policy.send_limit, policy.left() / to_come)
    return Limits(deadline=asyncio.get_running_loop().time() + longest, answer=answer)


async def send_alert(text: str, at: datetime, channels: Sequence[Channel]) -> bool:
    """Send `text`, written at `at`, through the first channel that takes it; tell whether one did, and never raise."""
    if not channels:  # what it is about was logged before
        logger.error("Nobody could be alerted: no channel has whole settings", extra={"event": "nobody_alerted"})
        return False
    for channel in channels:
        extra = {"event": "alert_failed", "channel": channel.name}
        try:
            async with asyncio.timeout(ALERT_LIMIT):
                await channel.alert(text, at)
        except (DeliveryError, TimeoutError) as error:
            words = str(error) or "it took too long"
            logger.error("The alert could not be sent by %s: %s", channel.name, words, extra=extra)
        except Exception:  # what the alert is about matters more
            logger.exception("The alert could not be sent by %s", channel.name, extra=extra)
        else:
            logger.info("Alert sent by %s", channel.name, extra={"event": "alerted", "channel": channel.name})
            return True
    logger.error(
        "Nobody could be alerted; this log is the only word of it:\n%s", text, extra={"event": "nobody_alerted"}
    )
    return False


def healthiest_first(channels: Sequence[Channel], outcomes: Sequence[Outcome] = ()) -> list[Channel]:
    """Order channels for an alert: those without a failed outcome first, then Telegram before email."""
    failed = {outcome.channel for outcome in outcomes if not outcome.delivered}
    return sorted(channels, key=lambda channel: (channel.name in failed, channel.name != "telegram"))


def _log(outcome: Outcome, report: Report) -> None:
    fields = {"channel": outcome.channel, "recipient": outcome.recipient, "attempt": outcome.attempt}
    fields |= {"seconds": round(outcome.seconds, 3), "bytes": report.attachment.size}
    if outcome.state == "written":
        logger.info("%s: written to %s", outcome.channel, outcome.receipt, extra={"event": "written", **fields})
    elif outcome.delivered:
        extra = {"event": "delivered", **fields}
        logger.info("%s to %s: delivered (%s)", outcome.channel, outcome.recipient, outcome.receipt, extra=extra)
    else:
        extra = {"event": "without_file" if outcome.state == "without file" else "not_delivered", **fields}
        end = "delivered WITHOUT its workbook" if outcome.state == "without file" else "NOT delivered"
        logger.error("%s to %s: %s. %s", outcome.channel, outcome.recipient, end, outcome.failure, extra=extra)
    if outcome.notice:
        logger.warning("%s", outcome.notice, extra={"event": "notice", **fields})
