"""The choice of the epoch, by hand and against scipy."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fabricate import FROZEN, fabricate, seal

from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.training import trained
from wagf_src.runs import Run

ACCURACY = {"val_accuracy": [0.5, 0.6, 0.7, 0.65], "test_accuracy": [0.6, 0.7, 0.72, 0.8]}


def with_history(tmp_path, **columns):
    [run] = fabricate(tmp_path, ("mobilenetv2-base",), epochs=4)
    history = pd.DataFrame({"epoch": [1, 2, 3, 4], "loss": 1.0, "accuracy": 0.5} | columns)
    history.to_csv(run.path / "history.csv", index=False)
    seal(run.path)
    run = Run(run.path)
    run.info["best_epoch"] = 3
    return Evidence("made-up", [run], {}, tables.TABLES).table("checkpoints").iloc[0]


def test_checkpoints_by_hand(tmp_path):
    line = with_history(tmp_path, **ACCURACY)
    assert line[["epochs", "best_epoch", "kept", "last", "best", "low", "high"]].tolist() == [4, 3, 72, 80, 80, 72, 80]
    assert line["late_sd"] == pytest.approx(8 / np.sqrt(2))  # of the third and the fourth epoch
    assert line["sampling_se"] == pytest.approx(np.sqrt(72 * 28 / 200))
    assert line["rank_correlation"] == pytest.approx(scipy.stats.spearmanr(*ACCURACY.values()).statistic)
    assert line["optimism"] == pytest.approx(70 - 72)


def test_what_cannot_be_measured_is_missing(tmp_path):
    line = with_history(tmp_path, test_accuracy=ACCURACY["test_accuracy"])
    assert line[["rank_correlation", "optimism"]].isna().all() and line["kept"] == 72
    constant = with_history(tmp_path / "constant", val_accuracy=0.5, test_accuracy=ACCURACY["test_accuracy"])
    assert np.isnan(constant["rank_correlation"]) and constant["optimism"] == pytest.approx(-22)


def test_probes_have_no_epochs(tmp_path):
    runs = fabricate(tmp_path, FROZEN[:2], seeds=(1, 0))
    assert [run.name for run in trained(runs)] == ["mobilenetv2-base-seed0", "mobilenetv2-base-seed1"]
    probes = [run for run in runs if run.arm == FROZEN[0]]
    assert len(trained(probes)) == 2  # nothing else is there
    assert Evidence("none", [], {}, tables.TABLES).table("checkpoints") is None
