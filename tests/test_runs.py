"""Run folders: what is beside run.json is what the run wrote, and the same predictions are the same bytes."""

import errno
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate, seal, write_run

from wagf_src import atomic, paths, steps
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.profile import load_profile, remember
from wagf_src.runs import (
    PROBABILITY_COLUMNS,
    TEST,
    VALIDATION,
    Run,
    complete,
    left_out,
    load_runs,
    put_in_place,
    real_profiles,
    shown_runs,
    sorted_predictions,
)

ARM = "mobilenetv2-wagf-described"
COMMITTED = sorted(paths.REFERENCE_DIR.glob("*/runs/*/run.json"))


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path, [ARM])[0]


def test_digests_are_those_of_hashlib(run):
    files = json.loads((run.path / "run.json").read_text())["files"]
    assert set(files) == {p.name for p in run.path.iterdir()} - {"run.json"}
    assert files[TEST] == hashlib.sha256((run.path / TEST).read_bytes()).hexdigest()
    run.check()


def test_images_called_like_a_missing_value_are_images(run):
    names = ["NA", "null", "nan", "None", "N/A", ""]
    frame = run.predictions()
    for column in ("image_id", "lesion_id"):
        frame.loc[: len(names) - 1, column] = names
    for part, file in (("test", TEST), ("validation", VALIDATION)):
        atomic.write_csv(run.path / file, frame)
        seal(run.path)
        found = Run(run.path).predictions(part)
        assert found["image_id"].tolist() == frame["image_id"].tolist()
        assert found["lesion_id"].tolist() == frame["lesion_id"].tolist()
    assert sorted_predictions(Run(run.path))[0].tolist() == sorted(frame["image_id"])


def test_a_probability_that_is_missing_is_named(run):
    frame = run.predictions()
    frame.loc[3, "p_mel"] = np.nan
    atomic.write_csv(run.path / TEST, frame)
    seal(run.path)
    with pytest.raises(UserError, match=f"probabilities of {frame['image_id'][3]} are not a distribution"):
        Run(run.path).predictions()


def better(path):
    frame = pd.read_csv(path)
    frame[PROBABILITY_COLUMNS] = np.eye(7)[frame["dx"].map(CLASSES.index)]
    frame.to_csv(path, index=False)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("name", "change", "reads"),
    [
        (TEST, better, Run.predictions),
        (TEST, cut, Run.predictions),
        ("history.csv", lambda p: p.write_text(p.read_text().replace(",500,", ",400,")), Run.history),
        ("attention.npz", cut, Run.attention),
        ("features.npz", cut, Run.features),
    ],
)
def test_a_changed_file_is_named_when_it_is_read(run, name, change, reads):
    reads(run)
    change(run.path / name)
    for read in (reads, Run.check):
        with pytest.raises(UserError, match=f"{ARM}-seed0/{name} was changed by hand or cut.*delete.*run again"):
            read(Run(run.path))


def test_only_large_files_may_be_left_out(run):
    (run.path / "features.npz").unlink()
    run.check()
    assert run.features() == {}
    (run.path / "attention.npz").unlink()
    with pytest.raises(UserError, match=r"attention\.npz is missing"):
        run.check()


def test_a_file_that_the_run_did_not_write_is_named(run):
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt was not written by the run"):
        run.check()


def test_predictions_are_read_once_and_nobody_can_spoil_them(run, monkeypatch):
    first = run.predictions()
    monkeypatch.setattr(pd, "read_csv", None)
    first["p_nv"] = 2.0
    again = Run(run.path).predictions()
    np.testing.assert_allclose(again[PROBABILITY_COLUMNS].sum(axis=1), 1, atol=1e-12)


