"""Processes of a pool end with the one that made it, also where that is killed; and its locks with them."""

import os
import signal
import subprocess
import sys

from processes import alive, end_within

from wagf_src import lock, paths

MAKES_A_POOL = """
import os, sys, time
from pathlib import Path
from wagf_src import lock, paths
from wagf_src.report import workers

paths.RESULTS_DIR = Path(sys.argv[1])

def idle(number):
    time.sleep(0.5)
    return os.getpid()

if __name__ == "__main__":
    os.cpu_count = lambda: 3
    with lock.held("p", lock.REPORT), workers.pool(dict) as pool:
        print(*{*pool.map(idle, range(6))}, flush=True)
        time.sleep(200)
"""


def test_a_killed_process_leaves_no_worker_and_no_lock(tmp_path, monkeypatch):
    script = tmp_path / "makes_a_pool.py"
    script.write_text(MAKES_A_POOL)
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path / "results")
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, script, tmp_path / "results"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 3 and all(map(alive, pids))
        process.send_signal(signal.SIGKILL)
    assert end_within(pids, 20), "a worker waits for work for ever"
    with lock.held("p", lock.REPORT, seconds=0):
        pass
