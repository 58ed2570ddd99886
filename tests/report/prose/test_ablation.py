"""What the chapter on the ablation says, from tables made by hand."""

import numpy as np
import pandas as pd

from wagf_src.report.prose import ablation as prose
from wagf_src.report.prose import conditions

D = "densenet121-"
PAIRS = [
    ("soft attention", f"{D}sa-described", f"{D}base"),
    ("SaFA", f"{D}wagf-described", f"{D}sa-gf-described"),
    ("learned fusion", f"{D}sa-gf-described-learned", f"{D}sa-gf-described"),
]
ABLATION = pd.DataFrame(PAIRS, columns=["comparison", "arm_a", "arm_b"]).assign(
    difference=[2.0, 0.1, -3.0],
    ci_low=[1.0, -1.0, -4.0],
    ci_high=[3.0, 1.0, -2.0],
    kind=["ladder", "ladder", "fusion"],
    family=["planned", "planned", "other"],
    mcnemar_b=5,
    mcnemar_c=1,
    mcnemar_p=0.22,
    p=[0.001, 0.9, 0.0001],
    p_holm=[0.002, 0.9, 0.0003],
    paper=[1.32, 1.27, np.nan],
    paper_low=[-1.5, -1.2, np.nan],
    paper_high=[4.2, 3.8, np.nan],
    n_seeds=3,
    detectable=[1.24, 1.9, 2.6],
    sentence=["First.", "Second.", "Third."],
    profile="lite",
    condition="DenseNet-121, end to end, 96 px; n = 1,103; 3 seeds",
    provenance="HAM10000",
)
FOLDS = {
    "profile": "lite-folds",
    "condition": "DenseNet-121, end to end, 96 px; n = 5,514 in 5 folds; one seed",
    "n_seeds": 1,
}
BOTH = pd.concat([ABLATION[:2].assign(**FOLDS, p_holm=0.3), ABLATION], ignore_index=True)
BALANCED = pd.DataFrame(
    [
        ("lite", "end to end", *pair, metric, d, d - 1, d + 1)
        for pair, d in zip(PAIRS, (0.5, 2.0, np.nan))
        for metric in ("balanced_accuracy", "f1_macro")
    ],
    columns=["profile", "condition", "comparison", "arm_a", "arm_b", "metric", "difference", "ci_low", "ci_high"],
)
BALANCED["p_holm"] = [0.9, 0.9, 0.03, 0.2, np.nan, np.nan]


def test_main_comparisons():
    assert prose.with_main(ABLATION)["main"].tolist() == [True, True, False]
    assert prose.with_main(ABLATION.assign(kind="branch"))["main"].tolist() == [True, True, False]  # planned
    assert len(prose.with_main(ABLATION[:0])) == 0


def test_answer_counts_what_is_shown_in_each_condition():
    lines = prose.answer(BOTH, BALANCED).split("\n")
    assert lines[2] == (
        "- DenseNet-121, end to end, 96 px; n = 5,514 in 5 folds; one seed (`lite-folds`): of 2 planned directions, 0 "
        "change accuracy. Over the plain backbone: (i) +2.0 [+1.0, +3.0]; shown to be better: none. At the noise "
        "measured, a planned step of 1.2 to 1.9 points is shown with a power of 80% (uncorrected)."
    )
    assert lines[3] == (
        "- DenseNet-121, end to end, 96 px; n = 1,103; 3 seeds (`lite`): of 2 planned directions, 1 changes accuracy "
        "(soft attention +2.0); of 1 other comparison, 1 changes accuracy (learned fusion -3.0). Over the plain "
        "backbone: (i) +2.0 [+1.0, +3.0]; shown to be better: (i). At the noise measured, a planned step of 1.2 to 1.9 "
        "points is shown with a power of 80% (uncorrected)."
    )
    assert lines[-1] == "Of all 5 comparisons, 1 changes balanced accuracy: SaFA +2.0, `lite`."
    synthetic = prose.answer(ABLATION.assign(condition="SYNTHETIC, 64 px"), BALANCED)
    assert "not what the modules do." in synthetic
    assert "nothing to compare" in prose.answer(ABLATION[:0], BALANCED[:0])


