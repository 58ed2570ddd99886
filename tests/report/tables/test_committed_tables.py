"""The committed tables are what the committed runs give: recomputed and compared to the six digits that are written."""

import io
import os

import pandas as pd
import pytest

from wagf_src import paths
from wagf_src.report import evidence, tables

PROFILE = "frozen"  # the profile that the published book shows


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RESULTS_DIR", tmp_path_factory.mktemp("no results of one's own"))
        yield evidence.collect(PROFILE, tables.TABLES)


# They show what the processor's own 3-D convolution reads, which is not the same everywhere (tests/golden/README.md).
# So is a network trained on random numbers, which amplifies the processor's rounding.
OF_THE_MACHINE = {"soft_attention_builds", "soft_attention_sizes", "pca_experiment", "predicted_example"}
# In whole or in part from the images or their metadata; what else needs them falls back to the committed numbers.
WITH_DATA = {
    "attention_equivalents",
    "attention_means",
    "attention_widths",
    "near_duplicates",
    "siblings",
    "test_seeds",
}
COMMITTED = {file.stem for file in (paths.REFERENCE_DIR / PROFILE / "tables").glob("*.csv")}


@pytest.mark.parametrize("name", sorted(COMMITTED & tables.TABLES.keys() - OF_THE_MACHINE))
def test_committed_table_is_recomputed(committed, name):
    if committed.table(name) is None or (name in WITH_DATA and not os.environ.get("HAM10000_DIR")):
        pytest.skip("needs HAM10000 (HAM10000_DIR)")
    expected = pd.read_csv(paths.REFERENCE_DIR / PROFILE / "tables" / f"{name}.csv")
    written = pd.read_csv(io.StringIO(committed.table(name).to_csv(index=False)))
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-5, atol=1e-6)
