"""What Table 1 leaves out: arms with their averages, classes and costs."""

import numpy as np
import pandas as pd

from wagf_src.classes import CLASSES
from wagf_src.paper import audits, comparisons, conditions, published
from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, by_arm, n_seeds, provenance_line, tested
from wagf_src.stats import bootstrap, metrics

# The paper does not name its averages; ours are weighted by class size (recall is then the accuracy).
AVERAGED = {"accuracy": "accuracy", "precision": "precision_weighted", "recall": "recall_weighted", "f1": "f1_weighted"}
OVERVIEW = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "f1_macro",
    "f1_weighted",
    "melanoma_sensitivity",
    "auc_melanoma",
)
HALF = 0.005  # what rounding to two decimals hides, in points
FAR = 5  # points of F1 above the stored macro F1 at which a macro average is no longer plausible


def with_intervals(runs: list[Run], names) -> dict[str, float]:
    """Mean over seeds of each metric and its 95% interval, fractions: ``<metric>``, ``..._ci_low``, ``..._ci_high``."""
    values = (value for name in names for value in bootstrap.interval(runs, name))
    return dict(zip(metrics.interval_columns(*names), values))


def arms(evidence: Evidence) -> pd.DataFrame | None:
    """One row an arm, in the order of Table 1: metrics (fractions) with 95% intervals, and what a run costs (means)."""
    runs_by_arm = by_arm(evidence.runs)
    lines = []
    for row, arm, _ in comparisons.table1_rows(list(runs_by_arm)):
        if arm:
            runs = runs_by_arm[arm]
            infos = [run.info for run in runs]
            speeds = [info["train_images_per_second"]["compute"] or np.nan for info in infos]
            line = {"row": row, "arm": arm, "n_seeds": n_seeds(runs)} | with_intervals(runs, OVERVIEW)
            lines.append(line | infos[0]["parameters"])
            lines[-1] |= {
                "epochs": runs[0].history()["epoch"].max(),
                "epochs_kept": ", ".join(str(info["best_epoch"]) for info in infos),
                "minutes": np.mean([info["wall_seconds"] for info in infos]) / 60,
                "images_per_second": np.mean(speeds),
            }
    return pd.DataFrame(lines).assign(provenance=evidence.provenance) if lines else None


def per_class(evidence: Evidence) -> pd.DataFrame | None:
    """Recall of each class, arm and condition with its interval, precision and F1 (means over seeds), percent."""
    lines = []
    for profile, condition in conditions.at_hand(evidence).items():
        about = {"profile": profile, "condition": conditions.title(condition)}
        for arm, runs in by_arm(condition).items():
            reports = [metrics.per_class(*seed) for seed in tested(runs)]
            for c in CLASSES:
                recall = (100 * value for value in bootstrap.interval(runs, f"recall_{c}"))
                line = about | {"arm": arm, "class": c, "n_test": int(reports[0].loc[c, "n_test"])}
                line |= dict(zip(("recall", "ci_low", "ci_high"), recall))
                line |= {
                    score: 100 * np.mean([report.loc[c, score] for report in reports]) for score in ("precision", "f1")
                }
                lines.append(line | {"provenance": provenance_line(runs)})
    return pd.DataFrame(lines) if lines else None


def averages(evidence: Evidence) -> pd.DataFrame | None:
    """Precision, recall, F1 and ``above`` (``metrics.averages``) under every average, percent, means over seeds.

    Of the arms that replicate a row of Table 1 exactly, or of the first six arms where those are fewer than three.
    """
    arms = by_arm(evidence.runs)
    if not arms:
        return None
    rows = [(row, arm) for row, arm, _ in comparisons.table1_rows(list(arms)) if arm]
    exact = [arm for row, arm in rows if row in {r.row for r in published.TABLE1}]
    frames = []
    for arm in (exact if len(exact) > 2 else [arm for _, arm in rows])[:6]:
        per_seed = [metrics.averages(*seed).set_index("average") for seed in tested(arms[arm])]
        frames.append((100 * sum(per_seed) / len(per_seed)).reset_index().assign(arm=arm, n_seeds=len(per_seed)))
    columns = ["arm", "average", "precision", "recall", "f1", "above", "n_seeds"]
    return pd.concat(frames)[columns].assign(provenance=evidence.provenance)


def possible_averages(evidence: Evidence) -> pd.DataFrame:
    """Which average can have given each printed row of Table 1: ``possible``, ``implausible`` or ``cannot be``.

    Weighted recall equals accuracy; micro averages are all equal to accuracy; a report over all images keeps F1 at or
    below the mean of precision and recall; Keras' metrics at threshold 0.5 keep recall at or below accuracy and,
    since a softmax calls at most one class an image, at or below precision.
    """
    macro = {result.table1: 100 * result.macro_f1 for result in published.RELEASED if result.table1}
    lines = []
    for r in published.TABLE1:
        report = r.f1 <= audits.f1_bound(r.precision, r.recall) + 2 * HALF
        over_half = r.recall <= min(r.accuracy, r.precision) + 2 * HALF
        holds = {
            "weighted": report and abs(r.recall - r.accuracy) <= 2 * HALF,
            "micro": max(r.metrics) - min(r.metrics) <= 2 * HALF,
            "macro": report,
            "Keras at 0.5, F1 over all images": report and over_half,
            "Keras at 0.5, F1 averaged over batches": over_half,
        }
        line = {name: "possible" if possible else "cannot be" for name, possible in holds.items()}
        if report and r.f1 - macro.get(r.row, np.nan) > FAR:
            line["macro"] = "implausible"
        lines.append({"row": r.row} | line)
    return pd.DataFrame(lines).assign(provenance=published.PROVENANCE)
