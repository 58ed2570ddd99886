"""What the chapter on training curves says and shows, from its table."""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.report.tables.training import trained
from wagf_src.runs import Run

KEPT_BY = {
    "best_accuracy": "the best validation accuracy",
    "best_batch_f1": "the best batch-averaged validation F1",
    "last": "being the last",
}
VALIDATION = {
    "copies": "validation holds copies of training photographs, as in the paper",
    "names": "validation holds the files whose names sort first, photographs before copies",
    "lesions": "validation shares no lesion with training",
    "training": "validation is the training data itself",
}
COLUMNS = {
    "epochs": "epochs",
    "best_epoch": "kept epoch",
    "kept": "kept (%)",
    "last": "last (%)",
    "best": "best on test (%)",
    "late_sd": "SD over later epochs",
    "sampling_se": "sampling error",
    "rank_correlation": "rank correlation of validation and test",
    "optimism": "validation minus test",
}


def note(runs: list[Run]) -> str:
    """By what epochs are kept, and on what validation is measured."""
    settings = [run.info["settings"] for run in trained(runs)]
    kept = " or ".join(sorted({KEPT_BY[s["checkpoint"]] for s in settings}))
    validation = " or ".join(VALIDATION[name] for name in sorted({s["validation"] for s in settings}))
    return f"Epochs are kept by {kept}; {validation}. The linear probe has no epochs and is left out."


def answer(checkpoints: pd.DataFrame) -> str:
    """What the choice of the epoch costs, and the noise it rides on; what cannot be measured is left out."""
    medians = checkpoints[["late_sd", "sampling_se", "optimism", "rank_correlation"]].median()
    lost = (checkpoints["best"] - checkpoints["kept"]).mean()
    parts = [f"choosing the epoch on the test set would add {lost:.1f} points on average"]
    if np.isfinite(medians["late_sd"]):
        parts.append(
            f"between later epochs of one run the test accuracy moves by {medians['late_sd']:.1f} points (standard "
            f"deviation), where the sampling error of the test set is {medians['sampling_se']:.1f}"
        )
    if np.isfinite(medians["rank_correlation"]):
        parts.append(
            f"the rank correlation of validation and test accuracy over epochs is {medians['rank_correlation']:.2f}"
        )
    if np.isfinite(medians["optimism"]):
        parts.append(f"validation reads {medians['optimism']:+.1f} points against test at the kept epoch")
    if checkpoints["epochs"].max() < 3:
        parts.append("runs this short say little about convergence")
    return "; ".join(parts) + " (medians over runs unless said otherwise)."


def table(checkpoints: pd.DataFrame) -> pd.DataFrame:
    """For each arm the mean over its runs and, where they differ, the range."""
    return pd.DataFrame(
        {"arm": arm_label(arm), "seeds": len(runs)} | {title: _mean_and_range(runs[c]) for c, title in COLUMNS.items()}
        for arm, runs in checkpoints.groupby("arm", sort=False)
    )


def _mean_and_range(values):
    form = "{:.0f}" if values.name in ("epochs", "best_epoch") else "{:.2f}"
    low, mean, high = (form.format(v) for v in (values.min(), values.mean(), values.max()))
    return "–" if values.isna().all() else low if low == high else f"{mean} ({low} to {high})"
