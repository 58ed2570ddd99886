"""What the chapter on the stored notebooks says and shows, from its tables."""

import pandas as pd

from wagf_src.classes import CLASSES
from wagf_src.paper import published, stored_notebooks
from wagf_src.report.text import p_value, percent
from wagf_src.stats import proportions
from wagf_src.stats.metrics import interval_columns

CBAM = next(n for n in stored_notebooks.NOTEBOOKS if n.code)


def answer(results: pd.DataFrame, training: pd.DataFrame) -> str:
    """What the outputs are of, how long was trained, how certain they are."""
    over = results[results["excess"] > 0]
    best = results.loc[results["accuracy"].idxmax()]
    missing = [
        row.row for row in published.TABLE1 if row.row not in set(results["row"].dropna()) or row.row == CBAM.row
    ]
    epochs = " or ".join(map(str, sorted(training["epochs"].unique())))
    return (
        f"{len(results)} trainings of {epochs} epochs, tested on {best['n']:,} images each. None is of rows "
        f"{', '.join(missing)} of Table 1: what the notebook of the plain {CBAM.code} stores is {CBAM.model}. Accuracy "
        f"goes up to {_interval(best, 'accuracy')}% ({best['model']}), yet balanced accuracy stays between "
        f"{results['balanced_accuracy'].min():.0f} and {results['balanced_accuracy'].max():.0f}%, and that model finds "
        f"{_interval(best, 'melanoma_recall')}% of the melanomas. In {len(over)} of {len(results)}, the stored F1 is "
        "larger than a classification report allows. In validation accuracy the epoch that was kept stands "
        f"{training['luck'].min():.0f} to {training['luck'].max():.0f} points above the median of its run's later half."
    )


def label(results: pd.DataFrame) -> str:
    """What the notebook of the plain network stores, and how that can have come."""
    line = results.set_index("model").loc[CBAM.model]
    return (
        f"The notebook that builds {CBAM.code} stores a summary of {stored_notebooks.CBAM_PARAMETERS:,} parameters, "
        "with channel and spatial attention (CBAM), where the plain network has "
        f"{stored_notebooks.PLAIN_PARAMETERS:,}, and its training saves `{stored_notebooks.CBAM_CHECKPOINT}`. So its "
        f"{line['accuracy']:.2f}% belong to {CBAM.model}, and no stored output exists for row {CBAM.row} of Table "
        f"1 ({line['printed']:.2f}%). An innocent explanation is easy: a notebook was reused for an "
        "experiment that the paper does not report, and its cells were set back afterwards without being run. "
        f"This book calls the stored result {CBAM.model} throughout."
    )


def length(training: pd.DataFrame) -> str:
    """How long the stored trainings ran, beside what paper and proposed notebook say, and what versions suggest."""
    epochs, hours = training["epochs"].unique(), training["hours"]
    steps = training["steps"].unique()
    ran = "All" if len(epochs) == 1 else "The"
    return (
        f"{ran} {len(training)} stored trainings ran {epochs[0]} epochs of {steps[0]} steps ({hours.min():.1f} to "
        f"{hours.max():.1f} hours); the paper, and the code of the proposed model's notebook, say "
        f"{stored_notebooks.PROPOSED_EPOCHS}. So *as released* means {epochs[0]} epochs for what stored outputs, and "
        f"the profile `released` runs that. Python is {stored_notebooks.PYTHON} by the notebooks' metadata, that of "
        "Kaggle's images of 2023, and no cell stores the warning that TensorFlow up to 2.10 prints for the argument "
        "`lr`. That points to TensorFlow 2.11 or later, where `lr` is ignored and the rate in force was 0.001: an "
        "inference, since the version itself is not stored."
    )


def results_shown(results: pd.DataFrame) -> pd.DataFrame:
    """The stored test results for people, with what their confusion matrices give."""
    return pd.DataFrame(
        {
            "stored result": results["model"],
            "right": results["hits"].map("{:,}".format) + " of " + results["n"].map("{:,}".format),
            "accuracy (%)": _intervals(results, "accuracy"),
            "Table 1 prints": results["printed"].map("{:.2f}".format, na_action="ignore"),
            "balanced accuracy": _intervals(results, "balanced_accuracy"),
            "macro F1": results["f1_macro"].map("{:.1f}".format),
            "weighted F1": results["f1_weighted"].map("{:.1f}".format),
            "melanoma recall": _intervals(results, "melanoma_recall"),
        }
    )


def f1_shown(results: pd.DataFrame) -> pd.DataFrame:
    """The stored lines of ``evaluate``, F1 beside its bound."""
    names = {"keras_precision": "precision", "keras_recall": "recall", "keras_f1": "F1", "bound": "(P + R)/2"}
    shown = {"stored result": results["model"]}
    shown |= {title: results[name].map("{:.2f}".format) for name, title in names.items()}
    shown["F1 minus bound"] = results["excess"].map("{:+.2f}".format)
    return pd.DataFrame(shown)


