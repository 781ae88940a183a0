"""A channel takes a report to its recipients and says of each one what became of it."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from ..errors import DeliveryError, TooLargeError
from ..message.report import Report

State = Literal["delivered", "written", "without file", "refused", "failed"]


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a report for one recipient.

    `delivered`: `receipt` is the server's own word for it.
    `written`: nothing was sent, `receipt` is the file that shows what would have been.
    `refused`: the recipient is why, and no later run tries by itself; `failed`: it stays owed, and `retry` tells
    whether trying again in this run may help; `failure` is a sentence for the operator.
    `without file`: it arrived, but neither with its workbook nor with a link to it; `failure` says why.
    `too_large`: it failed of its size; without its file it may be taken.
    `ambiguous`: it may have arrived all the same. `retry_after`: seconds the server wants to be left alone.
    It came of that `attempt`, counted from 1, which took `seconds`.
    `notice` is a sentence for the operator about a delivery that needs his hand for the next one.
    """

    channel: str
    recipient: str
    state: State
    receipt: str = ""
    failure: str = ""
    notice: str = ""
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


class Limits(Struct, frozen=True, kw_only=True):
    """How long one sending may take: until `deadline`, a moment of the event loop's clock.

    `answer`: seconds for a server's answer once it has everything, where several are sent to in turn.
    """

    deadline: float
    answer: float


class Channel(Protocol):
    """One way to recipients."""

    @property
    def name(self) -> str:
        """The channel's word in REPORT_CHANNELS."""

    @property
    def one_by_one(self) -> bool:
        """Whether each recipient is sent to by itself, so that its outcome is known before the next one's."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Addresses or chats, each once."""

    async def send(self, report: Report, recipients: Sequence[str], repeats: Set[str], limits: Limits) -> list[Outcome]:
        """Send `report` once to `recipients` within `limits`; return one outcome each.

        Those in `repeats` may have it already, from an attempt whose end was not seen.
        """

    async def alert(self, text: str, at: datetime) -> None:
        """Send `text`, written at `at` (aware), to those who look after the tool.

        Raise DeliveryError if it was not taken.
        """


def not_delivered(channel: str, recipients: Sequence[str], error: DeliveryError) -> list[Outcome]:
    """Make the outcome of `error` for each of `recipients`."""
    return [
        Outcome(
            channel=channel,
            recipient=recipient,
            state="failed" if error.transient or error.fault == "ours" else "refused",
            failure=str(error),
            retry=error.transient,
            ambiguous=error.ambiguous,
            too_large=isinstance(error, TooLargeError),
            retry_after=error.retry_after,
        )
        for recipient in recipients
    ]
