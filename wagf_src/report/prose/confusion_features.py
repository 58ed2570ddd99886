"""Sentences and tables of the chapter on the confusion matrix and the features, from its tables."""

import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.report.figures.text import percent
from wagf_src.stats.projections import batch_size

MEASURES = {
    "silhouette": "silhouette",
    "silhouette_balanced": "silhouette, balanced",
    "knn_accuracy": "5 neighbours, accuracy (%)",
    "knn_balanced_accuracy": "5 neighbours, balanced accuracy (%)",
}


def answer(confusion: pd.DataFrame, separability: pd.DataFrame) -> str:
    """Which classes are taken for which, and whether they lie apart."""
    counts = _counts(confusion)
    worst = confusion[confusion["true"] != confusion["predicted"]].set_index(["true", "predicted"])["images"]
    true, predicted = worst.idxmax()
    melanomas = counts.loc["mel"].sum()
    missed = f" Of {melanomas:.0f} melanomas, {counts.loc['mel', 'nv']:.0f} are called nevi." if melanomas else ""
    recall = {c: counts.loc[c, c] / counts.loc[c].sum() for c in CLASSES if counts.loc[c].sum()}
    low = ", ".join(c for c, r in recall.items() if r < 0.5)
    half = f"Fewer than half of the images are found in: {low}" if low else "In every class at least half are found"
    return (
        f"the most frequent confusion is {true} taken for {predicted} ({worst.max():.0f} images).{missed} {half}. "
        f"{apart(confusion, separability)}"
    )


def arm(confusion: pd.DataFrame) -> str:
    """What the page shows, and what it rests on."""
    return f"**Arm:** {_label(confusion)}. **This page rests on:** {confusion['provenance'].iloc[0]}."


def apart(confusion: pd.DataFrame, separability: pd.DataFrame) -> str:
    """How far the classes lie apart in the features of the shown arm."""
    silhouette = _measures(separability, confusion["arm"].iloc[0]).loc["silhouette_balanced", "value"]
    word = "well apart" if silhouette > 0.5 else "apart, with overlap" if silhouette > 0.2 else "largely overlapping"
    features = f"the features of {_label(confusion)}"
    return f"By the balanced silhouette of {silhouette:.2f}, the classes are {word} in {features}."


def measures(separability: pd.DataFrame) -> pd.DataFrame:
    """Silhouettes and neighbours' accuracies with intervals, one row an arm."""
    cells = [
        percent(*v) if measure.startswith("knn") else "{:.2f} [{:.2f}, {:.2f}]".format(*v)
        for measure, *v in separability[["measure", "value", "ci_low", "ci_high"]].itertuples(index=False)
    ]
    wide = separability.assign(cell=cells).pivot(index="arm", columns="measure", values="cell")
    wide = wide.loc[separability["arm"].unique(), list(MEASURES)]
    return wide.rename(index=arm_label, columns=MEASURES).reset_index()


def neighbours(confusion: pd.DataFrame, separability: pd.DataFrame, components: pd.DataFrame) -> str:
    """The neighbours' balanced accuracy, that of the plain backbone, and what three components leave out."""
    shown = confusion["arm"].iloc[0]
    base = f"{parse_arm(shown).backbone}-base"
    own = _measures(separability, shown).loc["knn_balanced_accuracy"]
    against = ""
    if base != shown and base in set(separability["arm"]):
        other = _measures(separability, base).loc["knn_balanced_accuracy"]
        overlap = own["ci_low"] <= other["ci_high"] and other["ci_low"] <= own["ci_high"]
        against = (
            f" Its plain backbone reaches {percent(other['value'])}%; the two intervals "
            f"{'overlap' if overlap else 'do not overlap'}."
        )
    return (
        f"The neighbours' balanced accuracy in the features of {_label(confusion)} is "
        f"{percent(*own[['value', 'ci_low', 'ci_high']])}%.{against} Three components hold "
        f"{percent(components['variance_share'].sum(), decimals=0)}% of the variance, so the plot shows part of it."
    )


def batches(per_batch: pd.DataFrame) -> pd.DataFrame:
    """The three ways of fitting, for people."""
    intervals = [percent(*v) for v in per_batch[["value", "ci_low", "ci_high"]].to_numpy()]
    return pd.DataFrame(
        {
            "plot": per_batch["plot"],
            "5 neighbours in the plot, balanced accuracy (%)": intervals,
            "silhouette, balanced": per_batch["silhouette"].round(2),
        }
    )


def fitting_per_batch(per_batch: pd.DataFrame, confusion: pd.DataFrame) -> str:
    """Whether the procedure or the model decides what such a plot shows."""
    values = per_batch["value"]
    once, mixed, by_class = map(percent, values)
    decides = (values - values.iloc[0]).abs().max() > 0.05
    return (
        "With the same features, neighbours in the three-dimensional plot give a balanced accuracy of "
        f"{once}% when the projection is fitted once, {mixed}% when it is fitted per shuffled batch and {by_class}% "
        f"per batch in class order (batches of {batch_size(round(confusion['images'].sum()))}): "
        + (
            "the procedure, not the model, decides what such a plot shows."
            if decides
            else "here the procedure changes little."
        )
    )


def _counts(confusion):
    return confusion.pivot(index="true", columns="predicted", values="images")


def _label(confusion):
    return arm_label(confusion["arm"].iloc[0])


def _measures(separability, arm):
    return separability[separability["arm"] == arm].set_index("measure")
