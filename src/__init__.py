"""One hour of analyses, from Supabase to mailbox and chat.

    cli         arguments → command → exit code
    commands    what one can ask for: a report, a backfill, a check, a test alert, a watch, the list of deliveries
    pipeline    what happens to a window: claim, build, deliver, conclude
    channels    email and Telegram, and the files of a dry run
    ledger      what has been delivered to whom
    message     what a report says, in the form of each channel
    workbook    rows and figures → the `.xlsx` file
    supabase    its REST interface and Storage
    phrases     every word that a recipient reads
    config      environment and `.env` → settings; the options
    domain      windows, analyses and figures: pure data and arithmetic
    runtime     retries, connections, logs, files
    errors      everything that can go wrong

A package imports only what stands below it, and none of those beside it (channels and ledger; message, workbook and
supabase); `make lint` checks that.
"""

VERSION = "2.1.0"
