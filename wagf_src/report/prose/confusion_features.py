"""Sentences and tables of the chapter on the confusion matrix and the features, from its tables."""

import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.classes import CLASSES
from wagf_src.paper.directions import LEVEL
from wagf_src.report.prose.conditions import called, heads, leading
from wagf_src.report.text import p_value, percent, points
from wagf_src.runs import Run, provenance_line
from wagf_src.stats.projections import batch_size

BENIGN = ("nv", "bkl", "df", "vasc")  # a melanoma called one of these is sent home

MEASURES = {
    "silhouette": "silhouette",
    "silhouette_balanced": "silhouette, balanced",
    "knn_accuracy": "5 neighbours, accuracy (%)",
    "knn_balanced_accuracy": "5 neighbours, balanced accuracy (%)",
}


def answer(confusion: pd.DataFrame, arm: str, separability: pd.DataFrame) -> str:
    """Which classes are taken for which in the leading condition, and whether they lie apart in an arm's features."""
    shown = leading(confusion)
    counts = _counts(shown)
    worst = shown[shown["true"] != shown["predicted"]].set_index(["true", "predicted"])["images"]
    true, predicted = worst.idxmax()
    recall = {c: counts.loc[c, c] / counts.loc[c].sum() for c in CLASSES if counts.loc[c].sum()}
    low = ", ".join(c for c, r in recall.items() if r < 0.5)
    half = f"Fewer than half of the images are found in {low}" if low else "At least half are found in every class"
    text = f"in {called(shown)} ({heads(shown).iloc[0]}), the most frequent confusion of {_label(shown)} is "
    text += f"{true} taken for {predicted} ({worst.max():.0f} images).{_melanomas(counts)} {half}. "
    return text + apart(arm, separability)


def _melanomas(counts):
    total = counts.loc["mel"].sum()
    benign = counts.loc["mel", list(BENIGN)]

    def number(n):
        return f"{n:.1f}".removesuffix(".0")

    listed = ", ".join(f"{name} {number(n)}" for name, n in benign[benign > 0].items())
    return f" Of {total:.0f} melanomas, {number(benign.sum())} are called benign ({listed or 'none'})." if total else ""


def melanomas(confusion: pd.DataFrame) -> pd.DataFrame:
    """What becomes of the melanomas in every condition: percent found, called benign, and by class."""
    lines = []
    for _, cells in confusion.groupby("profile", sort=False):
        calls = _counts(cells).loc["mel"]
        if calls.sum():
            share = 100 * calls / calls.sum()
            line = {"condition": heads(cells).iloc[0], "model": _label(cells), "melanomas": f"{calls.sum():.0f}"}
            line |= {"found (%)": f"{share['mel']:.1f}", "called benign (%)": f"{share[list(BENIGN)].sum():.1f}"}
            lines.append(line | {f"as {c} (%)": f"{share[c]:.1f}" for c in CLASSES if c != "mel"})
    return pd.DataFrame(lines)


def arms(confusion: pd.DataFrame, run: Run) -> str:
    """What the page shows: the matrix of which model, and the features of which."""
    shown = leading(confusion)
    return (
        f"**Matrix:** {_label(shown)}, {heads(shown).iloc[0]}. **Features:** {arm_label(run.arm)}, "
        f"`{run.info['profile']}`: {provenance_line([run])}."
    )


def apart(arm: str, separability: pd.DataFrame) -> str:
    """How far the classes lie apart in the features of an arm."""
    silhouette = _measures(separability, arm).loc["silhouette_balanced", "value"]
    word = "well apart" if silhouette > 0.5 else "apart, with overlap" if silhouette > 0.2 else "largely overlapping"
    return (
        f"By the balanced silhouette of {silhouette:z.2f}, the classes are {word} in the features of {arm_label(arm)}, "
        "of the run whose features are shown (named below)."
    )


def measures(separability: pd.DataFrame) -> pd.DataFrame:
    """Silhouettes and neighbours' accuracies with intervals, one row an arm."""
    cells = [
        percent(*v) if measure.startswith("knn") else "{:z.2f} [{:z.2f}, {:z.2f}]".format(*v)
        for measure, *v in separability[["measure", "value", "ci_low", "ci_high"]].itertuples(index=False)
    ]
    wide = separability.assign(cell=cells).pivot(index="arm", columns="measure", values="cell")
    wide = wide.loc[separability["arm"].unique(), list(MEASURES)]
    return wide.rename(index=arm_label, columns=MEASURES).reset_index()


def neighbours(arm: str, separability: pd.DataFrame, lead: pd.DataFrame, parts: pd.DataFrame) -> str:
    """The neighbours' balanced accuracy, what it is ahead of the plain backbone, and what the plot leaves out."""
    own, against = _measures(separability, arm).loc["knn_balanced_accuracy"], ""
    for line in lead.itertuples():
        word = "not shown to differ from"
        if line.p < LEVEL:
            word = "above" if line.difference > 0 else "below"
        values = points(100 * line.difference, 100 * line.ci_low, 100 * line.ci_high)
        against = f" That is {word} its plain backbone's, image by image ({values} points, {p_value(line.p, 'p = ')})."
    return (
        f"The neighbours' balanced accuracy in the features of {arm_label(arm)} is "
        f"{percent(*own[['value', 'ci_low', 'ci_high']])}%.{against} Three components hold "
        f"{percent(parts['variance_share'].sum(), decimals=0)}% of the variance, so the plot shows part of it."
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


def fitting_per_batch(per_batch: pd.DataFrame, images: int) -> str:
    """Whether the procedure or the model decides what such a plot shows."""
    values = per_batch["value"]
    once, mixed, by_class = map(percent, values)
    decides = (values - values.iloc[0]).abs().max() > 0.05
    above = values.iloc[0] - 1 / len(CLASSES)
    lost = f"of the {percent(above)} points above chance" if above > 0 else "of nothing above chance"
    worst = f"the procedure takes {percent(values.iloc[0] - values.min())} {lost}."
    return (
        "With the same features, neighbours in the three-dimensional plot give a balanced accuracy of "
        f"{once}% when the projection is fitted once, {mixed}% when it is fitted per shuffled batch and {by_class}% "
        f"per batch in class order (batches of {batch_size(images)}): "
        + ("the procedure, not the model, decides what such a plot shows." if decides else worst)
    )


def _counts(confusion):
    return confusion.pivot(index="true", columns="predicted", values="images")


def _label(confusion):
    return arm_label(confusion["arm"].iloc[0])


def _measures(separability, arm):
    return separability[separability["arm"] == arm].set_index("measure")
