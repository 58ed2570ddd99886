"""Table 2 against the paper's lines, scikit-learn and counting."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import COUNTS, FROZEN, fabricate

from wagf_src.classes import CLASSES
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.runs import PROBABILITY_COLUMNS


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    runs = fabricate(tmp_path_factory.mktemp("runs"), FROZEN, seeds=(0, 1), counts=COUNTS | {"vasc": 0})
    return Evidence("made-up", runs, {}, tables.TABLES)


def test_printed_rows_with_their_audit_and_their_source(made_up):
    table = made_up.table("table2").query("group == 'paper'").set_index("row")
    assert list(table.index)[0] == "Yao et al." and len(table) == 7
    assert table.loc["Proposed", ["accuracy", "precision", "recall", "f1"]].tolist() == [90.75, 90.83, 90.75, 91.17]
    # 1,001 of 1,103 are 90.75%; 91.17 lies above (90.83 + 90.75) / 2.
    assert table.loc["Proposed", "audit"] == "accuracy reachable; F1 above its bound"
    assert table["audit"].drop(["Proposed", "Iqbal et al.", "Roy et al."]).unique().tolist() == ["n unknown"]
    assert table[["data", "split", "metric", "source"]].notna().all(axis=None)
    assert table["metric"].str.startswith("balanced").sum() == 2 and table["n_test"].notna().sum() == 1


def test_the_row_that_the_table_lacks(made_up):
    (line,) = made_up.table("table2").query("group == 'left out'").to_dict("records")
    # 1,010 of 1,103 are 91.57%, which GRIM reaches; Wilson 89.8 to 93.1.
    assert (line["row"], line["accuracy"], line["n_test"]) == ("Datta et al.", 91.57, 1103)
    assert (line["ci_low"], line["ci_high"]) == pytest.approx((89.8, 93.1), abs=0.05)
    assert line["audit"] == "accuracy reachable"


def test_our_rows(made_up):
    table = made_up.table("table2").set_index("arm")
    assert table.loc["mobilenetv2-probe", "group"] == "probe"
    for arm in FROZEN[1:3]:
        frames = [run.predictions() for run in made_up.runs if run.arm == arm]
        answers = [(f["dx"], np.array(CLASSES)[f[PROBABILITY_COLUMNS].to_numpy().argmax(axis=1)]) for f in frames]
        line = table.loc[arm]
        for name, score in (("accuracy", sk.accuracy_score), ("balanced_accuracy", sk.balanced_accuracy_score)):
            value = 100 * np.mean([score(*answer) for answer in answers])
            low, high = line[["ci_low", "ci_high"] if name == "accuracy" else ["balanced_ci_low", "balanced_ci_high"]]
            assert line[name] == pytest.approx(value) and low < value < high
        for name in ("precision", "recall", "f1"):
            score = getattr(sk, f"{name}_score")
            weighted = 100 * np.mean([score(*answer, average="weighted", zero_division=0) for answer in answers])
            assert line[name] == pytest.approx(weighted), name
        assert line["n_seeds"] == 2 and line["n_test"] == 194


def test_yardsticks(made_up):
    table = made_up.table("table2").set_index("row")
    # Nevi are 140 of the 194 made-up images, and one class of the six that are there; 883 of the paper's 1,103.
    assert table.loc["always nv", ["accuracy", "balanced_accuracy"]].tolist() == pytest.approx([7000 / 97, 100 / 6])
    assert table.loc["always nv (paper)", ["accuracy", "n_test"]].tolist() == pytest.approx([88300 / 1103, 1103])
    official = table[table["group"] == "ISIC-2018 Task 3"]
    assert official["n_test"].eq(1512).all() and official["accuracy"].isna().all() and len(official) == 3


def test_without_runs_only_what_is_printed(tmp_path):
    table = Evidence("none", [], {}, tables.TABLES).table("table2")
    assert table["group"].value_counts().to_dict() == {"paper": 7, "left out": 1, "ISIC-2018 Task 3": 3, "majority": 1}
    assert table["provenance"].eq("no runs").all()
