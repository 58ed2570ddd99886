"""What the chapter on the ablation says and shows, from its tables."""

import pandas as pd

from wagf_src.arms import arm_label, order_key, parse_arm
from wagf_src.paper.directions import DIFFERENCE, LEVEL, PAPER
from wagf_src.report.figures.text import METRIC_TITLES, p_value, points

MAIN = ("ladder", "backbone", "reading")


def note(arms: pd.DataFrame) -> str:
    """A warning where every arm has one seed only."""
    seeds = [n for arm, n in zip(arms["arm"], arms["n_seeds"]) if parse_arm(arm).modules != "probe"]
    warning = "With one seed an arm, training noise is not in the intervals: a difference may be mere luck."
    return warning if min(seeds, default=0) == 1 else ""


def with_main(ablation: pd.DataFrame) -> pd.DataFrame:
    """The table with whether each comparison is a ``main`` one: of the ladder, of backbones or of readings.

    Where there is none, all comparisons are main ones.
    """
    main = ablation["kind"].isin(MAIN)
    return ablation.assign(main=main | ~main.any())


def answer(steps: pd.DataFrame, balanced: pd.DataFrame) -> str:
    """Which steps change accuracy, what stands against the plain backbone, and whether balanced accuracy differs.

    Args:
        steps: ``with_main``. balanced: the table ``ablation_balanced``.
    """
    if not len(steps):
        return "no two arms of this profile differ in one thing only, so there is nothing to compare."
    planned, ladder = steps["family"] == "planned", steps["kind"] == "ladder"
    judged, what = (steps[planned], "planned directions") if planned.any() else (steps, "comparisons")
    whole = steps[ladder & planned & steps["arm_b"].map(lambda arm: parse_arm(arm).modules == "base")]
    clear = balanced[(balanced["metric"] == "balanced_accuracy") & (balanced["p_holm"] < LEVEL)]
    others = steps[~planned]
    text = f"of {len(judged)} {what}, {_change(judged[judged['p_holm'] < LEVEL])}"
    if planned.any() and len(others):
        text += f"; of {len(others)} other comparisons, {_change(others[others['p_holm'] < LEVEL])}"
    if len(whole):
        listed = "; ".join(
            f"{_row(a)} {points(*line)}" for a, line in zip(whole["arm_a"], whole[DIFFERENCE].to_numpy())
        )
        more = whole.loc[(whole["p_holm"] < LEVEL) & (whole["difference"] > 0), "arm_a"].map(_row)
        text += f". Over the plain backbone: {listed}, of which {' and '.join(more) or 'none'} is shown to be better"
    text += f". Of {len(steps)} comparisons, {_change(clear, ' balanced accuracy')}. All after Holm's correction."
    if steps["provenance"].str.startswith("SYNTHETIC").any():
        text += " These are synthetic lesions: this says how the method works, not what the modules do."
    return text


def _row(arm):
    return parse_arm(arm).module.rung


def _change(frame, what=" accuracy"):
    parts = "; ".join(f"{name} {value:+.1f}" for name, value in zip(frame["comparison"], frame["difference"]))
    return f"{len(frame)} change{'s' * (len(frame) == 1)}{what}" + (f" ({parts})" if parts else "")


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
    """Comparisons for people: differences in points, p corrected within its family, and the paper's step."""
    sizes = steps["family"].map({"planned": "planned", "other": "others"})
    return pd.DataFrame(
        {
            "comparison": steps["comparison"],
            "a": steps["arm_a"].map(arm_label),
            "b": steps["arm_b"].map(arm_label),
            "a minus b [95% interval]": [points(*line) for line in steps[DIFFERENCE].to_numpy()],
            "p (Holm)": steps["p_holm"].map(p_value),
            "corrected with": sizes,
            "paper [its margin]": [points(*line) for line in steps[PAPER].to_numpy(float)],
            "seeds": steps["n_seeds"],
        }
    )


def mcnemar_table(steps: pd.DataFrame) -> pd.DataFrame:
    """McNemar's test on the mean probabilities of an arm's seeds, uncorrected."""
    return pd.DataFrame(
        {
            "comparison": steps["comparison"],
            "only a right": steps["mcnemar_b"],
            "only b right": steps["mcnemar_c"],
            "p": steps["mcnemar_p"].map(p_value),
        }
    )


def balanced_table(balanced: pd.DataFrame) -> pd.DataFrame:
    """The same pairs under other metrics (columns), in points; an asterisk where the corrected p is below LEVEL."""
    values = balanced[[*DIFFERENCE, "p_holm"]].to_numpy(float)
    texts = balanced.assign(
        text=[points(*line) + ("*" if p < LEVEL else "") for *line, p in values],
        a=balanced["arm_a"].map(arm_label),
        b=balanced["arm_b"].map(arm_label),
        metric=balanced["metric"].map(METRIC_TITLES),
    )
    keys = ["comparison", "a", "b"]
    wide = texts.pivot(index=keys, columns="metric", values="text")
    return wide.loc[
        texts[keys].drop_duplicates().itertuples(index=False, name=None), texts["metric"].unique()
    ].reset_index()
