"""Forked kernels: they give what a fresh one gives, fail in one line, and end with the process that started them."""

import json
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
from fabricate import write_notebook
from processes import alive, end_within

from wagf_src.errors import UserError
from wagf_src.executed_notebook import cleaned, execute
from wagf_src.report import warm_kernels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

SHOWS = """
import os, sys
import numpy as np
from wagf_src.report.figures import style
from wagf_src.report.chapter import Picture
figure, axes = style.new()
axes.plot([1, 2, 3])
print(os.environ["IPYTHONDIR"] != "", [w for w in sys.argv[1:] if '.json' not in w], __name__, profile)
print(np.get_printoptions()["precision"], figure.dpi, os.environ["MPLBACKEND"], file=sys.stderr)
Picture(figure)
"""


def run(source, name):
    folder = source.parent
    execute(source, folder / f"{name}.ipynb", {"profile": "own"}, folder / f"{name}.log")
    return cleaned(folder / f"{name}.ipynb")


@pytest.fixture
def warm():
    """A process whose kernels are forked, as those of the chapters are."""
    with ProcessPoolExecutor(1, initializer=warm_kernels.use) as pool:
        yield pool


def forked(folder):
    """Python code that writes the kernel's process, and whether it was forked, to a file that appears whole."""
    file = str(folder / "kernel.json")
    return f"""
import os, sys
from pathlib import Path
from wagf_src import atomic
atomic.write_json(Path({file!r}), [os.getpid(), "multiprocessing.forkserver" in sys.modules])
"""


def test_a_forked_kernel_gives_what_a_fresh_one_gives(tmp_path, warm):
    source = write_notebook(tmp_path / "source.ipynb", SHOWS, forked(tmp_path))
    fresh = run(source, "fresh")
    assert not json.loads((tmp_path / "kernel.json").read_text())[1]
    for name in ("first", "second"):
        assert warm.submit(run, source, name).result() == fresh
        assert json.loads((tmp_path / "kernel.json").read_text())[1], "not forked: nothing was compared"
    assert "True" in fresh and "own" in fresh and "image/png" in fresh


def test_a_cell_that_fails_and_a_kernel_that_is_killed_are_one_line(tmp_path, warm):
    with pytest.raises(UserError, match=r"failed: ZeroDivisionError: division by zero \(log: ") as failure:
        warm.submit(run, write_notebook(tmp_path / "source.ipynb", "1 / 0"), "fails").result()
    assert "\n" not in str(failure.value) and "ZeroDivisionError" in (tmp_path / "fails.log").read_text()
    with pytest.raises(UserError, match="killed failed: DeadKernelError: Kernel died"):
        warm.submit(
            run,
            write_notebook(tmp_path / "source.ipynb", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
            "killed",
        ).result()
    # What is printed past Python goes to the log of this notebook, and the next one starts as if nothing had been.
    warm.submit(run, write_notebook(tmp_path / "source.ipynb", "import os; os.write(2, b'said by C')"), "next").result()
    assert "said by C" in (tmp_path / "next.log").read_text()


def test_a_forked_kernel_ends_with_the_process_that_started_it(tmp_path):
    pool = ProcessPoolExecutor(1, initializer=warm_kernels.use)
    task = pool.submit(
        run, write_notebook(tmp_path / "source.ipynb", forked(tmp_path), "import time; time.sleep(200)"), "long"
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "kernel.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel, was_forked = json.loads((tmp_path / "kernel.json").read_text())
    assert was_forked and alive(kernel)
    for process in pool._processes.values():
        os.kill(process.pid, signal.SIGKILL)
    assert task.exception(timeout=60) is not None
    assert end_within([kernel], 60), "a kernel outlived the process that started it"
