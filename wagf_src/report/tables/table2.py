"""Table 2: the rows as printed with what their sources say, our rows, and yardsticks."""

import dataclasses

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.paper import audits, comparisons, conditions, published, table2_sources
from wagf_src.report.evidence import Evidence
from wagf_src.runs import by_arm, provenance_line, truth_and_probabilities

OURS = {"accuracy": ("accuracy", "ci"), "balanced_accuracy": ("balanced_accuracy", "balanced_ci")}
COLUMNS = ["group", "row", "model", "accuracy", "precision", "recall", "f1", "ci_low", "ci_high", "n_test", "audit"]
SOURCE = ["data", "split", "metric", "same_metric", "same_images", "source", "basis", "note"]
COLUMNS += [*SOURCE, "arm", "balanced_accuracy", "balanced_ci_low", "balanced_ci_high"]
COLUMNS += ["n_seeds", "profile", "condition"]


def table2(evidence: Evidence) -> pd.DataFrame:
    """All rows by ``group``: paper, left out, ours, probe, majority, ISIC-2018 Task 3; in percent, ours weighted."""
    lines = [_printed(row) for row in published.TABLE2]
    lines += [_printed(table2_sources.missing_row()) | {"group": "left out"}]
    lines += _ours(evidence) + _majority(evidence.runs)
    official = {"group": "ISIC-2018 Task 3", "n_test": published.OFFICIAL_TEST}
    official["data"] = "ISIC-2018 Task 3, official test set"
    for name, value in published.OFFICIAL.items():
        lines.append(official | {"row": name, "model": name, "balanced_accuracy": value})
    return pd.DataFrame(lines, columns=[*COLUMNS, "provenance"]).fillna({"provenance": evidence.provenance})


def _printed(row):
    low, high = audits.wilson(row.accuracy, row.n_test) if row.n_test else (np.nan, np.nan)
    metrics = dict(zip(("accuracy", "precision", "recall", "f1"), row.metrics))
    line = {"group": "paper", "row": row.row, "model": row.model, "ci_low": low, "ci_high": high, "n_test": row.n_test}
    source = dataclasses.asdict(table2_sources.sources()[row.row])
    return line | metrics | {"audit": audits.marks(row)} | {name: source[name] for name in SOURCE}


def _ours(evidence):
    results, lines = evidence.table("all_results").set_index(["profile", "arm"]), []
    for profile, runs in conditions.at_hand(evidence).items():
        for row, arm, _ in comparisons.table1_rows(list(by_arm(runs))):
            if arm is None:
                continue
            result = results.loc[(profile, arm)]
            line = {"group": "ours" if parse_arm(arm).is_network else "probe", "row": row, "model": arm_label(arm)}
            line |= {"profile": profile, "condition": result["condition"], "arm": arm, "n_test": result["n_images"]}
            line |= {"n_seeds": result["n_seeds"], "data": runs[0].info["data"]["name"]}
            line["provenance"] = provenance_line(runs)
            for metric, (name, ends) in OURS.items():
                values = (100 * result[f"{metric}{end}"] for end in ("", "_ci_low", "_ci_high"))
                line |= dict(zip((name, f"{ends}_low", f"{ends}_high"), values))
            for name in ("precision", "recall", "f1"):
                line[name] = 100 * result[f"{name}_weighted"]
            lines.append(line)
    return lines


def _majority(runs):
    """Always answering nevus: on these test images, and on the paper's."""
    lines = []
    if runs:
        counts = np.bincount(truth_and_probabilities(runs[0])[0], minlength=published.N_CLASSES)
        data, best = runs[0].info["data"]["name"], 100 * counts.max() / counts.sum()
        lines.append(("always nv", "these test images", best, 100 / (counts > 0).sum(), counts.sum(), data))
    paper = audits.majority_percent(), 100 / published.N_CLASSES, published.N_TEST, "HAM10000"
    lines.append(("always nv (paper)", "the paper's test images", *paper))
    names = ["row", "model", "accuracy", "balanced_accuracy", "n_test", "data"]
    lines = [dict(zip(names, line)) for line in lines]
    return [line | {"group": "majority", "model": f"always nv, {line['model']}"} for line in lines]
