"""Where a training stands: plain lines in a log, one redrawn line in a terminal, and one line on Ctrl-C."""

import io
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from wagf_src import paths, steps
from wagf_src.__main__ import main
from wagf_src.progress import Progress

# As the trainer says it (train/trainer.py).
EPOCH = (
    "epoch 3/10  loss 0.5123  accuracy 0.8123  validation 0.7912  test 0.7890  12.1 s, 301 images/s, about 1.4 min left"
)
TODO = ["a-seed0", "b-seed0", "c-seed0"]


def finish(run):
    folder = paths.RESULTS_DIR / "p" / "runs" / run
    folder.mkdir(parents=True)
    (folder / "run.json").touch()


def test_a_log_gets_plain_lines(results_dir):
    out = io.StringIO()
    with Progress("p", "b-seed0", TODO, time.time() - 60, out, results_dir / "log") as progress:
        for line in ("device CPU, 2 cores, tensorflow 2.21", "resumed after epoch 2", EPOCH, "something else"):
            progress.say(line)
        finish("b-seed0")
    lines = out.getvalue().splitlines()
    assert lines[0] == f"run 2 of 3: b-seed0, log {paths.short(results_dir / 'log')}"
    assert lines[1:4] == [
        "  b-seed0: device CPU, 2 cores, tensorflow 2.21",
        "  b-seed0: resumed after epoch 2",
        f"  b-seed0: {EPOCH}",
    ]
    # One of three took a minute.
    assert lines[4:] == ["finished b-seed0 in 0 s, about 2 min left for all"]


def test_a_run_that_fails_is_not_called_finished(results_dir):
    out = io.StringIO()
    with pytest.raises(ValueError), Progress("p", "a-seed0", TODO, time.time(), out):
        raise ValueError
    assert out.getvalue().splitlines() == ["run 1 of 3: a-seed0"]


def in_a_terminal(command, environment, until, keys=b"", **options):
    """Start a command in a terminal of its own, press keys when it has said ``until``; its code and all it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a terminal; what runs in the background ignores it
        os.chdir(options.get("cwd", paths.ROOT))
        os.execvpe(command[0], command, environment)
    shown, pressed = b"", False
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not part:
            break
        shown += part
        if keys and not pressed and re.search(until, shown.decode()):
            time.sleep(0.3)
            os.write(terminal, keys)
            pressed = True
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


TWO = f"""
import sys, threading, time
from pathlib import Path
from wagf_src import paths
from wagf_src.progress import Progress
paths.RESULTS_DIR = Path(sys.argv[1])
def train(run):
    with Progress("p", run, {TODO!r}, time.time(), sys.stdout) as progress:
        progress.say("device GPU, tensorflow 2.21")
        time.sleep(1.6)
        progress.say({EPOCH!r})
        time.sleep(1.6)
        progress.say("no reader needs this")
threads = [threading.Thread(target=train, args=(run,)) for run in ("a-seed0", "b-seed0")]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_a_terminal_gets_one_line_redrawn_for_all_that_runs(tmp_path):
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "PYTHONPATH": str(paths.ROOT)}
    environment.pop("CI", None)
    code, shown = in_a_terminal([sys.executable, "-c", TWO, str(tmp_path)], environment, until="")
    assert code == 0, shown
    drawn = re.findall(r"\r\x1b\[K([^\r\n]+)", shown)
    both = [
        line
        for line in drawn
        if "run 1 of 3 a-seed0 (GPU, tensorflow 2.21): " in line and " | run 2 of 3 b-seed0" in line
    ]
    assert any("first epoch, with compilation" in line for line in both)
    assert any("epoch 3/10, 301 images/s, 1.4 min left" in line for line in both)
    assert max(map(len, drawn)) < 200 and "no reader needs this" not in shown and EPOCH not in shown
    # What stays on the screen is a line for the beginning and one for the end of each.
    stays = [line.split("\x1b[K")[-1] for line in shown.replace("\r\n", "\n").split("\n")]
    assert sorted(line.split(" in ")[0] for line in stays if line) == [
        "finished a-seed0",
        "finished b-seed0",
        "run 1 of 3: a-seed0",
        "run 2 of 3: b-seed0",
    ]
    assert not list(tmp_path.rglob("state.txt"))


# --- Ctrl-C ----------------------------------------------------------------------------------------------------

# In the place of the environment's Python: two runs to do, neither of which ever ends.
STUB = """#!/bin/sh
case "$*" in
  *"wagf_src prepare"*) mkdir -p results/demo/.work; echo a-seed0 b-seed0 > results/demo/.work/stale_runs
    touch results/demo/.work/todo ;;
  *"wagf_src run"*) exec "{python}" -c 'import sys, time
try: print("training", flush=True); time.sleep(60)
except KeyboardInterrupt: sys.exit(130)' ;;
esac
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_on_make_ends_in_one_line_that_says_how_to_go_on(tmp_path, jobs):
    shutil.copytree(paths.ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(paths.ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STUB.format(python=sys.executable))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    subprocess.run(
        [sys.executable, tmp_path / "requirements" / "install.py", "run", ".venv", "--record"], cwd=tmp_path, check=True
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    code, shown = in_a_terminal(
        ["make", "reproduce", f"JOBS={jobs}"],
        environment,
        until="(?s)" + "training.*" * int(jobs),
        keys=b"\x03",
        cwd=tmp_path,
    )
    assert code == -signal.SIGINT, shown
    lines = [line.strip() for line in shown.replace("\r", "").split("\n") if line.strip()]
    assert [line for line in lines if not line.startswith("training")] == [
        "^C",
        "Stopped. The same command goes on: what is finished stays, a run goes on from its last saved epoch.",
    ]


def test_ctrl_c_without_make(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "take", interrupted)
    assert main(["sweep", "demo"]) == 130
    assert capsys.readouterr().out.count("The same command goes on") == 1
