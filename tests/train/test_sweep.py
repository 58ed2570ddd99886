"""Many runs in one process: complete folders, a budget that saves, and nothing done twice."""

import dataclasses

import h5py
import numpy as np
import pytest
from tiny_profiles import FROZEN

from wagf_src.__main__ import main
from wagf_src.data import dataset
from wagf_src.digests import stale_runs
from wagf_src.errors import UserError
from wagf_src.runs import Run
from wagf_src.train import staging, sweep, trainer

pytestmark = pytest.mark.usefixtures("own_results")

ARMS = ("densenet17-base", "densenet17-sa-described", "densenet17-base-lr0.01")
GRID = dataclasses.replace(FROZEN, name="grid", arms=ARMS, seeds=(0, 1), epochs=2)


def test_what_can_share_a_network_comes_together():
    assert sweep.order(GRID.runs()) == [
        "densenet17-base-seed0",
        "densenet17-base-lr0.01-seed0",
        "densenet17-base-seed1",
        "densenet17-base-lr0.01-seed1",
        "densenet17-sa-described-seed0",
        "densenet17-sa-described-seed1",
    ]


def test_folds_are_completed_seed_by_seed():
    folds = dataclasses.replace(GRID, test="lesion-folds", arms=("densenet17-base", "densenet17-sa-described"))
    runs = sweep.order(folds.runs())
    assert runs == folds.runs() and len(runs) == 20
    mixed = ["densenet17-sa-described-fold1-seed1", "densenet17-base-fold0-seed0", "densenet17-base-lr0.5-fold0-seed1"]
    assert sweep.order([mixed[0], mixed[1], mixed[2], "densenet17-sa-described-fold0-seed1"]) == [
        mixed[1],
        mixed[0],
        "densenet17-sa-described-fold0-seed1",
        mixed[2],
    ]


def test_a_budget_stops_between_epochs_and_the_same_command_goes_on(own_results, capsys):
    runs = ["densenet17-base-seed0", "densenet17-base-lr0.01-seed0"]
    assert sweep.train_all(GRID, runs, seconds=0.0) == runs  # no time at all: nothing begun, nothing half done
    assert not (own_results / "grid" / "runs").exists()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_is_over", lambda deadline, epoch: epoch == 2)
        assert sweep.train_all(GRID, runs, seconds=1000.0) == runs
    told = capsys.readouterr()
    assert "after epoch 1 of 2" in told.err and "0 runs finished, 2 left" in told.out
    assert sweep.train_all(GRID, runs) == []
    assert "resumed after epoch 1" in capsys.readouterr().out
    for run in runs:
        folder = own_results / "grid" / "runs" / run
        assert Run(folder).info["run"] == run and not (folder / "train.ipynb").exists()


def test_finished_runs_are_left_alone(own_results, capsys):
    kept = own_results / "grid" / "runs" / "densenet17-base-seed0" / "run.json"
    before = kept.stat().st_mtime_ns
    assert sweep.train_all(GRID) == []
    assert "4 of 6 runs to do" in capsys.readouterr().out and kept.stat().st_mtime_ns == before
    assert stale_runs(GRID, dataset.load(GRID)) == []
    assert not any((own_results / "grid" / ".work").glob("*/staging"))


@pytest.mark.parametrize("error", [UserError("out of luck"), ValueError("out of luck\nand more of it")])
def test_a_failing_run_does_not_stop_the_others(own_results, capsys, error):
    name = type(error).__name__
    wild = dataclasses.replace(
        GRID, name=f"wild-{name}", arms=("densenet17-base", "densenet17-sa-described"), seeds=(0,)
    )
    train = staging.train

    def failing(profile, run, *_):
        if "base" in run:
            raise error
        return train(profile, run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "train", failing)
        assert sweep.train_all(wild) == ["densenet17-base-seed0"]
    [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    if name == "UserError":
        assert said == "error: densenet17-base-seed0: out of luck"
    else:
        log = own_results / wild.name / ".work" / "densenet17-base-seed0" / "log"
        assert said.startswith("error: densenet17-base-seed0: ValueError: out of luck (log: ")
        assert "Traceback" in log.read_text() and "and more of it" in log.read_text()
    with pytest.raises(UserError, match="no run x-seed0"):
        sweep.train_all(wild, ["x-seed0"])


def test_a_head_starts_alike_whether_features_were_there_or_not(own_results):
    """The first run of a sweep with an empty cache, and the same run with a full one."""
    run, weights = "densenet17-base-seed0", []
    for name, cached in (("cold", False), ("warm", True)):
        if not cached:
            for file in (own_results.parent / "cache").glob("features-*"):
                file.unlink()
        profile = dataclasses.replace(GRID, name=name, arms=("densenet17-base",), seeds=(0,), epochs=1)
        assert sweep.train_all(profile) == []
        with h5py.File(own_results / name / "runs" / run / "model.weights.h5") as file:
            arrays = []
            file.visititems(lambda _, item, to=arrays: to.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        weights.append(arrays)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_code_that_changed_under_a_process_is_not_what_it_trained_with(own_results, monkeypatch):
    """What it has in memory is older than what stands on disk, and whose digest the run would bear."""
    monkeypatch.setattr(staging, "_CODE", "of an earlier file")
    profile = dataclasses.replace(GRID, name="edited", arms=("densenet17-base",), seeds=(0,))
    with pytest.raises(UserError, match="changed on disk after this process had begun; start the command again"):
        staging.train(profile, "densenet17-base-seed0")
    assert not (own_results / "edited" / "runs").exists()


def test_a_sweep_says_where_it_is_and_how_long_it_takes(own_results, capsys, monkeypatch):
    monkeypatch.setattr(staging, "train", lambda *_: None)

    def finish(profile, run, **_):
        folder = own_results / profile.name / "runs" / run
        folder.mkdir(parents=True)
        (folder / "run.json").touch()

    monkeypatch.setattr(sweep, "finish_run", finish)
    assert sweep.train_all(dataclasses.replace(GRID, name="spoken", arms=ARMS[:1], seeds=(0, 1, 2))) == []
    # The images may have to be decoded first.
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("decoding")]
    assert lines[1].startswith("run 1 of 3: densenet17-base-seed0, log ")
    assert lines[3].startswith("run 2 of 3: densenet17-base-seed1, log ")
    assert lines[2] == "finished densenet17-base-seed0 in 0 s, less than a minute left for all"
    assert lines[6] == "finished densenet17-base-seed2 in 0 s"


def test_a_wrong_profile_is_one_line_and_an_exit_code(capsys):
    assert main(["sweep", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: no profile 'nowhere'")
