"""Whether processes have ended that are not this one's children."""

import time

import psutil


def alive(pid: int) -> bool:
    """False also of one that has ended and that nobody has asked for its exit status."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_within(pids, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(map(alive, pids))
