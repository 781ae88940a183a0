"""A channel takes a report to its recipients and says of each one what became of it."""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from ..domain.outcome import ChannelAddress, Outcome, includes
from ..errors import DeliveryError
from ..message.alert import AlertText
from ..message.content import Report


class Limits(Struct, frozen=True, kw_only=True):
    """How long one sending may take: until `deadline`, a moment of the event loop's clock.

    `answer`: seconds for a server's answer once it has everything.
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

    @property
    def operators(self) -> tuple[str, ...]:
        """Those whom the settings name for alerts, none where they name nobody."""

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """Those recipients of reports who are alerted where no operator can be."""

    async def alert(self, text: AlertText, at: datetime, recipients: Sequence[str]) -> dict[str, DeliveryError]:
        """Send `text`, written at `at` (aware), to `recipients`; return an error for each who did not get it."""


def unreadable(workbook: Path, error: OSError) -> DeliveryError:
    """Return the error of a workbook that can't be read while it is sent, which is no fault of a server's."""
    return DeliveryError(
        "workbook.unreadable", f"{workbook.name} can't be read ({error.strerror}).", "Check the disk of REPORT_DIR."
    )


def addresses(channels: Iterable[Channel], only: Sequence[str] = ()) -> list[ChannelAddress]:
    """List the recipients that the settings name now, each with its channel; with `only`, these of them alone."""
    found = [(channel.name, recipient) for channel in channels for recipient in channel.recipients]
    return [(name, one) for name, one in found if not only or any(includes(chosen, one) for chosen in only)]
