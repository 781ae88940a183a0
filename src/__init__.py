"""One hour of analyses, from Supabase to mailbox and chat.

Read in the order in which a report travels:

    errors → settings → window → analyses → summary → workbook → message → channels → delivery → logs → run

A module imports only what stands before it in that line.
"""
