"""From predictions to numbers: metrics (scikit-learn), intervals and paired tests (statsmodels, a bootstrap in NumPy).

Throughout, ``y`` is the true class, (n,) integers into ``config.CLASSES``, and ``p`` the predicted probabilities, (n, 7);
the predicted class is the most probable one. Values are fractions, not percent.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats import contingency_tables, multitest, proportion

from wagf_src.config import CLASSES, UserError, parse_arm
from wagf_src.results import PROBABILITY_COLUMNS, Run

RESAMPLES = 2000
ECE_BINS = 15
RELEASED_BATCH = 64
MEL = CLASSES.index("mel")
METRICS = (
    "accuracy", "precision_macro", "recall_macro", "f1_macro", "precision_weighted", "recall_weighted", "f1_weighted",
    "balanced_accuracy", *(f"recall_{c}" for c in CLASSES), "melanoma_sensitivity", "log_loss", "ece", "brier",
    "auc_melanoma",
)  # fmt: skip


# --- reading predictions -------------------------------------------------------------------------------------


def truth_and_probabilities(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """True classes (n,) and probabilities (n, 7) of the test images, in the row order of predictions.csv.

    Raises:
        UserError: naming run and column where the file is missing or does not hold one distribution per image.
    """
    frame = _predictions(run)
    return _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def validation_predictions(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """The same for the validation images, or None where the run did not keep them (validation_predictions.csv)."""
    if not (run.path / "validation_predictions.csv").is_file():
        return None
    frame = _predictions(run, "validation_predictions.csv")
    return _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def _truth(frame):
    return frame["dx"].map(CLASSES.index).to_numpy()


def _predictions(run, name="predictions.csv", read=None):
    path = run.path / name
    try:
        return (read or _read)(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise UserError(f"{run.path.name}/{name}: {error}; delete the run's folder and run it again") from None


@lru_cache(maxsize=512)
def _read(path, changed):
    """Read and check once per version of the file: every metric of every table starts here."""
    frame = pd.read_csv(path, dtype={"image_id": str, "lesion_id": str})
    missing = [c for c in ("image_id", "dx", *PROBABILITY_COLUMNS) if c not in frame]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    if not len(frame):
        raise ValueError("no rows")
    # Validation files may be copies of one image; test images stand once.
    if path.name == "predictions.csv" and frame["image_id"].duplicated().any():
        raise ValueError(f"image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} is there twice")
    unknown = set(frame["dx"]) - set(CLASSES)
    if unknown:
        raise ValueError(f"dx holds {min(map(str, unknown))!r}, not one of {', '.join(CLASSES)}")
    p = frame[PROBABILITY_COLUMNS].to_numpy(float)
    total = p.sum(axis=1)
    # Half-precision runs and six printed digits leave sums a little off 1; anything further is no distribution.
    wrong = ~(np.isfinite(total) & (p >= 0).all(axis=1) & (abs(total - 1) < 0.01))
    if wrong.any():
        raise ValueError(f"the probabilities of {frame['image_id'][wrong].iloc[0]} are not a distribution")
    frame[PROBABILITY_COLUMNS] = p / total[:, None]
    return frame


@lru_cache(maxsize=512)
def _sorted(path, changed):
    """Image ids, true classes and probabilities in the order of the ids, in which runs are compared."""
    frame = _read(path, changed).sort_values("image_id")
    return frame["image_id"].to_numpy(str), _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def by_arm(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs of each arm, sorted by seed; arms in the order of Table 1 (backbones, then the ladder, then variants)."""
    arms: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda r: r.seed):
        arms.setdefault(run.arm, []).append(run)
    return {arm: arms[arm] for arm in sorted(arms, key=_place)}


def of_arm(runs: list[Run], arm: str) -> list[Run]:
    """The runs of one arm, sorted by seed; empty if there are none."""
    return by_arm(runs).get(arm, [])


def _place(name):
    arm = parse_arm(name)
    return (
        ("mobilenetv2", "resnet50", "densenet121").index(arm.backbone),
        ("probe", "base", "sa", "sa-gf", "wagf").index(arm.modules),
        arm.reading == "released",
        arm.branch not in (None, "haar"),
        arm.fusion not in (None, "eq1", "released"),
        arm.weights is not None,
        arm.learning_rate is not None,
        name,
    )


