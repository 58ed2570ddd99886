"""What the chapter on Table 2's methods says, from tables of fabricated runs and of none."""

import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src.report import figures, tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import table2_measured as prose

SKILL = {"mobilenetv2-base": 2.0, "mobilenetv2-base-mwnl": 4.5, "mobilenetv2-wagf-described": 2.0}
SEEDS = ["seeds, minus base", "seeds, minus (iii)"]
NAMES = ("table2_measured", "table2_differences", "table2_yardsticks")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    runs = fabricate(tmp_path_factory.mktemp("runs"), SKILL, seeds=(0, 1), skill=SKILL, synthetic=False)
    evidence = Evidence("made-up", [], {"table2": runs}, tables.TABLES)
    return [evidence.table(name) for name in NAMES]


@pytest.fixture(scope="module")
def nothing():
    evidence = Evidence("none", [], {}, tables.TABLES)
    return [evidence.table(name) for name in NAMES]


def test_answer(made_up, nothing):
    text = prose.answer(*made_up[:2])
    assert text == (
        "put on one network, one budget and one test set (3 of 9 models, 2 seeds), in accuracy 1 of them (MWNL) is "
        "shown to lie above the plain backbone and none below it, in balanced accuracy 1 of them (MWNL) is shown to "
        "lie above the plain backbone and none below it; 1 of the 7 rows of Table 2 (Iqbal et al.) cannot be "
        "reproduced from public text; without a run so far: Roy et al., Shen et al., Mridha et al., Sai Charan et "
        "al."
    )
    one_seed = made_up[1].assign(n_seeds=1)
    assert "(with one seed, the noise of training is in no interval and no p); 1 of" in prose.answer(
        made_up[0], one_seed
    )
    text = prose.answer(*nothing[:2])
    assert text.startswith("not known yet, since 0 of 9 models have been run") and "Iqbal et al." in text


def test_what_each_part_rests_on_has_no_seeds_of_its_own(made_up, nothing):
    text = prose.rests_on(made_up[0], prose.LITE, "This page")
    assert text.startswith("**This page rests on:** ") and "64 px; MobileNetV2; " in text and "seed" not in text
    assert prose.rests_on(nothing[0], prose.SMALL, "This") == "**This rests on:** no run of `table2-small` yet."


def test_rows(made_up, nothing):
    shown = prose.rows(made_up[0], prose.LITE).set_index("ours")
    line = shown.loc["MobileNetV2 (MWNL)"]
    assert line[["row of Table 2", "printed", "seeds"]].tolist() == ["Yao et al.", "86.40", "2"]
    assert "[" in line["accuracy"] and "[" in line["melanoma sensitivity"]
    absent = shown.loc["MobileNetV2 (MAAW loss)"]
    assert absent[["printed", "seeds", "accuracy"]].tolist() == ["–", "not run", "–"]
    assert shown.loc["not reproducible from public text", "row of Table 2"] == "Iqbal et al."
    gpu = prose.rows(nothing[0], prose.FULL_SIZE)
    assert len(gpu) == 8 and (gpu["seeds"] == "not run").all() and gpu["ours"].str.contains("-style").sum() == 3


def test_assumptions_stand_beside_all_that_follows_others(nothing):
    shown = prose.assumptions(nothing[0])
    assert set(shown["follows"]) == {
        "Yao et al.",
        "Shen et al.",
        "Roy et al.",
        "Sai Charan et al.",
        "Mridha et al.",
        "Datta et al.",
    }
    assert shown["assumed or changed"].str.len().min() > 20


def test_differences(made_up, nothing):
    shown = prose.differences(made_up[1], prose.LITE).set_index("ours")
    wanted = [f"{m} minus {against}" for against in ("base", "(iii)") for m in ("accuracy", "balanced accuracy")]
    assert sorted(shown.columns) == sorted([*SEEDS, *wanted])
    assert set(shown[SEEDS].to_numpy().ravel()) == {"2", "–"} and shown.loc["MobileNetV2", SEEDS[0]] == "–"
    assert shown.loc["MobileNetV2", "accuracy minus base"] == "–"
    assert shown.loc["MobileNetV2 (MWNL)", "accuracy minus base"].startswith("+")
    assert "p " in shown.loc["MobileNetV2 (MWNL)", "accuracy minus base"]
    assert prose.differences(nothing[1], prose.LITE).empty


def test_what_is_shown_takes_the_corrected_p_against_the_base_in_its_own_profile(made_up):
    arm = {"profile": prose.LITE, "arm": "mobilenetv2-base-mwnl", "against": "base", "difference": 1.5, "ci_low": 0.5}
    line = arm | {"ci_high": 2.5, "p": 0.01, "p_holm": 0.2, "n_seeds": 2, "metric": "accuracy"}
    lines = [line, line | {"metric": "balanced_accuracy", "n_seeds": 1}]
    lines += [
        line | {"against": "(iii)", "p_holm": 0.001, "n_seeds": 1},
        line | {"profile": prose.FULL_SIZE, "difference": 9.0},
    ]
    frame = pd.DataFrame(lines)
    text = prose.answer(made_up[0], frame)
    assert "1 to 2 seeds), in accuracy none is shown to lie above the plain backbone and none below it" in text
    shown = prose.differences(frame, prose.LITE)
    assert shown["ours"].tolist() == ["MobileNetV2 (MWNL)"]
    assert shown[SEEDS[1]].item() == "1", "each difference has its own seeds"
    assert shown["accuracy minus base"].item() == "+1.5 [+0.5, +2.5], p = 0.200"
    assert shown["accuracy minus (iii)"].item() == "+1.5 [+0.5, +2.5], p = 0.001"


def test_the_figure_has_the_metric_asked_for_in_percent(made_up):
    own = made_up[0][(made_up[0]["profile"] == prose.LITE) & made_up[0]["accuracy"].notna()]
    columns = ["balanced_accuracy", "balanced_accuracy_ci_low", "balanced_accuracy_ci_high"]
    drawn = prose.ladder(made_up[0], "balanced_accuracy")
    assert drawn[["value", "low", "high"]].to_numpy().tolist() == (100 * own[columns].to_numpy(float)).tolist()


def test_yardsticks_and_figure(made_up, nothing):
    shown = prose.yardsticks(made_up[2]).set_index("yardstick")
    assert shown.loc["PanDerm, linear probe", "balanced accuracy (%)"] == "79.7"
    assert shown.loc["always nv", "test images"] == "1,103, ours" and "–" in shown["accuracy (%)"].to_list()
    ladder = prose.ladder(made_up[0], "balanced_accuracy")
    assert len(ladder) == 3 and ladder["low"].lt(ladder["value"]).all()
    assert figures.accuracy_ladder(ladder) is not None
    assert figures.accuracy_ladder(prose.ladder(nothing[0], "accuracy")) is None
    assert isinstance(prose.rows(nothing[0], prose.LITE), pd.DataFrame)
