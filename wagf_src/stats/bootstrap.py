"""One resampler for metrics of predictions and their differences: test images, by class, crossed with seeds.

Shares of attention maps have their own (``stats.attention.interval``), which widens small samples as Hesterberg does.

A resample draws the test images with replacement *within each class*, as the split itself is stratified (so the class
counts are fixed by design, and a recall is always defined), and, from two seeds on, the seeds with replacement; all
seeds, and both arms of a difference, see the same images. With one seed it says nothing about training noise. With k it
holds (k - 1) / k of the variance between seeds, but counts errors that one seed makes and another does not up to three
times (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1:386, 2007): too narrow only for few seeds that
differ much, else too wide.

*Folds.* The predictions of a seed's folds are joined to one set, in which each image is tested once: metrics are of the
union, classes are strata of the union, and folds are not drawn. What this leaves out: any two of five folds share three
quarters or more of their training images, so their errors are not independent, and no resampling of one division into
folds measures how much that adds (Bengio & Grandvalet, JMLR 5:1089, 2004).
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.runs import Run, sorted_predictions
from wagf_src.stats import proportions
from wagf_src.stats.metrics import METRICS, Sample

RESAMPLES = 2000
SHARE = (0.0, 1.0)  # what a share of images can be


def interval(
    runs: list[Run], metric: str, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a metric, with its interval over test images and seeds: (mean, low, high).

    The interval holds the central ``level`` of the resampled means, moved by the bootstrap's own estimate of bias (an
    expected calibration error grows in resamples). Recalls of single classes rest on as few as eight images, where
    percentiles are too narrow: they take ``share_interval``. An accuracy whose resamples are all alike takes Wilson's.

    Raises:
        UserError: no runs, runs of different test images, a missing fold, an unknown metric. An undefined metric gives
            three NaN.
    """
    (sets,), known = _aligned(metric, runs), METRICS[metric]
    y = _truth(sets)
    if known.share_of in CLASSES:
        hits = np.stack([_sample(predictions, 0, 0).hits for predictions in sets.values()])
        return proportions.share_interval(hits[:, y == CLASSES.index(known.share_of)], level)
    estimate = _estimate(sets, metric)
    if np.isnan(estimate):
        return (np.nan,) * 3
    values = _over_seeds(sets, metric, resamples, seed, _seed_draws(len(sets), resamples, seed))
    low, high = percentiles(values, estimate, level)
    if low == high and known.share_of:
        low, high = proportions.wilson(estimate * len(y), len(y), level)
    return estimate, *within((low, high), known.range)