def arm_label(name: str) -> str:
    """An arm for people: ``densenet121-sa-gf-described`` is ``DenseNet-121 + SA + GF``."""
    arm = parse_arm(name)
    backbone = {"densenet121": "DenseNet-121", "resnet50": "ResNet-50", "mobilenetv2": "MobileNetV2"}[arm.backbone]
    if arm.modules == "probe":
        return f"linear probe on {backbone}"
    steps = {"base": "", "sa": " + SA", "sa-gf": " + SA + GF", "wagf": " + SA + GF + SaFA"}
    notes = ["as released"] if arm.reading == "released" else []
    if arm.fusion in ("saliency", "learned"):
        notes.append(f"{arm.fusion} fusion")
    if arm.branch in ("conv", "pool"):
        notes.append({"conv": "strided convolution", "pool": "pooling"}[arm.branch] + " for the wavelet")
    if arm.weights == "none":
        notes.append("random initialisation")
    if arm.learning_rate is not None:
        notes.append(f"learning rate {arm.learning_rate:g}")
    return backbone + steps[arm.modules] + (f" ({', '.join(notes)})" if notes else "")


def table1_row(backbone: str, modules: str) -> str:
    """The name of the row of the paper's Table 1 for these parts of an arm: modules stand on DenseNet-121 there."""
    backbones = {"mobilenetv2": "MobileNet-v2", "resnet50": "ResNet50", "densenet121": "DenseNet-121"}
    return {"base": backbones[backbone], "sa": "(i)", "sa-gf": "(ii)", "wagf": "(iii)"}[modules]


def table1_rows(arms: list[str]) -> list[tuple[str, str | None, str | None]]:
    """The rows of Table 1 with the arms that replicate them, then all other arms: (row, arm, the paper's row).

    The six rows come first in their group, under the paper's own names, in the described reading (arm None if it was not
    run). What differs in reading, backbone, initialisation or learning rate follows beside the same row of the paper and
    says so in its name. Arms that the paper has no row for come last. Where arms carry several initialisations or learning
    rates, the paper's names go to the one that most arms have.
    """
    parsed = [parse_arm(name) for name in sorted(arms, key=_place)]
    variants = [(arm.weights, arm.learning_rate) for arm in parsed if arm.modules != "probe"]
    # Ties go to the plain variant.
    usual = max(variants, key=lambda v: (variants.count(v), v == (None, None)), default=(None, None))
    six = [(backbone, "base") for backbone in ("mobilenetv2", "resnet50", "densenet121")]
    six += [("densenet121", modules) for modules in ("sa", "sa-gf", "wagf")]
    groups: dict[str, list] = {row: [(row, None, row)] for row in (table1_row(*parts) for parts in six)}
    others = []
    for arm in parsed:
        if arm.modules == "probe" or arm.fusion in ("saliency", "learned") or arm.branch in ("conv", "pool"):
            others.append((arm_label(arm.name), arm.name, None))
            continue
        row = table1_row(arm.backbone, arm.modules)
        notes = []
        if arm.modules != "base" and arm.backbone != "densenet121":
            notes.append(f"on {arm_label(f'{arm.backbone}-base')}")
        if arm.reading == "released":
            notes.append("as released")
        if (arm.weights, arm.learning_rate) != usual:
            notes.append("random initialisation" if arm.weights else "the profile's initialisation")
            if arm.learning_rate is not None:
                notes.append(f"learning rate {arm.learning_rate:g}")
        if notes:
            groups[row].append((f"{row}, {', '.join(notes)}", arm.name, row))
        else:
            groups[row][0] = (row, arm.name, row)
    return [entry for group in groups.values() for entry in group] + others


_STEPS = {
    ("sa", "base"): "soft attention",
    ("sa-gf", "sa"): "gradient-based fusion with the wavelet branch",
    ("wagf", "sa-gf"): "SaFA",
    ("wagf", "sa"): "fusion and SaFA together",
    ("sa-gf", "base"): "soft attention and fusion together",
    ("wagf", "base"): "all modules together",
}


