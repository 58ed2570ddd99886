"""What the chapter on the ablation says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label, order_key, parse_arm
from wagf_src.paper import comparisons, published
from wagf_src.report.figures.text import METRIC_TITLES, p_value, points
from wagf_src.report.tables.ablation import DIFFERENCE

MAIN = ("ladder", "backbone", "reading")


def note(arms: pd.DataFrame) -> str:
    """A warning where every arm has one seed only."""
    seeds = [n for arm, n in zip(arms["arm"], arms["n_seeds"]) if parse_arm(arm).modules != "probe"]
    warning = "With one seed an arm, training noise is not in the intervals: a difference may be mere luck."
    return warning if min(seeds, default=0) == 1 else ""


def with_kinds(ablation: pd.DataFrame) -> pd.DataFrame:
    """The table with the kind of each comparison, whether it is a ``main`` one, and the ``paper``'s same step (points).

    Where there is no step of the ladder, of backbones or readings, all comparisons are main ones.
    """
    arms = set(ablation["arm_a"]) | set(ablation["arm_b"])
    kinds = {(a, b): kind for kind, _, a, b in comparisons.comparisons(sorted(arms))}
    pairs = list(zip(ablation["arm_a"], ablation["arm_b"]))
    kind = pd.Series([kinds[pair] for pair in pairs], ablation.index, dtype=str)
    paper = [published.step(kinds[a, b], a, b) for a, b in pairs]
    return ablation.assign(kind=kind, paper=paper, main=kind.isin(MAIN) | ~kind.isin(MAIN).any())


def answer(steps: pd.DataFrame, balanced: pd.DataFrame) -> str:
    """How many steps change accuracy for sure, and how many comparisons change balanced accuracy.

    Args:
        steps: ``with_kinds``. balanced: the table ``ablation_balanced``.
    """
    if not len(steps):
        return "no two arms of this profile differ in one thing only, so there is nothing to compare."
    ladder = steps["kind"] == "ladder"
    judged, what = (steps[ladder], "steps of the ladder") if ladder.any() else (steps, "comparisons")
    sure = judged[_off_zero(judged) & (judged["p_holm"] < 0.05)]
    clear = balanced[(balanced["metric"] == "balanced_accuracy") & _off_zero(balanced)]
    text = (
        f"of {len(judged)} {what}, {_change(sure)} accuracy by interval and corrected test"
        f"{_listed(sure)}; of {len(steps)} comparisons, {_change(clear)} balanced accuracy by their interval"
        f"{_listed(clear)}, where by chance one in twenty would."
    )
    if steps["provenance"].str.startswith("SYNTHETIC").any():
        text += " These are synthetic lesions: this says how the method works, not what the modules do."
    return text


def _change(frame):
    return f"{len(frame)} change{'s' if len(frame) == 1 else ''}"


def _off_zero(frame):
    return (frame["ci_low"] > 0) | (frame["ci_high"] < 0)


def _listed(frame):
    parts = [f"{what} {value:+.1f}" for what, value in zip(frame["comparison"], frame["difference"])]
    return f" ({'; '.join(parts)})" if parts else ""


def sentences(steps: pd.DataFrame) -> str:
    """What each comparison says, as a list."""
    return "\n".join(f"- {sentence}" for sentence in steps["sentence"]) or "Nothing was compared."


def ladder(arms: pd.DataFrame, ablation: pd.DataFrame) -> pd.DataFrame:
    """The arms that are compared, as ``figures.accuracy_ladder`` takes them; all where none is."""
    compared = arms["arm"].isin([*ablation["arm_a"], *ablation["arm_b"]])
    shown = (arms[compared] if compared.any() else arms).sort_values("arm", key=lambda names: names.map(order_key))
    values = 100 * shown[["accuracy", "accuracy_ci_low", "accuracy_ci_high"]].set_axis(["value", "low", "high"], axis=1)
    return values.assign(label=shown["arm"].map(arm_label))


def differences(steps: pd.DataFrame) -> pd.DataFrame:
    """As ``figures.differences`` takes them."""
    names = {"comparison": "label", "ci_low": "low", "ci_high": "high", "p": "raw", "p_holm": "p"}
    return steps.rename(columns=names)


def table(steps: pd.DataFrame) -> pd.DataFrame:
    """Comparisons for people: differences in points, the paper's step, McNemar's test."""
    return pd.DataFrame(
        {
            "comparison": steps["comparison"],
            "a": steps["arm_a"].map(arm_label),
            "b": steps["arm_b"].map(arm_label),
            "a minus b [95% interval]": [points(*line) for line in steps[DIFFERENCE].to_numpy()],
            "paper": ["–" if np.isnan(step) else f"{step:+.2f}" for step in steps["paper"]],
            "only a right": steps["mcnemar_b"],
            "only b right": steps["mcnemar_c"],
            "p": steps["p"].map(p_value),
            "p (Holm)": steps["p_holm"].map(p_value),
        }
    )


def balanced_table(balanced: pd.DataFrame) -> pd.DataFrame:
    """The same pairs under other metrics (columns), in points."""
    texts = balanced.assign(
        text=[points(*line) for line in balanced[DIFFERENCE].to_numpy(float)],
        a=balanced["arm_a"].map(arm_label),
        b=balanced["arm_b"].map(arm_label),
        metric=balanced["metric"].map(METRIC_TITLES),
    )
    keys = ["comparison", "a", "b"]
    wide = texts.pivot(index=keys, columns="metric", values="text")
    return wide.loc[
        texts[keys].drop_duplicates().itertuples(index=False, name=None), texts["metric"].unique()
    ].reset_index()