def test_compressed_tables_are_the_same_bytes_for_the_same_numbers(tmp_path):
    frame = pd.DataFrame({"image_id": ["a", "b"], "p": [1 / 3, 2e-9 / 3]})
    for name in ("a.csv.gz", "other.csv.gz"):
        atomic.write_csv(tmp_path / name, frame, "%.5g")
    content = (tmp_path / "a.csv.gz").read_bytes()
    assert content == (tmp_path / "other.csv.gz").read_bytes()
    assert gzip.decompress(content) == b"image_id,p\na,0.33333\nb,6.6667e-10\n"
    assert content[3] == 0 and content[4:8] == bytes(4), "no name, no time (RFC 1952)"


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", "3", '[{"run": 1}]', '{"schema_version": 2}', '{"schema_version": 1}']
)
def test_what_is_no_run_is_one_line(run, text):
    (run.path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json.*delete the folder and run again") as error:
        _ = Run(run.path).info
    assert "\n" not in str(error.value)


def test_a_run_of_another_schema_is_not_taken(run):
    info = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**info, "schema_version": 1}))
    with pytest.raises(UserError, match="not a run of schema 2"):
        _ = Run(run.path).info


def test_sealing_takes_what_is_there(run):
    better(run.path / TEST)
    seal(run.path)
    assert (Run(run.path).predictions()[PROBABILITY_COLUMNS].max(axis=1) == 1).all()


@pytest.mark.parametrize("profile", sorted({file.parents[2].name for file in COMMITTED}))
def test_every_committed_run_is_as_it_was_written(profile):
    for file in COMMITTED:
        if file.parents[2].name == profile:
            run = Run(file.parent)
            run.check()
            assert run.name == run.path.name and run.info["profile"] == profile
            assert len(run.predictions()) == run.info["data"]["n_test"]


def test_folds_count_when_all_of_them_are_there(tmp_path, monkeypatch):
    """Five folds of one arm and seed test every image once; four would silently stand for another test set."""
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    parts = np.array_split(np.arange(70), 5)
    y = np.arange(70) % len(CLASSES)
    for seed, folds in ((0, range(5)), (1, range(4))):
        for fold in folds:
            write_run(tmp_path, "mobilenetv2-base", seed, [], "my-folds", y=y[parts[fold]], fold=fold, rows=parts[fold])
    write_run(tmp_path, "mobilenetv2-base", 1, [], "mine", y=y)
    runs = load_runs("my-folds")
    assert len(runs) == 9
    assert [(r.seed, r.fold) for r in complete(runs)] == [(0, fold) for fold in range(5)]
    assert {name: len(own) for name, own in real_profiles().items()} == {"mine": 1, "my-folds": 5}


def test_a_first_own_fold_hides_no_committed_condition(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    parts, y = np.array_split(np.arange(70), 5), np.arange(70) % len(CLASSES)
    for fold in range(5):
        write_run(
            tmp_path / "reference", "mobilenetv2-base", 0, [], "my-folds", y=y[parts[fold]], fold=fold, rows=parts[fold]
        )
    write_run(tmp_path, "mobilenetv2-base", 0, [], "my-folds", y=y[parts[0]], fold=0, rows=parts[0])
    assert len(load_runs("my-folds")) == 1
    [committed] = real_profiles().values()
    assert [run.fold for run in committed] == [0, 1, 2, 3, 4] and shown_runs("my-folds", required=True) == committed
    assert all(run.path.is_relative_to(tmp_path / "reference") for run in committed)
    shutil.rmtree(tmp_path / "reference")
    assert shown_runs("my-folds") == []
    with pytest.raises(UserError, match="all its folds yet; `make reproduce PROFILE=my-folds` goes on"):
        shown_runs("my-folds", required=True)
    with pytest.raises(UserError, match="no finished run in results/mine/runs"):
        shown_runs("mine", required=True)


# --- runs of a profile that was changed since ------------------------------------------------------------------

ARMS = ("mobilenetv2-base", "resnet50-base-lr0.001")
NOW = {"extends": "paper", "description": "x", "arms": list(ARMS), "seeds": [0, 1], "epochs": 5}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """``results/`` and a profile of the reader's own; returns (write a run, write the profile)."""
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path / "results")
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "results" / "reference")
    file = tmp_path / "mine.yaml"

    def profile(**changes):
        file.write_text(json.dumps(NOW | changes))
        remember(load_profile(str(file)))

    def run(seed=0, arm=ARMS[0], root="results", profile="mine", **settings):
        rate = {"learning_rate": 0.001} if arm.endswith("-lr0.001") else {}
        write_run(tmp_path / root, arm, seed, [], profile, **{"epochs": 5} | rate | settings)

    profile()
    return run, profile


