"""From probabilities to decisions: correcting for class frequencies, and favouring melanoma; both chosen on validation.

A classifier that was trained on some mix of classes carries that mix in its probabilities (Saerens, Latinne,
Decaestecker, Neural Computation 14:21, 2002). Dividing by a power of the frequencies moves between the decision that is
right most often and the one that serves every class alike, without any training.
"""

import numpy as np

from wagf_src.classes import MEL
from wagf_src.errors import UserError
from wagf_src.stats.metrics import METRICS


def melanoma_threshold(y: np.ndarray, p: np.ndarray, specificity: float) -> float:
    """The lowest melanoma probability at which to call melanoma so that specificity on these images is at least that.

    Choose it on validation images and apply it to test images (``p_mel >= threshold``).
    """
    others = np.sort(p[y != MEL, MEL])
    if not len(others):
        raise UserError("a threshold for melanoma needs images of other classes, and there are none")
    allowed = int(np.floor((1 - specificity) * len(others) + 1e-9))  # false alarms allowed
    return 0.0 if allowed == len(others) else float(np.nextafter(others[len(others) - 1 - allowed], np.inf))


def melanoma_rates(y: np.ndarray, p: np.ndarray, threshold: float) -> dict[str, int]:
    """Counts at ``p_mel >= threshold``: true_positive of melanoma, true_negative of others."""
    called = p[:, MEL] >= threshold
    is_melanoma = y == MEL
    return {
        "true_positive": int((called & is_melanoma).sum()),
        "melanoma": int(is_melanoma.sum()),
        "true_negative": int((~called & ~is_melanoma).sum()),
        "others": int((~is_melanoma).sum()),
    }


LEAST = 1e-12  # of a probability that is multiplied or has a logarithm: none of either makes anything of zero
STRENGTHS = tuple(np.round(np.arange(-1.0, 1.51, 0.1), 1).tolist())


def corrected(p: np.ndarray, frequencies: np.ndarray, strength: float) -> np.ndarray:
    """p / frequencies ** strength, normalised again.

    Args:
        p: (n, 7) probabilities. frequencies: (7,) shares of the classes among the training images.
        strength: 0 leaves p as it is; 1 gives every class the same weight; negative values favour the common classes.

    Returns:
        (n, 7).
    """
    weighted = p / np.asarray(frequencies, float) ** strength
    return weighted / weighted.sum(axis=1, keepdims=True)


def best_strength(y: np.ndarray, p: np.ndarray, frequencies: np.ndarray, metric: str) -> float:
    """The strength with the best value of a metric on these images; of equals the smallest change."""
    values = [METRICS[metric].point(y, corrected(p, frequencies, s)) for s in STRENGTHS]
    best = max(values)
    return min((s for s, value in zip(STRENGTHS, values) if value == best), key=abs)


def favour_melanoma(p: np.ndarray, factor: float) -> np.ndarray:
    """Melanoma's probability, LEAST if it is less, times ``factor``, normalised again: (n, 7)."""
    weighted = p.copy()
    weighted[:, MEL] = factor * np.maximum(p[:, MEL], LEAST)
    return weighted / weighted.sum(axis=1, keepdims=True)


def melanoma_factor(y: np.ndarray, p: np.ndarray, sensitivity: float) -> float:
    """The smallest factor of at least 1 at which this share of the melanomas is called melanoma (``favour_melanoma``).

    Raises:
        ValueError: there is no melanoma among the images.
    """
    of_melanomas = p[y == MEL]
    if not len(of_melanomas):
        raise ValueError("no melanoma to choose a factor by")
    others = np.delete(of_melanomas, MEL, axis=1).max(axis=1)
    needed = np.sort(
        others / np.maximum(of_melanomas[:, MEL], LEAST)
    )  # the factor at which each melanoma ties with its rival
    place = int(np.ceil(sensitivity * len(needed) - 1e-9)) - 1
    return max(1.0, float(needed[place]) * (1 + 1e-9))
