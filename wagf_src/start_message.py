"""What TensorFlow's library says when it is imported, and no level hides: that it has started, and with what."""

import contextlib
import os
import re
import subprocess
import sys
from importlib import import_module

_LINE = re.compile(
    r"WARNING: All log messages before absl|[IW]\d{4} .*(oneDNN |cpu_feature_guard)|To enable the following "
)


def is_start_message(text: str) -> bool:
    """Whether a text, of a line or more, holds nothing else."""
    lines = text.splitlines()
    return bool(lines) and all(_LINE.match(line) for line in lines)


def import_keras() -> None:
    """Import Keras and its backend; of what is said meanwhile, the reader sees only what is news.

    Another process passes it on: the last words of an import that ends this one are the ones that matter most.
    """
    sys.stderr.flush()
    # In a session of its own, where Ctrl-C does not reach it.
    command = [sys.executable, "-P", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, start_new_session=True) as reader:
        with _as_stderr(reader.stdin):
            import_module("keras")  # by name: rooms without Keras know the message too


@contextlib.contextmanager
def _as_stderr(file):
    """Its number, since the library writes past Python."""
    shown = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)


if __name__ == "__main__":
    for line in sys.stdin:
        if not is_start_message(line):
            print(line, end="", flush=True)
