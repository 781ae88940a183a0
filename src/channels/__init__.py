"""A channel takes a report to its recipients and says of each one what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..message import Report


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a report for one recipient.

    `receipt` is the server's own word for a delivery; `failure` is a sentence for the operator, None if delivered.
    """

    channel: str
    recipient: str
    receipt: str = ""
    failure: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the server took the report for this recipient."""
        return self.failure is None


class Channel(Protocol):
    """One way to recipients."""

    @property
    def name(self) -> str:
        """The channel's word in REPORT_CHANNELS."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Addresses or chats, each once."""

    async def send(self, report: Report) -> list[Outcome]:
        """Send `report` to every recipient; return one outcome each, failures included.

        Raise DeliveryError where the channel as a whole fails.
        """

    async def alert(self, text: str, at: datetime) -> None:
        """Send `text`, written at `at` (aware), to those who look after the tool.

        Raise DeliveryError if it was not taken.
        """
