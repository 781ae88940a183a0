"""Where a run keeps what somebody was told of."""

from ..config.loader import LoadedSettings, Settings
from ..config.schedule import Options
from ..ledger.directory import FOLDER
from ..ledger.notices import DirectoryNotices, MemoryNotices, Notices, TableNotices
from ..supabase.client import PostgrestClient


def notices_without_table(options: Options, loaded: LoadedSettings) -> Notices:
    """Return those of a run that has not reached Supabase: in the ledger's folder, of a trial in memory alone."""
    return MemoryNotices() if options.is_trial else DirectoryNotices(loaded.folder() / FOLDER)


def notices_of(
    options: Options, settings: Settings, client: PostgrestClient, fallback: Notices, limit: float
) -> Notices:
    """Return those of a run: in the table beside the ledger's, if it keeps that, asked for `limit` seconds."""
    report = settings.report
    if options.is_trial or report.report_ledger != "supabase":
        return fallback
    return TableNotices(client, report.ledger_name, fallback, limit)
