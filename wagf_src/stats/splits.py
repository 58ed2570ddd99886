"""The leakage experiment in numbers."""

import numpy as np
import pandas as pd

from wagf_src.errors import UserError
from wagf_src.stats import proportions

# What the leakage experiment compares, as (split, subset of its test images): the first minus the second.
SPLIT_EFFECTS = {
    "leakage": (("image", "all"), ("lesion", "all")),
    "leakage, lesions photographed once": (("image", "single"), ("lesion", "single")),
    "leakage, lesions photographed more often": (("image", "multiple"), ("lesion", "multiple")),
    "population": (("paper", "all"), ("lesion", "all")),
    "paper against grouped, lesions photographed once": (("paper", "all"), ("lesion", "single")),
}
SPLIT_METRICS = ("accuracy", "balanced_accuracy", "melanoma_sensitivity")


def split_effects(splits: pd.DataFrame) -> pd.DataFrame:
    """The leakage experiment in numbers, from the columns of ``splits.csv`` (see ``split_experiment.run``).

    Returns:
        Columns classifier, kind, name, metric, value, ci_low, ci_high, wide_low, wide_high, sd, repeats; fractions.
        Kind ``level``: the value itself, name ``split/subset``, as far as SPLIT_EFFECTS needs it; kind ``difference``:
        an effect of SPLIT_EFFECTS, repeat by repeat. ci: over splits of this data set; wide: with Nadeau and Bengio's
        allowance for its being a sample; sd: of a single split. What the file does not hold has no row.

    Raises:
        UserError: a column is missing, or a row stands twice.
    """
    keys = ["classifier", "split", "subset", "repeat"]
    missing = [c for c in (*keys, "n_train", "n_test", *SPLIT_METRICS) if c not in splits]
    if missing or splits.duplicated(keys).any():
        what = f"no column {missing[0]}" if missing else "a row stands twice"
        raise UserError(f"splits.csv: {what}; run the linear probe again")
    # Every split tests the same share of what it draws from; the image-level one shows it.
    whole = splits[(splits["split"] == "image") & (splits["subset"] == "all")]
    ratio = float((whole["n_test"] / whole["n_train"]).mean())
    wide = splits.pivot(index=["classifier", "split", "subset"], columns="repeat", values=list(SPLIT_METRICS))
    rows = []

    def add(classifier, kind, name, metric, values):
        values = values.dropna().to_numpy()
        if len(values):
            near, far = proportions.repeats_interval(values), proportions.repeats_interval(values, ratio)
            sd = values.std(ddof=1) if len(values) > 1 else np.nan
            rows.append((classifier, kind, name, metric, *near, *far[1:], sd, len(values)))

    for classifier in dict.fromkeys(splits["classifier"]):
        for metric in SPLIT_METRICS:
            levels = dict(wide[metric].loc[classifier].iterrows())
            for place in dict.fromkeys(place for pair in SPLIT_EFFECTS.values() for place in pair):
                if place in levels:
                    add(classifier, "level", "/".join(place), metric, levels[place])
            for name, (first, second) in SPLIT_EFFECTS.items():
                if first in levels and second in levels:
                    add(classifier, "difference", name, metric, levels[first] - levels[second])
    columns = ["classifier", "kind", "name", "metric", "value", "ci_low", "ci_high", "wide_low", "wide_high", "sd"]
    return pd.DataFrame(rows, columns=[*columns, "repeats"])
