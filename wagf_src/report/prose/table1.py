"""What the chapter on Table 1 says and shows, from its tables, which hold every condition."""

import numpy as np
import pandas as pd

from wagf_src.arms import BACKBONES, PAPER_BACKBONE, READINGS, arm_label, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.paper import published
from wagf_src.report.prose import conditions
from wagf_src.report.tables.accuracy import AVERAGED
from wagf_src.report.text import percent
from wagf_src.stats import paired, proportions
from wagf_src.stats.metrics import interval_columns

ROWS = {row.row: row for row in published.TABLE1}
DESCRIBED, RELEASED = READINGS
# A measured value beside the printed one; neither where a condition has other images than the paper.
MARKS = {
    "agrees within noise": "\N{NO-BREAK SPACE}≈",
    "ours is lower": "\N{NO-BREAK SPACE}↓",
    "ours is higher": "\N{NO-BREAK SPACE}↑",
}
PRINTED = {metric: printed for printed, metric in AVERAGED.items()}


def of_reading(table1: pd.DataFrame, reading: str) -> pd.DataFrame:
    """One arm a row of the paper and condition: plain backbones and this reading of the modules."""
    return table1[table1["main"].astype(bool) & table1["reading"].fillna("").isin(["", reading])]


def verdicts(rows: pd.DataFrame, metric: str = "accuracy") -> list[str]:
    """For each row: does our value agree with the printed one? Nothing is said of synthetic images."""
    values = 100 * rows[interval_columns(metric)].to_numpy(float)
    printed = rows[f"{PRINTED[metric]}_paper"].astype(float)
    judgements = [paired.verdict(paper, published.N_TEST, *ours) for paper, ours in zip(printed, values)]
    synthetic = rows["condition"].str.startswith("SYNTHETIC")
    return ["none: synthetic" if made_up else judgement for judgement, made_up in zip(judgements, synthetic)]


def answer(table1: pd.DataFrame) -> str:
    """Which rows were run on their own backbone, how many agree, what the leading condition reads, and margins."""
    if not len(table1):
        return "no runs yet."
    rows = of_reading(table1, DESCRIBED)
    first = conditions.leading(rows)
    values = "; ".join(f"{row} {value}%" for row, value in zip(first["row"], _texts(first, "accuracy")))
    backbones = {parse_arm(arm).backbone for arm in first["arm"]}
    other = "" if backbones == {PAPER_BACKBONE} else " (on the backbone named there)"
    text = f"in {conditions.called(first)}, {conditions.heads(first).iloc[0]}, the rows read{other}: {values}. "
    real = conditions.real(rows)
    exact = real[[_own_backbone(row, arm) for row, arm in zip(real["row"], real["arm"])]]
    agree = [
        f"{line.row} in `{line.profile}`{_start(table1, line)}"
        for line, word in zip(exact.itertuples(), verdicts(exact))
        if word == "agrees within noise"
    ]
    others = "" if "paper" in set(exact["profile"]) else ", none of them the paper's own"
    text += (
        f"Of the paper's {len(ROWS)} rows, {exact['row'].nunique()} were run on their own backbone as described, each "
        f"in one condition or more{others}; of these {len(exact)} values {len(agree)} "
        f"{'lies' if len(agree) == 1 else 'lie'} within noise of the printed accuracy"
        f"{f' ({listed})' if (listed := ', '.join(agree)) else ''}. "
    )
    low, high = proportions.wilson_percent(ROWS["DenseNet-121"].accuracy, published.N_TEST)
    ours = 50 * (first["accuracy_ci_high"] - first["accuracy_ci_low"]).median()
    return text + (
        f"A printed accuracy has a margin of about ±{(high - low) / 2:.1f} points from its {published.N_TEST:,} images "
        f"alone, ours there of about ±{ours:.1f}: resamples are drawn within each class, as the split was, which "
        "leaves out the luck of how many nevi a test set holds, and more images make them narrower."
    )


def _start(table1, line):
    """From which initial weights a row was trained, if from random ones, and what it reads there from others."""
    others = table1[(table1["row"] == line.row) & (table1["profile"] == line.profile) & ~table1["main"].astype(bool)]
    others = others[others["reading"].fillna("") == ""]
    start = ", from random weights" if "from random weights" in line.condition else ""
    return f"{start} (from others: {_texts(others, 'accuracy')[0]})" if len(others) else start


def _own_backbone(row, arm):
    return parse_arm(arm).modules == "base" or parse_arm(arm).backbone == PAPER_BACKBONE


