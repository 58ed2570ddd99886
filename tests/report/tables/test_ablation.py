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
    assert len(table) == 5 and list(table["n_seeds"]) == [2] * 5
    line = table.loc["gradient-based fusion with the wavelet branch"]
    assert (line["arm_a"], line["arm_b"]) == ("mobilenetv2-sa-gf-described", "mobilenetv2-sa-described")
    (y, a), (_, b) = (seeds(made_up, line[arm]) for arm in ("arm_a", "arm_b"))
    hits_a, hits_b = (np.array(CLASSES)[p.argmax(axis=-1)] == y for p in (a, b))
    assert line["difference"] == pytest.approx(100 * (hits_a.mean() - hits_b.mean()))
    assert line["ci_low"] < line["difference"] < line["ci_high"]
    right_a, right_b = (np.array(CLASSES)[p.mean(axis=0).argmax(axis=-1)] == y for p in (a, b))
    only = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    assert (line["mcnemar_b"], line["mcnemar_c"]) == only
    assert line["p"] == pytest.approx(scipy.stats.binomtest(only[0], sum(only)).pvalue)


def test_p_values_are_corrected_together(made_up):
    table = made_up.table("ablation").sort_values("p")
    expected = np.minimum(1, np.maximum.accumulate(table["p"].to_numpy() * np.arange(len(table), 0, -1)))
    np.testing.assert_allclose(table["p_holm"], expected)


def test_sentences_say_what_interval_and_test_say():
    line = {"comparison": "soft attention", "difference": 2.04, "ci_low": 0.5, "ci_high": 3.0, "n_seeds": 3}
    texts = {
        (0.5, 0.01): "Soft attention: accuracy is higher, by interval and by test (+2.0 points [+0.5, +3.0], p = 0.010",
        (0.5, 0.20): "Soft attention: accuracy seems higher, but interval and corrected test do not both say so (+2.0",
        (-0.5, 0.2): "Soft attention: no difference that these test images can show (+2.0 points [-0.5, +3.0], p = 0.2",
    }
    for (low, p), text in texts.items():
        assert sentence(pd.Series(line | {"ci_low": low, "p_holm": p})).startswith(text)
    assert sentence(pd.Series(line | {"p_holm": 0.0001})).endswith("p < 0.001; seeds: 3).")


def test_other_metrics_of_the_same_pairs(made_up):
    table = made_up.table("ablation_balanced")
    assert len(table) == 3 * len(made_up.table("ablation"))
    line = table[(table["comparison"] == "SaFA") & (table["metric"] == "balanced_accuracy")].iloc[0]
    means = []
    for arm in (line["arm_a"], line["arm_b"]):
        y, p = seeds(made_up, arm)
        means.append(np.mean([sk.balanced_accuracy_score(y, np.array(CLASSES)[q.argmax(axis=1)]) for q in p]))
    assert line["difference"] == pytest.approx(100 * (means[0] - means[1]))


def test_one_arm_gives_an_empty_table_and_none_gives_none(tmp_path):
    one = Evidence("one", fabricate(tmp_path, FROZEN[:1]), {}, tables.TABLES)
    assert len(one.table("ablation")) == len(one.table("ablation_balanced")) == 0
    nothing = Evidence("none", [], {}, tables.TABLES)
    assert nothing.table("ablation") is None and nothing.table("ablation_balanced") is None
