"""Faults at file operations: a process of its own is killed, finds the disk full or may not write, at the k-th one.

Python tells an audit hook of every file that it opens, moves, makes or removes. The child is a fork, so that a fault
costs milliseconds, not the seconds of an import.
"""

import errno
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wagf_src.__main__ import in_one_line

_MAKES = ("os.rename", "os.mkdir", "os.link", "os.symlink")
_REMOVES = ("os.remove", "os.rmdir", "os.chmod", "os.truncate")
FULL, READ_ONLY, KILLED = "disk full", "read-only", "killed"
MARK = "\x00"  # in the output, for each operation


@dataclass(frozen=True)
class Outcome:
    """How a child ended: exit code (minus the signal's number where killed), what it printed, operations seen."""

    code: int
    said: str
    operations: int


def _place(event: str, arguments) -> tuple[str | None, bool]:
    """The path that an event is about, and whether it takes room; None for what changes nothing."""
    if event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if not mode else set(mode) & set("wax+")
        return (os.fsdecode(path), True) if writes and not isinstance(path, int) else (None, False)
    if event in _MAKES + _REMOVES:
        path = arguments[1] if event == "os.rename" else arguments[0]
        return (None, False) if isinstance(path, int) else (os.fsdecode(path), event in _MAKES)
    return None, False


def child(work: Callable[[], int | None], folder: Path, fault: str | None = None, at: int = 0, limit=None) -> Outcome:
    """Do ``work`` in a fork, with a fault at its operation number ``at`` below ``folder``.

    Args:
        work: what is done as a step of the command line does it; any exception that is not one line has code 1.
        fault: KILLED, just before that operation; FULL, for it and all that take room from there on; READ_ONLY, for
            all from there on; None.
        limit: bytes that a file may have; writing more fails in the middle of the file.
    """
    read, write = os.pipe()  # which a limit on files does not meet
    pid = os.fork()
    if pid == 0:
        try:
            _be_child(work, str(folder), fault, at, limit, write)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, encoding="utf-8") as output:
        said = output.read()
    _, status = os.waitpid(pid, 0)
    return Outcome(os.waitstatus_to_exitcode(status), said.replace(MARK, ""), said.count(MARK))


def _be_child(work, folder, fault, at, limit, output) -> None:
    me, seen = os.getpid(), 0
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)

    def hook(event, arguments):
        nonlocal seen
        path, takes_room = _place(event, arguments)
        if path is None or not path.startswith(folder) or os.getpid() != me:
            return
        seen += 1
        os.write(output, MARK.encode())
        if fault == KILLED and seen == at + 1:
            os.kill(me, signal.SIGKILL)
        if seen > at and (fault == READ_ONLY or fault == FULL and takes_room):
            number = errno.EROFS if fault == READ_ONLY else errno.ENOSPC
            raise OSError(number, os.strerror(number), path)

    sys.addaudithook(hook)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        code = in_one_line(work)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
