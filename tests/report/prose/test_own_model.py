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
    assert prose.answer(RULES) == (
        "by the estimates, means over seeds, of the 3 aims 2 at most are reached by one rule (fair: balanced accuracy, "
        "melanoma sensitivity). The best points are accuracy 94.00% (plain; aim 92%, which 2 of 2 seeds reach alone); "
        "balanced accuracy 80.00% (fair; aim 75%, which 2 of 2 seeds reach alone); melanoma sensitivity 65.00% (fair; "
        "aim 60%, which 2 of 2 seeds reach alone)."
    )
    assert "aim 92%, which 1 of 2 seeds reaches alone" in prose.answer(RULES.assign(accuracy=[0.91, 0.95, 0.9, 0.9]))
    assert "aim 92%, which none of 2 seeds reaches alone" in prose.answer(RULES.assign(accuracy=0.9199))
    assert "all are reached by one rule (fair: accuracy" in prose.answer(RULES.assign(accuracy=0.93))
    low = RULES.assign(accuracy=0.4, balanced_accuracy=0.4, melanoma_sensitivity=0.3)
    assert "(plain: none)" in prose.answer(low) and prose.answer(RULES[:0]) == "none yet."


def test_what_was_expected_is_held_against_what_came():
    text = prose.expected(RULES)  # "plain" is the first rule: 0.94 and 0.6 over two seeds
    assert "about 91% accuracy and 70% balanced accuracy by the most probable class" in text
    assert "over 2 seeds: 94.0% and 60.0%; none of 2 rules reaches all." in text
    assert "1 of 2 rules reaches all" in prose.expected(RULES.assign(accuracy=[0.9, 0.9, 0.93, 0.93]))
    assert prose.expected(RULES[:0]) == "Nothing came yet of what was expected."


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


def test_a_candidate_must_lie_more_than_a_point_above_ours():
    frame = pd.DataFrame(
        {
            "profile": ["ours", "rate", "shape", "balance", "longer"],
            "description": ["A light model", "Tried for our own model on validation: 0.001.", "192 px", "x", "y"],
            "n_seeds": [2, 1, 1, 0, 1],
            "accuracy": [0.80, 0.81, 0.83, np.nan, 0.9],
            "balanced_accuracy": [0.70, 0.70, 0.692, np.nan, 0.8],
            "score": [0.75, 0.755, 0.761, np.nan, 0.85],
            "lead": [0, 0.005, 0.011, np.nan, 0.1],
        }
    )
    text = prose.tried(frame)
    assert text.startswith("Run: 3 of 4 candidates. The choice is among balance, rate, shape. On validation images the")
    assert "the best of them, shape, lies +1.1 points from `ours`; more than +1.0 is asked for, the choice" in text
    assert text.endswith("the choice waits for balance.")
    done = frame.fillna({"score": 0.75, "lead": 0.0})
    assert "best of them, shape" in prose.tried(done) and prose.tried(done).endswith("so it takes its place.")
    assert prose.tried(done.replace({"lead": {0.011: 0.01}})).endswith("so none takes its place.")
    assert prose.tried(frame.iloc[[0, 3, 4]]) == "None of the 3 candidates that can be chosen has been run yet."
    shown = prose.tried_table(frame)
    assert shown["profile"].tolist() == ["longer", "shape", "rate", "ours", "balance"]
    assert shown.iloc[2].tolist() == ["rate", "0.001.", "1", "81.0", "70.0", "75.5"]
    assert shown.iloc[3].tolist()[1:3] == ["–", "2"] and shown.iloc[4].tolist()[2:] == ["not run", "–", "–", "–"]


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
