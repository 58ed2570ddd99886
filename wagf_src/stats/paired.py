"""Tests on the same images, and agreement with a printed value."""

import numpy as np
from statsmodels.stats import contingency_tables, multitest

from wagf_src.errors import UserError
from wagf_src.runs import Run
from wagf_src.stats import bootstrap, proportions


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int, float]:
    """Exact McNemar test on the same images: (only a right, only b right, two-sided p) (statsmodels)."""
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise UserError(f"McNemar's test compares the same images: got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
    return only_a, only_b, float(contingency_tables.mcnemar(table, exact=True).pvalue)


def holm(pvalues) -> np.ndarray:
    """p values corrected for their number after Holm (1979), in the order given (statsmodels)."""
    pvalues = np.asarray(pvalues, float)
    return multitest.multipletests(pvalues, method="holm")[1] if len(pvalues) else pvalues


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
    paper_low, paper_high = (100 * limit for limit in proportions.wilson(paper / 100 * n_paper, n_paper))
    if ours >= paper:
        margin = np.hypot(ours - low, paper_high - paper)
    else:
        margin = np.hypot(high - ours, paper - paper_low)
    if abs(ours - paper) <= margin:
        return "agrees within noise"
    return "ours is higher" if ours > paper else "ours is lower"
