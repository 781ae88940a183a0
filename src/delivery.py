"""One report to every recipient of every channel → one outcome each; and the alert."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from .channels import Channel, Outcome
from .errors import DeliveryError
from .message import Report

logger = logging.getLogger(__name__)


async def deliver(report: Report, channels: Sequence[Channel]) -> list[Outcome]:
    """Send `report` through all channels side by side; return the outcome of every recipient.

    A channel that fails, even in a way nobody foresaw, neither stops nor delays another.
    """
    by_channel = await asyncio.gather(*(_through(channel, report) for channel in channels))
    return [outcome for outcomes in by_channel for outcome in outcomes]


async def raise_alert(text: str, at: datetime, channels: Sequence[Channel]) -> None:
    """Send `text`, written at `at`, through the first channel that takes it; log where none does, and never raise."""
    for channel in channels:
        try:
            await channel.alert(text, at)
        except DeliveryError as error:
            logger.error("The alert could not be sent by %s: %s", channel.name, error)
        except Exception:  # what the alert is about matters more
            logger.exception("The alert could not be sent by %s", channel.name)
        else:
            logger.info("Alert sent by %s", channel.name)
            return
    logger.error("Nobody could be alerted; this log is the only word of it:\n%s", text)


def healthiest_first(channels: Sequence[Channel], outcomes: Sequence[Outcome] = ()) -> list[Channel]:
    """Order channels for an alert: those without a failed outcome first, then Telegram before email."""
    failed = {outcome.channel for outcome in outcomes if not outcome.delivered}
    return sorted(channels, key=lambda channel: (channel.name in failed, channel.name != "telegram"))


async def _through(channel: Channel, report: Report) -> list[Outcome]:
    try:
        outcomes = await channel.send(report)
    except DeliveryError as error:
        outcomes = _all_failed(channel, str(error))
    except Exception as error:  # the other channels' recipients must still get theirs
        logger.exception("%s broke down", channel.name)
        why = f"{channel.name} broke down ({type(error).__name__}). Read the log, then run this window again."
        outcomes = _all_failed(channel, why)
    for outcome in outcomes:
        _log(outcome)
    return outcomes


def _all_failed(channel: Channel, why: str) -> list[Outcome]:
    return [Outcome(channel=channel.name, recipient=recipient, failure=why) for recipient in channel.recipients]


def _log(outcome: Outcome) -> None:
    if outcome.delivered:
        logger.info("%s to %s: delivered (%s)", outcome.channel, outcome.recipient, outcome.receipt)
    else:
        logger.error("%s to %s: NOT delivered. %s", outcome.channel, outcome.recipient, outcome.failure)
