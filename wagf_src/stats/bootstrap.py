"""One resampler: test images, stratified by class, crossed with seeds; intervals of metrics and paired differences."""

from functools import lru_cache

import numpy as np

from wagf_src.classes import CLASSES, MEL
from wagf_src.errors import UserError
from wagf_src.runs import Run, sorted_predictions
from wagf_src.stats import metrics, proportions
from wagf_src.stats.metrics import ECE_BINS, METRICS

RESAMPLES = 2000


def interval(
    runs: list[Run], metric: str, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a metric, with its interval over test images and seeds: (mean, low, high).

    A resample draws the test images with replacement *within each class*, as the split itself is stratified (so the class
    counts are fixed by design, and a recall is always defined), and, from two seeds on, the seeds with replacement; all
    seeds see the same images. The interval holds the central ``level`` of the resampled means, moved by the bootstrap's
    own estimate of bias (an expected calibration error grows in resamples). With one seed it says nothing about training
    noise; with few it understates it.

    Recalls of single classes rest on as few as eight images, where percentiles are too narrow: they take
    ``share_interval``. An accuracy whose resamples are all alike takes Wilson's.

    Raises:
        UserError: no runs, runs of different test images, or an unknown metric. Undefined metrics give three NaN.
    """
    y, probabilities = aligned(runs, metric)
    if metric == "melanoma_sensitivity":
        metric = "recall_mel"
    if metric.startswith("recall_") and metric[7:] in CLASSES:
        c = CLASSES.index(metric[7:])
        return proportions.share_interval((probabilities.argmax(axis=2) == c)[:, y == c], level)
    estimate = _mean(y, probabilities, metric)
    if np.isnan(estimate):
        return (np.nan,) * 3
    values = _over_seeds(y, probabilities, metric, resamples, seed, _seed_draws(len(runs), resamples, seed))
    low, high = _percentiles(values, estimate, level)
    if low == high and metric in ("accuracy", "recall_weighted"):
        low, high = proportions.wilson(estimate * len(y), len(y), level)
    ceiling = {"log_loss": np.inf, "brier": 2}.get(metric, 1)
    return estimate, max(low, 0.0), min(high, ceiling)


def paired_difference(
    runs_a: list[Run], runs_b: list[Run], metric: str, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a metric in arm a minus arm b, with its interval: (difference, low, high).

    Both arms are resampled on the same test images, as in ``interval``; seeds are drawn as pairs where both arms have the
    same ones, else for each arm on its own.
    """
    y, a_and_b = aligned(runs_a + runs_b, metric)
    a, b = a_and_b[: len(runs_a)], a_and_b[len(runs_a) :]
    if not len(a) or not len(b):
        raise UserError("a paired difference needs at least one run of each arm")
    estimate = _mean(y, a, metric) - _mean(y, b, metric)
    if np.isnan(estimate):
        return (np.nan,) * 3
    seeds_a = _seed_draws(len(a), resamples, seed)
    alike = [r.seed for r in runs_a] == [r.seed for r in runs_b]
    seeds_b = seeds_a if alike else _seed_draws(len(b), resamples, seed + 1)
    values = _over_seeds(y, a, metric, resamples, seed, seeds_a) - _over_seeds(y, b, metric, resamples, seed, seeds_b)
    low, high = _percentiles(values, estimate, level)
    return estimate, low, high


def coverage_interval(
    runs: list[Run], coverage: float, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Accuracy on the share ``coverage`` (0 to 1] of most confident images, mean over seeds: (mean, low, high).

    Resampled as in ``interval``, with which it agrees at full coverage; which images are answered is kept fixed.
    """
    if not 0 < coverage <= 1:
        raise UserError(f"coverage is {coverage!r}, but must be above 0 and up to 1")
    y, probabilities = aligned(runs, "accuracy")
    draws = _image_draws(y, resamples, seed)
    k = max(1, round(coverage * len(y)))
    estimates, values = [], []
    for p in probabilities:
        answered = np.zeros(len(y), draws.dtype)
        answered[np.argsort(-p.max(axis=1), kind="stable")[:k]] = 1
        hits = answered * (p.argmax(axis=1) == y)
        estimates.append(hits.sum() / k)
        values.append((draws @ hits).astype(float) / np.maximum(draws @ answered, 1))
    estimate = float(np.mean(estimates))
    low, high = _percentiles(
        (np.stack(values, axis=1) * _seed_draws(len(runs), resamples, seed)).sum(axis=1), estimate, level
    )
    if low == high:
        low, high = proportions.wilson(estimate * k, k, level)
    return estimate, max(low, 0.0), min(high, 1.0)


def resampled_mean(values: np.ndarray, y: np.ndarray, level: float = 0.95, balanced: bool = False) -> tuple:
    """Mean of one value per image (n,), or the mean of its class means, with a stratified bootstrap interval.

    Hits (0 or 1) that are all alike take Wilson's interval at the effective number of images, 1 / sum of squared weights.
    """
    weights = np.ones(len(y)) / len(y)
    if balanced:
        counts = np.bincount(y, minlength=len(CLASSES))
        weights = 1 / counts[y] / (counts > 0).sum()
    estimate = float(values @ weights)
    if set(values) in ({0}, {1}):
        effective = 1 / (weights**2).sum()
        return (estimate, *proportions.wilson(np.round(estimate) * effective, effective, level))
    low, high = _percentiles(_image_draws(y, RESAMPLES, 0) @ (values * weights), estimate, level)
    return estimate, low, high


def aligned(runs, metric):
    """y (n,) and the probabilities of each run, (runs, n, 7), in the order of the image ids."""
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    if not runs:
        raise UserError("an interval needs at least one run")
    ids, y, _ = sorted_predictions(runs[0])
    probabilities = []
    for run in runs:
        ids_here, y_here, p = sorted_predictions(run)
        if not np.array_equal(ids, ids_here) or not np.array_equal(y, y_here):
            raise UserError(
                f"{run.path.name} and {runs[0].path.name} were tested on different images: compare runs of one test_seed"
            )
        probabilities.append(p)
    return y, np.stack(probabilities)


def _mean(y, probabilities, metric):
    values = [_metrics(y.tobytes(), p.tobytes())[metric] for p in probabilities]
    return np.nan if None in values else float(np.mean(values))


@lru_cache(maxsize=512)
def _metrics(y_bytes, p_bytes):
    """``metrics`` once a run: a chapter asks for ten intervals and comparisons of each."""
    y = np.frombuffer(y_bytes, dtype=np.int64)
    return metrics.metrics(y, np.frombuffer(p_bytes).reshape(len(y), -1))


def _percentiles(values, estimate, level):
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) + (estimate - values.mean())
    return float(low), float(high)


@lru_cache(maxsize=4)
def _draws(y_bytes, resamples, seed):
    y = np.frombuffer(y_bytes, dtype=np.int64)
    rng = np.random.default_rng(seed)
    draws = np.zeros((resamples, len(y)), dtype=np.float32)
    offset = np.arange(resamples)[:, None]
    for c in np.unique(y):
        members = np.flatnonzero(y == c)
        picked = rng.integers(len(members), size=(resamples, len(members))) + offset * len(members)
        counts = np.bincount(picked.ravel(), minlength=resamples * len(members))
        draws[:, members] = counts.reshape(resamples, len(members))
    draws.flags.writeable = False
    return draws


def _image_draws(y, resamples, seed):
    """How often each resample holds each image, (resamples, n): every metric below is a product with this matrix."""
    return _draws(np.ascontiguousarray(y, dtype=np.int64).tobytes(), resamples, seed)


def _seed_draws(count, resamples, seed):
    """Weight of each seed in each resample, (resamples, count)."""
    return np.random.default_rng(seed + 10_000).multinomial(count, np.ones(count) / count, size=resamples) / count


def _over_seeds(y, probabilities, metric, resamples, seed, seeds):
    """Mean over the seeds drawn (weights ``seeds``) of a metric on every resample of the images, (resamples,)."""
    values = [_resampled(y.tobytes(), p.tobytes(), metric, resamples, seed) for p in probabilities]
    return (np.stack(values, axis=1) * seeds).sum(axis=1)


@lru_cache(maxsize=512)
def _resampled(y_bytes, p_bytes, metric, resamples, seed):
    """A run's metric on every resample, once: comparisons ask for the same run again and again."""
    y = np.frombuffer(y_bytes, dtype=np.int64)
    return _weighted_metric(y, np.frombuffer(p_bytes).reshape(len(y), -1), metric, _image_draws(y, resamples, seed))


def _weighted_metric(y, p, metric, draws):
    """A metric on every resample at once: ``draws`` (resamples, n) to (resamples,). Tested against ``metrics``."""

    def times(values):
        return (draws @ values.astype(draws.dtype)).astype(
            float
        )  # mixed types would copy ``draws``, the largest array here

    if metric == "ece":
        gap = p.max(axis=1) - (p.argmax(axis=1) == y)
        in_bin = np.eye(ECE_BINS)[metrics.confidence_bin(p, ECE_BINS)]
        return abs(times(in_bin * gap[:, None])).sum(axis=1) / len(y)
    if metric == "brier":
        return times(((p - np.eye(len(CLASSES))[y]) ** 2).sum(axis=1)) / len(y)
    if metric == "log_loss":
        return times(-np.log(np.clip(p[np.arange(len(y)), y], np.finfo(p.dtype).eps, 1))) / len(y)
    if metric == "auc_melanoma":
        score, melanoma = p[:, MEL], y == MEL
        # Mann and Whitney: how much weight of the others lies below each melanoma, equal scores counting half.
        below = (score[:, None] < score[melanoma]) + (score[:, None] == score[melanoma]) / 2
        found = draws[:, melanoma].astype(float)
        others = times(~melanoma * 1.0)
        return (times(below * ~melanoma[:, None]) * found).sum(axis=1) / (found.sum(axis=1) * others)
    k = len(CLASSES)
    confusion = times(np.eye(k * k)[y * k + p.argmax(axis=1)]).reshape(-1, k, k)
    hits, support, predicted = np.einsum("rii->ri", confusion), confusion.sum(axis=2), confusion.sum(axis=1)
    if metric == "accuracy":
        return hits.sum(axis=1) / len(y)
    if metric.startswith("recall_") and metric[7:] in CLASSES or metric == "melanoma_sensitivity":
        c = MEL if metric == "melanoma_sensitivity" else CLASSES.index(metric[7:])
        return hits[:, c] / support[:, c]
    name, average = ("recall", "macro") if metric == "balanced_accuracy" else metric.split("_")
    below = {"precision": predicted, "recall": support, "f1": (support + predicted) / 2}[name]
    values = np.divide(hits, below, out=np.zeros_like(hits), where=below > 0)
    if average == "weighted":
        return (values * support).sum(axis=1) / len(y)
    return values[:, np.unique(y)].mean(axis=1)
