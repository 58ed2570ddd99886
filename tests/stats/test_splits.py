"""Effects of splits against scipy's t-test, and against what the experiment was fabricated with."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fabricate import made_up_splits

from wagf_src.errors import UserError
from wagf_src.stats import splits


def test_split_effects_are_paired_differences():
    frame = made_up_splits(repeats=6)
    found = splits.split_effects(frame).set_index(["classifier", "kind", "name", "metric"])
    one = frame[frame["classifier"] == "nearest"].set_index(["split", "subset", "repeat"])["accuracy"].sort_index()
    difference = one.loc["image", "all"] - one.loc["lesion", "all"]
    row = found.loc[("nearest", "difference", "leakage", "accuracy")]
    assert row["value"] == pytest.approx(difference.mean()) and row["sd"] == pytest.approx(difference.std())
    test = scipy.stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((test.low, test.high)) and row["repeats"] == 6
    # Nadeau and Bengio's allowance: a quarter as many test as training images, so 1/6 becomes 1/6 + 1/4.
    assert (row["wide_high"] - row["wide_low"]) / (test.high - test.low) == pytest.approx(np.sqrt((1 / 6 + 1 / 4) * 6))
    # Every effect is the first place minus the second, by its own words.
    for name, (a, b) in {
        "leakage, lesions photographed once": ("image single", "lesion single"),
        "leakage, lesions photographed more often": ("image multiple", "lesion multiple"),
        "population": ("paper all", "lesion all"),
        "paper against grouped, lesions photographed once": ("paper all", "lesion single"),
    }.items():
        by_hand = (one.loc[tuple(a.split())] - one.loc[tuple(b.split())]).mean()
        assert found.loc[("nearest", "difference", name, "accuracy"), "value"] == pytest.approx(by_hand), name
    # What the experiment was fabricated with: leakage 0.1 and 0.02, population 0.08, none on lesions photographed once.
    for name, classifier, truth in (
        ("leakage", "nearest", 0.1),
        ("leakage", "logistic", 0.02),
        ("population", "logistic", 0.08),
        ("leakage, lesions photographed once", "nearest", 0.0),
    ):
        assert found.loc[(classifier, "difference", name, "accuracy"), "value"] == pytest.approx(truth, abs=0.02)


def test_a_damaged_split_file_is_one_line():
    frame = made_up_splits(repeats=2)
    with pytest.raises(UserError, match="no column n_test"):
        splits.split_effects(frame.drop(columns="n_test"))
    with pytest.raises(UserError, match="twice"):
        splits.split_effects(pd.concat([frame, frame.head(1)]))
