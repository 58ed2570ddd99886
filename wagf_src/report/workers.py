"""Processes that work for this one and end with it, however it ends."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor


def pool(begin: Callable[[], object]) -> ProcessPoolExecutor:
    """As many processes as cores; each calls ``begin`` first.

    One that outlived a killed parent would wait for work for ever, and hold the parent's locks.
    """
    return ProcessPoolExecutor(os.cpu_count(), initializer=_begin, initargs=(begin,))


def _begin(begin: Callable[[], object]) -> None:
    end_with_parent()
    begin()


def end_with_parent() -> None:
    """End this process as soon as the one that asked multiprocessing for it has ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
