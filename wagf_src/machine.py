"""What a result was made by: the commit, the processor and its kernels."""

import contextlib
import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from wagf_src import paths


def git_state() -> dict:
    """Commit and whether the tracked files differ from it; both None outside a checkout of this very repository."""

    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != paths.ROOT.resolve():
            return {"commit": None, "dirty": None}  # an unpacked archive inside somebody's other repository
        changed = _git("status", "--porcelain", "--untracked-files=no")
        return {"commit": _git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def git(*arguments: str) -> bytes:
    """What git says of this repository, whatever repository the shell's own GIT_DIR, or that of a hook, names.

    Raises:
        OSError: there is no git.
        subprocess.CalledProcessError: git refuses.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(["git", *arguments], cwd=paths.ROOT, capture_output=True, check=True, env=environment).stdout


def _git(*arguments):
    return git(*arguments).decode().strip()


def processor() -> str:
    """The processor's name, for run.json."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def version(package: str) -> str | None:
    """Of an installed package; None if it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def has_onednn() -> bool:
    """Whether TensorFlow computes with oneDNN in this process: the package asks for it, builds for Linux have it."""
    return sys.platform == "linux" and os.environ["TF_ENABLE_ONEDNN_OPTS"] not in ("0", "false")


class PeakMemory:
    """The largest resident memory of this process since now; since its start where the system cannot forget (macOS)."""

    def __init__(self):
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # sets the kernel's high-water mark back

    def mebibytes(self) -> int:
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest // (2**20 if sys.platform == "darwin" else 1024)  # bytes on macOS, kibibytes elsewhere
