"""Every condition at hand, side by side: the real runs of every profile, and a reader's own synthetic ones."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import comparisons, conditions, directions, plans, published, table2_measured, which30
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.accuracy import AVERAGED, with_intervals
from wagf_src.runs import by_arm, n_images, n_seeds, provenance_line
from wagf_src.stats.metrics import interval_columns

SHOWN = ("accuracy", "balanced_accuracy", "f1_macro", "melanoma_sensitivity", "auc_melanoma", "ece")
TABLE1 = tuple(dict.fromkeys([*AVERAGED.values(), "balanced_accuracy", "f1_macro", "melanoma_sensitivity"]))
METRICS = tuple(dict.fromkeys([*SHOWN, *TABLE1]))


def _frame(lines, columns, evidence):
    rests = "; ".join(f"{name}: {provenance_line(runs)}" for name, runs in conditions.at_hand(evidence).items())
    return pd.DataFrame(lines, columns=columns).assign(provenance=rests or "no runs")


def all_results(evidence: Evidence) -> pd.DataFrame:
    """One row an arm and profile: metrics (fractions) with 95% intervals, and costs (minutes of all its runs)."""
    lines = []
    for name, profile_runs in conditions.at_hand(evidence).items():
        about = {"profile": name, "condition": conditions.title(profile_runs)}
        for arm, runs in by_arm(profile_runs).items():
            infos = [run.info for run in runs]
            times = [info.get("predict_milliseconds_per_image") for info in infos]
            line = about | {"arm": arm, "n_seeds": n_seeds(runs), "n_images": n_images(runs)}
            line |= with_intervals(runs, METRICS)
            line["parameters"] = infos[0]["parameters"]["total"]
            line["minutes"] = sum(info["wall_seconds"] for info in infos) / 60
            line["predict_milliseconds"] = np.nan if None in times else np.mean(times)
            lines.append(line | {"rests_on": provenance_line(runs)})
    columns = ["profile", "condition", "arm", "n_seeds", "n_images", *interval_columns(*METRICS)]
    return _frame(lines, [*columns, "parameters", "minutes", "predict_milliseconds", "rests_on"], evidence)


def table1(evidence: Evidence) -> pd.DataFrame:
    """All that was trained for each row of Table 1, in every condition; ours are fractions, what is printed is percent.

    Left out are the two runs of the validation experiment (``paper.which30``), of which no level was to be compared,
    and the profiles that hold other works' own networks against each other.
    ``row`` is the paper's; ``reading`` is described or released, empty for a plain backbone; ``main`` marks the arm
    that stands for its row and reading in its condition, on the paper's own backbone where there is one.
    """
    lines = []
    for name, runs in conditions.at_hand(evidence).items():
        if name in (*which30.RULES, *table2_measured.PROFILES[1:]):
            continue
        taken = set()
        rows = [row for row in comparisons.table1_rows(list(by_arm(runs))) if row[1] and row[2]]
        for _, arm, paper_row in rows:
            place = paper_row, parse_arm(arm).reading or ""
            lines.append((*place, arm, name, place not in taken))
            taken.add(place)
    rows = pd.DataFrame(lines, columns=["row", "reading", "arm", "profile", "main"])
    rows = rows.merge(evidence.table("all_results").drop(columns="provenance"), on=["profile", "arm"])
    for printed in AVERAGED:
        rows[f"{printed}_paper"] = rows["row"].map({row.row: getattr(row, printed) for row in published.TABLE1})
    stored = {result.table1: result for result in published.RELEASED if result.table1}
    rows["stored"] = [stored[row].accuracy if row in stored else np.nan for row in rows["row"]]
    columns = ["row", "reading", "arm", "profile", "condition", "main", *(f"{name}_paper" for name in AVERAGED)]
    return _frame(rows, [*columns, "stored", *interval_columns(*TABLE1), "n_seeds", "n_images", "rests_on"], evidence)


def all_steps(evidence: Evidence) -> pd.DataFrame:
    """``paper.directions.compared`` in every condition, where both arms were trained alike.

    Not of the profiles for Table 2: their plan has a family of its own, and no comparison shall have two corrected p.
    """
    frames = [
        directions.compared(runs).assign(profile=name, condition=conditions.title(runs))
        for name, runs in conditions.at_hand(evidence).items()
        if name not in table2_measured.PROFILES
    ]
    columns, frames = ["profile", "condition", *directions.COLUMNS], [frame for frame in frames if len(frame)]
    steps = pd.concat(frames, ignore_index=True)[columns] if frames else None
    return _frame(steps, columns, evidence)


def expectations(evidence: Evidence) -> pd.DataFrame:
    """What the plans expected of each profile, and what came."""
    return _frame(plans.outcomes(evidence.conditions, evidence.table("all_steps")), plans.COLUMNS, evidence)