def by_condition(table1: pd.DataFrame, metric: str = "accuracy", reading: str = DESCRIBED) -> pd.DataFrame:
    """The rows of the paper: its value, the stored notebook's and one column a condition, percent with intervals."""
    rows = of_reading(table1, reading)
    if reading == RELEASED:
        rows = rows[rows["reading"] == RELEASED]
    if not len(rows):
        return rows
    texts = _texts(rows, metric)
    if metric in PRINTED:
        # Behind the value, not behind its interval: a narrow column then has two lines, not three.
        texts = [text.replace(" ", MARKS.get(say, "") + " ", 1) for text, say in zip(texts, verdicts(rows, metric))]
    most = rows.groupby("profile")["n_seeds"].transform("max")
    seeds = [f" ({n} seed{'s' * (n > 1)})" if n < m else "" for n, m in zip(rows["n_seeds"], most)]
    shown = conditions.wide(rows.assign(text=[text + note for text, note in zip(texts, seeds)]), "row", "text")
    order = [row for row in ROWS if reading == DESCRIBED or row in set(shown["row"])]
    shown = shown.set_index("row").reindex(order).fillna("–")
    if metric == "accuracy":
        stored = {result.table1: result for result in published.RELEASED}
        shown.insert(0, "stored notebook", [_stored(stored.get(row), row) for row in shown.index])
    if metric in PRINTED:
        shown.insert(0, "paper", [f"{getattr(ROWS[row], PRINTED[metric]):.2f}" for row in shown.index])
    return shown.reset_index()


def _texts(rows, metric):
    return [percent(*line) for line in rows[interval_columns(metric)].to_numpy(float)]


def _stored(result, row):
    """A stored accuracy, with its model where that is not the row's."""
    if result is None:
        return "–"
    arms = (f"{PAPER_BACKBONE}-sa-{DESCRIBED}", *(f"{backbone}-base" for backbone in BACKBONES))
    models = {parse_arm(arm).paper_row: arm_label(arm) for arm in arms}
    return f"{result.accuracy:.2f}" + ("" if result.model == models[row] else f" ({result.model})")


def ladder(table1: pd.DataFrame) -> pd.DataFrame:
    """The paper's rows in every condition, as ``figures.accuracy_ladder`` takes them."""
    rows = of_reading(table1, DESCRIBED)
    rows = rows.sort_values("row", key=lambda names: names.map(list(ROWS).index), kind="stable")
    values = 100 * rows[interval_columns("accuracy")].set_axis(["value", "low", "high"], axis=1)
    about = {"label": rows["row"], "series": conditions.heads(rows), "paper": rows["accuracy_paper"]}
    return values.assign(**about, notebook=rows["stored"], profile=rows["profile"], condition=rows["condition"])


def recalls(per_class: pd.DataFrame, table1: pd.DataFrame) -> pd.DataFrame:
    """Recall of each class (columns) of the paper's rows in each condition, percent with its interval."""
    shown = table1[["profile", "row", "reading", "arm"]].merge(per_class, on=["profile", "arm"])
    values = shown[["recall", "ci_low", "ci_high"]].to_numpy(float) / 100
    released = shown["reading"].fillna("").eq(RELEASED)
    shown = shown.assign(
        text=[percent(*line, decimals=0) for line in values],
        row=shown["row"] + released.map({True: f", as {RELEASED}", False: ""}),
        model=shown["arm"].map(arm_label),
    )
    keys = ["profile", "row", "model"]
    wide = shown.drop_duplicates([*keys, "class"]).pivot(index=keys, columns="class", values="text")
    return wide.loc[list(shown[keys].drop_duplicates().itertuples(index=False, name=None)), CLASSES].reset_index()


def recall_points(per_class: pd.DataFrame, table1: pd.DataFrame) -> pd.DataFrame:
    """Recalls of the described rows, as ``figures.class_recall`` takes them."""
    rows = of_reading(table1, DESCRIBED)[["profile", "row", "arm"]].merge(per_class, on=["profile", "arm"])
    return rows.assign(label=rows["row"])


def averages_possible(possible: pd.DataFrame) -> str:
    """Which average can have given the printed rows."""
    candidates = possible.drop(columns=["row", "provenance"]).eq("possible")
    everywhere = candidates.columns[candidates.all()]
    counts = candidates.sum()
    all_rows = f"No candidate can have given all {len(possible)} rows."
    if len(everywhere):
        all_rows = f"Only {' and '.join(everywhere)} could have given all rows."
    return (
        f"{all_rows} Of {len(possible)} rows, weighted averages are possible in {counts['weighted']}, macro averages "
        f"in {counts['macro']}, and the released notebooks' own metrics in {counts.iloc[-1]}."
    )


def averages_measured(averages: pd.DataFrame) -> pd.DataFrame:
    """Our own predictions under every average, percent, and how often F1 exceeds what one report allows."""
    share = averages["above"].map("in {:.0f}% of orders".format)
    above = share.where(averages["average"] == "as released", np.where(averages["above"] > 0, "yes", "no"))
    shown = averages[["average", "precision", "recall", "f1"]].round(2)
    shown.insert(0, "model", averages["arm"].map(arm_label))
    return shown.assign(**{"F1 above (P + R)/2": above})


def averages_matter(averages: pd.DataFrame) -> str:
    """How far the choice of the average moves F1, beside the steps of Table 1."""
    spread = averages.groupby("arm")["f1"].agg(np.ptp).max()
    step = np.median(np.abs(np.diff([row.f1 for row in published.TABLE1])))
    more = "more" if spread > step else "not more"
    return (
        f"Which average is meant moves F1 by up to {spread:.1f} points on the same predictions, {more} than the median "
        f"step of Table 1 ({step:.1f} points)."
    )
