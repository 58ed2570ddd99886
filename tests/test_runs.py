"""Run folders: what is beside run.json is what the run wrote, and the same predictions are the same bytes."""

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

from wagf_src import atomic, paths
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.runs import (
    PROBABILITY_COLUMNS,
    TEST,
    VALIDATION,
    Run,
    complete,
    load_runs,
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
            write_run(
                tmp_path, "mobilenetv2-base", seed, [], "lite-folds", y=y[parts[fold]], fold=fold, rows=parts[fold]
            )
    write_run(tmp_path, "mobilenetv2-base", 1, [], "lite", y=y)
    runs = load_runs("lite-folds")
    assert len(runs) == 9
    assert [(r.seed, r.fold) for r in complete(runs)] == [(0, fold) for fold in range(5)]
    assert {name: len(own) for name, own in real_profiles().items()} == {"lite": 1, "lite-folds": 5}


def test_a_first_own_fold_hides_no_committed_condition(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    parts, y = np.array_split(np.arange(70), 5), np.arange(70) % len(CLASSES)
    for fold in range(5):
        write_run(
            tmp_path / "reference",
            "mobilenetv2-base",
            0,
            [],
            "lite-folds",
            y=y[parts[fold]],
            fold=fold,
            rows=parts[fold],
        )
    write_run(tmp_path, "mobilenetv2-base", 0, [], "lite-folds", y=y[parts[0]], fold=0, rows=parts[0])
    assert len(load_runs("lite-folds")) == 1
    [committed] = real_profiles().values()
    assert [run.fold for run in committed] == [0, 1, 2, 3, 4] and shown_runs("lite-folds", required=True) == committed
    assert all(run.path.is_relative_to(tmp_path / "reference") for run in committed)
    shutil.rmtree(tmp_path / "reference")
    assert shown_runs("lite-folds") == []
    with pytest.raises(UserError, match="all its folds yet; `make reproduce PROFILE=lite-folds` goes on"):
        shown_runs("lite-folds", required=True)
    with pytest.raises(UserError, match="no finished run in results/lite/runs"):
        shown_runs("lite", required=True)


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