def comparisons(arms: list[str]) -> list[tuple[str, str, str, str]]:
    """Pairs of arms that differ in one thing: (kind, what is compared, arm a, arm b), to be read as a minus b.

    Kinds: ``ladder`` (each module added, and all together), ``backbone``, ``reading`` (described minus released),
    ``fusion`` and ``branch`` (the control minus the paper's own), ``training`` (initialisation, learning rate) and
    ``probe`` (the trained network minus logistic regression).
    """
    parsed = {name: parse_arm(name) for name in sorted(arms, key=_place)}

    def pairs(differs: tuple[str, ...]):
        """Pairs (b, a), b first in the order of the arms, that agree in everything but these attributes."""
        keep = [k for k in ("backbone", "modules", "reading", "fusion", "branch", "weights", "learning_rate") if k not in differs]
        for i, b in enumerate(parsed.values()):
            for a in list(parsed.values())[i + 1 :]:
                if all(getattr(a, k) == getattr(b, k) for k in keep):
                    yield b, a

    found = []
    place = {name: k for k, name in enumerate(("base", "sa", "sa-gf", "wagf"))}
    ladders: dict[tuple, dict] = {}
    for arm in parsed.values():
        if arm.modules in place and arm.fusion in (None, "eq1", "released") and arm.branch in (None, "haar"):
            for reading in (arm.reading,) if arm.reading else ("described", "released"):
                key = (arm.backbone, reading, arm.weights, arm.learning_rate)
                ladders.setdefault(key, {})[arm.modules] = arm.name
    for (_, reading, _, _), steps_of in ladders.items():
        order = sorted(steps_of, key=place.get)
        steps = list(zip(order[1:], order))
        if len(order) > 2 and order[0] == "base":
            steps.append((order[-1], order[0]))
        for higher, lower in steps:
            what = _STEPS[higher, lower] + (" (as released)" if reading == "released" else "")
            found.append(("ladder", what, steps_of[higher], steps_of[lower]))
    rungs = {"base": "backbone", "sa": "(i)", "sa-gf": "(ii)", "wagf": "(iii)"}
    for b, a in pairs(("backbone",)):
        if a.modules == "base":
            names = [arm_label(f"{arm.backbone}-base") for arm in (a, b)]
            found.append(("backbone", f"{names[0]} against {names[1]}", a.name, b.name))
    for b, a in pairs(("reading", "fusion")):
        if (b.reading, a.reading) == ("described", "released") and b.fusion in (None, "eq1") and a.fusion in (None, "released"):
            found.append(("reading", f"described against released, {rungs[b.modules]}", b.name, a.name))
    for b, a in pairs(("fusion",)):
        found.append(("fusion", f"{a.fusion} fusion against {b.fusion}, {rungs[a.modules]}", a.name, b.name))
    for b, a in pairs(("branch",)):
        names = {"haar": "the Haar wavelet", "conv": "strided convolution", "pool": "pooling"}
        found.append(("branch", f"{names[a.branch]} against {names[b.branch]}, {rungs[a.modules]}", a.name, b.name))
    for b, a in pairs(("weights", "learning_rate")):
        if a.weights != b.weights and a.learning_rate == b.learning_rate:
            found.append(("training", "random against the profile's initialisation", a.name, b.name))
        elif a.weights == b.weights:
            rates = ["the profile's rate" if arm.learning_rate is None else f"rate {arm.learning_rate:g}" for arm in (a, b)]
            found.append(("training", f"{rates[0]} against {rates[1]}", a.name, b.name))
    for arm in parsed.values():
        probe = f"{arm.backbone}-probe"
        if arm.modules == "base" and (arm.weights, arm.learning_rate) == (None, None) and probe in parsed:
            found.append(("probe", "trained classifier against linear probe", arm.name, probe))
    said = [what for _, what, _, _ in found]
    return [
        (kind, f"{what} ({arm_label(a)})" if said.count(what) > 1 else what, a, b) for kind, what, a, b in found
    ]


# --- metrics -------------------------------------------------------------------------------------------------


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
    return float(abs(np.bincount(_bin(p, bins), weights=gap)).sum() / len(y))


def _bin(p, bins):
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


