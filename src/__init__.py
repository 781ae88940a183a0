"""One hour of analyses, from Supabase to mailbox and chat.

Read in the order in which a report travels:

    errors → network → retry → forms → variables → settings → window → analysis → rest → analyses → quantiles →
    summary → cells → files → data_sheet → sheet_rows → package → lines → chart → summary_sheet → workbook → plain →
    words → told → letter → message → bucket → storage → channels → parcel → record → ledger → ledger_folder →
    ledger_table → delivery → alarm → logs → options → heartbeat → preview → build → produce → history → catch_up →
    backfill → check → composition → run

A module imports only what stands before it in that line.
"""

VERSION = "1.0.0"
