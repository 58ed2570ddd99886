"""What the chapter on Table 1 says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.paper import published
from wagf_src.report.figures.text import percent, percents
from wagf_src.stats import paired

TABLE1_ROWS = [row.row for row in published.TABLE1]


def _synthetic(table):
    return table["provenance"].str.startswith("SYNTHETIC").any()


def verdicts(table1: pd.DataFrame, name: str = "accuracy") -> list[str]:
    """For each row: does our value agree with the printed one? None is given on synthetic images."""
    columns = [f"{name}_{part}" for part in ("ours", "ci_low", "ci_high")]
    values = table1[[f"{name}_paper", *columns]].to_numpy(float)
    words = [paired.verdict(paper, published.N_TEST, *ours) for paper, *ours in values]
    missing = "not run", "not in the paper"
    return [word if word in missing or not _synthetic(table1) else "none: synthetic" for word in words]


def answer(table1: pd.DataFrame, per_class: pd.DataFrame) -> str:
    """How many of the six rows were run, how many agree, and how wide a row's margin is."""
    run = table1[table1["accuracy_ours"].notna()]
    exact = run[run["row"].isin(TABLE1_ROWS)]
    n = per_class.loc[per_class["arm"] == per_class["arm"].iloc[0], "n_test"].sum()
    width = (run["accuracy_ci_high"] - run["accuracy_ci_low"]).median() / 2
    margin = f"A single row has a margin of about ±{width:.1f} points with {n:,} test images."
    if _synthetic(table1):
        beside = run["accuracy_paper"].notna().sum()
        return (
            "these are synthetic lesions, so nothing is said about the paper; arms that went the way that real images "
            f"go: {beside}. {margin}"
        )
    agree = verdicts(exact).count("agrees within noise")
    return (
        f"of the paper's {len(TABLE1_ROWS)} rows, {len(exact)} {'was' if len(exact) == 1 else 'were'} run in the "
        f"described reading on their own backbone ({', '.join(exact['row']) or 'none'}), of which {agree} "
        f"agree{'s' if agree == 1 else ''} with the printed accuracy within noise. {margin}"
    )


def side_by_side(table1: pd.DataFrame, name: str) -> pd.DataFrame:
    """One metric of every row: paper, released notebook, ours, difference, verdict."""
    frame = pd.DataFrame({"row": table1["row"], "paper": table1[f"{name}_paper"]})
    if table1[f"{name}_released_notebook"].notna().any():
        frame["released notebook"] = table1[f"{name}_released_notebook"]
    ours = table1[[f"{name}_{part}" for part in ("ours", "ci_low", "ci_high")]].to_numpy(float)
    frame["ours [95% interval]"] = [percent(*line) for line in ours / 100]
    difference = table1[f"{name}_ours"] - table1[f"{name}_paper"]
    frame["difference"] = ["–" if np.isnan(d) else f"{d:+.1f}" for d in difference]
    return frame.assign(seeds=table1["n_seeds"], verdict=verdicts(table1, name))


def ladder(table1: pd.DataFrame) -> pd.DataFrame:
    """The rows that were run, as ``figures.accuracy_ladder`` takes them."""
    names = {"ours": "value", "ci_low": "low", "ci_high": "high", "paper": "paper", "released_notebook": "notebook"}
    columns = {"row": "label"} | {f"accuracy_{part}": name for part, name in names.items()}
    return table1.rename(columns=columns).dropna(subset="value")


def overview(arms: pd.DataFrame) -> pd.DataFrame:
    """What accuracy leaves out, percent with 95% intervals."""
    metrics = ("balanced_accuracy", "precision_macro", "f1_macro", "f1_weighted", "melanoma_sensitivity")
    return pd.DataFrame({"row": arms["row"]} | percents(arms, (*metrics, "auc_melanoma")))


def cost(arms: pd.DataFrame) -> pd.DataFrame:
    """What each arm costs, as the mean over its seeds."""
    return pd.DataFrame(
        {
            "row": arms["row"],
            "parameters": arms["total"].map("{:,}".format),
            "trainable": arms["trainable"].map("{:,}".format),
            "epochs": arms["epochs"],
            "epoch kept": arms["epochs_kept"],
            "minutes a run": arms["minutes"].map("{:.1f}".format),
            "training images/s": arms["images_per_second"].map("{:.0f}".format).replace("nan", "–"),
        }
    )


def recalls(per_class: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Recall of each class (columns) and arm (rows), percent with its interval."""
    values = per_class[["recall", "ci_low", "ci_high"]].to_numpy(float) / 100
    per_class = per_class.assign(
        text=[percent(*line, decimals=0) for line in values],
        title=per_class["class"] + " (n = " + per_class["n_test"].astype(str) + ")",
    )
    wide = per_class.pivot(index="arm", columns="title", values="text")
    wide = wide.loc[arms["arm"], per_class["title"].unique()]
    wide.insert(0, "row", arms["row"].to_numpy())
    return wide


def recall_points(per_class: pd.DataFrame, averages: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Recalls of the arms whose averages are shown, as ``figures.class_recall`` takes them."""
    rows = dict(zip(arms["arm"], arms["row"]))
    shown = per_class[per_class["arm"].isin(averages["arm"])]
    return shown.assign(label=shown["arm"].map(rows))


def averages_possible(possible: pd.DataFrame) -> str:
    """Which average can have given the printed rows."""
    candidates = possible.drop(columns=["row", "provenance"]).eq("possible")
    everywhere = candidates.columns[candidates.all()]
    counts = candidates.sum()
    return (
        (
            f"Only {' and '.join(everywhere)} could have given all rows."
            if len(everywhere)
            else f"No candidate can have given all {len(possible)} rows."
        )
        + f" Of {len(possible)} rows, weighted averages are possible in {counts['weighted']}, macro averages in "
        f"{counts['macro']}, and the released notebooks' own metrics in {counts.iloc[-1]}."
    )


def averages_measured(averages: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Our own predictions under every average, percent, and whether F1 exceeds what one report allows."""
    rows = averages["arm"].map(dict(zip(arms["arm"], arms["row"])))
    above = averages["f1"] > (averages["precision"] + averages["recall"]) / 2 + 1e-7
    shown = averages[["average", "precision", "recall", "f1"]].round(2)
    shown.insert(0, "row", rows)
    return shown.assign(**{"F1 above (P + R)/2": np.where(above, "yes", "no")})


def averages_matter(averages: pd.DataFrame) -> str:
    """How far the choice of the average moves F1, beside the steps of Table 1."""
    spread = averages.groupby("arm")["f1"].agg(np.ptp).max()
    step = np.median(np.abs(np.diff([row.f1 for row in published.TABLE1])))
    more = "more" if spread > step else "not more"
    return (
        f"Which average is meant moves F1 by up to {spread:.1f} points on the same predictions, {more} than the median "
        f"step of Table 1 ({step:.1f} points)."
    )
