"""Which of two arms is better on the same images, what can be seen there, and agreement with a printed value."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats import contingency_tables

from wagf_src.errors import UserError
from wagf_src.runs import Run, n_folds
from wagf_src.stats import bootstrap, proportions

POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """Arm a minus arm b in a metric.

    Attributes:
        value, low, high: mean over seeds of the paired difference, with its interval; fractions, not percent.
        p: two-sided, of no difference.
        n_images: test images, of all folds together. n_seeds: of the arm that has fewer. n_folds: 1 for one test set.
    """

    value: float
    low: float
    high: float
    p: float
    n_images: int
    n_seeds: int
    n_folds: int


def direction_test(
    runs_a: list[Run],
    runs_b: list[Run],
    metric: str = "accuracy",
    level: float = 0.95,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The one rule for directions: is arm a better than arm b in a metric?

    Interval and p come from the same resamples of images and seeds (``bootstrap.resampled_difference``). Under no
    difference resamples would lie about zero as they lie about the estimate, so p is the share of them that is as far
    from the estimate as the estimate is from zero, (1 + count) / (1 + resamples) (Davison & Hinkley, Bootstrap Methods,
    1997, section 4.4; Hall & Wilson, Biometrics 47:757, 1991). Several directions are one family for ``holm``. With one
    seed an arm it speaks of these networks, not of the method: the noise of training is not in it.

    Raises:
        UserError: as ``bootstrap.paired_difference``. An undefined metric gives NaN.
    """
    value, values = bootstrap.resampled_difference(runs_a, runs_b, metric, resamples, seed)
    y, probabilities = bootstrap.aligned(runs_a, metric)
    n_seeds = min(len(probabilities), len({run.seed for run in runs_b}))
    low, high = bootstrap.percentiles(values, value, level)
    return Difference(value, low, high, resampled_p(values, value), len(y), n_seeds, n_folds(runs_a))


def resampled_p(values: np.ndarray, value: float) -> float:
    """Two-sided p of no difference, from an estimated difference and its resamples (``direction_test`` says how)."""
    # Hits are counted: a difference as far as the estimate to the last hit must not depend on rounding.
    further = (abs(values - value) >= abs(value) - 1e-12).sum()
    return np.nan if np.isnan(value) else float((1 + further) / (1 + len(values)))


def holm(pvalues) -> np.ndarray:
    """p values corrected for their number after Holm (1979), in the order given.

    To the bit as ``statsmodels``' multipletests, which collects the garbage of the whole process at every call.
    """
    pvalues = np.asarray(pvalues, float)
    order = np.argsort(pvalues)
    corrected = np.empty_like(pvalues)
    corrected[order] = np.maximum.accumulate(pvalues[order] * np.arange(len(pvalues), 0, -1))
    return np.minimum(corrected, 1)


def detectable(
    n: int,
    discordance: float,
    seeds: int = 1,
    folds: int = 1,
    shared: float = 1.0,
    training_sd: float = 0.0,
    level: float = 0.95,
    power: float = POWER,
) -> float:
    """The smallest difference in accuracy (fraction) that ``direction_test`` on ``n`` images shows with this power.

    In normal approximation. For one seed that is McNemar's test (Connor, Biometrics 43:207, 1987): with a share d of
    discordant images, the mean difference D has variance d / n if there is no difference, else (d - D^2) / n. From two
    seeds on, only the part of d that all seeds share stays whole, training adds its own noise, and the test's limit is
    that of a crossed bootstrap, which counts the rest of d up to three times (Owen, Annals of Applied Statistics 1:386,
    2007).

    Args:
        discordance: share of images on which exactly one of two networks is right.
        seeds: of each arm, in pairs. folds: networks that one seed's ``n`` images are divided among.
        shared: share of the discordance that is the same for every pair of seeds, 0 to 1.
        training_sd: standard deviation between networks of the difference on infinitely many images (fraction); one
            seed cannot see it, and speaks of its networks only.

    Returns:
        The difference; NaN where even all discordant images together would not show it.
    """
    own, drawn = (1 - shared) / seeds, (seeds - 1) / seeds
    training = training_sd**2 / seeds / folds * (seeds > 1)
    spread = discordance * (shared + own) / n + training
    of_test = discordance * (shared + own * (1 + 2 * drawn)) / n + training * drawn
    a, b = stats.norm.ppf((1 + level) / 2), stats.norm.ppf(power)
    wide = 1 + b**2 / n
    difference = (a * np.sqrt(of_test) + b * np.sqrt(spread * wide - a**2 * of_test / n)) / wide
    return float(difference) if difference <= discordance else np.nan


def noise(runs_a: list[Run], runs_b: list[Run]) -> dict[str, float]:
    """``detectable``'s discordance, shared and training_sd, measured on two arms of the same seeds.

    One seed tells nothing of the last two: they are 1, the least favourable, and 0, the most favourable.
    """
    (y, a), (_, b) = bootstrap.aligned(runs_a), bootstrap.aligned(runs_b)
    gaps = (a.argmax(axis=2) == y).astype(float) - (b.argmax(axis=2) == y)
    k, n = gaps.shape
    discordance = (gaps**2).mean()
    if k == 1 or not discordance:
        return {"discordance": float(discordance), "shared": 1.0, "training_sd": 0.0}
    # The square of a sum holds every product of two seeds twice, and every seed with itself.
    shared = ((gaps.sum(axis=0) ** 2).mean() / k - discordance) / (k - 1) / discordance
    shared = float(np.clip(shared, 0, 1))
    between = gaps.mean(axis=1).var(ddof=1) - discordance * (1 - shared) / n
    return {"discordance": float(discordance), "shared": shared, "training_sd": float(np.sqrt(max(0, between)))}


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int, float]:
    """Exact McNemar test on the same images: (only a right, only b right, two-sided p) (statsmodels)."""
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise UserError(f"McNemar's test compares the same images: got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
    return only_a, only_b, float(contingency_tables.mcnemar(table, exact=True).pvalue)


def correct(runs: list[Run]) -> np.ndarray:
    """Which test images an arm gets right, (n,) in the order of the image ids, by the mean probabilities of its seeds.

    One answer an image, as McNemar's test needs; counting every seed on its own would count each image several times.
    """
    y, probabilities = bootstrap.aligned(runs, "accuracy")
    return probabilities.mean(axis=0).argmax(axis=1) == y


def verdict(paper: float, n_paper: int, ours: float, low: float, high: float) -> str:
    """Does our value agree with a printed one, as far as the sampling of test images allows to say? (percent)

    The paper's test images were drawn by an unpublished seed, hence are other images: both values carry noise, the
    printed one (an accuracy, or an average of nearly the same spread) at least Wilson's on its ``n_paper`` images. They
    agree if they differ by less than both margins together (root of the sum of squares).
    """
    if any(np.isnan(v) for v in (paper, ours, low, high)):
        return "not run" if not np.isnan(paper) else "not in the paper"
    paper_low, paper_high = proportions.wilson_percent(paper, n_paper)
    if ours >= paper:
        margin = np.hypot(ours - low, paper_high - paper)
    else:
        margin = np.hypot(high - ours, paper - paper_low)
    if abs(ours - paper) <= margin:
        return "agrees within noise"
    return "ours is higher" if ours > paper else "ours is lower"
