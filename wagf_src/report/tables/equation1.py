"""Equation 1 and the wavelet branch: what random maps show, and what the runs recorded."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import conditions, equation1
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.cells import cells
from wagf_src.report.tables.keras_facts import keras_facts, random_features
from wagf_src.runs import by_arm, provenance_line

EXCHANGES = ("tape − closed form, relative", "new g_w − old g_sa, three sizes", "the same, entry by entry")


def _facts(evidence, name, *axes, column="value"):
    """An array of Equation 1 in ``keras_facts``, one line an entry: {name of an axis: its labels} and the entry."""
    array = evidence.once(keras_facts)["equation1"][name]
    index = pd.MultiIndex.from_product([labels for _, labels in axes], names=[axis for axis, _ in axes])
    frame = pd.DataFrame({column: array.ravel()}, index=index).reset_index()
    return frame.assign(provenance=random_features(evidence))


def exchanges(evidence: Evidence) -> pd.DataFrame:
    """How far the measured new weights are from the old ones exchanged, by row and loss (``equation1_facts``)."""
    array = evidence.once(keras_facts)["equation1"]["exchanges"]
    index = pd.MultiIndex.from_product([equation1.ROWS, equation1.LOSSES], names=["row", "loss"])
    frame = pd.DataFrame(array.reshape(-1, 3), index=index, columns=EXCHANGES).reset_index()
    return frame.assign(provenance=random_features(evidence))


def orbits(evidence: Evidence) -> pd.DataFrame:
    """The weight g_w over training steps: momentum, start, step, g_w and, by the formula, ``formula``."""
    momenta = (0.0, float(evidence.once(keras_facts)["equation1"]["momentum"]))
    axes = ("momentum", momenta), ("start", equation1.STARTS), ("step", range(equation1.STEPS + 1))
    frame = _facts(evidence, "orbits", *axes, column="g_w")
    formula = 0.5 + (2 * frame["momentum"] - 1) ** frame["step"] * (frame["start"] - 0.5)
    frame.insert(4, "formula", formula)
    return frame


def readings(evidence: Evidence) -> pd.DataFrame:
    """g_w of every fusion over a small training: fusion, case, step, g_w."""
    steps = evidence.once(keras_facts)["equation1"]["readings"].shape[-1]
    axes = ("fusion", equation1.READINGS), ("case", equation1.CASES), ("step", range(steps))
    return _facts(evidence, "readings", *axes, column="g_w")


def conversions(evidence: Evidence) -> pd.DataFrame:
    """Relative differences of outputs with converted weights, by map; last, of probabilities of row (iii)'s heads."""
    facts = evidence.once(keras_facts)["equation1"]
    frame = pd.DataFrame(facts["conversions"], columns=["Haar to convolution", "convolution to Haar"])
    frame.insert(0, "map", [f"{h} x {w}" for h, w in equation1.MAPS])
    frame.loc[len(frame)] = ["two heads of row (iii)", float(facts["whole"]), np.nan]
    return frame.assign(provenance=random_features(evidence))


def haar_kernel(evidence: Evidence) -> pd.DataFrame:
    """A 2 x 2 kernel as the sum of the four Haar patterns times their weights: panel, row, column, value."""
    facts = evidence.once(keras_facts)["equation1"]
    bands = zip(facts["weights"], facts["patterns"], ("cA", "cH", "cV", "cD"))
    grids = {f"{weight:+.3f} × {name}": weight * pattern for weight, pattern, name in bands}
    return cells(grids | {"= the 2 x 2 kernel": facts["kernel"]}, "panel").assign(provenance=random_features(evidence))


def control_branches(evidence: Evidence) -> pd.DataFrame:
    """The branches at the released size: branch, parameters, spread (standard deviation of the kernel at the start)."""
    frame = pd.DataFrame(evidence.once(keras_facts)["equation1"]["branches"], columns=["parameters", "spread"])
    frame.insert(0, "branch", equation1.BRANCHES)
    return frame.astype({"parameters": int}).assign(provenance=random_features(evidence))


def fusion_weights(evidence: Evidence) -> pd.DataFrame:
    """The weights that runs with a fusion layer recorded, in every condition.

    Columns: profile, condition, run, arm, seed, fusion, epoch, g_w, g_sa, kept.
    """
    parts = []
    for profile, condition in conditions.at_hand(evidence).items():
        about = {"profile": profile, "condition": conditions.title(condition)}
        for run in (run for runs in by_arm(condition).values() for run in runs if parse_arm(run.arm).fusion):
            about |= {"run": run.name, "arm": run.arm, "seed": run.seed, "fusion": parse_arm(run.arm).fusion}
            history = run.history()
            about |= {"kept": history["epoch"] == run.info["best_epoch"], "provenance": provenance_line([run])}
            parts.append(history.assign(**about))
    columns = ["profile", "condition", "run", "arm", "seed", "fusion", "epoch", "g_w", "g_sa", "kept", "provenance"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
