"""One process at a time where two would undo each other's work."""

import contextlib
import fcntl
import math
import time
from collections.abc import Iterator

from wagf_src.errors import UserError
from wagf_src.paths import work_dir

REPORT = "report"  # what is done for all runs of a profile together: prepare, tables, chapters, book


@contextlib.contextmanager
def held(profile: str, what: str, seconds: float = math.inf) -> Iterator[None]:
    """Alone with one part of a profile; other parts, such as other runs, may be worked on at the same time.

    The lock ends with the process that holds it, however that ends. On a file system without locks nobody waits.

    Args:
        profile: name of a profile.
        what: the name of a run, or ``REPORT``.
        seconds: how long to wait for the other process, with a line that says so.

    Raises:
        UserError: the other process is still at it.
    """
    file = work_dir(profile) / "locks" / what
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        deadline = None
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if deadline is None and seconds:
                    print(f"another process works on {what} of profile {profile}; waiting for it", flush=True)
                deadline = deadline or time.monotonic() + seconds
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"another process works on {what} of profile {profile}; let it end, then the same command goes "
                        "on"
                    ) from None
                time.sleep(0.2)
            except OSError:
                break
        yield
