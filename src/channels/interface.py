"""A channel takes a report to its recipients and returns an outcome for each."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..domain.delivery import ChannelAddress, Outcome, includes, not_delivered
from ..errors import DeliveryError, Problem, Rule, TooLargeError
from ..message.alert import AlertText
from ..message.content import Report
from ..runtime.connection import ConnectionFailure


class RefusalStore(Protocol):
    """Remembers beyond this run which problem each refusal of a login was, by its key."""

    async def recent(self) -> Sequence[str]:
        """Return the keys of the last hour's refusals, the latest last."""

    async def add(self, key: str) -> None:
        """Add a refusal of this moment."""

    async def clear(self) -> None:
        """Forget all of them."""


class Channel(ABC):
    """One way to recipients; one without operators and readers to alert needs neither alert nor check."""

    name: str
    """Its word in REPORT_CHANNELS."""
    way: str = ""
    """What carries its messages, as `--check` calls it."""
    one_by_one: bool = False
    """Whether a report is sent to each recipient separately, so that its outcome is known before the next one's."""
    alerts_first: bool = False
    """Whether readers are sent an alert by this channel rather than by others."""

    @property
    @abstractmethod
    def recipients(self) -> tuple[str, ...]:
        """Addresses or chats, each once."""

    @property
    def operators(self) -> tuple[str, ...]:
        """The recipients of alerts that the settings name."""
        return ()

    @property
    def alerted_readers(self) -> tuple[str, ...]:
        """The recipients of reports who are alerted where no operator can be."""
        return ()

    @property
    def notified(self) -> tuple[str, ...]:
        """The recipients of messages on unusual windows, which are no failures."""
        return ()

    @property
    def everyone(self) -> tuple[str, ...]:
        """All recipients and operators, each once."""
        return tuple(dict.fromkeys([*self.recipients, *self.operators]))

    def outcome(self, recipient: str, result: str | DeliveryError, notice: Problem | None = None) -> Outcome:
        """Return the outcome of a sending: delivered with `result` as its receipt, or the error that it is."""
        if isinstance(result, DeliveryError):
            (outcome,) = not_delivered(self.name, [recipient], result)
            return outcome
        return Outcome(channel=self.name, recipient=recipient, state="delivered", receipt=result, notice=notice)

    @abstractmethod
    async def send(
        self, report: Report, recipients: Sequence[str], repeats: Set[str], deadline: float
    ) -> list[Outcome]:
        """Send `report` once to `recipients` until `deadline`, by the event loop's clock; return one outcome each.

        Those in `repeats` may have it already, from an attempt whose end was not seen.
        """

    async def alert(self, text: AlertText, at: datetime, recipients: Sequence[str]) -> dict[str, DeliveryError]:
        """Send `text`, written at `at` (aware), to `recipients`; return an error for each who did not get it."""
        raise NotImplementedError

    async def check(self) -> str:
        """Do all but send, and describe the way to recipients; raise DeliveryError if it does not work."""
        raise NotImplementedError

    async def check_recipient(self, recipient: str) -> str:
        """After `check`, describe one of `everyone`; raise DeliveryError if nothing can be sent there."""
        raise NotImplementedError

    def remember_refusals(self, store: RefusalStore | None) -> None:  # noqa: B027 - a channel may have no login
        """Count refused logins in `store` too from now on, with those that it holds; None: in this run alone."""


def rule_error(
    rule: Rule,
    said: str,
    facts: Mapping[str, str],
    *,
    too_large: bool = False,
    ambiguous: bool = False,
    retry_after: float = 0.0,
) -> DeliveryError:
    """Return the error of an answer that `rule` is for, with the server's words as `said`."""
    kind = TooLargeError if too_large else DeliveryError
    return kind.of(
        rule.problem(said, facts),
        transient=rule.later,
        fault=rule.fault,
        ambiguous=ambiguous,
        retry_after=retry_after if rule.later else 0.0,
    )


def connection_error(failure: ConnectionFailure, key: str, what: str, *, ambiguous: bool = False) -> DeliveryError:
    """Return the error of a connection that failed, with this `key`; `what` begins its reason."""
    return DeliveryError(
        key,
        f"{what} {failure.reason}.",
        f"{failure.remedy}.",
        group=failure.group,
        transient=failure.transient,
        fault=failure.fault,
        ambiguous=ambiguous,
    )


def unreadable(workbook: Path, error: OSError) -> DeliveryError:
    """Return the error of a workbook that can't be read while it is sent, which is not a server's fault."""
    return DeliveryError(
        "workbook.unreadable", f"{workbook.name} can't be read ({error.strerror}).", "Check the disk of REPORT_DIR."
    )


def addresses(channels: Iterable[Channel], only: Sequence[str] = ()) -> list[ChannelAddress]:
    """List the recipients that the settings name now, each with its channel; with `only`, these of them alone."""
    found = [(channel.name, recipient) for channel in channels for recipient in channel.recipients]
    return [(name, one) for name, one in found if not only or any(includes(chosen, one) for chosen in only)]
