"""What a report costs in processor time, wall time and memory, beside other programs that do the same work.

`pages` serves the hour, `sinks` takes the mail (in its `mailbox`) and the chat's message, `peers` holds the other
programs, `launcher` asks the operating system what a program cost, `runs` runs one and checks what arrived, `bars`
holds the figures against what is wanted of them, `table` writes them for docs/performance.md; `within` is for
profilers.
"""
