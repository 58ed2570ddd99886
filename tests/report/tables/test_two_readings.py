"""The published table of the two readings, against the size that the authors' own notebook prints."""

import pandas as pd

from wagf_src import paths


def test_the_published_parameters_are_those_of_the_released_model():
    parts = pd.read_csv(paths.REFERENCE_DIR / "frozen" / "tables" / "readings_parts.csv").set_index("part")
    assert parts.loc["in all", "released"] == 11_987_929, "the model summary that the released notebook stores"
    assert parts["released"].drop("in all").sum() == parts.loc["in all", "released"]
