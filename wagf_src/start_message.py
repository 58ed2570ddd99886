"""What TensorFlow's library says when it is imported, and no level hides: that it has started, and with what."""

import contextlib
import os
import re
import sys
import tempfile
from importlib import import_module

_LINE = re.compile(
    r"WARNING: All log messages before absl|[IW]\d{4} .*(oneDNN |cpu_feature_guard)|To enable the following "
)


def is_start_message(text: str) -> bool:
    """Whether a text, of a line or more, holds nothing else."""
    lines = text.splitlines()
    return bool(lines) and all(_LINE.match(line) for line in lines)


def import_keras() -> None:
    """Import Keras and its backend; of what is said meanwhile, the reader sees only what is news."""
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+", errors="replace") as said, _file_as_stderr(said):
        try:
            import_module("keras")  # by name: rooms without Keras know the message too
        finally:
            said.seek(0)
            news = [line for line in said if not is_start_message(line)]
    sys.stderr.writelines(news)


@contextlib.contextmanager
def _file_as_stderr(file):
    """Its number, since the library writes past Python."""
    shown = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)
