"""What the split is worth: the experiment that the linear probe's run keeps (``train.split_experiment``)."""

import pandas as pd

from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, by_arm, provenance_line
from wagf_src.stats import splits

COLUMNS = ["classifier", "split", "repeat", "subset", "n_train", "n_test", *splits.SPLIT_METRICS, "sibling_share"]

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "melanoma_sensitivity": "melanoma sensitivity",
}
CLASSIFIERS = {"logistic": "logistic regression (the linear probe)", "nearest": "nearest training image (memorises)"}
LEVELS = {
    "image/all": "image-level",
    "lesion/all": "lesion-grouped",
    "lesion/single": "lesion-grouped, tested on lesions photographed once",
    "paper/all": "the paper's",
}


def holder(runs: list[Run]) -> list[Run]:
    """The first run, in the order of Table 1, that holds the experiment, as a list of one; empty if none does."""
    return [r for arm in by_arm(runs).values() for r in arm if (r.path / "splits.csv").is_file()][:1]


def repeats(runs: list[Run]) -> pd.DataFrame:
    """The experiment repeat by repeat (columns of ``split_experiment.run``); no rows where no run holds it."""
    return next((pd.read_csv(run.path / "splits.csv") for run in holder(runs)), pd.DataFrame(columns=COLUMNS))


def leakage_experiment(evidence: Evidence) -> pd.DataFrame:
    """Levels under each split, and leakage and population as differences, with intervals (``splits.split_effects``)."""
    effects = splits.split_effects(repeats(evidence.runs))
    return effects.assign(provenance=provenance_line(holder(evidence.runs)))


def split_sizes(evidence: Evidence) -> pd.DataFrame:
    """Images that train and test, and the share tested with a sibling in training, by split and subset (means)."""
    sizes = repeats(evidence.runs).groupby(["split", "subset"], as_index=False)
    means = sizes[["n_train", "n_test", "sibling_share"]].mean()
    return means.assign(repeats=sizes["repeat"].nunique()["repeat"], provenance=provenance_line(holder(evidence.runs)))
