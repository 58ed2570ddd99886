"""The shipped model and its data, in numbers: subgroups with intervals, calibration, who is in the images."""

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.classes import CLASS_NAMES, CLASSES, MEL
from wagf_src.data import dataset
from wagf_src.errors import UserError
from wagf_src.report import photographs
from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, truth_and_probabilities
from wagf_src.stats import bootstrap, proportions
from wagf_src.stats.decisions import Decisions, tempered
from wagf_src.stats.metrics import METRICS
from wagf_src.use.card import is_shipped, read_card, shipped_run

FEWEST_OF_CLASS = 5
FEWEST = 20  # images of a localisation that has a row of its own
_METRICS = ("accuracy", "balanced_accuracy", "melanoma_sensitivity")
SUBGROUP_COLUMNS = ["kind", "group", "n", "n_melanoma"]
SUBGROUP_COLUMNS += [f"{metric}{end}" for metric in _METRICS for end in ("", "_low", "_high")] + ["run", "provenance"]
CALIBRATION_COLUMNS = ["probabilities", "metric", "temperature", "value", "ci_low", "ci_high", "run", "provenance"]
AGES = {"under 40": (0, 40), "40 to 59": (40, 60), "60 and over": (60, 200)}


def _shipped(evidence: Evidence) -> Run | None:
    return shipped_run() if is_shipped() else None


def _metadata(run: Run) -> pd.DataFrame | None:
    """Metadata of a run's images by image_id; None where the data are not at hand, or are others than the run's."""
    try:
        if not photographs.holds(dataset.folder(run.made_with), run):
            return None
        return dataset.load_metadata(run.made_with).set_index("image_id")
    except UserError:
        return None


def _committed(name: str, columns: list[str]) -> pd.DataFrame:
    """The table of the shipped model that is committed with any profile; empty if none is."""
    for file in sorted(paths.REFERENCE_DIR.glob(f"*/tables/{name}.csv")):
        frame = pd.read_csv(file)
        if is_shipped() and "run" in frame and set(frame["run"]) == {_shipped_name()}:
            return frame
    return pd.DataFrame(columns=columns)


def _shipped_name() -> str:
    card = read_card()
    return f"{card['profile']}/{card['run']}"


