"""The one exception that is meant for the reader, and what makes any text printable in a line."""

import unicodedata


class UserError(Exception):
    """Something the reader can put right: the message says what is wrong, where, and how to fix it, in one line."""


def printable(text: str) -> str:
    """A text with what would break or blur a line of a terminal as escapes: names of files may hold all but a slash.

    Line ends, control characters, and bytes that are no UTF-8 (which Python hands on as lone surrogates).
    """
    kinds = ("Cc", "Cs", "Zl", "Zp")
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in kinds else c for c in text)
