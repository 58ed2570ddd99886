"""What was expected before the runs (book/plans.md, committed before them), and what came.

An expectation limits differences between models, or the recorded fusion weights. It *held* if the estimates
keep the limit; it is *certain* if the 95% intervals decide it too, by lying on one side of the limit.
The expectations about other splits are judged in the chapter on leakage, the aims of profile ``ours`` in its own.
"""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.paper import published
from wagf_src.runs import Run, by_arm
from wagf_src.stats import bootstrap

COLUMNS = ["profile", "expected", "measured", "held", "certain"]


# Step, and the two arms whose difference it is.
_LADDER = (
    ("soft attention", "mobilenetv2-sa-described", "mobilenetv2-base"),
    ("fusion", "mobilenetv2-sa-gf-described", "mobilenetv2-sa-described"),
    ("SaFA", "mobilenetv2-wagf-described", "mobilenetv2-sa-gf-described"),
)


# Points of accuracy by which the pretrained network was expected to lie above each that starts from random weights.
_ABOVE = {"reduced": 5, "released-random": 0}


# Points within which two arms were expected to agree: (what they are, arm a, arm b, points in each profile).
_ALIKE = (
    (
        "a strided convolution and the wavelet it replaces",
        "mobilenetv2-sa-gf-described-conv",
        "mobilenetv2-sa-gf-described",
        {"frozen": 1},
    ),
    (
        "pooling and the wavelet it replaces",
        "mobilenetv2-sa-gf-described-pool",
        "mobilenetv2-sa-gf-described",
        {"frozen": 2},
    ),
    (
        "the full model as described and as released",
        "mobilenetv2-wagf-described",
        "mobilenetv2-wagf-released",
        {"frozen": 1, "lite": 2},
    ),
)


def outcomes(profile: str, runs: list[Run]) -> pd.DataFrame:
    """One row for each expectation about ``profile`` that these runs can be held against; columns as COLUMNS.

    Differences are in points of accuracy, with 95% intervals over test images and seeds. Empty for profiles whose plan
    has no such expectation.
    """
    rows, arms = [], by_arm(runs)
    if profile in ("frozen", "lite"):
        steps = [(step, a, b, published.step("ladder", a, b)) for step, a, b in _LADDER if a in arms and b in arms]
        if steps:
            limits = ", ".join(f"{step[-1]:.2f}" for step in steps)
            pairs = [(step, a, b, -limit, limit) for step, a, b, limit in steps]
            rows.append(_judge(arms, f"no step moves accuracy by as much as the paper's ({limits} points)", pairs))
        for what, a, b, points in _ALIKE:
            if profile in points and a in arms and b in arms:
                limit = points[profile]
                text = f"{what} differ by less than {limit} point{'s' * (limit > 1)}"
                rows.append(_judge(arms, text, [("difference", a, b, -limit, limit)]))
        weights = [run.history()[["g_w", "g_sa"]].to_numpy(float) for run in runs if parse_arm(run.arm).fusion == "eq1"]
        if weights:
            off = max(np.abs(of_run - 0.5).max() for of_run in weights)
            text = f"furthest from one half in any epoch of {len(weights)} runs: {off:.1g}"
            rows.append(("Equation 1's weights stay within 0.00001 of one half", text, off <= 1e-5, True))
    others = [arm for arm in arms if arm.endswith("-random")]
    if profile in _ABOVE and others and "mobilenetv2-base" in arms:
        by = f"{_ABOVE[profile]} points or more above" if _ABOVE[profile] else "above"
        text = f"the pretrained MobileNetV2 lies {by} every row from random weights"
        pairs = [(arm_label(arm), "mobilenetv2-base", arm, _ABOVE[profile], np.inf) for arm in others]
        rows.append(_judge(arms, text, pairs))
    return pd.DataFrame([(profile, *row) for row in rows], columns=COLUMNS)


def _judge(arms, expected, pairs):
    """Whether every a - b lies between its limits; ``pairs``: (name, arm a, arm b, lower limit, upper limit) in
    points."""
    texts, held, decided = [], [], []
    for name, a, b, lower, upper in pairs:
        value, low, high = (100 * v for v in bootstrap.paired_difference(arms[a], arms[b], "accuracy"))
        texts.append(f"{name} {value:+.2f} [{low:+.2f}, {high:+.2f}]")
        held.append(lower < value < upper)
        decided.append(lower < low and high < upper if held[-1] else high <= lower or low >= upper)
    # All must keep their limits, one clear miss is enough to miss.
    certain = all(decided) if all(held) else any(d and not h for d, h in zip(decided, held))
    return expected, "; ".join(texts), all(held), certain
