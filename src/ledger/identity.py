"""What one delivery is known by: its mail's Message-ID, and its workbook's folder in the bucket."""

import hashlib
import re

from ..config.settings import SupabaseSettings
from ..domain.window import Window
from .key import LedgerKey
from .record import Record


def report_identity(key: LedgerKey, window: Window, rows: int) -> str:
    """Name the delivery of a window with so many `rows`: the same for every attempt, another for another content."""
    parts = [*key.columns().values(), window.end.isoformat(), str(rows)]
    return _named(window, " ".join(parts))


def identity_of_2_0(settings: SupabaseSettings, window: Window) -> str:
    """Name the delivery as versions before 2.1 did."""
    return _named(window, f"{settings.supabase_url} {settings.supabase_table} {window.end.isoformat()}")


def chosen_identity(
    key: LedgerKey, settings: SupabaseSettings, window: Window, record: Record, rows: int
) -> tuple[str, str]:
    """Return the identity of the report with so many `rows` that is sent now, and that of the one it repeats, if any.

    Where it isn't known whether an earlier sending arrived, the same content goes out under the same identity, which a
    mailbox knows as a copy, whatever version sent it. Other content gets an identity of its own.
    """
    resend = f".resend.{record.resent}" if record.resent else ""
    mine = f"{report_identity(key, window, rows)}{resend}"
    before = record.identity or f"{identity_of_2_0(settings, window)}{resend}"
    if record.has_unconfirmed and not record.identity and record.rows == rows:
        return before, ""  # of a version that kept no identity
    if record.has_unconfirmed and before != mine:
        return mine, before
    if record.has_unconfirmed and record.repeats:  # the last attempt may have ended before it sent anything
        return mine, record.repeats
    return mine, before.removesuffix(resend) if resend else ""


def stored_folder(key: LedgerKey, identity: str, language: str) -> str:
    """Return the folder of a workbook in the bucket: below the deployment's own, apart for each language."""
    return f"{deployment_folder(key)}/{identity}.{language}"


def deployment_folder(key: LedgerKey) -> str:
    """Return the folder of a deployment in the bucket, which is never empty: template, source, name and zone."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", key.file_stem())


def _named(window: Window, source: str) -> str:
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return f"report.{window.template}.{window.start:%Y%m%dT%H%M%SZ}.{digest}"
