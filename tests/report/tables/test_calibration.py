"""Calibration, decisions and coverage of made-up runs against scikit-learn and against counting."""

import numpy as np
import pytest
from fabricate import fabricate
from sklearn import metrics as sk

from wagf_src.classes import MEL
from wagf_src.report import evidence
from wagf_src.report.tables import TABLES, calibration
from wagf_src.runs import by_arm, truth_and_probabilities, validation_predictions

ARMS = ("mobilenetv2-base", "mobilenetv2-wagf-described")


@pytest.fixture
def gathered(results_dir):
    fabricate(results_dir / "own" / "runs", ARMS, seeds=(0, 1))
    return evidence.collect("own", TABLES)


def means(gathered, measure):
    return {
        arm: np.mean([measure(*truth_and_probabilities(r)) for r in runs])
        for arm, runs in by_arm(gathered.runs).items()
    }


def test_scores_are_scikit_learns_and_their_intervals_hold_them(gathered):
    def ece(y, p):
        total = 0
        for low in np.arange(15) / 15:
            inside = (p.max(axis=1) > low) & (p.max(axis=1) <= low + 1 / 15)
            if inside.any():
                total += abs((p.argmax(axis=1) == y)[inside].sum() - p.max(axis=1)[inside].sum())
        return total / len(y)

    table = gathered.table("calibration").set_index(["metric", "arm"])
    for metric, measure in {
        "brier": lambda y, p: sk.brier_score_loss(y, p, scale_by_half=False, labels=range(7)),
        "log_loss": lambda y, p: sk.log_loss(y, p, labels=range(7)),
        "ece": ece,
    }.items():
        assert table.loc[metric, "value"].to_dict() == pytest.approx(means(gathered, measure))
    assert (table["ci_low"] < table["value"]).all() and (table["value"] < table["ci_high"]).all()
    assert table["n_seeds"].eq(2).all() and table["provenance"].str.startswith("SYNTHETIC").all()


def test_confidence_and_coverage_by_sorting(gathered):
    confidence, coverage = gathered.table("confidence").set_index("arm"), gathered.table("coverage")
    assert confidence["confidence"].to_dict() == pytest.approx(means(gathered, lambda y, p: p.max(axis=1).mean()))

    def answered(y, p, share):
        kept = sorted(range(len(y)), key=lambda i: -p[i].max())[: round(share * len(y))]
        return [(y[i], p[i].argmax()) for i in kept]

    assert confidence["nevi"].eq(140 / 200).all()
    nevi = means(gathered, lambda y, p: np.mean([t == 5 for t, _ in answered(y, p, 0.5)]))
    assert confidence["nevi_answered"].to_dict() == pytest.approx(nevi)
    for share, rows in coverage.groupby("coverage"):
        rows = rows.set_index("arm")
        accuracy = means(gathered, lambda y, p, s=share: np.mean([t == q for t, q in answered(y, p, s)]))
        melanomas = means(gathered, lambda y, p, s=share: sum(t == MEL for t, _ in answered(y, p, s)) / 15)
        assert rows["accuracy"].to_dict() == pytest.approx(accuracy)
        assert rows["melanomas_answered"].to_dict() == pytest.approx(melanomas)
        assert rows["n_answered"].eq(round(200 * share)).all()
    assert sorted(coverage["coverage"].unique()) == sorted(calibration.COVERAGES)


def test_decisions_by_the_lowest_threshold_that_keeps_the_specificity(gathered):
    table = gathered.table("decisions").set_index(["arm", "specificity_validation"])
    for arm, runs in by_arm(gathered.runs).items():
        for wanted in calibration.SPECIFICITIES:
            sensitivity, specificity, if_kept = [], [], []
            for run in runs:
                y, p = validation_predictions(run)
                kept = [t for t in np.unique(p[:, MEL]) if (p[y != MEL, MEL] < t).mean() >= wanted]
                others = p[y != MEL, MEL]
                # The lowest threshold lies just above the highest of the scores that must be refused.
                lowest = max(others[others < kept[0]])
                y, p = truth_and_probabilities(run)
                sensitivity.append((p[y == MEL, MEL] > lowest).mean())
                specificity.append((p[y != MEL, MEL] <= lowest).mean())
                # Had the wanted specificity been kept here: as many test images of other classes may be called.
                others = np.sort(p[y != MEL, MEL])[::-1]
                if_kept.append((p[y == MEL, MEL] > others[int(round((1 - wanted) * len(others), 6))]).mean())
            row = table.loc[(arm, wanted)]
            assert (row["sensitivity"], row["specificity"]) == pytest.approx(
                (np.mean(sensitivity), np.mean(specificity))
            )
            assert row["sensitivity_if_kept"] == pytest.approx(np.mean(if_kept))
            assert row["sensitivity_low"] < row["sensitivity"] <= row["sensitivity_high"] and row["n_melanoma"] == 15


def test_arms_without_validation_decide_nothing(results_dir):
    fabricate(results_dir / "own" / "runs", ARMS[:1], validation=False)
    assert not len(evidence.collect("own", TABLES).table("decisions"))
