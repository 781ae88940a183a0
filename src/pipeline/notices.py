"""Where a run keeps what somebody was told of."""

import tempfile
from pathlib import Path

from ..config.loader import Settings
from ..config.schedule import Options
from ..config.settings import ReportSettings
from ..ledger.directory import FOLDER
from ..ledger.notices import DirectoryNotices, MemoryNotices, Notices, TableNotices
from ..supabase.client import PostgrestClient


def notices_without_table(options: Options, report: ReportSettings | None) -> Notices:
    """Return those of a run that has not reached Supabase: in the ledger's folder, of a trial in memory alone."""
    if options.is_trial:
        return MemoryNotices()
    return DirectoryNotices((report.report_dir if report else Path(tempfile.gettempdir())) / FOLDER)


def notices_of(options: Options, settings: Settings, client: PostgrestClient, limit: float) -> Notices:
    """Return those of a run: in the table beside the ledger's, if that is the ledger; asked for `limit` seconds."""
    report = settings.report
    fallback = notices_without_table(options, report)
    if options.is_trial or report.report_ledger != "supabase":
        return fallback
    return TableNotices(client, report.ledger_name, fallback, limit)
