"""All conditions side by side: each row rests on its own profile's runs."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import FROZEN, divide, fabricate

from wagf_src import paths
from wagf_src.paper import conditions
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


def test_rows_of_table_1_gather_all_conditions(made_up):
    table, results = made_up.table("table1"), made_up.table("all_results").set_index(["profile", "arm"])
    assert list(zip(table["row"], table["profile"])) == [
        ("MobileNet-v2", "frozen"),
        ("(i)", "frozen"),
        ("(ii)", "frozen"),
        ("(iii)", "frozen"),
        ("MobileNet-v2", "lite"),
        ("(i)", "lite"),
    ]
    assert table["accuracy_paper"].tolist() == [79.03, 87.21, 89.48, 90.75, 79.03, 87.21] and table["main"].all()
    assert table["f1_paper"][0] == 78.60 and table["stored"][1] == 88.30 and table["stored"].isna().sum() == 2
    for _, line in table.iterrows():
        for metric in ("accuracy", "f1_weighted", "precision_weighted_ci_low"):
            assert line[metric] == results.loc[(line["profile"], line["arm"]), metric]


def test_the_strongest_condition_leads_and_a_reader_s_own_goes_before_it(tmp_path, results_dir):
    def runs(name, arms, folds=0, **options):
        made = fabricate(tmp_path / "runs" / name, arms, **{"synthetic": False} | options)
        return divide(made, tmp_path / "runs" / f"{name}-folds", folds) if folds else made

    modules = FROZEN[1:3]
    found = {
        "a-plain": runs("plain", FROZEN[1:2], seeds=(0, 1, 2)),
        "b-one-seed": runs("one", modules),
        "c-two-seeds": runs("two", modules, seeds=(0, 1)),
        "d-folds": runs("d", modules, folds=2, counts={"nv": 500, "mel": 20}),
    }
    own = runs("own", modules, synthetic=True)
    order = ["d-folds", "c-two-seeds", "b-one-seed", "a-plain"]
    assert list(conditions.at_hand(Evidence("demo", own, found, {}))) == ["demo", *order]
    assert list(conditions.at_hand(Evidence("a-plain", found["a-plain"], found, {}))) == ["a-plain", *order[:3]]
    (paths.REFERENCE_DIR / "a-plain" / "runs" / "x").mkdir(parents=True)
    (paths.REFERENCE_DIR / "a-plain" / "runs" / "x" / "run.json").write_text("{}")
    assert list(conditions.at_hand(Evidence("a-plain", found["a-plain"], found, {}))) == order
    assert (
        conditions.title(found["d-folds"])
        == "MobileNetV2, end to end, 64 px, from random weights; n = 520 in 2 folds; one seed"
    )
    assert conditions.title(own).startswith("SYNTHETIC, MobileNetV2, ")
    assert conditions.name(found["c-two-seeds"], "x").endswith(" (`x`, n = 200, 2 seeds)")


def test_folds_stand_beside_the_others(made_up, tmp_path):
    folds = divide(made_up.conditions["frozen"], tmp_path)
    both = Evidence("none", [], {"frozen": made_up.conditions["frozen"], "frozen-folds": folds}, tables.TABLES)
    rows = both.table("all_results").set_index(["profile", "arm"])
    numbers = ["n_seeds", "n_images", "accuracy", "accuracy_ci_low", "f1_weighted", "balanced_accuracy_ci_high", "ece"]
    for arm in FROZEN:
        assert rows.loc[("frozen-folds", arm), numbers].tolist() == pytest.approx(
            rows.loc[("frozen", arm), numbers].tolist()
        )
    assert rows.loc["frozen-folds", "condition"].iloc[0].endswith("n = 200 in 5 folds; 2 seeds")
    table2 = both.table("table2").groupby("profile")["accuracy"]
    assert table2.get_group("frozen").tolist() == pytest.approx(table2.get_group("frozen-folds").tolist())
    confusion = both.table("confusion").groupby("profile")["images"]
    assert confusion.get_group("frozen").tolist() == confusion.get_group("frozen-folds").tolist()


def test_steps_are_within_a_profile(made_up):
    table = made_up.table("all_steps")
    assert table.groupby("profile", sort=False).size().to_dict() == {"frozen": 6, "lite": 1}
    table = table[table["kind"] != "probe"].reset_index()
    accuracy = made_up.table("all_results").set_index(["profile", "arm"])["accuracy"]
    for _, line in table.iterrows():
        profile = line["profile"]
        expected = 100 * (accuracy[profile, line["arm_a"]] - accuracy[profile, line["arm_b"]])
        assert line["difference"] == pytest.approx(expected)
    assert table["paper"].iloc[0] == pytest.approx(87.21 - 85.89) and set(table["n_seeds"]) == {2}
    # Each profile's planned family is corrected by itself: one direction alone is not.
    assert set(table["family"]) == {"planned"} and table.iloc[-1]["p_holm"] == table.iloc[-1]["p"]
    p = table["p"][:5].sort_values()
    by_hand = np.minimum(1, np.maximum.accumulate(p.to_numpy() * np.arange(5, 0, -1)))
    np.testing.assert_allclose(table["p_holm"][p.index], by_hand)


def test_expectations_of_the_profiles_that_have_some(made_up):
    table = made_up.table("expectations")
    # Equation 1's weights are one half in made-up histories; steps of less than the paper's are judged in plans.
    assert set(table["profile"]) == {"frozen", "lite"}
    weights = table[table["expected"].str.startswith("Equation 1")].iloc[0]
    assert weights["held"] and weights["certain"]


def test_without_real_runs_tables_are_empty_and_say_so():
    nothing = Evidence("demo", [], {}, tables.TABLES)
    for name in ("all_results", "table1", "all_steps", "expectations"):
        table = nothing.table(name)
        assert len(table) == 0 and table.columns[-1] == "provenance"


def test_one_arm_of_a_condition_stands_for_a_row(tmp_path):
    """The paper's own backbone before another one; each reading has its own."""
    arms = ["densenet121-wagf-described", "mobilenetv2-wagf-described", "mobilenetv2-wagf-released"]
    runs = fabricate(tmp_path, arms, synthetic=False)
    for run, milliseconds in zip(runs, (1.0, 2.0, 3.0)):
        run.info["predict_milliseconds_per_image"] = milliseconds
    found = Evidence("demo", [], {"mixed": runs}, tables.TABLES)
    table = found.table("table1").set_index("arm")
    assert table["main"].to_dict() == {arms[0]: True, arms[1]: False, arms[2]: True}
    assert table["row"].unique().tolist() == ["(iii)"]


def test_time_an_image_is_a_mean_over_seeds(tmp_path):
    runs = fabricate(tmp_path, ("mobilenetv2-base",), seeds=(0, 1), synthetic=False)
    for run, milliseconds in zip(runs, (2.0, 5.0)):
        run.info["predict_milliseconds_per_image"] = milliseconds
    [line] = Evidence("demo", [], {"mine": runs}, tables.TABLES).table("all_results").to_dict("records")
    assert line["predict_milliseconds"] == pytest.approx(3.5)
