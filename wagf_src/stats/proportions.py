"""Intervals of proportions and of repeated splits, in closed form."""

import numpy as np
from scipy import stats
from statsmodels.stats import proportion

from wagf_src.errors import UserError


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the proportion k/n (statsmodels); n may be an effective, hence broken, number."""
    if not (n > 0 and 0 <= k <= n):
        raise UserError(f"an interval of {k} out of {n} makes no sense: 0 <= k <= n and n > 0 are needed")
    low, high = proportion.proportion_confint(k, n, alpha=1 - level, method="wilson")
    return float(max(low, 0)), float(min(high, 1))


def wilson_percent(percent: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The same in percent, of a printed share of ``n`` images."""
    low, high = wilson(percent / 100 * n, n, level)
    return 100 * low, 100 * high


def difference_percent(a: float, b: float, n_a: float, n_b: float) -> tuple[float, float, float]:
    """Difference a - b of two printed shares (percent) of n_a and n_b other images, 95% interval: (points, low, high).

    Two Wilson intervals, their margins joined as the root of the sum of squares (Newcombe, Statistics in Medicine
    17:873, 1998, method 10; statsmodels).
    """
    hits = a / 100 * n_a, n_a, b / 100 * n_b, n_b
    low, high = proportion.confint_proportions_2indep(*hits, method="newcomb")
    return a - b, 100 * float(low), 100 * float(high)


def share_interval(hits: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Share of hits (seeds, images), booleans, all seeds on the same images: (mean, low, high).

    Wilson's interval at the effective number of images, p (1 - p) / variance, where the variance adds that of the
    images and that between seeds; never more than the images there are (as survey statistics do for clustered samples,
    Korn and Graubard 1998). No images give three NaN.
    """
    hits = np.asarray(hits, float)
    n = hits.shape[1]
    if n == 0:
        return (np.nan,) * 3
    mean = float(hits.mean())
    variance = hits.mean(axis=0).var() / n
    if len(hits) > 1:
        variance += hits.mean(axis=1).var(ddof=1) / len(hits)
    effective = min(n, mean * (1 - mean) / variance) if variance > 0 else n
    return (mean, *wilson(mean * effective, effective, level))


def repeats_interval(values: np.ndarray, ratio: float = 0.0, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of one value per repeat of a random split, with Student's interval: (mean, low, high).

    With ``ratio`` 0 it is the interval of the mean over all splits *of this data set*, which repeats, drawn
    independently, sample. They share most images, so it says too little about other images: with ``ratio`` = test
    images over training images, the variance is enlarged from s2/J to s2 (1/J + ratio) as Nadeau & Bengio (Machine
    Learning 52:239, 2003) propose. Fewer than two repeats have NaN limits.
    """
    values = np.asarray(values, float)
    mean, n = float(values.mean()), len(values)
    if n < 2 or np.isnan(values).any():
        return mean, np.nan, np.nan
    margin = stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) * np.sqrt(1 / n + ratio)
    return mean, float(mean - margin), float(mean + margin)
