"""Effects of splits against scipy's t-test, and against what the experiment was fabricated with."""

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
