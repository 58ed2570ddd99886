"""The conditions at hand, in the order of their distance from the paper's."""

import pytest
from fabricate import write_ladder

from wagf_src.paper import conditions
from wagf_src.report import evidence
from wagf_src.report.tables import TABLES
from wagf_src.runs import by_arm, load_runs

DENSENET = {"densenet121-wagf-described": 100, "densenet121-base": 120}


@pytest.fixture
def gathered(results_dir):
    frozen = {"profile": "frozen", "train": "frozen", "image_size": 160}
    write_ladder(results_dir, {"mobilenetv2-base": 100, "mobilenetv2-probe": 100}, **frozen)
    write_ladder(results_dir, DENSENET, seeds=(0,), profile="once")
    write_ladder(results_dir, {f"{arm}-random": n for arm, n in DENSENET.items()}, profile="random", weights="none")
    write_ladder(results_dir, DENSENET, profile="small", image_size=96)
    write_ladder(results_dir, {"mobilenetv2-base": 100}, profile="demo", name="SYNTHETIC")
    return evidence.collect("demo", TABLES)


def test_the_nearest_first_with_what_keeps_it(gathered):
    table = gathered.table("conditions_at_hand").set_index("profile")
    # One seed is at the paper's own settings; what is not real leads, since it is the reader's own.
    assert list(table.index) == ["demo", "once", "small", "random", "frozen"]
    assert table["obstacle"].tolist() == [
        "synthetic images say nothing about HAM10000",
        "one seed an arm, where training noise needs 2 or more",
        "",
        "",
        "not DenseNet-121 trained end to end",
    ]
    assert table.loc["once", "departures"] == "" and table.loc["small", "departures"] == "image_size 96 for 256"
    assert table.loc["random", "departures"] == "weights none for imagenet"
    assert table.loc["frozen", "runs"] == 4 and "2 seeds" in table.loc["frozen", "nearest_arm"]


def test_a_setting_that_a_run_does_not_record_has_its_default(results_dir):
    """A later version records more: that alone makes no other conditions; another value does."""
    write_ladder(results_dir, {"densenet121-base": 120}, seeds=(0, 1), profile="small", image_size=96)
    one, other = load_runs("small")
    one.info["settings"].pop("test", None)
    other.info["settings"]["test"] = "paper"
    assert conditions.data_obstacle([one, other]) is None and conditions.data_obstacle([other, one]) is None
    other.info["settings"]["resize"] = "nearest"
    other = type(other)(other.path)
    other.info["settings"]["resize"] = "nearest"
    assert conditions.data_obstacle([one, other]) == "the runs were made under different settings"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_run_must_be_of_ham10000_whole(results_dir, place):
    write_ladder(results_dir, {"densenet121-base": 120}, seeds=(0, 1, 2), profile="small", image_size=96)
    assert conditions.data_obstacle(load_runs("small")) is None
    for change, said in (
        ({"images": 9_000}, "a rehearsal on 9000 photographs, 1103 of them for testing"),
        ({"n_test": 1_102}, "a rehearsal on 10015 photographs, 1102 of them for testing"),
        ({"name": "HAM10000's images under other labels"}, "not HAM10000: HAM10000's images under other labels"),
        ({"name": "SYNTHETIC"}, "synthetic images say nothing about HAM10000"),
    ):
        runs = load_runs("small")
        runs[place].info["data"] |= change
        assert conditions.data_obstacle(runs) == said


def test_two_seeds_are_two_that_both_arms_have(results_dir):
    write_ladder(results_dir, {"densenet121-base": 120}, seeds=(0, 1), profile="small", image_size=96)
    write_ladder(results_dir, {"densenet121-sa-described": 100}, seeds=(1, 2), profile="small", image_size=96)
    arms = by_arm(load_runs("small"))
    alone = conditions.obstacle(arms["densenet121-base"])
    assert alone is None and "one seed an arm" in conditions.obstacle(*arms.values())


def test_all_images_are_another_population_than_the_paper_tested(results_dir):
    write_ladder(results_dir, {"densenet121-base": 120}, profile="all", test="lesion-folds")
    [said] = conditions.departures(load_runs("all")[0])
    assert said == "tested on all images for lesions photographed once"


def test_one_comparison_has_one_corrected_p(results_dir):
    """Table 2's profile has its family in its own table; the ablation would correct its ladder once more, alone."""
    write_ladder(results_dir, {"mobilenetv2-base": 120, "mobilenetv2-wagf-described": 100}, profile="table2")
    found = evidence.collect("table2", TABLES)
    assert not len(found.table("all_steps")) and len(found.table("table2_differences"))


def test_claims_carry_what_the_profile_rests_on(results_dir):
    table = evidence.collect("none", TABLES).table("claims")
    assert set(table["part"]) == {"claims", "counts"} and table["provenance"].eq("no runs").all()
    assert len(evidence.collect("none", TABLES).table("conditions_at_hand")) == 0


def test_a_condition_is_from_random_weights_if_most_of_its_runs_are(results_dir):
    """One arm with another start, as profile ``reduced`` has it, names no condition."""
    write_ladder(results_dir, DENSENET | {"densenet121-sa-described": 110}, profile="mixed")
    write_ladder(results_dir, {"densenet121-base-random": 120}, profile="mixed", weights="none")
    assert conditions.title(load_runs("mixed")) == "DenseNet-121, end to end, 256 px; n = 1,103; 2 seeds"
    random = {f"{arm}-random": 120 for arm in (*DENSENET, "densenet121-sa-described")}
    write_ladder(results_dir, random, profile="most", weights="none")
    write_ladder(results_dir, {"densenet121-base": 120}, profile="most")
    assert ", from random weights; n = 1,103" in conditions.title(load_runs("most"))
