"""Comparisons of arms, against counting by hand, scipy's binomial test and Holm's rule."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics as sk
from fabricate import FROZEN, divide, fabricate

from wagf_src.classes import CLASSES
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.ablation import sentence
from wagf_src.runs import PROBABILITY_COLUMNS


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    skill = dict(zip(FROZEN, (1.0, 2.0, 2.0, 4.0, 2.5)))
    runs = fabricate(tmp_path_factory.mktemp("runs"), FROZEN, seeds=(0, 1), skill=skill)
    return Evidence("made-up", runs, {}, tables.TABLES)


def seeds(made_up, arm):
    frames = [run.predictions() for run in made_up.runs if run.arm == arm]
    return frames[0]["dx"].to_numpy(), np.stack([frame[PROBABILITY_COLUMNS].to_numpy() for frame in frames])


def test_steps_by_hand(made_up):
    table = made_up.table("ablation").set_index("comparison")
    assert set(table["profile"]) == {"made-up"} and table["condition"].iloc[0].startswith("SYNTHETIC, MobileNetV2, ")
    assert len(table) == 6 and list(table["n_seeds"]) == [2] * 6
    line = table.loc["gradient-based fusion with the wavelet branch"]
    assert (line["arm_a"], line["arm_b"]) == ("mobilenetv2-sa-gf-described", "mobilenetv2-sa-described")
    (y, a), (_, b) = (seeds(made_up, line[arm]) for arm in ("arm_a", "arm_b"))
    hits_a, hits_b = (np.array(CLASSES)[p.argmax(axis=-1)] == y for p in (a, b))
    assert line["difference"] == pytest.approx(100 * (hits_a.mean() - hits_b.mean()))
    assert line["ci_low"] < line["difference"] < line["ci_high"]
    right_a, right_b = (np.array(CLASSES)[p.mean(axis=0).argmax(axis=-1)] == y for p in (a, b))
    only = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    assert (line["mcnemar_b"], line["mcnemar_c"]) == only
    assert line["mcnemar_p"] == pytest.approx(scipy.stats.binomtest(only[0], sum(only)).pvalue)
    assert line["paper"] == pytest.approx(2.27) and line["n_images"] == 200
    both = table.loc["soft attention and fusion together"]
    parts = table.loc[["soft attention", "gradient-based fusion with the wavelet branch"], "difference"]
    assert both["difference"] == pytest.approx(parts.sum())


def test_the_detectable_step_has_the_power_of_mcnemars_test(made_up):
    """Of one seed, by Connor's sample size: that step needs just the images that there are."""
    runs = [run for run in made_up.runs if run.seed == 0]
    one = Evidence("made-up", runs, {}, tables.TABLES)
    a, b = scipy.stats.norm.ppf([0.975, 0.8])
    for _, line in one.table("ablation").iterrows():
        d = (line["mcnemar_b"] + line["mcnemar_c"]) / line["n_images"]
        step = line["detectable"] / 100
        assert ((a * np.sqrt(d) + b * np.sqrt(d - step**2)) / step) ** 2 == pytest.approx(line["n_images"], rel=1e-3)


def test_p_values_are_corrected_within_their_family(made_up):
    table = made_up.table("ablation")
    assert table["family"].tolist() == ["planned"] * 5 + ["other"]  # the probe
    assert table["p_holm"].iloc[-1] == table["p"].iloc[-1]
    planned = table[:5].sort_values("p", kind="stable")
    expected = np.minimum(1, np.maximum.accumulate(planned["p"].to_numpy() * np.arange(5, 0, -1)))
    np.testing.assert_allclose(planned["p_holm"], expected)


LINE = {"comparison": "soft attention", "difference": 2.04, "ci_low": 0.5, "ci_high": 3.0, "n_seeds": 3}
NO_STEP = {"paper": np.nan, "paper_low": np.nan}


def test_sentences_say_what_the_rule_says():
    texts = {
        0.01: "Soft attention: accuracy is higher (+2.0 points [+0.5, +3.0], p = 0.010; seeds: 3).",
        0.20: "Soft attention: not shown to change accuracy (+2.0 points [+0.5, +3.0], p = 0.200; seeds: 3).",
    }
    for p, text in texts.items():
        assert sentence(pd.Series(LINE | NO_STEP | {"p_holm": p})) == text
    lower = {"difference": -2.0, "ci_low": -3.0, "ci_high": -1.0, "p_holm": 0.0001}
    text = sentence(pd.Series(LINE | NO_STEP | lower))
    assert "accuracy is lower (-2.0" in text and text.endswith("p < 0.001; seeds: 3).")


