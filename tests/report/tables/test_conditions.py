"""All conditions side by side: each row rests on its own profile's runs."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import FROZEN, fabricate

from wagf_src.report import tables
from wagf_src.report.evidence import Evidence

PROFILES = {"frozen": FROZEN, "lite": FROZEN[1:3]}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    conditions = {
        name: fabricate(folder / name, arms, seeds=(0, 1), synthetic=False, skill=lead)
        for (name, arms), lead in zip(PROFILES.items(), (1.5, 3.0))
    }
    return Evidence("demo", [], conditions, tables.TABLES)


def test_all_results_by_hand(made_up):
    table = made_up.table("all_results")
    assert table.groupby("profile", sort=False)["arm"].agg(list).to_dict() == {k: list(v) for k, v in PROFILES.items()}
    line = table[(table["profile"] == "lite") & (table["arm"] == "mobilenetv2-base")].iloc[0]
    runs = [run for run in made_up.conditions["lite"] if run.arm == "mobilenetv2-base"]
    assert line["accuracy"] == pytest.approx(np.mean([run.info["test_metrics"]["accuracy"] for run in runs]))
    truths = [run.predictions() for run in runs]
    auc = np.mean([sk.roc_auc_score(frame["dx"] == "mel", frame["p_mel"]) for frame in truths])
    assert line["auc_melanoma"] == pytest.approx(auc) and line["auc_melanoma_ci_low"] < auc
    assert line["minutes"] == pytest.approx((40 + 41) / 60) and np.isnan(line["predict_milliseconds"])
    assert line["parameters"] == 1_234_567 and "HAM10000; 64 px" in line["rests_on"]
    assert line["provenance"].startswith("frozen: HAM10000") and "; lite: HAM10000" in line["provenance"]


def test_rows_of_table_1_gather_all_profiles(made_up):
    table, results = made_up.table("all_table1"), made_up.table("all_results").set_index(["profile", "arm"])
    assert list(zip(table["row"], table["profile"])) == [
        ("MobileNet-v2", "frozen"),
        ("MobileNet-v2", "lite"),
        ("(i)", "frozen"),
        ("(i)", "lite"),
        ("(ii)", "frozen"),
        ("(iii)", "frozen"),
    ]
    assert table["paper"].tolist() == [79.03, 79.03, 87.21, 87.21, 89.48, 90.75]
    for _, line in table.iterrows():
        assert line["accuracy"] == results.loc[(line["profile"], line["arm"]), "accuracy"]


def test_steps_are_within_a_profile(made_up):
    table = made_up.table("all_steps")
    assert table.groupby("profile", sort=False).size().to_dict() == {"frozen": 5, "lite": 1}  # no probe here
    accuracy = made_up.table("all_results").set_index(["profile", "arm"])["accuracy"]
    for _, line in table.iterrows():
        profile = line["profile"]
        expected = 100 * (accuracy[profile, line["arm_a"]] - accuracy[profile, line["arm_b"]])
        assert line["difference"] == pytest.approx(expected)
    assert table["paper"].iloc[0] == pytest.approx(87.21 - 85.89) and set(table["n_seeds"]) == {2}
    # Each profile's planned family is corrected by itself: one direction alone is not.
    assert set(table["family"]) == {"planned"} and table.iloc[-1]["p_holm"] == table.iloc[-1]["p"]
    assert (table["p_holm"][:5] >= table["p"][:5]).all() and table["p_holm"][:5].max() > table["p"][:5].max() - 1e-12


def test_expectations_of_the_profiles_that_have_some(made_up):
    table = made_up.table("expectations")
    # Equation 1's weights are one half in made-up histories; steps of less than the paper's are judged in plans.
    assert set(table["profile"]) == {"frozen", "lite"}
    weights = table[table["expected"].str.startswith("Equation 1")].iloc[0]
    assert weights["held"] and weights["certain"]


def test_without_real_runs_tables_are_empty_and_say_so():
    nothing = Evidence("demo", [], {}, tables.TABLES)
    for name in ("all_results", "all_table1", "all_steps", "expectations"):
        table = nothing.table(name)
        assert len(table) == 0 and table.columns[-1] == "provenance"
