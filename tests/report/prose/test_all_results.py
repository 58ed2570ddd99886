"""What the chapter on all real runs says, from tables made by hand."""

import numpy as np
import pandas as pd
import pytest
from fabricate import divide, fabricate

from wagf_src.report.prose import all_results as prose
from wagf_src.report.prose.conditions import real
from wagf_src.report.tables.conditions import SHOWN


def results(accuracy):
    frame = pd.DataFrame(
        {
            "profile": ["lite", "lite", "frozen"],
            "arm": ["mobilenetv2-base", "mobilenetv2-sa-described", "resnet50-base"],
        }
    )
    for metric in SHOWN:
        values = np.array(accuracy) if metric == "accuracy" else np.array([0.5, 0.6, 0.4])
        frame[metric], frame[f"{metric}_ci_low"], frame[f"{metric}_ci_high"] = values, values - 0.01, values + 0.01
    return frame.assign(n_seeds=2, parameters=1234, minutes=1.26, predict_milliseconds=0.123)


RESULTS = results([0.9, 0.8, 0.85])
EXPECTED = pd.DataFrame(
    {"profile": "lite", "expected": "e", "measured": "m", "held": [True, True, False], "certain": [True, False, True]}
)


def test_answer_names_the_best():
    assert prose.answer(RESULTS, EXPECTED) == (
        "the highest accuracy is that of MobileNetV2 in profile lite, 90.0 [89.0, 91.0]%; the highest balanced "
        "accuracy is that of MobileNetV2 + SA in profile lite, 60.0 [59.0, 61.0]%. Between the best and the worst "
        "model of the table lie 10.0 points. Of 3 expectations, 2 came as expected, 1 of them with the whole "
        "interval, which holds the noise of training only where there are two seeds or more."
    )
    assert prose.answer(RESULTS[:0], EXPECTED[:0]) == "none yet."
    proven = EXPECTED.assign(expected=["Equation 1's weights stay within 0.00001 of one half", "e", "Equation 1 is e"])
    assert "two seeds or more; 1 of these follow from the proof on [Equation 1]" in prose.answer(RESULTS, proven)


def test_what_the_page_rests_on(tmp_path, monkeypatch):
    conditions = {"lite": fabricate(tmp_path, ("mobilenetv2-base",), synthetic=False)}
    text = prose.rests_on(conditions)
    assert "1 runs on real images in 1 profiles (lite), tested on 200 images." in text
    folds = divide(
        fabricate(tmp_path / "other", ("mobilenetv2-base",), counts={"nv": 20, "mel": 7}), tmp_path / "folds"
    )
    assert "tested on 27 images or, all folds together, 200." in prose.rests_on(conditions | {"frozen-folds": folds})
    assert "make reproduce" in prose.rests_on({})
    # The profile lite plans 15 runs; a profile without a file plans what it has.
    assert " 1 of the 15 runs of this profile are here." in prose.about("lite", conditions["lite"])
    assert prose.about("mine", conditions["lite"]).endswith("CPU, 2 cores.")


def test_tables_for_people():
    shown = prose.accuracy(RESULTS[:1]).iloc[0]
    assert shown["model"] == "MobileNetV2" and shown["accuracy"] == "90.0 [89.0, 91.0]" and "melanoma AUC" not in shown
    assert prose.cost(RESULTS).iloc[0].tolist() == ["lite", "MobileNetV2", "1,234", 2, 1.3, 0.12]
    assert prose.outcomes(EXPECTED)["outcome"].tolist() == [
        "as expected, with the whole interval",
        "as expected, by the estimate",
        "otherwise, with the whole interval",
    ]
    assert len(prose.outcomes(EXPECTED[:0])) == len(prose.cost(RESULTS[:0])) == 0
    own = RESULTS.assign(condition=["end to end", "end to end", "SYNTHETIC, frozen"])
    assert real(own)["profile"].tolist() == ["lite", "lite"]


def test_ladder_is_sorted():
    ladder = prose.ladder(RESULTS)
    assert ladder["label"].tolist() == ["MobileNetV2: lite", "ResNet-50: frozen", "MobileNetV2 + SA: lite"]
    assert ladder["value"].tolist() == pytest.approx([90, 85, 80])