def f1_sentence(results: pd.DataFrame) -> str:
    over = results[results["excess"] > 0]
    line = over.loc[over["model"] == "DenseNet-121 + SA"].iloc[0]
    return (
        f"In {len(over)} of {len(results)} stored lines F1 exceeds the mean of precision and recall ({line['model']}: "
        f"{line['keras_f1']:.2f} above {line['bound']:.2f}), which no F1 over all images can do. The code says why: it "
        "averages F1 over batches. So the excess of the printed F1 values needs no other explanation."
    )


def recalls_shown(recalls: pd.DataFrame) -> pd.DataFrame:
    """Recall by class with its interval, the stored matrix first, then ours of the same network."""
    cells = [f"{v:.0f} [{low:.0f}, {high:.0f}]" for v, low, high in recalls[interval_columns("recall")].to_numpy(float)]
    wide = recalls.assign(cell=cells).pivot(index=["model", "condition"], columns="class", values="cell")
    cases = recalls[["model", "condition"]].drop_duplicates()
    wide = wide.loc[list(cases.itertuples(index=False, name=None)), list(CLASSES)].reset_index()
    n_images = recalls[recalls["condition"] == "stored"].drop_duplicates("class").set_index("class")["n"]
    wide["condition"] = wide["condition"].replace("stored", "the authors, stored")
    wide["model"] = wide["model"].where(~wide["model"].duplicated(), "")
    return wide.rename(columns={c: f"{c} ({n_images[c]})" for c in CLASSES} | {"condition": "run"})


def melanomas(confusion: pd.DataFrame, recalls: pd.DataFrame) -> str:
    """What becomes of the melanomas in the best stored run, and what the intervals of recall leave open."""
    model = "DenseNet-121 + SA"
    called = confusion[(confusion["model"] == model) & (confusion["true"] == "mel")].set_index("predicted")["images"]
    stored = recalls[(recalls["condition"] == "stored") & (recalls["class"] == "mel")]
    stored = stored[stored["model"].isin([n.model for n in stored_notebooks.NOTEBOOKS if n.row])]
    width = ((stored["recall_ci_high"] - stored["recall_ci_low"]) / 2).mean()
    return (
        f"Of {called.sum()} melanomas the run {model} calls {called['mel']} melanoma, {called['nv']} nevus and "
        f"{called['bkl']} benign keratosis. The stored melanoma recalls of the rows of Table 1 run from "
        f"{stored['recall'].min():.0f} to {stored['recall'].max():.0f}%, each known to about ±{width:.0f} points: "
        "accuracy rises from row to row, melanoma recall does not."
    )


def pairs_shown(pairs: pd.DataFrame) -> pd.DataFrame:
    """What the matrices say of paired tests."""
    return pd.DataFrame(
        {
            "": pairs["model_a"] + " − " + pairs["model_b"],
            "right answers more": pairs["images"].map("{:+d}".format),
            "images told apart": pairs["fewest"].astype(str) + " to " + pairs["most"].astype(str),
            "McNemar's p": [f"{p_value(a)} to {p_value(b)}" for a, b in zip(pairs["p_least"], pairs["p_most"])],
        }
    )


def training_shown(training: pd.DataFrame) -> pd.DataFrame:
    """How far each stored training got, and the noise about the epoch kept (points)."""
    number = training.select_dtypes("number").map("{:.1f}".format)
    return pd.DataFrame(
        {
            "stored training": training["model"],
            "epoch kept": training["kept"].map("{:.0f}".format),
            "training there": number["training"],
            "validation there": number["validation"],
            "last epoch": number["last"],
            "later half: median ± sd": number["median"] + " ± " + number["sd"],
            "range": number["lowest"] + " to " + number["highest"],
            "step to step": number["step"],
        }
    )


def noise(training: pd.DataFrame) -> str:
    """How much the choice of the epoch owes to chance."""
    return (
        "In the later half of each run, when training accuracy hardly moves, validation accuracy has a standard "
        f"deviation of {training['sd'].min():.0f} to {training['sd'].max():.0f} points and changes by "
        f"{training['step'].min():.0f} to {training['step'].max():.0f} points from one epoch to the next. The "
        f"checkpoint is the highest of {training['epochs'].max()} such values, {training['luck'].min():.0f} to "
        f"{training['luck'].max():.0f} points above the median; how accurate the other epochs were on the test images "
        f"is not stored. Sampling is not the cause: on {published.VALIDATION_FILES:,} files one accuracy is known to "
        f"±{_sampling():.1f} points. Swings of this kind can come from batch normalisation's moving statistics and a "
        "constant learning rate as well as from the files that validate."
    )


def _sampling():
    """Half of the widest 95% interval of an accuracy on the validation files, points."""
    return 100 * (proportions.wilson(published.VALIDATION_FILES / 2, published.VALIDATION_FILES)[1] - 0.5)


def _interval(line, name):
    return percent(*(line[c] / 100 for c in interval_columns(name)))


def _intervals(frame, name):
    return [percent(*values) for values in frame[interval_columns(name)].to_numpy(float) / 100]
