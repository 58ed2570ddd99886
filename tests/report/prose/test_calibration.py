"""Sentences of the calibration chapter from made-up tables."""

import numpy as np
import pandas as pd

from wagf_src.report.prose import calibration as prose

BASE, WAGF = "mobilenetv2-base", "mobilenetv2-wagf-described"
SCORES = pd.DataFrame(
    {
        "arm": [BASE] * 3 + [WAGF] * 3,
        "metric": ["ece", "brier", "log_loss"] * 2,
        "value": [0.03, 0.2, 0.4, 0.05, 0.22, 0.42],
        "ci_low": 0.01,
        "ci_high": 0.5,
    }
)
ARMS = pd.DataFrame(
    {
        "arm": [BASE, WAGF],
        "accuracy": [0.85, 0.87],
        "auc_melanoma": [0.9, 0.95],
        "auc_melanoma_ci_low": 0.8,
        "auc_melanoma_ci_high": 0.99,
        "melanoma_sensitivity": [0.4, 0.5],
        "melanoma_sensitivity_ci_low": 0.3,
        "melanoma_sensitivity_ci_high": 0.6,
    }
)
CONFIDENCE = pd.DataFrame({"arm": [BASE, WAGF], "confidence": [0.8, 0.9], "nevi": 0.8, "nevi_answered": [0.9, 0.97]})
DECISIONS = pd.DataFrame(
    {
        "arm": [WAGF] * 3,
        "specificity_validation": [0.95, 0.8, 0.9],
        "sensitivity": [0.4, 0.8, 0.6],
        "sensitivity_if_kept": [0.45, 0.85, 0.7],
        "sensitivity_low": 0.35,
        "sensitivity_high": 0.85,
        "specificity": [0.97, 0.82, 0.93],
        "specificity_low": 0.81,
        "specificity_high": 0.98,
        "n_melanoma": 46,
    }
)
COVERED = pd.DataFrame(
    {
        "arm": [BASE, BASE, WAGF, WAGF],
        "coverage": [1.0, 0.5] * 2,
        "accuracy": [0.85, 0.95, 0.87, 0.99],
        "ci_low": 0.8,
        "ci_high": 0.999,
        "melanomas_answered": [1, 0.3, 1, 0.1],
    }
)


def test_answer_has_all_three_answers():
    text = prose.answer(SCORES, ARMS, DECISIONS, COVERED)
    assert text.startswith(
        "the expected calibration error lies between 3.0% (MobileNetV2) and 5.0% (MobileNetV2 + SA + GF + SaFA). "
    )
    assert "AUC 95.0 [80.0, 99.0]%" in text
    assert text.endswith("raises accuracy most for MobileNetV2 + SA + GF + SaFA, from 87.0% to 99.0%.")


def test_confidence_against_accuracy():
    text = prose.confidence(SCORES, ARMS, CONFIDENCE)
    assert (
        text.startswith("1 of 2 arms are on average more confident than right")
        and "90.0% confident, 87.0% right" in text
    )


def test_melanoma_at_the_middle_specificity():
    text = prose.melanoma(ARMS, DECISIONS)
    assert "for 90% specificity on validation, which has 93.0% on the test images, finds 60.0 [35.0, 85.0]%" in text
    assert "Had it kept the wanted specificity, it would find 70.0%" in text
    assert "taking the most probable class finds 50.0 [30.0, 60.0]%." in text
    assert prose.melanoma(ARMS, DECISIONS[:0]).endswith("(AUC 95.0 [80.0, 99.0]%).")
    assert "no melanomas" in prose.melanoma(ARMS.assign(auc_melanoma=np.nan), DECISIONS)


def test_tables_for_people():
    scores = prose.scores_shown(SCORES)
    assert scores.columns.tolist() == ["arm", *prose.MEASURES.values()]
    assert scores.iloc[1].tolist()[1:3] == ["5.0 [1.0, 50.0]", "0.220 [0.010, 0.500]"]
    decisions = prose.decisions_shown(DECISIONS)
    assert decisions.columns.tolist()[1:3] == ["specificity, 80% wanted", "sensitivity, 80% wanted"]
    assert decisions.loc[0, "sensitivity, 95% wanted"] == "40.0 [35.0, 85.0]" and len(decisions.columns) == 7
    assert not len(prose.decisions_shown(DECISIONS[:0]))
    covered = prose.coverage_shown(COVERED)
    assert covered.columns.tolist()[1:] == ["accuracy at 100% answered (%)", "accuracy at 50% answered (%)"]
    assert covered["arm"].tolist() == ["MobileNetV2", "MobileNetV2 + SA + GF + SaFA"]


def test_arms_without_validation_are_named():
    assert "No validation predictions were kept for: MobileNetV2; no" in prose.thresholds(DECISIONS, SCORES)
    assert prose.thresholds(DECISIONS, SCORES[3:]).endswith("Every arm kept its validation predictions.")


def test_abstaining():
    text = prose.abstaining(COVERED, CONFIDENCE)
    assert text.startswith("Answering 50% of the images instead of 100%")
    assert text.endswith(
        "nevi make up 97% of the images that it still answers, against 80% of all; 10% of the melanomas are among them."
    )


def test_an_arm_that_doubts_itself_is_not_counted_as_confident():
    doubting = CONFIDENCE.assign(confidence=[0.8, 0.5])
    assert prose.confidence(SCORES, ARMS, doubting).startswith("0 of 2 arms are on average more confident than right")
    assert prose.confidence(SCORES, ARMS, CONFIDENCE.assign(confidence=0.9)).startswith("2 of 2 arms")


def test_the_best_ranking_of_melanomas_need_not_be_the_most_accurate_model():
    text = prose.melanoma(ARMS.assign(accuracy=[0.9, 0.87]), DECISIONS)
    assert text.startswith("The best ranking of melanomas is that of MobileNetV2 + SA + GF + SaFA (AUC 95.0 ")
