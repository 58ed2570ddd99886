"""The methods of Table 2 on one test set: each against the base and against the full model (book/plans.md)."""

import pandas as pd

from wagf_src.arms import order_key, parse_arm
from wagf_src.paper import directions
from wagf_src.runs import Run, by_arm
from wagf_src.stats import paired

PROFILES = ("table2", "table2-small", "table2-gpu")
METRICS = ("accuracy", "balanced_accuracy")
BASE, FULL = "base", "(iii)"
COLUMNS = ["arm", "against", "metric", *directions.DIFFERENCE, "p", "p_holm", "n_seeds"]


def yardstick_arms(arms) -> dict[str, str]:
    """The arms that all others are held against, as far as they are there: the plain backbone and row (iii)."""
    yardsticks = {}
    for name in sorted(arms, key=order_key, reverse=True):
        arm = parse_arm(name)
        if not arm.follows and not arm.method and arm.weights is None and arm.modules in ("base", "wagf"):
            yardsticks[BASE if arm.modules == "base" else FULL] = name
    return yardsticks


def compared(runs: list[Run]) -> pd.DataFrame:
    """Every arm minus the base, and minus (iii), in accuracy and balanced accuracy: points, one row a difference.

    Those against one of the two are a family: their p are corrected together after Holm.
    """
    arms, lines = by_arm(runs), []
    for against, other in yardstick_arms(arms).items():
        for arm in sorted(set(arms) - {other}, key=order_key):
            for metric in METRICS:
                difference = directions.tested(arms[arm], arms[other], metric)
                line = {"arm": arm, "against": against, "metric": metric}
                line |= {"p": difference.p, "n_seeds": difference.n_seeds}
                lines.append(line | directions.points(difference))
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame["p_holm"] = frame.groupby("against")["p"].transform(paired.holm) if len(frame) else frame["p"]
    return frame