def test_sentences_say_what_is_not_as_large_as_printed():
    # 4 - 2.04 = 1.96 is more than the root of 0.96 and 1.5, each squared: 1.78.
    text = sentence(pd.Series(LINE | {"p_holm": 0.2, "paper": 4.0, "paper_low": 2.5}))
    assert "not shown to change accuracy, and the difference is not as large as the +4.00 that the paper prints" in text
    assert "not as large" not in sentence(pd.Series(LINE | {"p_holm": 0.2, "paper": 4.0, "paper_low": 2.0}))


def test_other_metrics_of_the_same_pairs(made_up):
    table = made_up.table("ablation_balanced")
    assert len(table) == 3 * len(made_up.table("ablation"))
    line = table[(table["comparison"] == "SaFA") & (table["metric"] == "balanced_accuracy")].iloc[0]
    means = []
    for arm in (line["arm_a"], line["arm_b"]):
        y, p = seeds(made_up, arm)
        means.append(np.mean([sk.balanced_accuracy_score(y, np.array(CLASSES)[q.argmax(axis=1)]) for q in p]))
    assert line["difference"] == pytest.approx(100 * (means[0] - means[1]))
    rows = table[table["metric"] == "balanced_accuracy"].sort_values("p", kind="stable")
    expected = np.minimum(1, np.maximum.accumulate(rows["p"].to_numpy() * np.arange(len(rows), 0, -1)))
    np.testing.assert_allclose(rows["p_holm"], expected)


def test_one_arm_gives_an_empty_table_and_so_do_none(tmp_path):
    one = Evidence("one", fabricate(tmp_path, FROZEN[:1]), {}, tables.TABLES)
    nothing = Evidence("none", [], {}, tables.TABLES)
    for gathered in (one, nothing):
        for name in ("ablation", "ablation_balanced", "branches"):
            assert len(gathered.table(name)) == 0 and gathered.table(name).columns[-1] == "provenance"


GF = "mobilenetv2-sa-gf-described"
BRANCHES = ("mobilenetv2-sa-described", GF, f"{GF}-conv", f"{GF}-pool")


def test_branches_are_rows_of_the_ablation(tmp_path):
    """Each contrast has one verdict: that of the ablation, in folds as without."""
    runs = fabricate(tmp_path / "a", BRANCHES, seeds=(0, 1), skill=dict(zip(BRANCHES, (1.0, 3.0, 2.8, 2.9))))
    found = Evidence("made-up", runs, {"other": fabricate(tmp_path / "b", BRANCHES[:2])}, tables.TABLES)
    table, steps = found.table("branches"), found.table("ablation")
    pairs = set(zip(table["branch_a"], table["branch_b"]))
    of_none = {(branch, "none") for branch in ("haar", "conv", "pool")}
    assert pairs == of_none | {("conv", "haar"), ("pool", "haar"), ("pool", "conv")} and len(table) == 6
    assert set(table["profile"]) == {"made-up"}  # the other has no control
    for _, line in table.iterrows():
        same = (steps["profile"] == "made-up") & (steps["arm_a"] == line["arm_a"]) & (steps["arm_b"] == line["arm_b"])
        [step] = steps[same].to_dict("records")
        assert [line[name] for name in ("difference", "ci_low", "ci_high", "p_holm", "family")] == [
            step[name] for name in ("difference", "ci_low", "ci_high", "p_holm", "family")
        ]
    family = table.set_index(["branch_a", "branch_b"])["family"]
    assert family["haar", "none"] == family["conv", "haar"] == "planned" and family["pool", "none"] == "other"


def test_folds_are_one_test_set_and_seeds_need_not_be_as_many(tmp_path):
    whole = fabricate(tmp_path / "whole", FROZEN[1:3], seeds=(0, 1), synthetic=False)
    folds = divide(whole[:3], tmp_path / "folds")  # the second arm has one seed only
    found = Evidence("none", [], {"whole": whole[:3], "x-folds": folds}, tables.TABLES)
    table = found.table("ablation").set_index("profile")
    numbers = ["difference", "ci_low", "ci_high", "p", "n_images", "n_seeds", "mcnemar_b", "mcnemar_c"]
    assert table.loc["x-folds", numbers].tolist() == table.loc["whole", numbers].tolist()
    assert table["n_seeds"].tolist() == [1, 1] and table.loc["x-folds", "n_folds"] == 5
    assert table.loc["x-folds", "condition"].endswith("n = 200 in 5 folds; 1 to 2 seeds")
