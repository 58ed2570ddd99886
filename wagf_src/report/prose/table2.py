"""What the chapter on Table 2 says and shows, from its table."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import audits, published
from wagf_src.report.text import percent

ACCURACY = ["accuracy", "ci_low", "ci_high"]
BALANCED = ["balanced_accuracy", "balanced_ci_low", "balanced_ci_high"]


def answer(table2: pd.DataFrame) -> str:
    """What the printed ranking can and cannot say, and how far a linear probe comes."""
    printed, probe = _group(table2, "paper"), _group(table2, "probe")
    proposed = printed[printed["row"] == "Proposed"].iloc[0]
    others = printed[(printed["row"] != "Proposed") & printed["accuracy"].notna()]
    left = _group(table2, "left out").iloc[0]
    different = (printed["accuracy"].notna() & printed["same_metric"].isin(["no", "in name"])).sum()  # in name: a task
    parts = [
        f"the test size is stated for {printed['n_test'].notna().sum()} of {len(printed)} rows, and none is known to "
        "share the test images of another, so no difference between rows can be tested",
        f"the proposed model's accuracy has a 95% interval of [{proposed['ci_low']:.1f}, {proposed['ci_high']:.1f}] "
        f"from its {proposed['n_test']:,.0f} images alone",
        f"of {len(others)} printed accuracies of others, taken as exact, "
        f"{(others['accuracy'] >= proposed['ci_low']).sum()} reach into it (the highest is "
        f"{others['accuracy'].max():.2f})",
        f"{different} of them are another metric in the cited work or were measured on another task, and "
        f"{(printed['same_images'] == 'no').sum()} rows certainly rest on other test images",
        f"a work on soft attention that the table lacks reaches {left['accuracy']:.2f}% on as many images of the same "
        f"kind ({left['split'].rpartition('; ')[2]})",
        f"on the paper's test images always answering nevus scores {audits.majority_percent():.2f}%",
    ]
    probe = probe[~probe["condition"].astype(str).str.startswith("SYNTHETIC")]
    ours = _group(table2, "ours")
    if ours["condition"].astype(str).str.startswith("SYNTHETIC").any():
        parts.append("this book's own rows are synthetic and rank nowhere")
    if len(probe):
        # On the paper's test images where there is one.
        line = probe.loc[(probe["n_test"] == published.N_TEST).idxmax()]
        parts.append(
            f"a linear probe without any training of the network (`{line['profile']}`, {line['n_test']:,.0f} images) "
            f"reaches {line['accuracy']:.1f}% [{line['ci_low']:.1f}, {line['ci_high']:.1f}] accuracy "
            f"({line['balanced_accuracy']:.1f}% balanced): what such a level is worth, and no rank"
        )
    else:
        parts.append("no condition has a linear probe (the profile frozen has)")
    return "; ".join(parts) + "."


def as_printed(table2: pd.DataFrame) -> pd.DataFrame:
    """The paper's rows with the number of test images, where it is stated, and what arithmetic says."""
    shown = _quoted(table2)
    shown = shown.assign(n_test=["not stated" if np.isnan(n) else f"{n:,.0f}" for n in shown["n_test"].astype(float)])
    names = {"f1": "F1", "n_test": "test images"}
    return shown[["model", "accuracy", "precision", "recall", "f1", "n_test", "audit"]].rename(columns=names)


def sources(table2: pd.DataFrame) -> pd.DataFrame:
    """What the source of each printed row says."""
    shown = _quoted(table2)[["model", "metric", "data", "split", "same_metric", "same_images", "source", "note"]]
    names = {"metric": "what the number is", "same_metric": "same metric?", "same_images": "same images?"}
    return shown.fillna("").rename(columns=names)


def ours(table2: pd.DataFrame) -> pd.DataFrame:
    """Our rows and the yardsticks, percent with 95% intervals: of each condition what stands beside other methods."""
    others = ["paper", "left out", "ours", "probe"]
    rest = pd.concat([_ours(table2), table2[~table2["group"].isin(others)]])
    return pd.DataFrame(
        {
            "": rest["group"],
            "model": rest["row"],
            "condition": rest["profile"].fillna("–"),
            "accuracy (%)": _cells(rest, ACCURACY),
            "balanced accuracy (%)": _cells(rest, BALANCED),
            "test images": rest["n_test"].map("{:,.0f}".format),
            "data": rest["data"],
        }
    )


def ladder(table2: pd.DataFrame) -> pd.DataFrame:
    """Printed rows, then ours, as ``figures.accuracy_ladder`` takes them."""
    printed, rows = _quoted(table2), _ours(table2)
    names = {"accuracy": "value", "ci_low": "low", "ci_high": "high"}
    frames = [
        pd.DataFrame({"label": printed["model"], "paper": printed["accuracy"]}),
        rows[ACCURACY].rename(columns=names).assign(label=_named(rows)),
    ]
    return pd.concat(frames).dropna(subset=["paper", "value"], how="all")


def balanced_ladder(table2: pd.DataFrame) -> pd.DataFrame:
    """Balanced accuracy of our rows, as ``figures.accuracy_ladder`` takes it."""
    rows = _ours(table2)
    return rows[BALANCED].set_axis(["value", "low", "high"], axis=1).assign(label=_named(rows))


def official() -> dict[str, float]:
    """The official figures as lines of ``figures.accuracy_ladder``."""
    return {f"ISIC-2018 {name}, {value:.1f}%": value for name, value in published.OFFICIAL.items()}


def _group(table2, name):
    return table2[table2["group"] == name]


def _quoted(table2):
    """The paper's rows, then the one that it lacks, which says so."""
    left = _group(table2, "left out")
    return pd.concat([_group(table2, "paper"), left.assign(model=left["row"] + ", not in the paper: " + left["model"])])


def _ours(table2):
    """Of each condition the plain backbones, the proposed model in both readings, the probe: no steps, no controls."""
    rows = table2[table2["group"].isin(["ours", "probe"])]
    arms = map(parse_arm, rows["arm"])
    return rows[[arm.modules in ("base", "wagf", "probe") and not arm.variants for arm in arms]]


def _named(rows):
    return rows["row"] + ": " + rows["profile"]


def _cells(frame, columns):
    return [percent(*line) for line in frame[columns].to_numpy(float) / 100]