def names(runs):
    return [run.name for run in runs]


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"seed": 1, "epochs": 1},
        {"seed": 1, "test_seed": 13},
        {"seed": 1, "precision": "float32"},
        {"arm": "densenet121-base"},
        {"arm": ARMS[1], "learning_rate": 0.01},
        {"fold": 0, "test": "paper-folds"},
    ],
    ids=str,
)
def test_a_run_that_is_of_the_profile_no_more_is_shown_with_no_others(mine, other):
    mine[0](0)
    mine[0](**other)
    assert len(list(paths.RESULTS_DIR.glob("mine/runs/*/run.json"))) == 2
    assert (
        names(load_runs("mine")) == names(shown_runs("mine")) == names(real_profiles()["mine"]) == [f"{ARMS[0]}-seed0"]
    )
    assert len(left_out("mine")) == 1


def test_an_arms_own_rate_and_what_came_later_than_a_run_count_as_the_profiles(mine):
    for arm in ARMS:
        mine[0](0, arm)
    file = paths.RESULTS_DIR / "mine" / "runs" / f"{ARMS[0]}-seed0" / "run.json"
    info = json.loads(file.read_text())
    for key in ("test_views", "schedule", "balance"):
        info["settings"].pop(key)
    file.write_text(json.dumps(info | {"inputs_digest": "of earlier code"}))
    assert len(shown_runs("mine")) == 2 and left_out("mine") == []


def test_folds_in_the_place_of_one_test_set_and_back(mine):
    run, profile = mine
    run(0)
    for fold in range(5):
        run(0, fold=fold, test="paper-folds")
    assert names(shown_runs("mine")) == [f"{ARMS[0]}-seed0"]
    profile(test="paper-folds")
    assert names(shown_runs("mine")) == [f"{ARMS[0]}-fold{fold}-seed0" for fold in range(5)]
    (paths.RESULTS_DIR / "mine" / "runs" / f"{ARMS[0]}-fold0-seed0" / "run.json").unlink()
    assert shown_runs("mine") == []


def test_a_whole_run_is_no_fifth_fold(mine):
    """Where nobody knows the profile any more."""
    mine[0](0, profile="gone")
    for fold in range(1, 5):
        mine[0](0, profile="gone", fold=fold, test="paper-folds")
    assert names(shown_runs("gone")) == [f"{ARMS[0]}-seed0"]


def test_own_runs_of_another_profile_hide_no_committed_one(mine):
    mine[0](0, epochs=1)
    assert real_profiles() == {} and shown_runs("mine") == []
    with pytest.raises(
        UserError, match=r"no finished run .* as it is now \(mobilenetv2-base-seed0: of another\); make them"
    ):
        load_runs("mine")
    mine[0](1, root="results/reference")
    mine[0](0, root="results/reference", epochs=1)
    [committed] = load_runs("mine")
    assert committed.seed == 1 and committed.path.is_relative_to(paths.REFERENCE_DIR)


def test_runs_of_a_trial_are_judged_as_a_trials(mine):
    trial = load_profile("paper-trial")
    for seed, epochs in ((0, 1), (1, 1), (0, 2)):
        if seed == 0:
            settings = trial.settings() | {"epochs": epochs}
            write_run(paths.RESULTS_DIR, "resnet50-base" if epochs == 2 else ARMS[0], 0, [], trial.name, **settings)
        else:
            write_run(paths.RESULTS_DIR, ARMS[0], 1, [], trial.name, **trial.settings())
    assert names(load_runs("paper-trial")) == [f"{ARMS[0]}-seed0"] and len(left_out("paper-trial")) == 2


