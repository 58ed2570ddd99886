"""What was expected before the runs (book/plans.md, committed before them), and what came.

An expectation limits differences between models, a level, or the recorded fusion weights. It *held* if the estimates
keep the limit; it is *certain* if the 95% intervals decide it too, by lying on one side of the limit, or, where the
limit is zero, if the direction is shown (``paper.directions``).
The expectations about other splits are judged in the chapter on leakage, the aims of profile ``ours`` in its own.
"""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.paper import directions, published, table2_measured
from wagf_src.runs import Run, by_arm
from wagf_src.stats import bootstrap, paired

COLUMNS = ["profile", "expected", "measured", "held", "certain"]

_BASE = "mobilenetv2-base"
PROVEN = "Equation 1's weights stay"  # how an expectation begins that follows from a proof
_SA, _GF, _WAGF = (f"mobilenetv2-{modules}-described" for modules in ("sa", "sa-gf", "wagf"))
_CONV, _POOL, _RELEASED = f"{_GF}-conv", f"{_GF}-pool", "mobilenetv2-wagf-released"

# Step, and the two arms whose difference it is.
_LADDER = (("soft attention", _SA, _BASE), ("fusion", _GF, _SA), ("SaFA", _WAGF, _GF))
_FOLDS = ("frozen-folds", "lite-folds")
_LADDERS = ("frozen", "lite", *_FOLDS)

# Points of accuracy by which the pretrained network was expected to lie above each that starts from random weights.
_ABOVE = {"reduced": 5, "released-random": 0}

# Points within which two arms were expected to agree: (what they are, arm a, arm b, points in each profile).
_ALIKE = (
    ("a strided convolution and the wavelet it replaces", _CONV, _GF, {"frozen": 1, **dict.fromkeys(_FOLDS, 0.7)}),
    ("pooling and the wavelet it replaces", _POOL, _GF, {"frozen": 2}),
    ("the full model as described and as released", _WAGF, _RELEASED, {"frozen": 1, "lite": 2}),
    ("(iii) and (ii)", _WAGF, _GF, dict.fromkeys(_FOLDS, 1)),
)

# Points between which a difference was expected: (what it is, arm a, arm b, limits, profiles).
_BETWEEN = (
    ("(ii) minus base lies between -0.5 and 1.5 points", _GF, _BASE, (-0.5, 1.5), _FOLDS),
    ("(ii) minus (i) lies above 0", _GF, _SA, (0, np.inf), _FOLDS),
)

# The same with the metric, for the methods of Table 2: (what it is, pairs of arms, limits, metric). No pairs: all arms
# that were run against the plain one.
_PLAIN, _MWNL, _MAAW, _WEIGHTED = (f"{_BASE}{name}" for name in ("", "-mwnl", "-maaw", "-weighted"))
_METHODS = (
    ("no model lies above base in accuracy by one point or more", [], (-np.inf, 1), "accuracy"),
    (
        "MWNL, inverse-frequency weights and MAAW lie above base in balanced accuracy",
        [(_MWNL, _PLAIN), (_WEIGHTED, _PLAIN), (_MAAW, _PLAIN)],
        (0, np.inf),
        "balanced_accuracy",
    ),
    (
        "inverse-frequency weights and MWNL lie below base in accuracy",
        [(_WEIGHTED, _PLAIN), (_MWNL, _PLAIN)],
        (-np.inf, 0),
        "accuracy",
    ),
    ("(iii) minus base lies between -1.5 and 1.5 points", [(_WAGF, _PLAIN)], (-1.5, 1.5), "accuracy"),
    (
        "the modified RandAugment moves MWNL's balanced accuracy by less than three points",
        [(f"{_MWNL}-policy", _MWNL)],
        (-3, 3),
        "balanced_accuracy",
    ),
)

# Points by which all lesions were expected to score lower than the paper's test set: (profile, the other one, limits).
_HARDER = ("ours-folds", "ours", (2, 6))


