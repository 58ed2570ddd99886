"""Metrics of one set of predictions (scikit-learn where it has them).

Throughout, ``y`` is the true class, (n,) integers into ``CLASSES``, and ``p`` the predicted probabilities, (n, 7); the
predicted class is the most probable one. Values are fractions, not percent.
"""

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from wagf_src.classes import CLASSES, MEL

ECE_BINS = 15


RELEASED_BATCH = 64


METRICS = (
    "accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "balanced_accuracy",
    *(f"recall_{c}" for c in CLASSES),
    "melanoma_sensitivity",
    "log_loss",
    "ece",
    "brier",
    "auc_melanoma",
)


def metrics(y: np.ndarray, p: np.ndarray) -> dict[str, float | None]:
    """Every metric of the tables, as fractions; None where it is undefined (no test image of the class).

    Macro averages and balanced accuracy are means over the classes that have test images; a class that is never
    predicted has precision 0, as in scikit-learn's report. ``recall_weighted`` is the accuracy, by definition.
    """
    predicted, present = p.argmax(axis=1), np.unique(y)
    values = {"accuracy": sk.accuracy_score(y, predicted)}
    for average in ("macro", "weighted"):
        scores = sk.precision_recall_fscore_support(y, predicted, labels=present, average=average, zero_division=0)
        values |= {f"{name}_{average}": score for name, score in zip(("precision", "recall", "f1"), scores)}
    values["balanced_accuracy"] = values["recall_macro"]
    recalls = sk.recall_score(y, predicted, labels=present, average=None, zero_division=0)
    values |= {f"recall_{c}": None for c in CLASSES}
    values |= {f"recall_{CLASSES[k]}": recall for k, recall in zip(present, recalls)}
    values["melanoma_sensitivity"] = values["recall_mel"]
    values["log_loss"] = log_loss(y, p)
    values["ece"] = ece(y, p)
    values["brier"] = brier(y, p)
    values["auc_melanoma"] = sk.roc_auc_score(y == MEL, p[:, MEL]) if 0 < (y == MEL).sum() < len(y) else None
    return {name: None if values[name] is None else float(values[name]) for name in METRICS}


def per_class(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Index class; columns n_test, precision, recall, f1 (fractions). NaN for a class without test images."""
    labels = range(len(CLASSES))
    scores = sk.precision_recall_fscore_support(y, p.argmax(axis=1), labels=labels, zero_division=0)
    frame = pd.DataFrame(dict(zip(("precision", "recall", "f1", "n_test"), scores)), index=CLASSES)
    frame.loc[frame["n_test"] == 0, ["precision", "recall", "f1"]] = np.nan
    return frame


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log-likelihood in nats (cross-entropy)."""
    p = np.asarray(p, float)  # single precision sums to 1 less closely than scikit-learn asks
    return float(sk.log_loss(y, p / p.sum(axis=1, keepdims=True), labels=range(len(CLASSES))))


def ece(y: np.ndarray, p: np.ndarray, bins: int = ECE_BINS) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017, Eq. 3): bins of equal width, closed above."""
    gap = p.max(axis=1) - (p.argmax(axis=1) == y)
    return float(abs(np.bincount(confidence_bin(p, bins), weights=gap)).sum() / len(y))


def confidence_bin(p, bins):
    return np.clip(np.ceil(p.max(axis=1) * bins).astype(int) - 1, 0, bins - 1)


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Brier score over all seven classes, 0 (perfect) to 2 (Brier 1950)."""
    return float(sk.brier_score_loss(y, p, labels=range(len(CLASSES)), scale_by_half=False))


def batch_f1(y: np.ndarray, p: np.ndarray, batch: int = RELEASED_BATCH) -> float:
    """F1 as the released notebooks log it: the plain mean over batches of a micro F1 over rounded probabilities.

    Batches are taken in the order given; a short last one counts like the others. An average of ratios may lie above the
    mean of precision and recall, which no classification report allows.
    """
    truth, rounded = np.eye(len(CLASSES))[y], np.round(p)
    hits = (truth * rounded).sum(axis=1)
    parts = [slice(start, start + batch) for start in range(0, len(y), batch)]
    return float(np.mean([2 * hits[part].sum() / (rounded[part].sum() + truth[part].sum()) for part in parts]))


def averages(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 under every average that the paper may have meant, one a row.

    The last row is how the released notebooks measure: precision and recall count every probability over 0.5 (Keras'
    metrics), F1 is ``batch_f1``.
    """
    rows = []
    for average in ("micro", "macro", "weighted"):
        scores = sk.precision_recall_fscore_support(
            y, p.argmax(axis=1), labels=np.unique(y), average=average, zero_division=0
        )
        rows.append((average, *scores[:3]))
    over_half = p > 0.5
    hits = over_half[np.arange(len(y)), y].sum()
    rows.append(("as released", hits / max(over_half.sum(), 1), hits / len(y), batch_f1(y, p)))
    return pd.DataFrame(rows, columns=["average", "precision", "recall", "f1"])


def coverage_accuracy(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy on the k most confident images, k = 1..n: shares kept (n,) and accuracies (n,)."""
    order = np.argsort(-p.max(axis=1), kind="stable")
    kept = np.arange(1, len(y) + 1)
    return kept / len(y), np.cumsum((p.argmax(axis=1) == y)[order]) / kept
