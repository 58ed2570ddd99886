"""Sentences and tables of the chapter on what the split is worth; without rows they say that nothing was measured."""

import numpy as np
import pandas as pd

from wagf_src.report.tables.leakage_experiment import CLASSIFIERS, LEVELS, METRICS
from wagf_src.report.text import percent
from wagf_src.stats.splits import SPLIT_EFFECTS

# Page Plans, profile frozen, expectation 5: classifier, effect, at least (points), below (points).
EXPECTED = (
    ("logistic", "population", 5, np.inf),
    ("nearest", "population", 5, np.inf),
    ("nearest", "leakage", 3, np.inf),
    ("logistic", "leakage", -np.inf, 2),
)


def rests_on(sizes: pd.DataFrame, profile: str) -> str:
    if len(sizes):
        held = f"{sizes['repeats'].iloc[0]} repeats of every split, kept by the run of the linear probe"
        return f"**This page rests on:** {sizes['provenance'].iloc[0]}; {held}."
    return (
        f"**No run of profile {profile} holds this experiment**, so nothing is shown here. The linear probe's run "
        "makes it: it is part of the profile `frozen` (`make reproduce PROFILE=frozen`), and of every profile that "
        "lists a probe among its arms."
    )


def answer(effects: pd.DataFrame, sizes: pd.DataFrame) -> str:
    """How much of each accuracy is leakage, and how much the population."""
    if not len(effects):
        return "nothing was measured here."

    def row(classifier, name, metric="accuracy"):
        return _row(effects, classifier, name, metric)

    def both(name, metric="accuracy"):
        return [_points(row(classifier, name, metric)) for classifier in CLASSIFIERS]

    level = {c: percent(row(c, "image/all")["value"]) for c in CLASSIFIERS}
    leakage, population = both("leakage"), both("population")
    siblings = sizes.set_index(["split", "subset"]).loc[("paper", "all"), "sibling_share"]
    parts = [
        f"of the {level['logistic']}% accuracy of logistic regression under an image-level split, {leakage[0]} points "
        f"are leakage, and of the {level['nearest']}% of the classifier that memorises, {leakage[1]}",
        f"the paper's split, where {percent(siblings)}% of the test images have a sibling in training, still reads "
        f"{population[0]} and {population[1]} points above the lesion-grouped one: that is population",
    ]
    check, nothing = "paper against grouped, lesions photographed once", "leakage, lesions photographed once"
    if "–" not in both(check) + both(nothing):
        left = [f"{points} ({_verdict(row(c, check))})" for points, c in zip(both(check), CLASSIFIERS)]
        parts.append(
            f"among lesions photographed once what is left of it is {left[0]} and {left[1]}, and leakage there is "
            f"{' and '.join(both(nothing))}"
        )
    gains, changes = both("leakage", "melanoma_sensitivity"), both("population", "melanoma_sensitivity")
    if "–" not in gains + changes:
        parts.append(
            f"the share of melanomas found gains {' and '.join(gains)} points by leakage, and changes by "
            f"{' and '.join(changes)} with the population"
        )
    text = ". ".join([parts[0], *(part[0].upper() + part[1:] for part in parts[1:])]) + "."
    synthetic = effects["provenance"].iloc[0].startswith("SYNTHETIC")
    return ("these are synthetic lesions and say nothing about HAM10000. On them, " if synthetic else "") + text


def levels(effects: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Sizes and metrics under every split, one row a split and classifier; no rows where nothing was measured."""
    means, lines = sizes.set_index(["split", "subset"]), []
    for name, label in LEVELS.items() if len(sizes) else ():
        n_train, n_test, share = means.loc[tuple(name.split("/")), ["n_train", "n_test", "sibling_share"]]
        for classifier in CLASSIFIERS:
            line = {"split": label, "training": f"{n_train:,.0f}", "test": f"{n_test:,.0f}"}
            line |= {"with a sibling (%)": percent(share), "classifier": classifier}
            for metric, text in METRICS.items():
                line[f"{text} (%)"] = _points(_row(effects, classifier, name, metric), sign="")
            lines.append(line)
    return pd.DataFrame(lines)


def differences(effects: pd.DataFrame) -> pd.DataFrame:
    """Leakage and population in points, one row an effect and classifier; no rows where nothing was measured."""
    lines = []
    for name in SPLIT_EFFECTS if len(effects) else ():
        for classifier in CLASSIFIERS:
            row = _row(effects, classifier, name, "accuracy")
            line = {"difference": name, "classifier": classifier, "accuracy": _points(row)}
            line["accuracy, wider interval"] = _points(row, "wide_low", "wide_high").partition(" ")[2] or "–"
            line["accuracy, one split"] = "–" if row is None or np.isnan(row["sd"]) else f"±{percent(row['sd'])}"
            for metric in list(METRICS)[1:]:
                line[METRICS[metric]] = _points(_row(effects, classifier, name, metric))
            lines.append(line)
    return pd.DataFrame(lines)


def expectations(effects: pd.DataFrame) -> str:
    """What was expected before the run, held against the values themselves."""
    if not len(effects):
        return "Nothing was measured."
    if effects["provenance"].iloc[0].startswith("SYNTHETIC"):
        return "Synthetic lesions cannot meet or miss them."
    lines = []
    for classifier, name, least, below in EXPECTED:
        row = _row(effects, classifier, name, "accuracy")
        bound = f"at least {least}" if np.isfinite(least) else f"less than {below}"
        met = "as expected" if least <= 100 * row["value"] < below else "not as expected"
        spans = any(row["ci_low"] < bound / 100 < row["ci_high"] for bound in (least, below))
        lines.append(
            f"- {name}, {classifier}: {bound} points expected, {_points(row, decimals=2)} found: **{met}**"
            + (", though the interval spans the bound." if spans else ".")
        )
    return "\n".join(lines)


def _row(effects, classifier, name, metric):
    """The row of the table, or None where the split has no such images."""
    key = (effects["classifier"] == classifier) & (effects["name"] == name) & (effects["metric"] == metric)
    return next((row for _, row in effects[key].iterrows()), None)


def _points(row, low="ci_low", high="ci_high", sign="+", decimals=1):
    """A value in points with an interval; a dash for None."""
    if row is None:
        return "–"
    value, *limits = (f"{100 * row[c]:{sign}.{decimals}f}" for c in ("value", low, high))
    return value if np.isnan(row[low]) else f"{value} [{', '.join(limits)}]"


def _verdict(row):
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return "cannot be told from zero"
    return "small, yet not zero" if abs(row["value"]) < 0.01 else "not zero"