def outcomes(conditions: dict[str, list[Run]], steps: pd.DataFrame) -> pd.DataFrame:
    """One row for each expectation that runs of these profiles can be held against; columns as COLUMNS.

    Differences are in points of accuracy, with 95% intervals over test images and seeds.

    Args:
        steps: ``directions.compared`` of each profile, with a column ``profile``.
    """
    rows = []
    for profile, runs in conditions.items():
        family = steps[(steps["profile"] == profile) & (steps["family"] == "planned")]
        shown = dict(zip(zip(family["arm_a"], family["arm_b"]), family["p_holm"]))
        rows += [(profile, *row) for row in _of_profile(profile, by_arm(runs), runs, shown)]
    name, other, limits = _HARDER
    if name in conditions and other in conditions:
        rows.append((name, *_harder(conditions[other], conditions[name], other, limits)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_profile(profile, arms, runs, shown):
    rows = []
    if profile in _LADDERS:
        steps = [(step, a, b, published.step("ladder", a, b)) for step, a, b in _LADDER if a in arms and b in arms]
        if steps:
            limits = ", ".join(f"{step[-1]:.2f}" for step in steps)
            pairs = [(step, a, b, -limit, limit) for step, a, b, limit in steps]
            text = f"no step moves accuracy by as much as the paper's ({limits} points)"
            rows.append(_judge(arms, text, pairs, shown))
    for what, a, b, limits, profiles in _BETWEEN:
        if profile in profiles and a in arms and b in arms:
            rows.append(_judge(arms, what, [("difference", a, b, *limits)], shown))
    for what, a, b, points in _ALIKE:
        if profile in points and a in arms and b in arms:
            limit = points[profile]
            text = f"{what} differ by less than {limit:g} point{'s' * (limit != 1)}"
            rows.append(_judge(arms, text, [("difference", a, b, -limit, limit)], shown))
    weights = [run.history()[["g_w", "g_sa"]].to_numpy(float) for run in runs if parse_arm(run.arm).fusion == "eq1"]
    if profile in _LADDERS and weights:
        off = max(np.abs(of_run - 0.5).max() for of_run in weights)
        text = f"furthest from one half in any epoch of {len(weights)} runs: {off:.1g}"
        rows.append((f"{PROVEN} within 0.00001 of one half", text, off <= 1e-5, True))
    if profile == table2_measured.PROFILES[0]:
        rows += _of_methods(arms, runs)
    others = [arm for arm in arms if arm.endswith("-random")]
    if profile in _ABOVE and others and _BASE in arms:
        by = f"{_ABOVE[profile]} points or more above" if _ABOVE[profile] else "above"
        text = f"the pretrained MobileNetV2 lies {by} every row from random weights"
        pairs = [(arm_label(arm), _BASE, arm, _ABOVE[profile], np.inf) for arm in others]
        rows.append(_judge(arms, text, pairs, shown))
    return rows


def _of_methods(arms, runs):
    """The expectations about the methods of Table 2 whose models were all run."""
    rows, compared = [], table2_measured.compared(runs)
    for what, named, limits, metric in _METHODS:
        pairs = named or [(arm, _PLAIN) for arm in arms if arm != _PLAIN]
        what = what if named else f"{what} ({len(pairs)} were run)"
        family = compared[(compared["against"] == table2_measured.BASE) & (compared["metric"] == metric)]
        shown = {(arm, _PLAIN): p for arm, p in zip(family["arm"], family["p_holm"])}
        if pairs and {arm for pair in pairs for arm in pair} <= set(arms):
            rows.append(_judge(arms, what, [(arm_label(a), a, b, *limits) for a, b in pairs], shown, metric))
    if _MWNL in arms:
        value, low, high = (100 * v for v in bootstrap.interval(arms[_MWNL], "balanced_accuracy"))
        limit = published.row("Yao et al.").accuracy
        text = f"MWNL's balanced accuracy lies below the {limit:.1f} that Table 2 prints as accuracy"
        held, certain = _within(value, low, high, -np.inf, limit)
        rows.append((text, f"{value:.2f} [{low:.2f}, {high:.2f}]", held, certain))
    return rows


def _judge(arms, expected, pairs, shown, metric="accuracy"):
    """Whether every a - b lies between its limits, in points.

    Args:
        pairs: (name, arm a, arm b, lower limit, upper limit).
        shown: corrected p of planned directions; others are corrected over ``pairs``.
    """
    differences = [directions.tested(arms[a], arms[b], metric) for _, a, b, _, _ in pairs]
    corrected = [shown.get(pair[1:3], p) for pair, p in zip(pairs, paired.holm([d.p for d in differences]))]
    texts, held, decided = [], [], []
    for (name, _, _, lower, upper), difference, p in zip(pairs, differences, corrected):
        value, low, high = directions.points(difference).values()
        texts.append(f"{name} {value:+.2f} [{low:+.2f}, {high:+.2f}]")
        inside, clear = _within(value, low, high, lower, upper)
        if 0 in (lower, upper):
            texts[-1] += f", p = {p:.3f}"
            clear = p < directions.LEVEL
        held.append(inside)
        decided.append(clear)
    # All must keep their limits, one clear miss is enough to miss.
    certain = all(decided) if all(held) else any(d and not h for d, h in zip(decided, held))
    return expected, "; ".join(texts), all(held), certain


def _harder(easy, hard, name, limits):
    """Accuracy on other images: both intervals, joined as the root of the sum of squares."""
    (a, a_low, a_high), (b, b_low, b_high) = (bootstrap.interval(runs, "accuracy") for runs in (easy, hard))
    value = 100 * (a - b)
    low, high = value - 100 * np.hypot(a - a_low, b_high - b), value + 100 * np.hypot(a_high - a, b - b_low)
    text = f"accuracy lies {limits[0]} to {limits[1]} points below that of profile {name}"
    return text, f"{value:+.2f} [{low:+.2f}, {high:+.2f}]", *_within(value, low, high, *limits)


def _within(value, low, high, lower, upper):
    """Whether a value keeps its limits, and whether its interval decides it."""
    held = lower < value < upper
    return held, (lower < low and high < upper if held else high <= lower or low >= upper)