def paired_difference(
    runs_a: list[Run], runs_b: list[Run], metric: str, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a metric in arm a minus arm b, with its interval: (difference, low, high).

    Moved by its bias as in ``interval``, and undefined and refused for the same reasons.
    """
    estimate, values = resampled_difference(runs_a, runs_b, metric, resamples, seed)
    return estimate, *percentiles(values, estimate, level)


def resampled_difference(
    runs_a: list[Run], runs_b: list[Run], metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, np.ndarray]:
    """The difference of ``paired_difference``, and that of every resample, (resamples,).

    Seeds are drawn as pairs where both arms have the same ones, else for each arm on its own.
    """
    a, b = _aligned(metric, runs_a, runs_b)
    seeds_a = _seed_draws(len(a), resamples, seed)
    seeds_b = seeds_a if list(a) == list(b) else _seed_draws(len(b), resamples, seed + 1)
    values = [_over_seeds(s, metric, resamples, seed, w) for s, w in ((a, seeds_a), (b, seeds_b))]
    return _estimate(a, metric) - _estimate(b, metric), values[0] - values[1]


def coverage_interval(
    runs: list[Run], coverage: float, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Accuracy on the share ``coverage`` (0 to 1] of most confident images, mean over seeds: (mean, low, high).

    Resampled as in ``interval``, with which it agrees at full coverage; which images are answered is kept fixed.
    """
    if not 0 < coverage <= 1:
        raise UserError(f"coverage is {coverage!r}, but must be above 0 and up to 1")
    (sets,) = _aligned("accuracy", runs)
    n = len(_truth(sets))
    k = max(1, round(coverage * n))
    estimates, values = [], []
    for sample in (_sample(predictions, resamples, seed) for predictions in sets.values()):
        answered = np.zeros(n, sample.draws.dtype)
        answered[np.argsort(-sample.p.max(axis=1), kind="stable")[:k]] = 1
        hits = answered * sample.hits
        estimates.append(hits.sum() / k)
        values.append(sample.total(hits) / np.maximum(sample.total(answered), 1))
    estimate = float(np.mean(estimates))
    means = (np.stack(values, axis=1) * _seed_draws(len(sets), resamples, seed)).sum(axis=1)
    low, high = percentiles(means, estimate, level)
    if low == high:
        low, high = proportions.wilson(estimate * k, k, level)
    return estimate, *within((low, high), SHARE)


def resampled_mean(
    values: np.ndarray,
    y: np.ndarray,
    level: float = 0.95,
    balanced: bool = False,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float, float]:
    """Mean of one value per image (n,), or the mean of its class means, with its interval over images.

    ``limits`` are the lowest and highest possible value, beyond which no interval goes: SHARE for hits. Hits (0 or 1)
    that are all alike take Wilson's interval at the effective number of images, 1 / sum of squared weights.
    """
    weights = np.ones(len(y)) / len(y)
    if balanced:
        counts = np.bincount(y, minlength=len(CLASSES))
        weights = 1 / counts[y] / (counts > 0).sum()
    estimate = float(values @ weights)
    if set(values) in ({0}, {1}):
        effective = 1 / (weights**2).sum()
        return (estimate, *proportions.wilson(np.round(estimate) * effective, effective, level))
    ends = percentiles(image_draws(y, RESAMPLES, 0) @ (values * weights), estimate, level)
    return estimate, *within(ends, limits)


def percentiles(values: np.ndarray, estimate: float, level: float = 0.95) -> tuple[float, float]:
    """Limits of the central ``level`` of resampled values (resamples,), moved until their mean is the estimate.

    The move may bring them out of what is possible: ``within``.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) + (estimate - values.mean())
    return float(low), float(high)


def within(ends: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """The ends of an interval, none outside of what its metric can be."""
    return max(ends[0], limits[0]), min(ends[1], limits[1])


def aligned(runs: list[Run], metric: str = "accuracy") -> tuple[np.ndarray, np.ndarray]:
    """True classes (n,) and probabilities of each seed, folds joined, (seeds, n, 7), in the order of the image ids."""
    (sets,) = _aligned(metric, runs)
    return _truth(sets), np.stack([predictions.p for predictions in sets.values()])


@dataclass(frozen=True)
class _Predictions:
    """Of one seed, in the order of the image ids; equal if the contents are, so that resamples are computed once."""

    digest: bytes
    name: str = field(compare=False)
    ids: np.ndarray = field(compare=False)
    y: np.ndarray = field(compare=False)
    p: np.ndarray = field(compare=False)


def _aligned(metric, *arms):
    """For each arm, a list of runs, its ``_Predictions`` by seed, in the order given and all of the same images."""
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    if not all(arms):
        raise UserError("an interval needs at least one run, and a difference at least one run of each arm")
    folds = {run.fold for run in sum(arms, [])} - {None}
    by_seed = [{} for _ in arms]
    for runs, sets in zip(arms, by_seed):
        for seed in dict.fromkeys(run.seed for run in runs):
            parts = sorted((run for run in runs if run.seed == seed), key=lambda run: str(run.fold))
            if missing := folds - {run.fold for run in parts}:
                raise UserError(f"{runs[0].arm}: fold {min(missing)} of seed {seed} has no finished run; make it first")
            sets[seed] = _joined(tuple(map(_read, parts)))
    first, *others = [predictions for sets in by_seed for predictions in sets.values()]
    for other in others:
        if not np.array_equal(first.ids, other.ids) or not np.array_equal(first.y, other.y):
            raise UserError(
                f"{other.name} and {first.name} were tested on different images: compare runs of one test_seed"
            )
    return by_seed


def _read(run):
    ids, y, p = sorted_predictions(run)
    digest = hashlib.blake2b(ids.tobytes() + y.tobytes() + p.tobytes()).digest()
    return _Predictions(digest, run.path.name, ids, y, np.ascontiguousarray(p))


@lru_cache(maxsize=64)
def _joined(folds):
    """The ``_Predictions`` of a seed's folds as one."""
    if len(folds) == 1:
        return folds[0]
    ids, y, p = (np.concatenate([getattr(part, name) for part in folds]) for name in ("ids", "y", "p"))
    order = np.argsort(ids)
    ids = ids[order]
    if (twice := ids[1:] == ids[:-1]).any():
        raise UserError(f"image {ids[1:][twice][0]} is tested in two of {', '.join(part.name for part in folds)}")
    return _Predictions(b"".join(part.digest for part in folds), folds[0].name, ids, y[order], p[order])


def _truth(sets):
    return next(iter(sets.values())).y


@lru_cache(maxsize=64)
def _sample(predictions, resamples, seed):
    """Resamples of these predictions, or, for none, the predictions themselves."""
    y, p = predictions.y, predictions.p
    return Sample(y, p, image_draws(y, resamples, seed) if resamples else None)


@lru_cache(maxsize=4096)
def _values(predictions, metric, resamples, seed):
    """A metric on every resample, once: comparisons ask for the same run again and again."""
    return METRICS[metric].value(_sample(predictions, resamples, seed))


def _estimate(sets, metric):
    return float(np.mean([_values(predictions, metric, 0, 0)[0] for predictions in sets.values()]))


def _over_seeds(sets, metric, resamples, seed, weights):
    """Mean over the seeds drawn (``weights``) of a metric on every resample of the images, (resamples,)."""
    values = [_values(predictions, metric, resamples, seed) for predictions in sets.values()]
    return (np.stack(values, axis=1) * weights).sum(axis=1)


def image_draws(y: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each resample holds each image, drawn within the classes ``y`` (n,): (resamples, n) float32."""
    return _image_draws(np.ascontiguousarray(y, dtype=np.int64).tobytes(), resamples, seed)


@lru_cache(maxsize=4)
def _image_draws(y_bytes, resamples, seed):
    y = np.frombuffer(y_bytes, dtype=np.int64)
    rng = np.random.default_rng(seed)
    draws = np.zeros((resamples, len(y)), dtype=np.float32)
    for c in np.unique(y):
        members = np.flatnonzero(y == c)
        # A hundred at a time: all at once, 10,015 images would take five times the room of ``draws``.
        for start in range(0, resamples, 100):
            rows = min(100, resamples - start)
            picked = rng.integers(len(members), size=(rows, len(members))) + np.arange(rows)[:, None] * len(members)
            counts = np.bincount(picked.ravel(), minlength=rows * len(members))
            draws[start : start + rows, members] = counts.reshape(rows, -1)
    draws.flags.writeable = False
    return draws


def _seed_draws(count, resamples, seed):
    """Weight of each seed in each resample, (resamples, count)."""
    return np.random.default_rng(seed + 10_000).multinomial(count, np.ones(count) / count, size=resamples) / count
