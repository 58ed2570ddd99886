"""What the chapter on the ablation says and shows, from its tables, which hold every condition."""

import pandas as pd

from wagf_src.arms import arm_label, order_key, parse_arm
from wagf_src.paper.directions import DIFFERENCE, LEVEL, PAPER
from wagf_src.report.prose import conditions
from wagf_src.report.text import p_value, percents, points
from wagf_src.stats.paired import POWER

MAIN = ("ladder", "backbone", "reading")


def with_main(ablation: pd.DataFrame) -> pd.DataFrame:
    """The table, what was planned first, with whether a row is a ``main`` one: planned, or of a ladder or such."""
    planned = ablation["family"] == "planned"
    rows = ablation.assign(main=ablation["kind"].isin(MAIN) | planned)
    return pd.concat([rows[planned], rows[~planned]])


def answer(steps: pd.DataFrame, balanced: pd.DataFrame) -> str:
    """In each condition: which steps change accuracy, and what stands against the plain backbone.

    Args:
        steps: the table ``ablation``. balanced: ``ablation_balanced``.
    """
    if not len(steps):
        return "no two arms of one condition differ in one thing only, so there is nothing to compare."
    parts = [_of_condition(profile, rows) for profile, rows in steps.groupby("profile", sort=False)]
    clear = balanced[(balanced["metric"] == "balanced_accuracy") & (balanced["p_holm"] < LEVEL)]
    names = [
        f"{name} {value:+.1f}, `{p}`" for name, value, p in clear[["comparison", "difference", "profile"]].to_numpy()
    ]
    text = "by condition, after Holm's correction:\n\n" + "\n".join(f"- {part}" for part in parts)
    listed = f": {'; '.join(names)}" if names else ""
    change = f"{len(clear)} change{'s' * (len(clear) == 1)} balanced accuracy{listed}."
    return f"{text}\n\nOf all {len(steps)} comparisons, {change}"


def _of_condition(profile, steps):
    planned = steps["family"] == "planned"
    to_base = steps["arm_b"].map(lambda arm: parse_arm(arm).modules == "base")
    whole = steps[planned & (steps["kind"] == "ladder") & to_base]
    counted = [
        f"of {len(rows)} {what}{'s' * (len(rows) != 1)}, {_change(rows[rows['p_holm'] < LEVEL])}"
        for rows, what in ((steps[planned], "planned direction"), (steps[~planned], "other comparison"))
        if len(rows)
    ]
    text = f"{steps['condition'].iloc[0]} (`{profile}`): {'; '.join(counted)}."
    if len(whole):
        listed = "; ".join(f"{_row(line['arm_a'])} {points(*line[DIFFERENCE])}" for _, line in whole.iterrows())
        more = whole.loc[(whole["p_holm"] < LEVEL) & (whole["difference"] > 0), "arm_a"].map(_row)
        text += f" Over the plain backbone: {listed}; shown to be better: {' and '.join(more) or 'none'}."
    least, most = (f"{value:.1f}" for value in steps.loc[planned, "detectable"].agg(["min", "max"]))
    if "nan" not in (least, most):
        step = least if least == most else f"{least} to {most}"
        text += f" At the noise measured, a planned step of {step} points is shown with a power of "
        text += f"{100 * POWER:.0f}% (uncorrected)."
    if steps["condition"].iloc[0].startswith("SYNTHETIC"):
        text += " These are synthetic lesions: this says how the method works, not what the modules do."
    return text


def _row(arm):
    return parse_arm(arm).module.rung


def _change(frame):
    parts = "; ".join(f"{name} {value:+.1f}" for name, value in zip(frame["comparison"], frame["difference"]))
    return f"{len(frame)} change{'s' * (len(frame) == 1)} accuracy" + (f" ({parts})" if parts else "")


def sentences(steps: pd.DataFrame) -> str:
    """What each comparison says, as a list for each condition."""
    parts = [
        f"*{profile}*\n\n" + "\n".join(f"- {sentence}" for sentence in rows["sentence"])
        for profile, rows in steps.groupby("profile", sort=False)
    ]
    return "\n\n".join(parts) or "Nothing was compared."


def differences(steps: pd.DataFrame) -> pd.DataFrame:
    """As ``figures.differences`` takes them: one colour a condition."""
    names = {"comparison": "label", "ci_low": "low", "ci_high": "high", "p": "raw", "p_holm": "p"}
    return steps.rename(columns=names).assign(series=conditions.heads(steps))


def table(steps: pd.DataFrame) -> pd.DataFrame:
    """Comparisons (rows) in each condition (columns): points with interval, corrected p; and the paper's own step."""
    if not len(steps):
        return steps
    values = steps[[*DIFFERENCE, "p_holm"]].to_numpy(float)
    texts = [f"{points(*line)}, {p_value(p, 'p = ')}{'*' if p < LEVEL else ''}" for *line, p in values]
    shown = conditions.wide(steps.assign(text=texts), "comparison", "text")
    paper = steps.groupby("comparison")[PAPER].first().loc[shown["comparison"]].to_numpy(float)
    shown.insert(1, "paper [its margin]", [points(*line) for line in paper])
    return shown


def mcnemar_table(steps: pd.DataFrame) -> pd.DataFrame:
    """McNemar's test on the mean probabilities of an arm's seeds, uncorrected: images only one arm gets right."""
    lines = steps[["mcnemar_b", "mcnemar_c", "mcnemar_p"]].itertuples(index=False)
    texts = [f"{b} against {c}, {p_value(p, 'p = ')}" for b, c, p in lines]
    return conditions.wide(steps.assign(text=texts), "comparison", "text") if len(steps) else steps


def balanced_table(balanced: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same pairs under another metric, in points; an asterisk where the corrected p is below LEVEL."""
    rows = balanced[balanced["metric"] == metric]
    values = rows[[*DIFFERENCE, "p_holm"]].to_numpy(float)
    texts = [points(*line) + ("*" if p < LEVEL else "") for *line, p in values]
    return conditions.wide(rows.assign(text=texts), "comparison", "text") if len(rows) else rows


def accuracies(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every model (rows) in each condition (columns), percent with interval, in the order of Table 1."""
    ordered = results.sort_values("arm", key=lambda arms: arms.map(order_key), kind="stable")
    ordered = ordered.assign(model=ordered["arm"].map(arm_label), text=percents(ordered, ["accuracy"])["accuracy"])
    columns = ["model", *dict.fromkeys(conditions.columns(results))]
    return conditions.wide(ordered, "model", "text")[columns] if len(ordered) else ordered