def groups(metadata: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """(Kind, name) of each subgroup to which rows are in it, (n,) bool: sex, age, localisation; unknowns named."""
    subgroups = {("all", "all images"): np.ones(len(metadata), bool)}
    for name in ("female", "male"):
        subgroups["sex", name] = (metadata["sex"] == name).to_numpy()
    subgroups["sex", "not known"] = ~metadata["sex"].isin(["female", "male"]).to_numpy()
    age = metadata["age"].to_numpy(float)
    subgroups |= {("age", name): (age >= low) & (age < high) for name, (low, high) in AGES.items()}
    subgroups["age", "not known"] = np.isnan(age)
    place = metadata["localization"]
    counts = place.value_counts()
    common = [name for name in counts.index if counts[name] >= FEWEST]
    subgroups |= {("localisation", name): (place == name).to_numpy() for name in common}
    subgroups["localisation", "others"] = ~place.isin(common).to_numpy()
    return {key: rows for key, rows in subgroups.items() if rows.any()}


def shipped_subgroups(evidence: Evidence) -> pd.DataFrame:
    """Accuracy, balanced accuracy (over the classes there are) and melanoma sensitivity with 95% intervals.

    Balanced accuracy has none where a class has fewer than ``FEWEST_OF_CLASS`` images: a resample of one or two alike
    images never varies, and the interval would say that their class is known exactly.

    Of the shipped model's run on its test images; fractions; columns kind, group, n, n_melanoma, then each metric with
    _low and _high.
    """
    run = evidence.once(_shipped)
    metadata = None if run is None else _metadata(run)
    if metadata is None:
        return _committed("shipped_subgroups", SUBGROUP_COLUMNS)
    y, p = truth_and_probabilities(run)
    hits, lines = (p.argmax(axis=1) == y).astype(float), []
    for (kind, name), rows in groups(metadata.loc[run.predictions()["image_id"]]).items():
        correct, truth = hits[rows], y[rows]
        melanomas = correct[truth == MEL]
        sensitivity = (np.nan,) * 3
        if len(melanomas):
            sensitivity = (melanomas.mean(), *proportions.wilson(melanomas.sum(), len(melanomas)))
        accuracy = correct.mean(), *proportions.wilson(correct.sum(), len(correct))
        lines.append((kind, name, len(correct), len(melanomas), *accuracy, *_balanced(correct, truth), *sensitivity))
    return _of_shipped(pd.DataFrame(lines, columns=SUBGROUP_COLUMNS[:-2]))


def _balanced(hits, truth):
    value, *ends = bootstrap.resampled_mean(hits, truth, balanced=True, limits=bootstrap.SHARE)
    few = np.unique(truth, return_counts=True)[1].min() < FEWEST_OF_CLASS
    return (value, np.nan, np.nan) if few else (value, *ends)


def shipped_calibration(evidence: Evidence) -> pd.DataFrame:
    """Calibration error, Brier score and log loss on the test images, as they come and divided by the temperature."""
    run = evidence.once(_shipped)
    if run is None:
        return _committed("shipped_calibration", CALIBRATION_COLUMNS)
    (y, p), chosen = truth_and_probabilities(run), Decisions(**read_card()["decisions"])
    draws, lines = bootstrap.image_draws(y, bootstrap.RESAMPLES, 0), []
    for name, values in (("as they come", p), ("calibrated", tempered(p, chosen.temperature))):
        for metric in ("ece", "brier", "log_loss"):
            point = METRICS[metric].point(y, values)
            ends = bootstrap.percentiles(METRICS[metric].resampled(y, values, draws), point)
            interval = bootstrap.within(ends, METRICS[metric].range)
            lines.append((name, metric, chosen.temperature, point, *interval))
    return _of_shipped(pd.DataFrame(lines, columns=CALIBRATION_COLUMNS[:-2]))


def _of_shipped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(run=_shipped_name(), provenance=read_card()["rests_on"])


def shipped_facts(evidence: Evidence) -> pd.DataFrame:
    """What the model is: fact, value (text)."""
    if not is_shipped():
        return pd.DataFrame(columns=["fact", "value", "provenance"])
    card = read_card()
    decisions, settings = card["decisions"], card["settings"]
    facts = {
        "run": _shipped_name(),
        "network": card["arm"],
        "parameters": f"{card['parameters']['total']:,}",
        "image side (pixels)": settings["image_size"],
        "views averaged": settings["test_views"],
        "trained on": f"{card['data']['name']}, {card['data']['n_train']:,} images",
        "rules and temperature chosen on": f"{card['data']['n_validation']:,} validation images",
        "tested on": f"{card['data']['n_test']:,} images",
        "temperature": f"{decisions['temperature']:.3f}",
        "keras": card["environment"]["keras"],
        "licence": card["licence"],
        "commit": card["git"]["commit"],
    }
    lines = [(fact, str(value)) for fact, value in facts.items()]
    return pd.DataFrame(lines, columns=["fact", "value"]).assign(provenance=card["rests_on"])


def data_card(evidence: Evidence) -> pd.DataFrame | None:
    """Who is in the images, by class and in all: images and lesions, women and men, ages, how diagnosed."""
    metadata = evidence.metadata
    if metadata is None:
        return None
    lines = []
    for name in (*CLASSES, "all"):
        rows = metadata if name == "all" else metadata[metadata["dx"] == name]
        sizes, sex, age = rows.groupby("lesion_id").size(), rows["sex"], rows["age"]
        line = {"class": name, "name": CLASS_NAMES.get(name, "all classes"), "images": len(rows)}
        line |= {"lesions": len(sizes), "photographed_once": (sizes == 1).sum()}
        line |= {"female": (sex == "female").sum(), "male": (sex == "male").sum()}
        line |= {"sex_unknown": (~sex.isin(["female", "male"])).sum(), "age_median": age.median()}
        line |= {"age_unknown": age.isna().sum(), "histology": (rows["dx_type"] == "histo").sum()}
        lines.append(line)
    return pd.DataFrame(lines).assign(provenance=_of_data(evidence))


def data_localisations(evidence: Evidence) -> pd.DataFrame | None:
    """Images by localisation and class: localisation, one column a class, images."""
    metadata = evidence.metadata
    if metadata is None:
        return None
    counts = pd.crosstab(metadata["localization"], metadata["dx"]).reindex(columns=list(CLASSES), fill_value=0)
    counts = counts.assign(images=counts.sum(axis=1)).sort_values("images", ascending=False).reset_index()
    counts = counts.rename(columns={"localization": "localisation"}).rename_axis(columns=None)
    return counts.assign(provenance=_of_data(evidence))


def _of_data(evidence):
    name = evidence.data_name
    return {"SYNTHETIC": name, "HAM10000": "HAM10000's metadata"}.get(name, f"metadata of {name}")
