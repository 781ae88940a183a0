"""What tells one history of deliveries from another."""

import hashlib

from msgspec import Struct

from ..config.settings import ReportSettings, SupabaseSettings
from ..domain.window import Template

NAME_OF_1_0 = "production"
"""The deployment that records of version 1.0 are taken to be of, as in src/sql/report_deliveries.sql."""


class LedgerKey(Struct, frozen=True, kw_only=True):
    """The deployment's `name`, empty where there is none; the `template`; the `source`; the `zone` whose days they are.

    `source` is a hash of the project and the table that are reported. Hours are those of UTC in every zone.
    """

    name: str
    template: Template
    source: str
    zone: str

    def columns(self) -> dict[str, str]:
        """Return the columns of the ledger's table that hold it."""
        return {"name": self.name, "template": self.template, "source": self.source, "zone": self.zone}

    @property
    def text(self) -> str:
        """All of it in one text."""
        return " ".join(self.columns().values())

    def file_stem(self) -> str:
        """Return how the names of its files begin in the ledger's folder."""
        named = [self.name] if self.name else []
        zoned = [self.zone.replace("/", ".")] if self.template == "daily" else []
        return "-".join([self.template, self.source, *named, *zoned])

    def file_stem_of_1_0(self) -> str:
        """Return how they began in version 1.0."""
        return f"{self.template}-{self.source}"


def ledger_key(report: ReportSettings, supabase: SupabaseSettings) -> LedgerKey:
    """Return the key of what the settings report."""
    source = hashlib.sha256(f"{supabase.supabase_url} {supabase.supabase_table}".encode()).hexdigest()[:8]
    zone = report.report_timezone.key if report.report_template == "daily" else "UTC"
    return LedgerKey(name=report.ledger_name, template=report.report_template, source=source, zone=zone)
