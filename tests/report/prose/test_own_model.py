"""What the chapter on the light model says, from tables made by hand."""

import numpy as np
import pandas as pd
from fabricate import fabricate

from wagf_src.report.prose import own_model as prose

RULES = pd.DataFrame(
    [
        ("plain", 0, 0.93, 0.6, 0.5, 0.5),
        ("plain", 1, 0.95, 0.6, 0.5, 0.5),
        ("fair", 0, 0.90, 0.8, 0.5, 0.6),
        ("fair", 1, 0.90, 0.8, 0.5, 0.7),
    ],
    columns=["rule", "seed", "accuracy", "balanced_accuracy", "f1_macro", "melanoma_sensitivity"],
)


def test_answer_counts_aims_that_one_rule_reaches():
    means = prose.rule_means(RULES)
    assert means.loc["plain", "accuracy"] == 0.94 and list(means.index) == ["plain", "fair"]
    assert prose.answer(means) == (
        "by the estimates, of the 3 aims 2 at most are reached by one rule (fair: balanced accuracy, melanoma "
        "sensitivity). The best "
        "points are accuracy 94.0% (plain; aim 92%); balanced accuracy 80.0% (fair; aim 75%); melanoma sensitivity "
        "65.0% (fair; aim 60%)."
    )
    assert "all are reached by one rule (fair: accuracy" in prose.answer(means.assign(accuracy=0.93))
    assert "(plain: none)" in prose.answer(means * 0.5) and prose.answer(means[:0]) == "none yet."


def test_tables_for_people():
    frame = pd.DataFrame(
        {
            "metric": ["accuracy", "macro F1"],
            "value": [0.91, np.nan],
            "ci_low": [0.9, np.nan],
            "ci_high": [0.92, np.nan],
        }
    ).assign(aim=[0.92, np.nan], outcome=["not reached", np.nan])
    assert prose.as_trained(frame).to_numpy().tolist() == [
        ["accuracy", "91.0 [90.0, 92.0]", "92", "not reached"],
        ["macro F1", "–", "–", ""],
    ]
    shown = prose.decisions(prose.rule_means(RULES)).iloc[0].tolist()
    assert shown == ["plain", 94.0, 60.0, 50.0, 50.0]


def test_size_beside_the_released_model(tmp_path):
    [run] = fabricate(tmp_path, ("mobilenetv2-base",), synthetic=False)
    run.info["settings"]["test_views"], run.info["predict_milliseconds_per_image"] = 8, 2.5
    text = prose.size([run])
    # 1,234,567 of 11,987,929 parameters are 10.3%.
    assert "1,234,567 parameters, 10% of the released model's, and takes 2.5 ms an image on CPU, 2 cores" in text
    assert (
        "all 8 views" in text
        and "prints 90.75%" in text
        and text.endswith("28% for DenseNet-121 + CBAM, 30% for DenseNet-121 + SA.")
    )
    assert prose.size([]) == "No runs yet." and "make reproduce PROFILE=ours" in prose.rests_on([])
    assert prose.rests_on([run]).startswith("**This page rests on:** HAM10000; 64 px; MobileNetV2")
