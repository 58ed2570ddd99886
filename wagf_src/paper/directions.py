"""The one rule for directions (book/plans.md): is one model better than another?"""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import comparisons, published
from wagf_src.runs import Run, by_arm, n_seeds
from wagf_src.stats import paired

LEVEL = 0.05  # of a corrected p, below which a direction counts as shown

# What profiles were planned to decide, all as described: the higher and the lower modules of the ladder's steps, and
# (ii) against (ii) with a strided convolution for the wavelet.
PLANNED_STEPS = {("sa", "base"), ("sa-gf", "sa"), ("wagf", "sa-gf"), ("sa-gf", "base"), ("wagf", "base")}
PLANNED_CONTROLS = {("sa-gf", "conv", "haar")}

DIFFERENCE = ["difference", "ci_low", "ci_high"]
PAPER = ["paper", "paper_low", "paper_high"]
COLUMNS = ["kind", "comparison", "arm_a", "arm_b", *DIFFERENCE, "p", "family", "p_holm", *PAPER]
COLUMNS += ["n_images", "n_seeds", "n_folds"]


def tested(runs_a: list[Run], runs_b: list[Run], metric: str = "accuracy") -> paired.Difference:
    """``paired.direction_test`` over the seeds that both arms have; over all where they share none.

    A probe is fitted without chance: its one run stands for every seed.
    """
    return paired.direction_test(*of_shared_seeds(runs_a, runs_b), metric)


def of_shared_seeds(runs_a: list[Run], runs_b: list[Run]) -> tuple[list[Run], list[Run]]:
    """The runs of two arms that are compared; see ``tested``."""
    shared = {run.seed for run in runs_a} & {run.seed for run in runs_b}
    if not shared or not all(parse_arm(runs[0].arm).is_network for runs in (runs_a, runs_b)):
        return runs_a, runs_b
    return tuple([run for run in runs if run.seed in shared] for runs in (runs_a, runs_b))


def points(difference: paired.Difference) -> dict[str, float]:
    """A difference in points by the names of ``DIFFERENCE``."""
    return dict(zip(DIFFERENCE, (100 * value for value in (difference.value, difference.low, difference.high))))


def compared(runs: list[Run]) -> pd.DataFrame:
    """Every pair of arms that differ in one thing, one row a pair, columns as COLUMNS.

    Differences in accuracy, and the paper's same step, are in points with 95% intervals. ``family`` is "planned" or
    "other"; the p of each are corrected together after Holm. ``n_seeds`` beside a probe
    are the network's.
    """
    arms, lines = by_arm(runs), []
    for kind, what, a, b in comparisons.comparisons(list(arms)):
        difference = tested(arms[a], arms[b])
        line = {"kind": kind, "comparison": what, "arm_a": a, "arm_b": b, "p": difference.p} | points(difference)
        line |= dict(zip(PAPER, published.gain(kind, a, b)))
        line["family"] = "planned" if planned(kind, a, b) else "other"
        line |= {name: getattr(difference, name) for name in ("n_images", "n_seeds", "n_folds")}
        if not (parse_arm(a).is_network and parse_arm(b).is_network):
            line["n_seeds"] = max(n_seeds(arms[arm]) for arm in (a, b))
        lines.append(line)
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame["p_holm"] = frame.groupby("family")["p"].transform(paired.holm) if len(frame) else frame["p"]
    return frame


def planned(kind: str, a: str, b: str) -> bool:
    """Whether arm a minus arm b is one of the directions that plans name."""
    upper, lower = parse_arm(a), parse_arm(b)
    if upper.reading != "described":
        return False
    if kind == "branch":
        return (upper.modules, upper.branch, lower.branch) in PLANNED_CONTROLS
    return kind == "ladder" and (upper.modules, lower.modules) in PLANNED_STEPS


def shown(line) -> bool:
    """Whether a row of ``compared`` shows a direction, be it up or down."""
    return bool(line["p_holm"] < LEVEL)


def below_printed(line) -> bool:
    """Whether a row's difference is not as large as printed: below it by more than both margins together."""
    gap = line["paper"] - line["difference"]
    return bool(gap > np.hypot(line["ci_high"] - line["difference"], line["paper"] - line["paper_low"]))
