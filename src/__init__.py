"""One hour of analyses, from Supabase to mailbox and chat.

Read in the order in which a report travels:

    errors → network → retry → forms → settings → window → analysis → rest → analyses → summary → cells → files
    → summary_sheet → workbook → message → channels → record → ledger → ledger_folder → ledger_table → delivery → alarm
    → logs → options → heartbeat → preview → produce → history → catch_up → backfill → check → composition → run

A module imports only what stands before it in that line.
"""

VERSION = "1.0.0"
