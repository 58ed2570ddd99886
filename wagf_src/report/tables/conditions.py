"""Every real run of every profile, side by side."""

import numpy as np
import pandas as pd

from wagf_src.paper import comparisons, directions, plans, published
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.accuracy import with_intervals
from wagf_src.runs import by_arm, provenance_line

SHOWN = ("accuracy", "balanced_accuracy", "f1_macro", "melanoma_sensitivity", "auc_melanoma", "ece")


def _frame(evidence, lines, columns):
    rests = "; ".join(f"{name}: {provenance_line(runs)}" for name, runs in evidence.conditions.items())
    return pd.DataFrame(lines, columns=columns).assign(provenance=rests or "no real runs")


def all_results(evidence: Evidence) -> pd.DataFrame:
    """One row an arm and profile: metrics (fractions) with 95% intervals, and costs (minutes of all its seeds)."""
    lines = []
    for name, profile_runs in evidence.conditions.items():
        for arm, runs in by_arm(profile_runs).items():
            infos = [run.info for run in runs]
            times = [info.get("predict_milliseconds_per_image") for info in infos]
            line = {"profile": name, "arm": arm, "n_seeds": len(runs)} | with_intervals(runs, SHOWN)
            line["parameters"] = infos[0]["parameters"]["total"]
            line["minutes"] = sum(info["wall_seconds"] for info in infos) / 60
            line["predict_milliseconds"] = np.nan if None in times else np.mean(times)
            lines.append(line | {"rests_on": provenance_line(runs)})
    metrics = [column for m in SHOWN for column in (m, f"{m}_ci_low", f"{m}_ci_high")]
    costs = ["parameters", "minutes", "predict_milliseconds", "rests_on"]
    return _frame(evidence, lines, ["profile", "arm", "n_seeds", *metrics, *costs])


def all_table1(evidence: Evidence) -> pd.DataFrame:
    """All that was trained for each row of Table 1, in whatever profile; ``paper`` in percent, ours as fractions."""
    lines = [
        (paper_row, arm, name)
        for name, runs in evidence.conditions.items()
        for _, arm, paper_row in comparisons.table1_rows(list(by_arm(runs)))
        if arm and paper_row
    ]
    rows = pd.DataFrame(lines, columns=["row", "arm", "profile"])
    rows = rows.merge(evidence.table("all_results").drop(columns="provenance"), on=["profile", "arm"])
    printed = {row.row: row.accuracy for row in published.TABLE1}
    rows["paper"] = rows["row"].map(printed)
    rows = rows.sort_values("row", key=lambda names: names.map(list(printed).index), kind="stable")
    columns = ["row", "arm", "profile", "paper", "accuracy", "accuracy_ci_low", "accuracy_ci_high", "f1_macro"]
    return _frame(evidence, rows, [*columns, "n_seeds", "rests_on"])


def all_steps(evidence: Evidence) -> pd.DataFrame:
    """``paper.directions.compared`` in every condition, where both arms were trained alike."""
    frames = [directions.compared(runs).assign(profile=name) for name, runs in evidence.conditions.items()]
    columns = ["profile", *directions.COLUMNS]
    steps = pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns)
    return _frame(evidence, steps[~steps["kind"].isin(["training", "probe"])], columns)


def expectations(evidence: Evidence) -> pd.DataFrame:
    """What the plans expected of each profile, and what came."""
    return _frame(evidence, plans.outcomes(evidence.conditions, evidence.table("all_steps")), plans.COLUMNS)
