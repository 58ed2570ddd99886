"""Killed, without room or without permission at every single file operation: one line or a death, nothing half-written
in a place where it counts, and the same command then gives what it gives undisturbed.

Each case is a fork (``faults``); whole reproductions are killed by torture.py.
"""

import json
import os
import shutil
from pathlib import Path

import fabricate
import numpy as np
import pytest
from faults import FULL, KILLED, READ_ONLY, child

from wagf_src import atomic, paths, runs
from wagf_src.__main__ import main
from wagf_src.code_digest import code_digest
from wagf_src.data import synthetic
from wagf_src.paths import work_dir
from wagf_src.profile import load_profile
from wagf_src.report import publish
from wagf_src.runs import Run
from wagf_src.train.checkpoint import TrainingState
from wagf_src.train.finish import finish_run

RUN = "mobilenetv2-base-seed0"
NOTES = "notes.txt"  # beside a run
PROFILE = """
description: For the tests.
data: synthetic
synthetic_lesions: 70
image_size: 32
arms: [mobilenetv2-base, mobilenetv2-wagf-described]
weights: none
"""


class Variable:
    """As much of a Keras variable as a training state asks for."""

    def __init__(self, value):
        self.value, self.shape = value, value.shape

    def assign(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        return self.value


class Network:
    def __init__(self, value):
        self.variables = [Variable(np.full((50, 50), float(value)))]


# --- what is done, each in a folder of its own ---


def prepare(folder):
    return main(["prepare", str(folder / "tiny.yaml")])


def finish(folder):
    finish_run(load_profile(str(folder / "tiny.yaml")), RUN, notebook=False)


def finish_again(folder):
    """The same where a run of earlier inputs is in the place."""
    finish(folder)


def keep(folder):
    publish.keep_runs("tiny")


def save_state(folder):
    state = TrainingState(folder / "state.npz", "inputs")
    state.classifier, state.optimizer = Network(2), Network(3)
    state.history, state.best_epoch = [{"epoch": 1}, {"epoch": 2}], 2
    state.save(1.0)


WORK = {work.__name__: work for work in (prepare, finish, finish_again, keep, save_state)}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A folder for each kind of work, as it is before."""
    code_digest()  # the package is read here, and not in every fork
    base = tmp_path_factory.mktemp("bases")
    data = synthetic.generate(base / "synthetic-70", 70)
    for name in WORK:
        folder = base / name
        folder.mkdir()
        (folder / "tiny.yaml").write_text(PROFILE)
        work = folder / "results" / "tiny" / ".work" / RUN
        if name == "prepare":
            shutil.copytree(data, folder / "cache" / data.name, copy_function=os.link)
        if name.startswith("finish"):
            fabricate.fabricate(work, arms=["mobilenetv2-base"])
            os.replace(work / RUN, work / "staging")
            (work / "state.npz").write_bytes(b"state")
        if name in ("finish_again", "keep"):
            fabricate.fabricate(folder / "results" / "tiny" / "runs", arms=["mobilenetv2-base"], skill=1.0)
        if name == "finish_again":
            (folder / "results" / "tiny" / "runs" / RUN / NOTES).write_text("the reader's own")
        if name == "keep":
            fabricate.fabricate(folder / "results" / "reference" / "tiny" / "runs", arms=["mobilenetv2-base"])
        if name == "save_state":
            state = TrainingState(folder / "state.npz", "inputs")
            state.classifier, state.optimizer = Network(0), Network(1)
            state.history = [{"epoch": 1}]
            state.save(0.5)
    return base


@pytest.fixture
def tried(bases, tmp_path, monkeypatch):
    """Does a kind of work in a fresh folder with a fault; returns (outcome, folder)."""
    count = 0

    def go(name, folder=None, **fault):
        nonlocal count
        if folder is None:
            folder, count = tmp_path / f"{name}{count}", count + 1
            shutil.copytree(bases / name, folder, copy_function=os.link if name == "prepare" else shutil.copy2)
        monkeypatch.setenv("WAGF_CACHE_DIR", str(folder / "cache"))
        monkeypatch.setattr(paths, "RESULTS_DIR", folder / "results")
        monkeypatch.setattr(paths, "REFERENCE_DIR", folder / "results" / "reference")
        return child(lambda: WORK[name](folder), folder, **fault), folder

    return go


def tree(folder: Path) -> dict[str, str]:
    """Digest of every file by its path, hidden ones too; a training state by what it holds."""
    found = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = file.relative_to(folder).as_posix()
        if name.endswith(".npz") and file.name == "state.npz" and file.stat().st_size > 100:
            with np.load(file, allow_pickle=False) as arrays:
                found[name] = atomic.digest({key: arrays[key].tolist() for key in arrays.files})
        elif file.name != "started" and "locks" not in file.parts:
            found[name] = atomic.file_digest(file)
    return found


def check_places(folder: Path) -> None:
    """No run, and no state, is half-written where the next process looks for it."""
    for place in [*folder.glob("results/*/runs/*"), *folder.glob("results/reference/*/runs/*")]:
        if place.name[0] != ".":
            Run(place).check(alone=False)
    if (folder / "state.npz").is_file():
        with np.load(folder / "state.npz", allow_pickle=False) as state:
            assert len(json.loads(str(state["about"]))["history"]) in (1, 2)


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("fault", [KILLED, FULL, READ_ONLY])
def test_a_fault_at_every_file_operation(tried, record_property, name, fault):
    undisturbed, folder = tried(name)
    assert undisturbed.code == 0 and undisturbed.operations > 1, undisturbed.said
    record_property("cases", undisturbed.operations)
    expected = tree(folder)
    for at in range(undisturbed.operations):
        outcome, folder = tried(name, fault=fault, at=at)
        where = f"{name}, {fault} at operation {at}: {outcome.said}"
        if fault == KILLED:
            assert outcome.code == -9, where
        elif outcome.code:  # what only tidies up may fail silently
            lines = [line for line in outcome.said.splitlines() if line.startswith("error: ")]
            assert outcome.code == 2 and len(lines) == 1 and "Traceback" not in outcome.said, where
        check_places(folder)
        again, _ = tried(name, folder)
        if name.startswith("finish") and not (folder / "results/tiny/.work" / RUN / "staging").exists():
            runs.tidy(folder / "results" / "tiny" / "runs")  # it was done but for the tidying, and prepare sees so
            here, there = ({n: d for n, d in t.items() if "/runs/" in n} for t in (tree(folder), expected))
            assert here == there, where
            continue
        assert again.code == 0, f"{where}\nagain: {again.said}"
        left = set(tree(folder)) - set(expected)
        # What cannot be removed while nothing may be written stays, and is small.
        assert not left or fault == READ_ONLY and sum((folder / name).stat().st_size for name in left) < 1000, where
        assert {name: value for name, value in tree(folder).items() if name not in left} == expected, where


@pytest.mark.parametrize("name", WORK)
def test_no_room_in_the_middle_of_a_file(tried, record_property, name):
    record_property("cases", 3)
    for limit in (0, 200, 5000):
        outcome, folder = tried(name, limit=limit)
        if outcome.code:
            lines = [line for line in outcome.said.splitlines() if line.startswith("error: ")]
            assert outcome.code == 2 and len(lines) == 1 and "Traceback" not in outcome.said, outcome.said
        check_places(folder)


def test_prepare_tidies_up_behind_a_run_that_was_put_in_its_place(tried, monkeypatch):
    """A process killed after the move leaves the training's state, and of what it replaced perhaps a folder."""
    _, folder = tried("prepare")
    profile = load_profile(str(folder / "tiny.yaml"))
    kept, gone = (work_dir("tiny") / run for run in profile.runs())
    for work in (kept, gone):
        work.mkdir(parents=True)
        (work / "state.npz").touch()
    place = folder / "results" / "tiny" / "runs"
    fabricate.fabricate(place, arms=["mobilenetv2-base"])
    shutil.copytree(place / RUN, place / f".{RUN}.old")
    monkeypatch.setattr("wagf_src.steps.stale_runs", lambda profile, data: [kept.name])
    assert tried("prepare", folder)[0].code == 0
    assert kept.is_dir() and not gone.exists() and [path.name for path in place.iterdir()] == [RUN]
    # Killed between the two moves: what was in the place, and the reader's notes in it, are all that there is.
    (place / RUN / NOTES).write_text("mine")
    (place / RUN).rename(place / f".{RUN}.old")
    assert tried("prepare", folder)[0].code == 0
    assert [path.name for path in place.iterdir()] == [RUN] and (place / RUN / NOTES).read_text() == "mine"
