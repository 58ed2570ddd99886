"""Comparisons of arms, against counting by hand, scipy's binomial test and Holm's rule."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics as sk
from fabricate import FROZEN, fabricate

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


def test_one_arm_gives_an_empty_table_and_none_gives_none(tmp_path):
    one = Evidence("one", fabricate(tmp_path, FROZEN[:1]), {}, tables.TABLES)
    assert len(one.table("ablation")) == len(one.table("ablation_balanced")) == 0
    nothing = Evidence("none", [], {}, tables.TABLES)
    assert nothing.table("ablation") is None and nothing.table("ablation_balanced") is None
