"""What run.json says of the machine."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from wagf_src import machine, paths


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_peak_memory_is_of_this_run_alone():
    """In a process of its own, with pages that the kernel takes back at once: a heap keeps what it likes."""
    program = """
import mmap
from wagf_src import machine
def held(mebibytes):
    pages = mmap.mmap(-1, mebibytes * 2**20)
    for _ in range(mebibytes):
        pages.write(bytes(2**20))
    return pages
earlier = held(300)
before = machine.PeakMemory().mebibytes()
earlier.close()
alone = machine.PeakMemory()
start = alone.mebibytes()
held(200).close()
print(before, start, alone.mebibytes(), machine.PeakMemory().mebibytes())
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=paths.ROOT, capture_output=True, check=True, text=True
    )
    before, start, run, after = map(int, printed.stdout.split())
    assert start < before - 250, "what an earlier run held is forgotten"
    assert run > after + 150, "what this run has given back counts"


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("linux", 1024)])
def test_without_proc_the_unit_is_the_systems(monkeypatch, platform, unit):
    """getrusage(2): kibibytes on Linux, bytes on macOS."""

    def nowhere(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", nowhere)
    monkeypatch.setattr(Path, "write_text", nowhere)
    monkeypatch.setattr(sys, "platform", platform)
    usage = SimpleNamespace(ru_maxrss=512 * 2**20 // unit)
    monkeypatch.setattr(resource, "getrusage", lambda _: usage)
    assert machine.PeakMemory().mebibytes() == 512


def test_the_commit_is_this_repositorys_or_none(tmp_path, monkeypatch):
    """A copy without .git inside another repository has no commit of its own."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "another project's"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert len(machine.git_state()["commit"]) == 40
    (tmp_path / "copy").mkdir()
    # A hook's, or a shell's own, GIT_DIR names the other project.
    monkeypatch.setattr(paths, "ROOT", tmp_path / "copy")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "copy"))
    assert machine.git_state() == {"commit": None, "dirty": None}


@pytest.mark.skipif(sys.platform != "linux", reason="oneDNN is in TensorFlow's builds for Linux")
@pytest.mark.parametrize("asked, state", [(None, "on"), ("0", "off")])
def test_tensorflow_computes_with_onednn_whatever_the_processor(asked, state):
    """TensorFlow itself says so when it starts; ``off`` is what a reader asks for."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL")}
    environment |= {} if asked is None else {"TF_ENABLE_ONEDNN_OPTS": asked}
    code = "from wagf_src.machine import has_onednn; import tensorflow; print(has_onednn())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ("oneDNN custom operations are on" in done.stderr) == (state == "on")
    assert done.stdout.strip() == str(state == "on")
