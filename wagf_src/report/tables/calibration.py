"""Whether probabilities can be believed, and what decisions they allow; fractions, means over seeds."""

import numpy as np
import pandas as pd

from wagf_src.classes import CLASSES, MEL
from wagf_src.report.evidence import Evidence
from wagf_src.runs import by_arm, by_seed, n_seeds, tested, truth_and_probabilities, validation_predictions
from wagf_src.stats import bootstrap
from wagf_src.stats.calibration import melanoma_threshold
from wagf_src.stats.proportions import share_interval

SPECIFICITIES = (0.8, 0.9, 0.95)  # wanted on validation, each between 0 and 1
COVERAGES = (1.0, 0.9, 0.8, 0.5)  # shares of the images that are answered, each above 0


def calibration(evidence: Evidence) -> pd.DataFrame:
    """Expected calibration error, Brier score and log loss of every arm with 95% intervals."""
    rows = [
        (arm, metric, *bootstrap.interval(runs, metric), n_seeds(runs))
        for arm, runs in by_arm(evidence.runs).items()
        for metric in ("ece", "brier", "log_loss")
    ]
    return _frame(rows, "arm metric value ci_low ci_high n_seeds", evidence)


def confidence(evidence: Evidence) -> pd.DataFrame:
    """Mean probability of the predicted class of every arm, and its nevi: among all images and among those answered.

    Answered are the most confident images at the least of COVERAGES.
    """
    rows = []
    for arm, runs in by_arm(evidence.runs).items():
        values = []
        for y, p in tested(runs):
            nevi = y == CLASSES.index("nv")
            values.append((p.max(axis=1).mean(), nevi.mean(), nevi[_answered(p, min(COVERAGES))].mean()))
        rows.append((arm, *np.mean(values, axis=0), len(values)))
    return _frame(rows, "arm confidence nevi nevi_answered n_seeds", evidence)


def decisions(evidence: Evidence) -> pd.DataFrame:
    """Melanoma sensitivity and specificity on test images at thresholds chosen on validation images.

    ``sensitivity_if_kept`` is what the wanted specificity, had it been kept on the test images, would find there: it
    tells how much of the sensitivity is owed to a specificity that is not the wanted one, and is no rule. Arms that
    kept no validation images of other classes have no rows.
    """
    rows = []
    for arm, runs in by_arm(evidence.runs).items():
        held = [validation_predictions(run) for run in runs]
        if any(v is None or (v[0] == MEL).all() for v in held):
            continue
        seeds = tested(runs)
        y = seeds[0][0]
        for wanted in SPECIFICITIES:
            # A threshold is chosen on each run's own validation images, so each fold has its own.
            called = np.array([np.concatenate([_called(run, wanted) for run in folds]) for folds in by_seed(runs)])
            shares = share_interval(called[:, y == MEL]) + share_interval(~called[:, y != MEL])
            kept = np.mean([(p[y == MEL, MEL] >= melanoma_threshold(y, p, wanted)).mean() for y, p in seeds])
            rows.append((arm, wanted, *shares, kept, (y == MEL).sum(), len(seeds)))
    shares = "sensitivity sensitivity_low sensitivity_high specificity specificity_low specificity_high"
    return _frame(rows, f"arm specificity_validation {shares} sensitivity_if_kept n_melanoma n_seeds", evidence)


def _called(run, wanted):
    return truth_and_probabilities(run)[1][:, MEL] >= melanoma_threshold(*validation_predictions(run), wanted)


def coverage(evidence: Evidence) -> pd.DataFrame:
    """Accuracy where only the most confident images are answered, and the share of melanomas among these."""
    rows = []
    for arm, runs in by_arm(evidence.runs).items():
        predictions = tested(runs)
        for share in COVERAGES:
            answered = [y[_answered(p, share)] == MEL for y, p in predictions]
            melanomas = [hits.sum() / max((y == MEL).sum(), 1) for hits, (y, _) in zip(answered, predictions)]
            accuracy = bootstrap.coverage_interval(runs, share)
            rows.append((arm, share, len(answered[0]), *accuracy, np.mean(melanomas), len(predictions)))
    return _frame(rows, "arm coverage n_answered accuracy ci_low ci_high melanomas_answered n_seeds", evidence)


def _answered(p, share):
    return np.argsort(-p.max(axis=1), kind="stable")[: max(1, round(share * len(p)))]


def _frame(rows, columns, evidence):
    return pd.DataFrame(rows, columns=columns.split()).assign(provenance=evidence.provenance)
