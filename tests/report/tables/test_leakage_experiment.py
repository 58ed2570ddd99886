"""The leakage experiment's tables against means of the repeats."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from scipy import stats

from wagf_src.report import evidence
from wagf_src.report.tables import TABLES, leakage_experiment


def test_levels_differences_and_sizes(results_dir):
    runs = fabricate(results_dir / "own" / "runs", ("mobilenetv2-base", "mobilenetv2-probe"))
    repeats = pd.read_csv(runs[1].path / "splits.csv")
    pd.testing.assert_frame_equal(leakage_experiment.repeats(runs), repeats)
    gathered = evidence.collect("own", TABLES)
    by = repeats.set_index(["classifier", "split", "subset", "repeat"])["accuracy"].sort_index()
    gain = by["nearest", "image", "all"] - by["nearest", "lesion", "all"]
    table = gathered.table("leakage_experiment").set_index(["classifier", "kind", "name", "metric"])
    row = table.loc["nearest", "difference", "leakage", "accuracy"]
    interval = stats.t.interval(0.95, 9, gain.mean(), stats.sem(gain))
    np.testing.assert_allclose(
        row[["value", "ci_low", "ci_high", "sd"]].astype(float), [gain.mean(), *interval, gain.std()]
    )
    level = table.loc["logistic", "level", "paper/all", "accuracy"]["value"]
    assert level == pytest.approx(by["logistic", "paper", "all"].mean())
    sizes = gathered.table("split_sizes").set_index(["split", "subset"])
    assert sizes.loc[("image", "all"), ["n_train", "n_test", "sibling_share", "repeats"]].tolist() == [
        800,
        200,
        0.4,
        10,
    ]
    assert sizes["provenance"].iloc[0].startswith("SYNTHETIC; 64 px; MobileNetV2")


def test_no_run_holds_it(results_dir):
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",))
    gathered = evidence.collect("own", TABLES)
    for name in ("leakage_experiment", "split_sizes"):
        assert not len(gathered.table(name)) and gathered.table(name).columns[-1] == "provenance"
