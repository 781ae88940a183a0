"""One hour of analyses, from Supabase to mailbox and chat.

Read in the order in which a report travels:

    errors → network → retry → forms → settings → window → analysis → rest → analyses → quantiles → summary → cells
    → files → data_sheet → sheet_rows → package → lines → chart → summary_sheet → workbook → message → channels
    → record → ledger → ledger_folder → ledger_table → delivery → alarm → logs → options → produce → history
    → catch_up → run

A module imports only what stands before it in that line.
"""
