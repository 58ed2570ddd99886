"""The methods of Table 2 side by side, from fabricated runs, against scikit-learn and counting."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import COUNTS, fabricate

from wagf_src.classes import CLASSES
from wagf_src.paper import table2_measured
from wagf_src.profile import load_profile
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.runs import PROBABILITY_COLUMNS

SKILL = {
    "mobilenetv2-base": 2.0,
    "mobilenetv2-base-mwnl": 3.2,
    "mobilenetv2-wagf-described": 2.0,
    "mobilenetv2-base-shen": 2.0,
}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    runs = fabricate(tmp_path_factory.mktemp("runs"), SKILL, seeds=(0, 1), skill=SKILL, synthetic=False, counts=COUNTS)
    return Evidence("made-up", [], {"table2": runs}, tables.TABLES)


def test_every_arm_has_a_row_and_every_work_too(made_up):
    table = made_up.table("table2_measured")
    planned = sum((load_profile(name).arms for name in ("table2", "table2-small", "table2-gpu")), ())
    assert tuple(table["arm"].dropna()) == planned and set(planned[:9]) > set(SKILL)
    assert set(table["row"]) - {"", "Datta et al."} == set(made_up.table("table2").query("group == 'paper'")["row"])
    assert table.query("row == 'Iqbal et al.'")[["arm", "accuracy"]].isna().all(axis=None)
    assert table.query("row == 'Iqbal et al.'")["assumes"].item() == "not reproducible from public text"
    follows = dict(zip(table["arm"], table["row"]))
    assert follows["mobilenetv2-wagf-described"] == follows["densenet121-wagf-described"] == "Proposed"
    assert follows["mobilenetv2-base-maaw"] == follows["inceptionmaaw-base-maaw-lr0.0001"] == "Roy et al."
    assert follows["mobilenetv2-base"] == follows["mobilenetv2-base-weighted"] == ""
    assert set(table.query("row == 'Yao et al.'")["printed"]) == {86.4}
    assert table.query("row == 'Roy et al.'")["printed"].isna().all(), "no accuracy is printed there"
    others = table[~table["row"].isin(["", "Proposed"])]
    assert others["assumes"].ne("").all()


def test_our_values_and_what_was_not_run(made_up):
    table = made_up.table("table2_measured").query("profile == 'table2'").set_index("arm")
    for arm in SKILL:
        frames = [run.predictions() for run in made_up.conditions["table2"] if run.arm == arm]
        answers = [(f["dx"], np.array(CLASSES)[f[PROBABILITY_COLUMNS].to_numpy().argmax(axis=1)]) for f in frames]
        line = table.loc[arm]
        for name, score in {
            "accuracy": sk.accuracy_score,
            "balanced_accuracy": sk.balanced_accuracy_score,
            "f1_macro": lambda *a: sk.f1_score(*a, average="macro"),
            "melanoma_sensitivity": lambda *a: sk.recall_score(*a, labels=["mel"], average="macro"),
        }.items():
            assert line[name] == pytest.approx(np.mean([score(*answer) for answer in answers]))
            assert line[f"{name}_ci_low"] < line[name] < line[f"{name}_ci_high"]
        assert line["n_seeds"] == 2 and line["n_test"] == 200
    assert table.loc["mobilenetv2-base-maaw", ["accuracy", "n_seeds"]].isna().all()


def test_differences_to_the_base_and_to_the_full_model(made_up):
    found = made_up.table("table2_differences").set_index(["arm", "against", "metric"])
    measured = made_up.table("table2_measured").query("profile == 'table2'").set_index("arm")
    assert len(found) == 2 * 3 * 2 and not found.index.duplicated().any()
    for against, other in (("base", "mobilenetv2-base"), ("(iii)", "mobilenetv2-wagf-described")):
        for arm in set(SKILL) - {other}:
            for metric in ("accuracy", "balanced_accuracy"):
                wanted = 100 * (measured.loc[arm, metric] - measured.loc[other, metric])
                assert found.loc[(arm, against, metric), "difference"] == pytest.approx(wanted)
        family = found.xs(against, level="against").sort_values("p")
        assert family["p_holm"].iloc[0] == pytest.approx(6 * family["p"].iloc[0])  # Holm's first step of six
    assert found.loc[("mobilenetv2-base-mwnl", "base", "accuracy"), "p_holm"] < 0.05


def test_the_base_is_the_plain_one():
    arms = load_profile("table2-gpu").arms
    assert table2_measured.yardstick_arms(arms) == {"base": "densenet121-base", "(iii)": "densenet121-wagf-described"}
    others = ("mridha-base-random", "mridha-base", "mobilenetv2-base-mwnl", "mobilenetv2-base-weighted")
    for arm in (*others, "mobilenetv2-base-random", "mobilenetv2-sa-described"):
        assert table2_measured.yardstick_arms([arm]) == {}, arm


def test_yardsticks_stand_apart(made_up):
    table = made_up.table("table2_yardsticks").set_index("yardstick")
    assert table.loc["always nv", ["accuracy", "balanced_accuracy"]].tolist() == pytest.approx([88300 / 1103, 100 / 7])
    datta = table.loc[table.index.str.startswith("Datta")].iloc[0]
    # Wilson's 95% interval of 1,010 of 1,103, from statsmodels' manual: 89.8 to 93.1.
    assert [round(v, 1) for v in datta[["accuracy", "ci_low", "ci_high"]]] == [91.6, 89.8, 93.1]
    official = "official test set of ISIC-2018 Task 3"
    others = ("same split recipe and size, drawn anew", "another split of HAM10000, no lesion shared")
    assert (table["source"] != "").all() and not set(table["images"]) - {"ours", official, *others}
    assert table[table["images"] == official]["accuracy"].isna().all(), "that board has balanced accuracy"


def test_each_yardstick_says_what_it_rests_on_itself(tmp_path):
    """Ours rest on their own runs, published ones on their source, and the counted one on no data."""
    runs = {
        "frozen": fabricate(tmp_path / "a", ("mobilenetv2-probe", "mobilenetv2-base"), synthetic=False, epochs=3),
        "ours": fabricate(tmp_path / "b", ("densenet121-base",), seeds=(0, 1), synthetic=False, epochs=7),
    }
    table = Evidence("x", [], runs, tables.TABLES).table("table2_yardsticks")
    ours, published = table[table["source"] == "run here"], table[~table["source"].isin(["run here", "counted"])]
    (probe, densenet), device = ours["provenance"], "CPU, 2 cores"
    assert probe == f"HAM10000; 64 px; MobileNetV2; ImageNet weights; end to end, 3 epochs; 1 seed; {device}"
    assert densenet == f"HAM10000; 64 px; DenseNet-121; random initialisation; end to end, 7 epochs; 2 seeds; {device}"
    assert len(published) > 3 and (published["provenance"] == "published: " + published["source"]).all()
    assert table[table["source"] == "counted"]["provenance"].tolist() == ["published numbers; no data used"]


def test_without_runs_nothing_is_claimed():
    empty = Evidence("none", [], {}, tables.TABLES)
    assert empty.table("table2_measured")["accuracy"].isna().all() and empty.table("table2_differences").empty
