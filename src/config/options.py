"""What the command line asks for, as a value."""

from pathlib import Path

from msgspec import Struct


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    start: str | None = None
    until_now: bool = False
    yes: bool = False
    count: int | None = None
    resend: bool = False
    only: tuple[str, ...] | None = None
    dry_run: bool = False
    output: Path | None = None
    check: bool = False
    test_alert: bool = False
    watch: bool = False
    deliveries: str | None = None
    json: bool = False

    @property
    def is_trial(self) -> bool:
        """Whether the run leaves no trace in the ledger and at the monitor."""
        return self.until_now or self.dry_run
