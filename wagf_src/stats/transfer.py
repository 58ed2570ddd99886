"""One model on two test sets: its own and one of elsewhere; what of the difference is the mix of classes."""

import numpy as np
import pandas as pd

from wagf_src.classes import CLASSES
from wagf_src.stats import bootstrap, proportions

COLUMNS = ["subset", "metric", "n", "value", "ci_low", "ci_high"]
OWN, REWEIGHTED = "own test set", "in the mix of the own test set"


def decided(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Which images have their true class alone at the largest probability, (n,) bool."""
    largest = p == p.max(axis=1, keepdims=True)
    return largest[np.arange(len(y)), y] & (largest.sum(axis=1) == 1)


def scores(y: np.ndarray, p: np.ndarray, subset: str) -> pd.DataFrame:
    """Accuracy, the official balanced accuracy and every recall, with 95% intervals: COLUMNS; fractions.

    The official one is that of ISIC 2018 task 3, mean recall of the classes that are there; a tie for the largest is
    wrong, as isic-challenge-scoring has it (``metrics.balanced_multiclass_accuracy``).

    Args:
        y: (n,) classes. p: (n, 7). subset: which images these are, in words.
    """
    hits = decided(y, p).astype(float)
    rows = [
        (subset, name, len(y), *bootstrap.resampled_mean(hits, y, balanced=name != "accuracy", limits=bootstrap.SHARE))
        for name in ("accuracy", "balanced_accuracy")
    ]
    for number, name in enumerate(CLASSES):
        of_class = hits[y == number]
        if len(of_class):
            interval = proportions.wilson(of_class.sum(), len(of_class))
            rows.append((subset, f"recall_{name}", len(of_class), of_class.mean(), *interval))
    return pd.DataFrame(rows, columns=COLUMNS)


def comparison(y: np.ndarray, p: np.ndarray, y_own: np.ndarray, p_own: np.ndarray) -> pd.DataFrame:
    """Accuracy elsewhere minus on the own test set, in two parts that add up to it; COLUMNS.

    Of the classes that both sets have: "difference" = "class mix" + "the rest", where the mix is what the accuracy
    elsewhere loses when its classes are weighted as in the own test set, whose accuracy then leaves the rest. A line
    before them has that weighted accuracy. Intervals are over the images of both sets.
    """
    shared = np.intersect1d(np.unique(y), np.unique(y_own))
    if not len(shared):
        return pd.DataFrame(columns=COLUMNS)
    (y, hits), (y_own, hits_own) = (
        (truth[kept], decided(truth, q)[kept].astype(float))
        for truth, q, kept in ((y, p, np.isin(y, shared)), (y_own, p_own, np.isin(y_own, shared)))
    )
    own_counts, counts = (np.bincount(t, minlength=len(CLASSES)) for t in (y_own, y))
    weights = (own_counts / len(y_own) / np.maximum(counts, 1))[y]
    draws = bootstrap.image_draws(y, bootstrap.RESAMPLES, 0)
    own_draws = bootstrap.image_draws(y_own, bootstrap.RESAMPLES, 1)
    plain, mixed = (_resampled(draws, hits * w) for w in (np.full(len(y), 1 / len(y)), weights))
    own = _resampled(own_draws, hits_own / len(y_own))
    lines = {  # with the lowest and highest possible value of each
        REWEIGHTED: (mixed, bootstrap.SHARE),
        "difference": (plain - own, (-1.0, 1.0)),
        "class mix": (plain - mixed, (-1.0, 1.0)),
        "the rest": (mixed - own, (-1.0, 1.0)),
    }
    rows = [
        (name, "accuracy", len(y), v[0], *bootstrap.within(bootstrap.percentiles(v[1:], v[0]), limits))
        for name, (v, limits) in lines.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _resampled(draws, values):
    """The sum of values, and that of every resample behind it."""
    return np.r_[values.sum(), draws.astype(float) @ values]
