"""Text of the table, and what servers say, that a mail program would make a link of: so written that it doesn't.

No markup keeps Gmail, Outlook and Apple Mail from making a link of `evil.example` that stands as text in a page or in
plain text. They all stop where the address is broken by a word joiner, a character without width at which no line is
broken; whoever copies such an address copies that too. The workbook has it as it is.
"""

import re

_WORD_JOINER = "\u2060"
# Before "://", before @, and before a dot in a name: "1.5 s" and "done. next" stay as they are.
_LINKED = re.compile(r"(?=://)|(?<=\S)(?=@\S)|(?<=\w)(?=[.。．｡][^\W\d])")


def unlinked(text: str) -> str:
    """Return `text` with a word joiner wherever an address of the web or of a mailbox hangs together."""
    return _LINKED.sub(_WORD_JOINER, text)
