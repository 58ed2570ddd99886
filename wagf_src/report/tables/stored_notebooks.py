"""The authors' own runs, from what their notebooks store, beside ours."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES, MEL
from wagf_src.paper import audits, conditions, published, stored_notebooks, which30
from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, by_arm, provenance_line
from wagf_src.stats import bootstrap, metrics, proportions

PAIRS = (
    ("DenseNet-121 + SA", "DenseNet-121 + CBAM"),
    ("DenseNet-121 + SA", "ResNet-50"),
    ("DenseNet-121 + CBAM", "ResNet-50"),
    ("ResNet-50", "MobileNetV2"),
)


def _stamped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(provenance=stored_notebooks.PROVENANCE)


def stored_results(evidence: Evidence) -> pd.DataFrame:
    """One row a notebook, percent: what ``evaluate`` stored, and what its confusion matrix gives.

    Columns: model, code (what the cells build, where that is something else), row and printed (Table 1's accuracy);
    n, hits, accuracy, balanced_accuracy and melanoma_recall with ``_ci_low`` and ``_ci_high`` (Wilson; balanced: a
    bootstrap over images by class), f1_macro and f1_weighted; keras_precision, keras_recall and keras_f1 as stored,
    bound (of F1) and excess (over it).
    """
    lines, evaluated = [], stored_notebooks.evaluations().set_index("model")
    printed = {row.row: row.accuracy for row in published.TABLE1}
    for notebook in stored_notebooks.NOTEBOOKS:
        matrix = stored_notebooks.confusion()[notebook.model]
        y, p = stored_notebooks.predictions(matrix)
        hits, n = np.trace(matrix), matrix.sum()
        line = {"model": notebook.model, "code": notebook.code, "row": notebook.row}
        line |= {"printed": printed.get(notebook.row), "n": n, "hits": hits} | _share("accuracy", hits, n)
        balanced = metrics.METRICS["balanced_accuracy"]
        value = balanced.point(y, p)
        resamples = balanced.resampled(y, p, bootstrap.image_draws(y, bootstrap.RESAMPLES, 0))
        line |= _percents(
            "balanced_accuracy", value, *bootstrap.within(bootstrap.percentiles(resamples, value), balanced.range)
        )
        line |= _share("melanoma_recall", matrix[MEL, MEL], matrix[MEL].sum())
        line |= {name: 100 * metrics.METRICS[name].point(y, p) for name in ("f1_macro", "f1_weighted")}
        stored = 100 * evaluated.loc[notebook.model, ["precision", "recall", "f1"]].astype(float)
        line |= {f"keras_{name}": value for name, value in stored.items()}
        line["bound"] = audits.f1_bound(stored["precision"], stored["recall"])
        line["excess"] = stored["f1"] - line["bound"]
        lines.append(line)
    return _stamped(pd.DataFrame(lines))


def stored_confusion(evidence: Evidence) -> pd.DataFrame:
    """The six confusion matrices: model, true, predicted, images."""
    lines = [
        (model, CLASSES[true], CLASSES[predicted], images)
        for model, matrix in stored_notebooks.confusion().items()
        for (true, predicted), images in np.ndenumerate(matrix)
    ]
    return _stamped(pd.DataFrame(lines, columns=["model", "true", "predicted", "images"]))


def stored_recalls(evidence: Evidence) -> pd.DataFrame:
    """Recall by class, percent with 95% intervals: of each stored matrix, and of our runs of the same network.

    Columns: model, condition (``stored``, or of ours), class, n, recall, ci_low, ci_high.
    """
    matrices, lines = stored_notebooks.confusion(), []
    for notebook in stored_notebooks.NOTEBOOKS:
        matrix = matrices[notebook.model]
        about = {"model": notebook.model, "condition": "stored"}
        rests_on = {"provenance": stored_notebooks.PROVENANCE}
        for c, hits, n in zip(CLASSES, np.diag(matrix), matrix.sum(axis=1)):
            lines.append(about | {"class": c, "n": n} | _share("recall", hits, n) | rests_on)
        for name, runs in _ours(evidence, notebook.arm):
            about |= {"condition": name}
            rests_on = {"provenance": provenance_line(runs)}
            for c, n in zip(CLASSES, np.bincount(bootstrap.aligned(runs)[0], minlength=len(CLASSES))):
                recall = _percents("recall", *bootstrap.interval(runs, f"recall_{c}"))
                lines.append(about | {"class": c, "n": n} | recall | rests_on)
    return pd.DataFrame(lines)


def stored_pairs(evidence: Evidence) -> pd.DataFrame:
    """What two stored matrices say of a paired test, were they obtained on the same 1,103 images.

    Columns: model_a, model_b, images (right answers of a minus those of b), fewest and most (images that exactly one
    gets right), p_least and p_most (McNemar's exact p at either end).
    """
    matrices, lines = stored_notebooks.confusion(), []
    for a, b in PAIRS:
        difference, fewest, most = stored_notebooks.discordance(matrices[a], matrices[b])
        p = [stats.binomtest((n + difference) // 2, n).pvalue if n else 1.0 for n in (fewest, most)]
        lines.append((a, b, difference, fewest, most, *p))
    columns = ["model_a", "model_b", "images", "fewest", "most", "p_least", "p_most"]
    return _stamped(pd.DataFrame(lines, columns=columns))


def stored_logs(evidence: Evidence) -> pd.DataFrame:
    """Every epoch of the six stored trainings; ``kept`` is the one of the checkpoint (best ``val_f1_score``)."""
    logs = stored_notebooks.training_logs()
    best = logs.groupby("model")["val_f1_score"].idxmax()  # of equals the first
    return _stamped(logs.assign(kept=logs.index.isin(best)))


def stored_training(evidence: Evidence) -> pd.DataFrame:
    """One row a training: how far it got, and how much of the epoch kept is luck. Accuracies in percent.

    Columns: model, epochs, steps (an epoch), hours, kept (epoch), training and validation (accuracy there), last
    (validation accuracy of the last epoch); over the later half of the epochs: median, sd, lowest and highest
    validation accuracy, step (median change from one epoch to the next), luck (validation at the epoch kept minus that
    median).
    """
    lines = []
    for model, log in evidence.table("stored_logs").groupby("model", sort=False):
        kept, later = log[log["kept"]].iloc[0], log[log["epoch"] > len(log) // 2]["val_accuracy"]
        line = {"model": model, "epochs": len(log), "steps": log["steps"].iloc[0], "hours": log["seconds"].sum() / 3600}
        line |= {"kept": kept["epoch"], "training": 100 * kept["accuracy"], "validation": 100 * kept["val_accuracy"]}
        line |= {"last": 100 * log["val_accuracy"].iloc[-1], "median": 100 * later.median(), "sd": 100 * later.std()}
        line |= {"lowest": 100 * later.min(), "highest": 100 * later.max(), "step": 100 * later.diff().abs().median()}
        lines.append(line | {"luck": 100 * (kept["val_accuracy"] - later.median())})
    return _stamped(pd.DataFrame(lines))


def which_30(evidence: Evidence) -> pd.DataFrame:
    """Our two runs on the paper's files beside the stored logs (``paper.which30.compare``)."""
    runs = {name: evidence.conditions[name][0] for name in which30.RULES if name in evidence.conditions}
    rests_on = " | ".join([*(provenance_line([run]) for run in runs.values()), stored_notebooks.PROVENANCE])
    return which30.compare(stored_notebooks.training_logs(), runs).assign(provenance=rests_on)


def _ours(evidence: Evidence, arm: str | None) -> list[tuple[str, list[Run]]]:
    """Our runs of a network under every condition, whatever they start from, the nearest to the paper's first."""
    if arm is None:
        return []
    pairs = [
        (profile, of_arm)
        for profile, runs in evidence.conditions.items()
        for name, of_arm in by_arm(runs).items()
        if _network(name) == _network(arm)
    ]
    pairs.sort(key=lambda pair: conditions.nearness(pair[1]))
    return [(conditions.name(runs, profile, backbone=False), runs) for profile, runs in pairs]


def _network(arm):
    return dataclasses.replace(parse_arm(arm), name="", weights=None, learning_rate=None)


def _percents(name, value, low, high):
    return dict(zip(metrics.interval_columns(name), (100 * value, 100 * low, 100 * high)))


def _share(name, hits, n):
    return _percents(name, hits / n, *proportions.wilson(hits, n))
