"""Which 30% of the augmented files validated in the notebooks whose logs are stored? (page Plans, which30)."""

import numpy as np
import pandas as pd

from wagf_src.runs import Run

NAMES, RANDOM = "which30-names", "which30-random"  # profiles
RULES = {NAMES: "by file name", RANDOM: "at random"}
VALIDATION = {NAMES: "names", RANDOM: "copies"}  # what the verdict makes of Profile.validation
APART = 0.10  # gaps of our two runs that are nearer to each other decide nothing

# Expected validation accuracy (page Plans): between these, and the training accuracy at which the random one holds.
EXPECTED = {NAMES: (0.45, 0.75), RANDOM: (0.90, 1.0)}
TRAINED, NEAR = 0.95, 0.05

OPEN, NOT_RUN = "open", "not run"


def compare(logs: pd.DataFrame, runs: dict[str, Run]) -> pd.DataFrame:
    """Training and validation accuracy of our two runs and of the stored logs, and which run each log fits.

    Args:
        logs: columns model, accuracy, val_accuracy; one row an epoch (``stored_notebooks.training_logs``).
        runs: the two runs by profile, as far as they are there.

    Returns:
        One row a run (its last epoch), then one a log (medians over its epochs whose training accuracy is at least
        that of ours): name, stored, epochs (counted), training, validation, gap (training minus validation: the median
        of the differences), low and high (quartiles of the differences), fits (a profile, or empty).
    """
    lines = []
    for profile, run in runs.items():
        last = run.history().iloc[-1]
        gap = last["accuracy"] - last["val_accuracy"]
        lines.append((profile, False, 1, last["accuracy"], last["val_accuracy"], gap, np.nan, np.nan, ""))
    ours = {line[0]: line[5] for line in lines}
    reached = max((line[3] for line in lines), default=TRAINED)
    for model, log in logs.groupby("model", sort=False):
        log = log[log["accuracy"] >= reached]
        gaps = log["accuracy"] - log["val_accuracy"]
        both = len(ours) == 2 and len(log)
        nearest = min(ours, key=lambda profile: abs(ours[profile] - gaps.median())) if both else ""
        medians = log["accuracy"].median(), log["val_accuracy"].median(), gaps.median()
        lines.append((model, True, len(log), *medians, gaps.quantile(0.25), gaps.quantile(0.75), nearest))
    columns = ["name", "stored", "epochs", "training", "validation", "gap", "low", "high", "fits"]
    return pd.DataFrame(lines, columns=columns)


def verdict(compared: pd.DataFrame) -> str:
    """``which30-names``, ``which30-random``, ``open`` or ``not run``, by the rule of page Plans."""
    ours = compared[~compared["stored"]].set_index("name")["gap"]
    if not {NAMES, RANDOM} <= set(ours.index):
        return NOT_RUN
    fits = compared.loc[compared["stored"], "fits"].fillna("").unique()
    return fits[0] if len(fits) == 1 and fits[0] and abs(ours[NAMES] - ours[RANDOM]) >= APART else OPEN


def as_expected(compared: pd.DataFrame) -> dict[str, bool]:
    """Whether each of our runs validates as page Plans expected it to, by profile."""
    held = {}
    for line in compared[~compared["stored"]].itertuples():
        low, high = EXPECTED[line.name]
        inside = low < line.validation < high
        # Two epochs may not train far enough for the level; then the gap is judged.
        held[line.name] = inside if line.name == NAMES or line.training > TRAINED else line.gap <= NEAR
    return held
