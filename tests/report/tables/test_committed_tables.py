"""The committed tables are what the committed runs give: recomputed and compared to the six digits that are written."""

import io

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


@pytest.mark.parametrize(
    "name",
    [
        # accuracy, ablation, conditions, own_model, training
        "table1",
        "per_class",
        "averages",
        "ablation",
        "ablation_balanced",
        "all_results",
        "all_table1",
        "all_steps",
        "expectations",
        "own_model",
        "own_model_curve",
        "own_model_rules",
        "checkpoints",
        # protocol, leakage_experiment, calibration, features
        "protocol_counts",
        "leakage",
        "leakage_experiment",
        "calibration",
        "decisions",
        "coverage",
        "confusion",
        "separability",
        "pca_per_batch",
    ],
)
def test_committed_table_is_recomputed(committed, name):
    if name in ("protocol_counts", "leakage") and committed.metadata is None:
        pytest.skip("needs the metadata of HAM10000 (HAM10000_DIR)")
    expected = pd.read_csv(paths.REFERENCE_DIR / PROFILE / "tables" / f"{name}.csv")
    written = pd.read_csv(io.StringIO(committed.table(name).to_csv(index=False)))
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-5, atol=1e-6)
