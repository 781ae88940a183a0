"""What is delivered, to whom, and the result of sending it to one recipient."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ..errors import DeliveryError, Problem

OutcomeState = Literal["delivered", "written", "without file", "refused", "failed"]

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
"""Of every workbook (IANA media types)."""


class Attachment(Struct, frozen=True, kw_only=True):
    """Where the workbook is for one channel: sent along, behind a `link` instead, or left out for a reason.

    `size` in bytes; `until` (aware UTC) is when the link ends; `left_out` is a sentence.
    """

    name: str
    size: int
    link: str = ""
    until: datetime | None = None
    left_out: str = ""

    @property
    def is_attached(self) -> bool:
        """Whether it is sent along."""
        return not self.link and not self.left_out


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of sending a report to one recipient.

    `delivered`: the server took it; `receipt` is the server's own word for it.
    `written`: nothing was sent, `receipt` is the file that shows what would have been.
    `without file`: it arrived, but neither with its workbook nor with a link to it; `error` says why.
    `refused`: the recipient is why, and no later run tries again; `failed`: it stays owed. `error` says why.
    `ambiguous`: it may have arrived all the same, in this attempt or an earlier one.
    The result of that `attempt`, counted from 1, which took `seconds`.
    `notice` is what the operator must do before the next delivery, though this one succeeded.
    """

    channel: str
    recipient: str
    state: OutcomeState
    receipt: str = ""
    error: DeliveryError | None = None
    notice: Problem | None = None
    ambiguous: bool = False
    attempt: int = 0
    seconds: float = 0.0

    @property
    def problem(self) -> Problem | None:
        """The problem of its error."""
        return self.error.problem if self.error else None

    @property
    def retry(self) -> bool:
        """Whether another attempt in this run may help."""
        return self.error is not None and self.error.transient

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
    state: OutcomeState = "refused" if error.fault == "theirs" and not error.transient else "failed"
    return [
        Outcome(channel=channel, recipient=recipient, state=state, error=error, ambiguous=error.ambiguous)
        for recipient in recipients
    ]


ChannelAddress = tuple[str, str]
"""A channel and a recipient there."""


def format_recipients(addresses: Sequence[ChannelAddress]) -> str:
    """Name recipients in a sentence."""
    return ", ".join(f"{channel} to {recipient}" for channel, recipient in addresses)


def normalized(address: ChannelAddress) -> ChannelAddress:
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