def test_lists_and_tables_for_people():
    assert prose.sentences(BOTH[:3]) == "*lite-folds*\n\n- First.\n- Second.\n\n*lite*\n\n- First."
    assert prose.sentences(BOTH[:0]) == "Nothing was compared."
    table = prose.table(BOTH)
    assert list(table.columns) == ["comparison", "paper [its margin]", "lite-folds", "lite"]
    assert table.iloc[0].tolist() == [
        "soft attention",
        "+1.3 [-1.5, +4.2]",
        "+2.0 [+1.0, +3.0], p = 0.300",
        "+2.0 [+1.0, +3.0], p = 0.002*",
    ]
    assert table.iloc[2].tolist() == ["learned fusion", "–", "–", "-3.0 [-4.0, -2.0], p < 0.001*"]
    assert prose.mcnemar_table(BOTH).iloc[2].tolist() == ["learned fusion", "–", "5 against 1, p = 0.220"]
    balanced = prose.balanced_table(BALANCED, "balanced_accuracy")
    assert list(balanced.columns) == ["comparison", "lite"]
    assert balanced["lite"].tolist() == ["+0.5 [-0.5, +1.5]", "+2.0 [+1.0, +3.0]*", "–"]
    for empty in (prose.table(BOTH[:0]), prose.mcnemar_table(BOTH[:0]), prose.balanced_table(BALANCED[:0], "f1_macro")):
        assert len(empty) == 0


def test_what_limits_conditions_is_said():
    text = conditions.rests_on(BOTH)
    assert "- `lite-folds`: DenseNet-121, end to end, 96 px; n = 5,514 in 5 folds; one seed\n- `lite`: " in text
    assert (
        "With one seed (lite-folds), the noise of training is in no interval and no p. In folds (lite-folds), every"
        in text
    )
    some = ABLATION.assign(condition="end to end; n = 1,103; 1 to 2 seeds")
    assert "With one seed (lite in part), the noise" in conditions.caveats(some)
    assert "With one seed" not in conditions.rests_on(ABLATION) and "make reproduce" in conditions.rests_on(
        ABLATION[:0]
    )


def test_accuracies_of_rows_and_controls():
    results = pd.DataFrame({"arm": [PAIRS[2][1], PAIRS[0][2]], "accuracy": [0.8, 0.7]})
    results = results.assign(profile="lite", condition="here", accuracy_ci_low=0.6, accuracy_ci_high=0.9)
    assert prose.accuracies(results).to_numpy().tolist() == [
        ["DenseNet-121", "70.0 [60.0, 90.0]"],
        ["DenseNet-121 + SA + GF (learned fusion)", "80.0 [60.0, 90.0]"],
    ]
    synthetic = prose.accuracies(results.assign(condition="SYNTHETIC, 64 px"))
    assert list(synthetic) == ["model", "lite: SYNTHETIC"] and len(synthetic) == 2


def test_forest_plot_takes_corrected_p_values():
    drawn = prose.differences(BOTH)
    assert drawn["p"].tolist() == [0.3, 0.3, 0.002, 0.9, 0.0003] and drawn["series"].nunique() == 2


def test_what_is_shown_to_be_worse_is_not_listed_as_better():
    worse = ABLATION.assign(difference=[-2.0, 0.1, -3.0], ci_low=[-3.0, -1.0, -4.0], ci_high=[-1.0, 1.0, -2.0])
    text = prose.answer(worse, BALANCED)
    assert "1 changes accuracy (soft attention -2.0)" in text
    assert "(i) -2.0 [-3.0, -1.0]; shown to be better: none." in text


def test_another_metric_has_its_own_steps():
    macro = BALANCED["metric"] == "f1_macro"
    other = BALANCED.assign(
        p_holm=BALANCED["p_holm"].mask(macro, 0.001), difference=BALANCED["difference"].mask(macro, 7.0)
    )
    assert prose.answer(BOTH, other).endswith("1 changes balanced accuracy: SaFA +2.0, `lite`.")
    assert prose.answer(BOTH, other[:4].assign(p_holm=0.001)).endswith(
        "2 change balanced accuracy: soft attention +0.5, `lite`; SaFA +2.0, `lite`."
    )
    assert [cell.split(" ")[0] for cell in prose.balanced_table(other, "f1_macro")["lite"]] == ["+7.0"] * 3
