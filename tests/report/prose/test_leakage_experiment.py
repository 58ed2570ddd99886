"""Sentences of the leakage experiment from made-up repeats with known effects."""

import pandas as pd
import pytest
from fabricate import made_up_splits

from wagf_src import paths
from wagf_src.report.prose import leakage_experiment as prose
from wagf_src.stats import splits

REPEATS = made_up_splits()
EFFECTS = splits.split_effects(REPEATS).assign(provenance="HAM10000")
SIZES = REPEATS.groupby(["split", "subset"], as_index=False)[["n_train", "n_test", "sibling_share"]].mean()
SIZES = SIZES.assign(repeats=10, provenance="HAM10000")


def change(classifier, name, metric="accuracy", **values):
    row = (EFFECTS["classifier"] == classifier) & (EFFECTS["name"] == name) & (EFFECTS["metric"] == metric)
    assert row.sum() == 1
    return EFFECTS.assign(**{c: EFFECTS[c].where(~row, v) for c, v in values.items()})


def test_answer_says_leakage_and_population():
    accuracy = (
        REPEATS[(REPEATS["split"] == "image") & (REPEATS["subset"] == "all")].groupby("classifier")["accuracy"].mean()
    )
    text = prose.answer(EFFECTS, SIZES)
    assert text.startswith(f"of the {100 * accuracy['logistic']:.1f}% accuracy of logistic regression")
    assert f"of the {100 * accuracy['nearest']:.1f}% of the classifier that memorises, +" in text
    assert ". The paper's split, where 0.0% of the test images have a sibling" in text
    assert "cannot be told from zero" in text and "The share of melanomas found gains" in text
    check = "paper against grouped, lesions photographed once"
    small = change("nearest", check, value=0.005, ci_low=0.004, ci_high=0.006)
    assert "+0.5 [+0.4, +0.6] (small, yet not zero)" in prose.answer(small, SIZES)
    large = change("nearest", check, value=0.05, ci_low=0.04, ci_high=0.06)
    assert "+5.0 [+4.0, +6.0] (not zero)" in prose.answer(large, SIZES)
    fewer = EFFECTS[(EFFECTS["name"] != check) & (EFFECTS["metric"] == "accuracy")]
    assert "among lesions" not in prose.answer(fewer, SIZES).lower() and "melanomas" not in prose.answer(fewer, SIZES)
    synthetic = prose.answer(EFFECTS.assign(provenance="SYNTHETIC; 64 px"), SIZES)
    assert synthetic.startswith("these are synthetic lesions and say nothing about HAM10000. On them, of the ")


def test_tables_for_people():
    levels = prose.levels(EFFECTS, SIZES)
    assert len(levels) == 8 and levels.iloc[0][["split", "training", "test", "with a sibling (%)"]].tolist() == [
        "image-level",
        "800",
        "200",
        "40.0",
    ]
    differences = prose.differences(change("nearest", "leakage", value=0.1, ci_low=0.09, ci_high=0.11, sd=0.02))
    row = differences[(differences["difference"] == "leakage") & (differences["classifier"] == "nearest")].iloc[0]
    assert row["accuracy"] == "+10.0 [+9.0, +11.0]" and row["accuracy, one split"] == "±2.0"
    assert row["accuracy, wider interval"].startswith("[+")
    one = prose.differences(change("nearest", "leakage", ci_low=float("nan"), wide_low=float("nan"), sd=float("nan")))
    row = one[(one["difference"] == "leakage") & (one["classifier"] == "nearest")].iloc[0]
    assert (
        row[["accuracy, wider interval", "accuracy, one split"]].tolist() == ["–", "–"] and "[" not in row["accuracy"]
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.019, 0.015, 0.0195, "found: **as expected**."),
        (0.0203, 0.0126, 0.0281, "found: **not as expected**, though the interval spans the bound."),
        (0.03, 0.025, 0.035, "found: **not as expected**."),
    ],
)
def test_expectations_by_value_and_by_interval(value, low, high, verdict):
    lines = prose.expectations(change("logistic", "leakage", value=value, ci_low=low, ci_high=high)).splitlines()
    assert len(lines) == 4 and lines[3].startswith(
        f"- leakage, logistic: less than 2 points expected, {100 * value:+.2f}"
    )
    assert lines[3].endswith(verdict)
    assert lines[0].startswith("- population, logistic: at least 5 points expected, +")


def test_without_the_experiment():
    nothing = EFFECTS[:0]
    assert prose.answer(nothing, SIZES[:0]) == "nothing was measured here."
    assert prose.rests_on(SIZES[:0], "lite").startswith("**No run of profile lite holds this experiment**")
    assert prose.expectations(nothing) == "Nothing was measured."
    assert not len(prose.levels(nothing, SIZES[:0])) and not len(prose.differences(nothing))
    assert prose.expectations(EFFECTS.assign(provenance="SYNTHETIC")) == "Synthetic lesions cannot meet or miss them."
    assert prose.rests_on(SIZES, "frozen") == (
        "**This page rests on:** HAM10000; 10 repeats of every split, kept by the run of the linear probe."
    )
    assert isinstance(prose.levels(EFFECTS, SIZES), pd.DataFrame)


def test_limits_are_those_of_the_plan():
    text = " ".join((paths.ROOT / "book" / "plans.md").read_text(encoding="utf-8").split())
    assert "at least five points higher than the lesion-grouped one, with either classifier (population)" in text
    assert (
        "at least three points higher than the lesion-grouped one with the classifier that memorises, and less" in text
    )
    assert "less than two with the linear one (leakage)" in text
    either = [(c, "population", 5, float("inf")) for c in ("logistic", "nearest")]
    leak = [("nearest", "leakage", 3, float("inf")), ("logistic", "leakage", float("-inf"), 2)]
    assert list(prose.EXPECTED) == either + leak


def test_the_wider_interval_and_the_melanomas_are_their_own_columns():
    wide = change("nearest", "leakage", value=0.1, ci_low=0.09, ci_high=0.11, wide_low=0.08, wide_high=0.12)
    shown = prose.differences(wide).set_index(["difference", "classifier"]).loc[("leakage", "nearest")]
    assert shown[["accuracy", "accuracy, wider interval"]].tolist() == ["+10.0 [+9.0, +11.0]", "[+8.0, +12.0]"]
    found = change("nearest", "leakage", "melanoma_sensitivity", value=0.07, ci_low=0.06, ci_high=0.08)
    assert "of melanomas found gains " in prose.answer(found, SIZES).lower().replace("the share ", "")
    assert " and +7.0 [+6.0, +8.0] points by leakage, and changes by " in prose.answer(found, SIZES)


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (-0.05, -0.06, -0.04, "-5.0 [-6.0, -4.0] (not zero)"),
        (-0.005, -0.006, -0.004, "-0.5 [-0.6, -0.4] (small, yet not zero)"),
        (-0.05, -0.11, 0.01, "-5.0 [-11.0, +1.0] (cannot be told from zero)"),
    ],
)
def test_what_lies_below_zero_is_not_zero_either(value, low, high, said):
    check = "paper against grouped, lesions photographed once"
    assert said in prose.answer(change("nearest", check, value=value, ci_low=low, ci_high=high), SIZES)
