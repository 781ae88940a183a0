"""How much of an answer is read, in bytes once it is unpacked.

A run has 1 GiB in its pod. With a page of this size at hand, and the next on its way, it stays below 200 MiB.
"""

LARGEST_PAGE = 16 << 20
"""A page of rows or of the ledger. 5,000 ordinary rows, the most that are asked for at once, have 1.1 MiB."""
LARGEST_ANSWER = 1 << 20
"""Any other answer: what Telegram and Storage say has some hundred bytes."""
LARGEST_SHORT = 64 << 10
"""An answer with a single row: a count bears one id of at most 2,000 characters, and an error some hundred bytes."""