# --- intervals -----------------------------------------------------------------------------------------------


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the proportion k/n (statsmodels); n may be an effective, hence broken, number."""
    if not (n > 0 and 0 <= k <= n):
        raise UserError(f"an interval of {k} out of {n} makes no sense: 0 <= k <= n and n > 0 are needed")
    low, high = proportion.proportion_confint(k, n, alpha=1 - level, method="wilson")
    return float(max(low, 0)), float(min(high, 1))


def share_interval(hits: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Share of hits (seeds, images), booleans, all seeds on the same images: (mean, low, high).

    Wilson's interval at the effective number of images, p (1 - p) / variance, where the variance adds that of the images
    and that between seeds; never more than the images there are (as survey statistics do for clustered samples, Korn and
    Graubard 1998). No images give three NaN.
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
    y, probabilities = _together(runs, metric)
    if metric == "melanoma_sensitivity":
        metric = "recall_mel"
    if metric.startswith("recall_") and metric[7:] in CLASSES:
        c = CLASSES.index(metric[7:])
        return share_interval((probabilities.argmax(axis=2) == c)[:, y == c], level)
    estimate = _mean(y, probabilities, metric)
    if np.isnan(estimate):
        return (np.nan,) * 3
    values = _over_seeds(y, probabilities, metric, resamples, seed, _seed_draws(len(runs), resamples, seed))
    low, high = _percentiles(values, estimate, level)
    if low == high and metric in ("accuracy", "recall_weighted"):
        low, high = wilson(estimate * len(y), len(y), level)
    ceiling = {"log_loss": np.inf, "brier": 2}.get(metric, 1)
    return estimate, max(low, 0.0), min(high, ceiling)


def paired_difference(
    runs_a: list[Run], runs_b: list[Run], metric: str, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a metric in arm a minus arm b, with its interval: (difference, low, high).

    Both arms are resampled on the same test images, as in ``interval``; seeds are drawn as pairs where both arms have the
    same ones, else for each arm on its own.
    """
    y, a_and_b = _together(runs_a + runs_b, metric)
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
    y, probabilities = _together(runs, "accuracy")
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
    low, high = _percentiles((np.stack(values, axis=1) * _seed_draws(len(runs), resamples, seed)).sum(axis=1), estimate, level)
    if low == high:
        low, high = wilson(estimate * k, k, level)
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
        return (estimate, *wilson(np.round(estimate) * effective, effective, level))
    low, high = _percentiles(_image_draws(y, RESAMPLES, 0) @ (values * weights), estimate, level)
    return estimate, low, high


def _together(runs, metric):
    """y (n,) and the probabilities of each run, (runs, n, 7), in the order of the image ids."""
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    if not runs:
        raise UserError("an interval needs at least one run")
    ids, y, _ = _predictions(runs[0], read=_sorted)
    probabilities = []
    for run in runs:
        ids_here, y_here, p = _predictions(run, read=_sorted)
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
    return metrics(y, np.frombuffer(p_bytes).reshape(len(y), -1))


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
        return (draws @ values.astype(draws.dtype)).astype(float)  # mixed types would copy ``draws``, the largest array here

    if metric == "ece":
        gap = p.max(axis=1) - (p.argmax(axis=1) == y)
        in_bin = np.eye(ECE_BINS)[_bin(p, ECE_BINS)]
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


# --- paired tests --------------------------------------------------------------------------------------------


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
    y, probabilities = _together(runs, "accuracy")
    return probabilities.mean(axis=0).argmax(axis=1) == y


def verdict(paper: float, n_paper: int, ours: float, low: float, high: float) -> str:
    """Does our value agree with a printed one, as far as the sampling of test images allows to say? (percent)

    The paper's test images were drawn by an unpublished seed, hence are other images: both values carry noise, the
    printed one (an accuracy, or an average of nearly the same spread) at least Wilson's on its ``n_paper`` images. They
    agree if they differ by less than both margins together (root of the sum of squares).
    """
    if any(np.isnan(v) for v in (paper, ours, low, high)):
        return "not run" if not np.isnan(paper) else "not in the paper"
    paper_low, paper_high = (100 * limit for limit in wilson(paper / 100 * n_paper, n_paper))
    if ours >= paper:
        margin = np.hypot(ours - low, paper_high - paper)
    else:
        margin = np.hypot(high - ours, paper - paper_low)
    if abs(ours - paper) <= margin:
        return "agrees within noise"
    return "ours is higher" if ours > paper else "ours is lower"


# --- ways of splitting ---------------------------------------------------------------------------------------

# What the leakage experiment compares, as (split, subset of its test images): the first minus the second.
SPLIT_EFFECTS = {
    "leakage": (("image", "all"), ("lesion", "all")),
    "leakage, lesions photographed once": (("image", "single"), ("lesion", "single")),
    "leakage, lesions photographed more often": (("image", "multiple"), ("lesion", "multiple")),
    "population": (("paper", "all"), ("lesion", "all")),
    "paper against grouped, lesions photographed once": (("paper", "all"), ("lesion", "single")),
}
SPLIT_METRICS = ("accuracy", "balanced_accuracy", "melanoma_sensitivity")


