"""Metrics of one set of predictions, and of all its resamples at once: each is one entry of ``METRICS``.

Throughout, ``y`` is the true class, (n,) integers into ``CLASSES``, and ``p`` the predicted probabilities, (n, 7); the
predicted class is the most probable one. Values are fractions, not percent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from wagf_src.classes import CLASSES, MEL

ECE_BINS = 15
RELEASED_BATCH = 64
ORDERS = 200  # random ones, over which a batch-averaged F1 of predictions is averaged


class Sample:
    """Predictions of n images, and how often each resample holds each image.

    Attributes:
        y: (n,). p: (n, 7).
        draws: (resamples, n) whole numbers, each row adding up to n; None for the images themselves, once each.
            Products are of their type: single precision halves the largest array, and counts stay exact.
    """

    def __init__(self, y: np.ndarray, p: np.ndarray, draws: np.ndarray | None = None):
        self.y, self.p = np.asarray(y), np.asarray(p, float)
        self.draws = np.ones((1, len(self.y))) if draws is None else draws

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sums over the images of each resample: values (n,) or (n, k) to (resamples,) or (resamples, k)."""
        return (self.draws @ values.astype(self.draws.dtype)).astype(float)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return self.total(values) / len(self.y)

    @cached_property
    def hits(self) -> np.ndarray:
        """Which images are classified correctly, (n,)."""
        return self.p.argmax(axis=1) == self.y

    @cached_property
    def confusion(self) -> np.ndarray:
        """Images by true and predicted class, (resamples, 7, 7)."""
        k = len(CLASSES)
        return self.total(np.eye(k * k)[self.y * k + self.p.argmax(axis=1)]).reshape(-1, k, k)

    def by_class(self, score: str) -> np.ndarray:
        """Precision, recall or f1 of every class, (resamples, 7); 0 for 0 / 0, as in scikit-learn's report."""
        predicted, support = self.confusion.sum(axis=1), self.confusion.sum(axis=2)
        below = {"precision": predicted, "recall": support, "f1": (support + predicted) / 2}[score]
        return np.divide(np.einsum("rii->ri", self.confusion), below, out=np.zeros_like(below), where=below > 0)


def _macro(score):
    """The mean over the classes that have test images."""
    return lambda sample: sample.by_class(score)[:, np.unique(sample.y)].mean(axis=1)


def _weighted(score):
    return lambda sample: (sample.by_class(score) * sample.confusion.sum(axis=2)).sum(axis=1) / len(sample.y)


def _recall(c):
    return lambda sample: np.where(sample.confusion[:, c].any(axis=1), sample.by_class("recall")[:, c], np.nan)


def _accuracy(sample):
    return sample.mean(sample.hits)


def _log_loss(sample):
    p = sample.p[np.arange(len(sample.y)), sample.y] / sample.p.sum(axis=1)
    return sample.mean(-np.log(np.clip(p, np.finfo(float).eps, 1)))


def _ece(sample, bins=ECE_BINS):
    gap = sample.p.max(axis=1) - sample.hits
    return abs(sample.mean(np.eye(bins)[confidence_bin(sample.p, bins)] * gap[:, None])).sum(axis=1)


def _brier(sample):
    return sample.mean(((sample.p - np.eye(len(CLASSES))[sample.y]) ** 2).sum(axis=1))


def _auc_melanoma(sample):
    """Mann and Whitney: the share of pairs (a melanoma, another image) with scores in order; ties count half."""
    melanoma, score = sample.y == MEL, sample.p[:, MEL]
    if melanoma.all() or not melanoma.any():
        return np.full(len(sample.draws), np.nan)
    pairs = 0
    for some in np.array_split(np.flatnonzero(melanoma), 1 + melanoma.sum() // 100):  # all at once take much room
        # By image and melanoma: 1 if in order, 1/2 for a tie; melanomas among themselves are no pairs.
        ordered = (np.sign(score[some] - score[:, None]) + 1) / 2 * ~melanoma[:, None]
        pairs += (sample.draws[:, some] * sample.total(ordered)).sum(axis=1)
    return pairs / (sample.total(melanoma) * sample.total(~melanoma))


@dataclass(frozen=True)
class Metric:
    """What is known of a metric.

    Attributes:
        name: as in tables.
        title: for people.
        value: the metric on every resample of a ``Sample``, (resamples,); NaN where it is undefined.
        range: lowest and highest possible value.
        share_of: if it is a share of hits, of which images: ``all`` or a class. Those of a class rest on as few as
            eight images, so that their interval is ``proportions.share_interval``.
    """

    name: str
    title: str
    value: Callable[[Sample], np.ndarray]
    range: tuple[float, float] = (0.0, 1.0)
    share_of: str | None = None

    def point(self, y: np.ndarray, p: np.ndarray) -> float | None:
        """The value; None where it is undefined."""
        return _plain(self.value(Sample(y, p)))

    def resampled(self, y: np.ndarray, p: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """The value on every resample, (resamples,); ``draws`` (resamples, n) as in ``Sample``."""
        return self.value(Sample(y, p, draws))


def _plain(values):
    return None if np.isnan(values[0]) else float(values[0])


# Accuracy is the weighted recall and balanced accuracy the macro recall, by definition.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", _accuracy, share_of="all"),
        Metric("precision_macro", "macro precision", _macro("precision")),
        Metric("recall_macro", "macro recall", _macro("recall")),
        Metric("f1_macro", "macro F1", _macro("f1")),
        Metric("precision_weighted", "weighted precision", _weighted("precision")),
        Metric("recall_weighted", "weighted recall", _accuracy, share_of="all"),
        Metric("f1_weighted", "weighted F1", _weighted("f1")),
        Metric("balanced_accuracy", "balanced accuracy", _macro("recall")),
        *(Metric(f"recall_{c}", f"recall of {c}", _recall(k), share_of=c) for k, c in enumerate(CLASSES)),
        Metric("melanoma_sensitivity", "melanoma sensitivity", _recall(MEL), share_of="mel"),
        # In nats: the mean negative log-likelihood.
        Metric("log_loss", "log loss", _log_loss, range=(0.0, np.inf)),
        # The expected one of the predicted class (Guo et al. 2017, Eq. 3), in bins of equal width, closed above.
        Metric("ece", "calibration error", _ece),
        # Over all seven classes (Brier 1950).
        Metric("brier", "Brier score", _brier, range=(0.0, 2.0)),
        Metric("auc_melanoma", "melanoma AUC", _auc_melanoma),
    )
}


