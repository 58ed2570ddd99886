"""Where a training stands: in a terminal one line, redrawn every second; in a log or CI plain lines.

Runs that are trained at the same time are processes of their own. Each keeps its state in a file, and whoever draws
shows all of them, so two runs share the one line.
"""

import contextlib
import os
import re
import shutil
import threading
import time
from pathlib import Path

from wagf_src import paths

SHOWN = ("device ", "epoch ", "resumed ")  # beginnings of the lines of a training that its reader sees
CLEAR = "\r\033[K"
_EPOCH = re.compile(r"epoch (\d+/\d+) .* ([\d.]+) images/s(?:, about ([\d.]+ min left))?")
_FRESH = 5.0  # seconds: the state of a process that has ended is no state


class Progress:
    """One run among those to do, from entering to leaving the context.

    Args:
        profile: its name. run: the run's name.
        todo: all runs to do, in order; those that finish after ``since`` (seconds since the epoch) count as done.
        out: what the reader looks at, a text stream.
        log: where all that the training says goes; None if it goes nowhere else.
    """

    def __init__(self, profile: str, run: str, todo: list[str], since: float, out, log: Path | None = None):
        self.profile, self.run, self.todo, self.since, self.out, self.log = profile, run, todo, since, out, log
        self.live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
        self.number = todo.index(run) + 1 if run in todo else 1
        self.device, self.state, self.started = "", "starts", time.time()
        self._file = paths.work_dir(profile) / run / "state.txt"
        self._end = threading.Event()

    def __enter__(self):
        log = f", log {paths.short(self.log)}" if self.log else ""
        self._line(f"run {self.number} of {len(self.todo)}: {self.run}{log}")
        if self.live:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._drawer = threading.Thread(target=self._draw_on, daemon=True)
            self._drawer.start()
        return self

    def say(self, line: str) -> None:
        """A line of the training; those that no reader needs are left out."""
        if not line.startswith(SHOWN):
            return
        epoch = _EPOCH.match(line)
        if line.startswith("device "):
            self.device, self.state = line.removeprefix("device "), "first epoch, with compilation"
        elif epoch:
            self.state = f"epoch {epoch[1]}, {epoch[2]} images/s" + (f", {epoch[3]}" if epoch[3] else "")
        if not self.live:
            self._line(f"  {self.run}: {line}")

    def __exit__(self, kind, error, trace):
        self._end.set()
        if self.live:
            self._drawer.join()
            self._file.unlink(missing_ok=True)
        if kind is None:
            self._line(f"finished {self.run} in {time.time() - self.started:.0f} s{self._all_left()}")
        elif self.live:
            self._write(CLEAR)

    def line(self) -> str:
        """This run's state in a few words."""
        on = f" ({self.device})" if self.device else ""
        return f"run {self.number} of {len(self.todo)} {self.run}{on}: {self.state}, {time.time() - self.started:.0f} s"

    def _all_left(self) -> str:
        """How long the runs to do will take, if the next ones take as long as those of this time."""
        runs = paths.RESULTS_DIR / self.profile / "runs"
        done = sum(_changed(runs / run / "run.json") > self.since for run in self.todo)
        if not done or done == len(self.todo):
            return ""
        minutes = (time.time() - self.since) / done * (len(self.todo) - done) / 60
        if minutes < 1:
            left = "less than a minute"
        else:
            left = f"about {minutes:.0f} min" if minutes < 100 else f"about {minutes / 60:.1f} h"
        return f", {left} left for all"

    def _draw_on(self) -> None:
        while not self._end.wait(1):
            with contextlib.suppress(OSError):  # the run's folder goes when it is finished
                self._file.write_text(self.line(), encoding="utf-8")
            states = sorted(paths.work_dir(self.profile).glob("*/state.txt"))
            fresh = [state for state in states if time.time() - _changed(state) < _FRESH]
            text = " | ".join(_read(state) for state in fresh) + self._all_left()
            self._write(CLEAR + text[: shutil.get_terminal_size().columns - 1])

    def _line(self, text: str) -> None:
        """A line that stays."""
        self._write(f"{CLEAR if self.live else ''}{text}\n")

    def _write(self, text: str) -> None:
        # In one piece: what another run draws between a line and its end would wipe the line out.
        self.out.write(text)
        self.out.flush()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