def test_prepare_says_what_it_leaves_out_and_deletes_nothing(mine, capsys, monkeypatch):
    for seed in range(9):
        mine[0](seed)
    before = sorted(paths.RESULTS_DIR.glob("mine/runs/*/*"))
    monkeypatch.setattr(steps.dataset, "load", lambda profile: None)
    monkeypatch.setattr(steps, "stale_runs", lambda profile, data: [])
    for name in ("stale_chapters", "book_is_stale"):
        monkeypatch.setattr(steps.staleness, name, lambda profile: False)
    steps.prepare(load_profile(str(paths.RESULTS_DIR.parent / "mine.yaml")))
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == (
        "left out: "
        + ", ".join(f"{ARMS[0]}-seed{seed}" for seed in range(2, 7))
        + " and 2 more, not of this profile any more (nothing is deleted)"
    )
    assert second.startswith("Nothing to do") and sorted(paths.RESULTS_DIR.glob("mine/runs/*/*")) == before


@pytest.mark.parametrize("profile", sorted({file.parents[2].name for file in COMMITTED}))
def test_every_committed_run_is_shown(tmp_path, monkeypatch, profile):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)  # no own ones
    there = [file.parent for file in COMMITTED if file.parents[2].name == profile]
    assert [run.path for run in shown_runs(profile)] == there
    assert [run.path for run in real_profiles()[profile]] == there


# --- what a run replaces ---------------------------------------------------------------------------------------


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_the_reader_put_beside_a_run_is_beside_the_next_one(tmp_path):
    earlier = fabricate(tmp_path / "runs", [ARM])[0].path
    staged = fabricate(tmp_path / "new", [ARM], skill=1.0)[0].path
    (earlier / "notes.txt").write_text("weeks of work")
    (earlier / ".hidden").write_text("hidden")
    (earlier / "plots").mkdir()
    (earlier / "plots" / "a.png").write_bytes(b"picture")
    (earlier / "errors.csv").write_text("mine")
    (staged / "errors.csv").write_text("the run's")
    (staged / "attention.npz").unlink()
    seal(staged)
    expected = contents(staged)
    put_in_place(staged, earlier)
    theirs = {
        "notes.txt": b"weeks of work",
        ".hidden": b"hidden",
        "plots/a.png": b"picture",
        "errors.kept.csv": b"mine",
    }
    assert contents(earlier) == expected | theirs and not staged.exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [earlier.name]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EACCES])
def test_a_move_that_fails_leaves_both_folders(tmp_path, monkeypatch, number):
    old, new = (fabricate(tmp_path / name, [ARM], skill=skill)[0].path for name, skill in (("runs", 1.0), ("new", 2.0)))
    before, finished, replace = contents(tmp_path / "runs"), contents(new), os.replace

    def fails(source, target):
        if source == new:
            raise OSError(number, os.strerror(number), str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    for _ in range(2):
        with pytest.raises(UserError, match=f"runs/{ARM}-seed0: .*new/{ARM}-seed0 is finished and cannot.*;") as error:
            put_in_place(new, old)
        assert "\n" not in str(error.value) and ("one disk" in str(error.value)) == (number == errno.EXDEV)
        assert contents(tmp_path / "runs") == before and contents(new) == finished
    monkeypatch.undo()
    put_in_place(new, old)
    assert contents(old) == finished


FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # a Mac has 256
from pathlib import Path
from wagf_src import paths
from wagf_src.data import ham10000, store, synthetic
from wagf_src.runs import Run, truth_and_probabilities
runs = [Run(file.parent) for file in sorted(paths.REFERENCE_DIR.glob("*/runs/*/run.json"))[:70]]
for run in runs:
    run.check(), truth_and_probabilities(run), run.attention()
folder = synthetic.generate(Path(sys.argv[1]), 140)
images, _, _ = store.image_store(folder, ham10000.load_metadata(folder), 32)
print(len(runs), len(images))
"""


def test_no_file_stays_open(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES, tmp_path / "synthetic"],
        env=os.environ | {"WAGF_CACHE_DIR": str(tmp_path / "cache")},
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs, images = map(int, done.stdout.split("\n")[-2].split())
    assert (runs, images > 140) == (70, True)
