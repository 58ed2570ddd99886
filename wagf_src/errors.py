"""The one exception that is meant for the reader."""


class UserError(Exception):
    """Something the reader can put right: the message says what is wrong, where, and how to fix it, in one line."""
