"""Test sets of elsewhere, as ``python -m wagf_src external`` left them."""

import pandas as pd

from wagf_src import paths
from wagf_src.report.evidence import Evidence
from wagf_src.runs import find_runs
from wagf_src.use.card import SHIPPED, is_shipped, shipped_weights

# Columns that are text, whatever they look like.
TEXT = (
    "set",
    "model",
    "models",
    "subset",
    "metric",
    "problem",
    "layout",
    "opened",
    "labels_digest",
    "commit",
    "weights",
)


def _read(evidence: Evidence, pattern: str, columns: list[str]) -> pd.DataFrame:
    """All files of a name, the reader's own if there are any, else the committed ones."""
    # Folders may be called NA or 007, and digests may look like numbers.
    as_named = {"dtype": dict.fromkeys(TEXT, str), "keep_default_na": False}
    as_named["na_values"] = {column: [""] for column in columns if column not in TEXT}
    for root in (paths.RESULTS_DIR, paths.REFERENCE_DIR):
        candidates = paths.visible((root / evidence.profile / "external").glob(pattern))
        files = [file for file in candidates if file.parent.name[0] != "."]
        if files:
            frame = pd.concat([pd.read_csv(file, **as_named) for file in files], ignore_index=True)
            if "model" in frame:
                frame["model"] = _marked(evidence.profile, frame)
            return frame[columns].assign(provenance=f"test sets of elsewhere, models of profile {evidence.profile}")
    return pd.DataFrame(columns=[*columns, "provenance"])


def _marked(profile: str, frame: pd.DataFrame) -> list[str]:
    """Models by name, and those that have other weights now, or are gone, with a word that says so."""
    present = {"": ""}  # what is noted of a whole set
    if is_shipped():
        present[SHIPPED] = shipped_weights()
    for name in set(frame["model"]) - {"", SHIPPED}:
        if runs := find_runs(profile, name):
            present[name] = runs[0].weights_digest
    # Results that were written before they had the digest may be of any weights.
    then = frame["weights"] if "weights" in frame else frame["model"].where(frame["model"] == "", "not known")

    def marked(name, digest):
        if name not in present:
            return f"{name} (no longer here)"
        return name if digest == present[name] else f"{name} (as it was earlier)"

    return [marked(name, digest) for name, digest in zip(frame["model"], then)]


def external(evidence: Evidence) -> pd.DataFrame:
    """Scores (fractions) of every model on every set, beside its own test set (``stats.transfer``)."""
    return _read(evidence, "*/external.csv", ["set", "model", "subset", "metric", "n", "value", "ci_low", "ci_high"])


def external_problems(evidence: Evidence) -> pd.DataFrame:
    """What was left out of each set, or noted."""
    return _read(evidence, "*/problems.csv", ["model", "problem", "images", "set", "layout"])


def external_opened(evidence: Evidence) -> pd.DataFrame:
    """When each set was opened, and with which models."""
    return _read(evidence, "opened.csv", ["opened", "set", "layout", "images", "labels_digest", "models", "commit"])