def interval_columns(*names: str) -> list[str]:
    """The columns of tables that hold metrics and the ends of their intervals: each name, then its two ends."""
    return [f"{name}{end}" for name in names for end in ("", "_ci_low", "_ci_high")]


def metrics(y: np.ndarray, p: np.ndarray) -> dict[str, float | None]:
    """Every metric, as ``Metric.point``."""
    sample = Sample(y, p)
    return {name: _plain(metric.value(sample)) for name, metric in METRICS.items()}


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log-likelihood in nats (cross-entropy)."""
    return METRICS["log_loss"].point(y, p)


def per_class(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Index class; columns n_test, precision, recall, f1 (fractions). NaN for a class without test images."""
    labels = range(len(CLASSES))
    scores = sk.precision_recall_fscore_support(y, p.argmax(axis=1), labels=labels, zero_division=0)
    frame = pd.DataFrame(dict(zip(("precision", "recall", "f1", "n_test"), scores)), index=CLASSES)
    frame.loc[frame["n_test"] == 0, ["precision", "recall", "f1"]] = np.nan
    return frame


def confidence_bin(p, bins):
    return np.clip(np.ceil(p.max(axis=1) * bins).astype(int) - 1, 0, bins - 1)


def batch_f1(y: np.ndarray, p: np.ndarray, batch: int = RELEASED_BATCH) -> float:
    """F1 as the released notebooks log it: the plain mean over batches of a micro F1 over rounded probabilities.

    Batches are taken in the order given; a short last one counts like the others. An average of ratios may lie above
    the mean of precision and recall, which no classification report allows.
    """
    truth, rounded = np.eye(len(CLASSES))[y], np.round(p)
    hits = (truth * rounded).sum(axis=1)
    parts = [slice(start, start + batch) for start in range(0, len(y), batch)]
    return float(np.mean([2 * hits[part].sum() / (rounded[part].sum() + truth[part].sum()) for part in parts]))


def averages(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 under every average that the paper may have meant, one a row.

    The last row is how the released notebooks measure: precision and recall count every probability over 0.5 (Keras'
    metrics), F1 is ``batch_f1``, which hangs on the order of the images: its mean over ``ORDERS`` random ones.
    ``above`` is the share of orders (of a report: none or all) whose F1 lies above the mean of precision and recall.
    """
    rows = []
    for average in ("micro", "macro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            y, p.argmax(axis=1), labels=np.unique(y), average=average, zero_division=0
        )
        rows.append((average, precision, recall, f1, float(f1 > (precision + recall) / 2 + 1e-9)))
    over_half = p > 0.5
    hits = over_half[np.arange(len(y)), y].sum()
    precision, recall = hits / max(over_half.sum(), 1), hits / len(y)
    rng = np.random.default_rng(0)
    orders = [batch_f1(y[order], p[order]) for order in (rng.permutation(len(y)) for _ in range(ORDERS))]
    above = np.mean(np.array(orders) > (precision + recall) / 2)
    rows.append(("as released", precision, recall, np.mean(orders), above))
    return pd.DataFrame(rows, columns=["average", "precision", "recall", "f1", "above"])


def coverage_accuracy(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy on the k most confident images, k = 1..n: shares kept (n,) and accuracies (n,)."""
    order = np.argsort(-p.max(axis=1), kind="stable")
    kept = np.arange(1, len(y) + 1)
    return kept / len(y), np.cumsum((p.argmax(axis=1) == y)[order]) / kept