def repeats_interval(values: np.ndarray, ratio: float = 0.0, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of one value per repeat of a random split, with Student's interval: (mean, low, high).

    With ``ratio`` 0 it is the interval of the mean over all splits *of this data set*, which repeats, drawn independently,
    sample. They share most images, so it says too little about other images: with ``ratio`` = test images over training
    images, the variance is enlarged from s2/J to s2 (1/J + ratio) as Nadeau & Bengio (Machine Learning 52:239, 2003)
    propose. Fewer than two repeats have NaN limits.
    """
    values = np.asarray(values, float)
    mean, n = float(values.mean()), len(values)
    if n < 2 or np.isnan(values).any():
        return mean, np.nan, np.nan
    margin = stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) * np.sqrt(1 / n + ratio)
    return mean, float(mean - margin), float(mean + margin)


def split_effects(splits: pd.DataFrame) -> pd.DataFrame:
    """The leakage experiment in numbers, from the columns of ``splits.csv`` (see ``split_experiment.run``).

    Returns:
        Columns classifier, kind, name, metric, value, ci_low, ci_high, wide_low, wide_high, sd, repeats; fractions. Kind
        ``level``: the value itself, name ``split/subset``, as far as SPLIT_EFFECTS needs it; kind ``difference``: an
        effect of SPLIT_EFFECTS, repeat by repeat. ci: over splits of this data set; wide: with Nadeau and Bengio's
        allowance for its being a sample; sd: of a single split. What the file does not hold has no row.

    Raises:
        UserError: a column is missing, or a row stands twice.
    """
    keys = ["classifier", "split", "subset", "repeat"]
    missing = [c for c in (*keys, "n_train", "n_test", *SPLIT_METRICS) if c not in splits]
    if missing or splits.duplicated(keys).any():
        what = f"no column {missing[0]}" if missing else "a row stands twice"
        raise UserError(f"splits.csv: {what}; run the linear probe again")
    # Every split tests the same share of what it draws from; the image-level one shows it.
    whole = splits[(splits["split"] == "image") & (splits["subset"] == "all")]
    ratio = float((whole["n_test"] / whole["n_train"]).mean())
    wide = splits.pivot(index=["classifier", "split", "subset"], columns="repeat", values=list(SPLIT_METRICS))
    rows = []

    def add(classifier, kind, name, metric, values):
        values = values.dropna().to_numpy()
        if len(values):
            near, far = repeats_interval(values), repeats_interval(values, ratio)
            sd = values.std(ddof=1) if len(values) > 1 else np.nan
            rows.append((classifier, kind, name, metric, *near, *far[1:], sd, len(values)))

    for classifier in dict.fromkeys(splits["classifier"]):
        for metric in SPLIT_METRICS:
            of = {place: line for place, line in wide[metric].loc[classifier].iterrows()}
            for place in dict.fromkeys(place for pair in SPLIT_EFFECTS.values() for place in pair):
                if place in of:
                    add(classifier, "level", "/".join(place), metric, of[place])
            for name, (first, second) in SPLIT_EFFECTS.items():
                if first in of and second in of:
                    add(classifier, "difference", name, metric, of[first] - of[second])
    columns = ["classifier", "kind", "name", "metric", "value", "ci_low", "ci_high", "wide_low", "wide_high", "sd", "repeats"]
    return pd.DataFrame(rows, columns=columns)


# --- features ------------------------------------------------------------------------------------------------


def separability(features: np.ndarray, y: np.ndarray, neighbours: int = 5) -> dict[str, tuple[float, float, float]]:
    """How well classes lie apart in features (n, d): each (value, low, high), intervals over images.

    ``silhouette``: mean silhouette over images, -1 to 1; ``silhouette_balanced``: mean of the class means;
    ``knn_accuracy`` and ``knn_balanced_accuracy``: leave-one-out, by the ``neighbours`` nearest. Distances are Euclidean on
    the features given; resampling draws images, not neighbourhoods.

    Raises:
        UserError: fewer than two classes, or not more images than neighbours.
    """
    if len(np.unique(y)) < 2 or len(y) <= neighbours:
        raise UserError(f"separability needs two classes and more than {neighbours} images, not {len(y)}")
    silhouette = sk.silhouette_samples(features, y)
    # predict(None) leaves each image out of its own neighbours.
    hits = (KNeighborsClassifier(neighbours).fit(features, y).predict(None) == y).astype(float)
    return {
        "silhouette": resampled_mean(silhouette, y),
        "silhouette_balanced": resampled_mean(silhouette, y, balanced=True),
        "knn_accuracy": resampled_mean(hits, y),
        "knn_balanced_accuracy": resampled_mean(hits, y, balanced=True),
    }
