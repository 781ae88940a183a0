"""What became of a report for one recipient."""

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ..errors import DeliveryError, Problem, TooLargeError

OutcomeState = Literal["delivered", "written", "without file", "refused", "failed"]


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a report for one recipient.

    `delivered`: `receipt` is the server's own word for it.
    `written`: nothing was sent, `receipt` is the file that shows what would have been.
    `refused`: the recipient is why, and no later run tries by itself; `failed`: it stays owed, and `retry` tells
    whether trying again in this run may help. `problem` says why.
    `without file`: it arrived, but neither with its workbook nor with a link to it; `problem` says why.
    `too_large`: it failed of its size; without its file it may be taken.
    `ambiguous`: it may have arrived all the same. `retry_after`: seconds the server wants to be left alone.
    It came of that `attempt`, counted from 1, which took `seconds`.
    `notice` is what the operator must do before the next delivery, though this one succeeded.
    """

    channel: str
    recipient: str
    state: OutcomeState
    receipt: str = ""
    problem: Problem | None = None
    notice: Problem | None = None
    retry: bool = False
    ambiguous: bool = False
    too_large: bool = False
    retry_after: float = 0.0
    attempt: int = 0
    seconds: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether the server took it for this recipient, with its workbook or a link, or it was to be a file."""
        return self.state in ("delivered", "written")

    @property
    def has_arrived(self) -> bool:
        """Whether a message reached the recipient, with its workbook or without."""
        return self.state in ("delivered", "without file")


def not_delivered(channel: str, recipients: Sequence[str], error: DeliveryError) -> list[Outcome]:
    """Make the outcome of `error` for each of `recipients`."""
    return [
        Outcome(
            channel=channel,
            recipient=recipient,
            state="refused" if error.fault == "theirs" and not error.transient else "failed",
            problem=error.problem,
            retry=error.transient,
            ambiguous=error.ambiguous,
            too_large=isinstance(error, TooLargeError),
            retry_after=error.retry_after,
        )
        for recipient in recipients
    ]


ChannelAddress = tuple[str, str]
"""A channel and a recipient there."""


def named(addresses: Sequence[ChannelAddress]) -> str:
    """Name recipients in a sentence."""
    return ", ".join(f"{channel} to {recipient}" for channel, recipient in addresses)


def same(address: ChannelAddress) -> ChannelAddress:
    """Return `address` in the form in which two spellings of it are equal."""
    channel, recipient = address
    return channel, recipient.casefold()


def includes(name: str, recipient: str) -> bool:
    """Return whether `name` stands for `recipient`: each for itself, and a chat for all its topics."""
    name, recipient = name.casefold(), recipient.casefold()
    return recipient == name or bool(re.fullmatch(rf"{re.escape(name)}/[0-9]+", recipient))


def chat_and_topic(recipient: str) -> tuple[str, int | None]:
    """Return the chat of a recipient by Telegram, and the number of the topic there, if it is one."""
    chat, _, topic = recipient.partition("/")
    return chat, int(topic) if topic else None
