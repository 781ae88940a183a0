"""One report to every recipient of every channel → one outcome each."""

import asyncio
import logging
from collections.abc import Sequence

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


async def _through(channel: Channel, report: Report) -> list[Outcome]:
    try:
        outcomes = await channel.send(report)
    except DeliveryError as error:
        outcomes = _all_failed(channel, str(error))
    except Exception as error:  # the other channels' recipients must still get theirs
        logger.exception("%s broke down", channel.name)
        sentence = f"{channel.name} broke down ({type(error).__name__}). Read the log, then run this window again."
        outcomes = _all_failed(channel, sentence)
    for outcome in outcomes:
        _log(outcome)
    return outcomes


def _all_failed(channel: Channel, sentence: str) -> list[Outcome]:
    return [Outcome(channel=channel.name, recipient=recipient, failure=sentence) for recipient in channel.recipients]


def _log(outcome: Outcome) -> None:
    if outcome.delivered:
        logger.info("%s to %s: delivered (%s)", outcome.channel, outcome.recipient, outcome.receipt)
    else:
        logger.error("%s to %s: NOT delivered. %s", outcome.channel, outcome.recipient, outcome.failure)
