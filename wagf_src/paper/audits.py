"""The arithmetic that printed numbers must obey: GRIM, the bound on F1, sampling noise and power."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import power_proportions_2indep, proportions_ztest

from wagf_src.errors import UserError
from wagf_src.paper import published
from wagf_src.stats.paired import POWER
from wagf_src.stats.proportions import wilson_percent as wilson


def grim(value_percent: float, n: int, decimals: int = 2) -> tuple[int | None, int | None]:
    """Which whole number of hits out of ``n`` prints as this percentage (Brown and Heathers' GRIM test, 2017).

    Args:
        value_percent: as printed, 0-100, with at most ``decimals`` decimals.
        n: number of test images.
        decimals: decimals that are printed; -1 for tens, as of a fraction with one decimal.

    Returns:
        (k with 100 k/n rounded, k with 100 k/n truncated); None where there is no such k. A tie may be rounded either
        way. Where several k print alike, the nearest (rounded) and the smallest (truncated) are returned.

    Raises:
        UserError: for a value that is no percentage, has more decimals, or for n < 1.
    """
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise UserError(f"grim: n is {n!r}, but must be a whole number of test images, 1 or more")
    if not 0 <= value_percent <= 100:  # also false for NaN
        raise UserError(f"grim: value is {value_percent!r}, but must be a percentage between 0 and 100")
    # Exact arithmetic: 85.89 is not a binary fraction, and the question is about its last digit.
    unit = Fraction(10) ** -decimals
    value = round(Fraction(str(float(value_percent))) / unit) * unit
    if abs(float(value) - value_percent) > 1e-9:
        raise UserError(f"grim: value is {value_percent!r}: more than {decimals} decimals; give it as printed")
    exact = value * int(n) / 100
    rounded, truncated = round(exact), math.ceil(exact)
    return (
        rounded if abs(Fraction(100 * rounded, int(n)) - value) <= unit / 2 else None,
        truncated if Fraction(100 * truncated, int(n)) < value + unit else None,
    )


def grim_verdict(rounded: int | None, truncated: int | None) -> str:
    """What ``grim`` found, in words."""
    if rounded is not None:
        return "reachable"
    return "reachable only if truncated" if truncated is not None else "not reachable"


def share_reachable(n: int, decimals: int = 2) -> float:
    """Share of all percentages with so many decimals that some k/n rounds to: the chance of passing GRIM by luck."""
    units = round(100 * 10.0**decimals)
    return len(np.unique(np.floor(np.arange(n + 1) * units / n + 0.5))) / (units + 1)


def runs_averaged(values: list[float], n: int, up_to: int = 100) -> int | None:
    """Smallest number m of runs whose average accuracy (k/(m n)) can print as every one of these values."""
    return next((m for m in range(1, up_to + 1) if all(grim(v, m * n)[0] is not None for v in values)), None)


def other_size(values: list[float], up_to: int = published.N_IMAGES) -> int | None:
    """Smallest number of test images on which every one of these accuracies can be had by rounding."""
    return next((n for n in range(1, up_to + 1) if all(grim(v, n)[0] is not None for v in values)), None)


def batch_average_step(n: int = published.N_TEST, batch: int = published.BATCH_SIZE) -> float:
    """Grid (percentage points) on which an unweighted mean over batches lies, when the last batch may be short.

    With b batches, the last of r images, such a mean is a multiple of 1/(b lcm(batch, r)).
    """
    batches, rest = math.ceil(n / batch), n % batch or batch
    return 100 / (batches * math.lcm(min(batch, n), rest))


def f1_bound(precision: float, recall: float) -> float:
    """Largest F1 that goes with this precision and recall: their mean.

    F1 is the harmonic mean of precision and recall, hence no larger than the arithmetic mean; so for every class,
    for micro averages, and, because averaging keeps the inequality, for macro and support-weighted averages.
    """
    return (precision + recall) / 2


def marks(row: published.Row) -> str:
    """What arithmetic says about a printed row, in words."""
    notes = []
    if row.n_test and row.accuracy is not None:
        notes.append(f"accuracy {grim_verdict(*grim(row.accuracy, row.n_test))}")
    if None not in (row.precision, row.recall, row.f1) and row.f1 > f1_bound(row.precision, row.recall) + 0.01:
        notes.append("F1 above its bound")
    return "; ".join(notes) or ("n unknown" if row.n_test is None else "nothing found")


def majority_percent() -> float:
    """Accuracy (percent) of always answering the most frequent class of the paper's test images."""
    return 100 * max(published.TEST_SUPPORTS.values()) / published.N_TEST


def images_between(lower: float, higher: float, n: int = published.N_TEST) -> float:
    """How many test images more are right at the higher accuracy (both in percent); whole if both are k/n."""
    return (higher - lower) / 100 * n


def discordance(p: float, q: float, correlation: float | None) -> float:
    """Share of images on which exactly one of two classifiers is right.

    Args:
        p, q: their accuracies, 0-1.
        correlation: phi coefficient between being right, 0 for independent errors; None for the largest possible
            (the better one is right wherever the other is), which leaves |p - q|.

    Raises:
        UserError: if no two classifiers with these accuracies correlate so much.
    """
    if not (0 < p < 1 and 0 < q < 1):
        raise UserError(f"discordance: accuracies {p!r} and {q!r} must lie between 0 and 1, exclusive")
    least = abs(p - q)
    if correlation is None:
        return least
    share = p * (1 - q) + q * (1 - p) - 2 * correlation * math.sqrt(p * (1 - p) * q * (1 - q))
    if not least - 1e-12 <= share <= 1:
        raise UserError(f"discordance: accuracies {p!r} and {q!r} cannot have correlation {correlation!r}")
    return max(share, least)


def mcnemar_power(p: float, q: float, n: int, correlation: float | None, alpha: float = 0.05) -> float:
    """Power of the exact two-sided McNemar test to tell two classifiers apart on the same ``n`` images.

    Exact: the number of discordant images is binomial, and so is the better one's share of them. Two-sided at
    ``alpha``; ``p``, ``q`` and ``correlation`` as in ``discordance``.
    """
    share = discordance(p, q, correlation)
    if share == 0:
        return 0.0
    first, last = stats.binom.ppf([1e-15, 1 - 1e-15], n, share)  # most other numbers have no weight
    discordant = np.arange(first, last + 1)
    weight = stats.binom.pmf(discordant, n, share)
    keep = weight > 1e-12
    discordant, weight = discordant[keep], weight[keep]
    # Largest count c in the smaller cell that is still significant (-1: none is).
    critical = stats.binom.ppf(alpha / 2, discordant, 0.5)
    critical -= stats.binom.cdf(critical, discordant, 0.5) > alpha / 2
    better = (share + abs(p - q)) / (2 * share)
    lower, upper = critical, discordant - critical
    rejected = stats.binom.cdf(lower, discordant, better) + stats.binom.sf(upper - 1, discordant, better)
    return float(weight @ rejected)


def unpaired_power(p: float, q: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided score test for two accuracies measured on different sets of ``n`` images each."""
    return float(power_proportions_2indep(p - q, q, n, alpha=alpha, return_results=False))


def images_needed(p: float, q: float, correlation: float | str | None, power: float = POWER) -> float:
    """About how many test images (two digits) a test at 5% needs for this power; NaN if p is q, or beyond a million.

    Args:
        correlation: as in ``discordance``, or ``UNPAIRED`` for two accuracies on different images.
    """

    def reached(n):
        return (unpaired_power(p, q, n) if correlation == UNPAIRED else mcnemar_power(p, q, n, correlation)) >= power

    if p == q:
        return math.nan
    enough = 10
    while not reached(enough):
        enough *= 2
        if enough > 1e6:
            return math.nan
    low = enough // 2
    while enough - low > max(1, enough // 500):  # finer than the two digits that are given
        middle = (low + enough) // 2
        low, enough = (low, middle) if reached(middle) else (middle, enough)
    unit = 10 ** max(0, math.floor(math.log10(enough)) - 1)
    return float(round(enough / unit) * unit)


def grim_table(rows: list[published.Row] | None = None) -> pd.DataFrame:
    """``grim.csv``: one line per printed accuracy, of the rows that this book audits if none are given.

    Columns: place, row, model; accuracy (percent, printed); n (test images, empty if not stated); k_rounded and
    k_truncated (hits that print as the accuracy, empty if none do); nearest_below and nearest_above (percent, the
    neighbouring accuracies k/n); verdict.
    """
    lines = []
    for r in published.audited_rows() if rows is None else rows:
        if r.accuracy is None:
            continue
        line = {"place": r.place, "row": r.row, "model": r.model, "accuracy": r.accuracy, "n": r.n_test}
        if r.n_test is None:
            lines.append(line | {"verdict": published.SIZE_NOT_STATED})
            continue
        rounded, truncated = grim(r.accuracy, r.n_test, r.decimals[0])
        k = math.floor(r.accuracy * r.n_test / 100)
        lines.append(
            line
            | {"k_rounded": rounded, "k_truncated": truncated}
            | {"nearest_below": 100 * k / r.n_test, "nearest_above": 100 * (k + 1) / r.n_test}
            | {"verdict": grim_verdict(rounded, truncated)}
        )
    columns = ["place", "row", "model", "accuracy", "n", "k_rounded", "k_truncated", "nearest_below", "nearest_above"]
    frame = pd.DataFrame(lines, columns=[*columns, "verdict"])
    return frame.astype({"n": "Int64", "k_rounded": "Int64", "k_truncated": "Int64"})


def f1_bound_table(rows: list[published.Row] | None = None) -> pd.DataFrame:
    """``f1_bound.csv``: one line per printed F1, of the rows that this book audits if none are given.

    Columns: place, row, model; precision, recall, f1 (percent, printed); bound ((P + R)/2); excess (f1 - bound,
    percentage points); rounding (how much the rounding of the three numbers can add to the excess); violated.
    """
    lines = []
    for r in published.audited_rows() if rows is None else rows:
        if None in (r.precision, r.recall, r.f1):
            continue
        bound = f1_bound(r.precision, r.recall)
        # P, R and F1 are each off by half a unit of their last digit at most.
        precision_unit, recall_unit, f1_unit = (10.0**-d for d in r.decimals[1:])
        rounding = round((f1_unit + f1_bound(precision_unit, recall_unit)) / 2, 9)
        excess = round(r.f1 - bound, max(r.decimals[1:]) + 2)
        lines.append((r.place, r.row, r.model, r.precision, r.recall, r.f1, bound, excess, rounding, excess > rounding))
    columns = ["place", "row", "model", "precision", "recall", "f1", "bound", "excess", "rounding", "violated"]
    return pd.DataFrame(lines, columns=columns)


def f1_excess() -> dict[str, float]:
    """By how many points rows of Table 1 print an F1 above its bound, by more than rounding can add."""
    table = f1_bound_table()
    table = table[table["violated"] & table["row"].isin([row.row for row in published.TABLE1])]
    return dict(zip(table["row"], table["excess"]))


def interval_table(rows: list[published.Row] | None = None) -> pd.DataFrame:
    """Printed accuracies with a known test size: 95% Wilson interval, and the distance to the majority baseline.

    Columns: place, row, model, accuracy, n, ci_low, ci_high (percent), above_majority (percentage points, of this
    paper's test images), grim.
    """
    frame = grim_table(rows).dropna(subset="n").reset_index(drop=True)
    limits = [wilson(a, n) for a, n in zip(frame["accuracy"], frame["n"], strict=True)]
    return frame[["place", "row", "model", "accuracy", "n"]].assign(
        ci_low=[low for low, _ in limits],
        ci_high=[high for _, high in limits],
        above_majority=frame["accuracy"] - majority_percent(),
        grim=frame["verdict"],
    )


# Assumed where power is computed: two networks of one family, trained on the same images, err partly on the same
# ones. The two ends (independent errors; no image lost) are given beside it.
ASSUMED_CORRELATION = 0.5
LEVEL = 0.05
UNPAIRED = "unpaired"
# Whether a test sees the difference: on other images too, on the same images in the best case, on neither.
APART = ("yes", "only on the same images, at best", "no")


# (what is compared, lower, higher, images): steps of Table 1, and melanoma recalls of the released notebooks.
_MELANOMA = {s.model: 100 * s.melanoma_recall for s in published.RELEASED}


COMPARISONS = (
    *(
        (f"{a} to {b}", published.row(a).accuracy, published.row(b).accuracy, published.N_TEST)
        for a, b in [
            ("MobileNet-v2", "DenseNet-121"),
            ("ResNet50", "DenseNet-121"),
            ("DenseNet-121", "(i)"),
            ("(i)", "(ii)"),
            ("(ii)", "(iii)"),
            ("DenseNet-121", "(iii)"),
        ]
    ),
    *(
        (f"melanoma recall, {a} to {b}", _MELANOMA[a], _MELANOMA[b], published.TEST_SUPPORTS["mel"])
        for a in ["DenseNet-121 + CBAM"]
        for b in ["DenseNet-121 + SA", "ResNet-50", "MobileNetV2"]
    ),
)


def power_table(comparisons: tuple = COMPARISONS, correlation: float = ASSUMED_CORRELATION) -> pd.DataFrame:
    """Could a test on these images have told the two apart? Power at the printed values, 5% two-sided.

    Columns: comparison, lower, higher (percent), n, images (difference in images), power_unpaired (different images),
    power_independent, power_assumed (phi = ``correlation``), power_best (paired; see ``discordance``); p_unpaired and
    p_best, the p values of these numbers on other images, and of McNemar's test in the best case; told_apart (in
    words); needed_unpaired, needed_assumed and needed_best, test images for 80% power (two digits). NaN where errors
    cannot correlate so much.
    """
    lines = []
    for name, lower, higher, n in comparisons:
        p, q = higher / 100, lower / 100
        images, paired = images_between(lower, higher, n), {"independent": 0, "assumed": correlation, "best": None}
        line = {"comparison": name, "lower": lower, "higher": higher, "n": n, "images": images}
        line["power_unpaired"] = unpaired_power(p, q, n)
        line |= {f"power_{k}": _or_nan(mcnemar_power, p, q, n, phi) for k, phi in paired.items()}
        line["p_unpaired"] = proportions_ztest([higher * n / 100, lower * n / 100], [n, n])[1] if p > q else 1.0
        line["p_best"] = min(1.0, 0.5 ** (round(images) - 1))  # every image that tells them apart is the better one's
        line["told_apart"] = APART[2 if line["p_best"] >= LEVEL else int(line["p_unpaired"] >= LEVEL)]
        for k, phi in (("unpaired", UNPAIRED), ("assumed", correlation), ("best", None)):
            line[f"needed_{k}"] = _or_nan(images_needed, p, q, phi)
        lines.append(line)
    return pd.DataFrame(lines)


def every_pair(rows: list[published.Row]) -> tuple:
    """All pairs of rows with an accuracy on equally many images, the better first, as ``power_table`` takes them."""
    known = sorted((r for r in rows if None not in (r.accuracy, r.n_test)), key=lambda r: -r.accuracy)
    pairs = itertools.combinations(known, 2)
    return tuple((f"{a.row} - {b.row}", b.accuracy, a.accuracy, a.n_test) for a, b in pairs if a.n_test == b.n_test)


def _or_nan(compute, *arguments):
    try:
        return compute(*arguments)
    except UserError:  # no two classifiers correlate so, or one of them is always right
        return math.nan
