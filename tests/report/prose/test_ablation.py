"""What the chapter on the ablation says, from tables made by hand."""

import numpy as np
import pandas as pd

from wagf_src.report.prose import ablation as prose

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
    mcnemar_b=5,
    mcnemar_c=1,
    p=[0.001, 0.9, 0.0001],
    p_holm=[0.002, 0.9, 0.0003],
    n_seeds=3,
    sentence=["First.", "Second.", "Third."],
    provenance="HAM10000",
)
BALANCED = pd.DataFrame(
    [
        (*pair, metric, d, d - 1, d + 1)
        for pair, d in zip(PAIRS, (0.5, 2.0, np.nan))
        for metric in ("balanced_accuracy", "f1_macro")
    ],
    columns=["comparison", "arm_a", "arm_b", "metric", "difference", "ci_low", "ci_high"],
)
ARMS = pd.DataFrame(
    {"arm": sorted({arm for pair in PAIRS for arm in pair[1:]} | {"resnet50-base"}), "n_seeds": 3}
).assign(accuracy=0.8, accuracy_ci_low=0.7, accuracy_ci_high=0.9)


def test_steps_carry_their_kind_and_the_paper_s_step():
    steps = prose.with_kinds(ABLATION)
    assert steps["kind"].tolist() == ["ladder", "ladder", "fusion"] and steps["main"].tolist() == [True, True, False]
    np.testing.assert_allclose(steps["paper"], [87.21 - 85.89, 90.75 - 89.48, np.nan])
    assert prose.with_kinds(ABLATION[2:])["main"].tolist() == [True]  # nothing else to show first
    assert len(prose.with_kinds(ABLATION[:0])) == 0


def test_answer_counts_what_is_sure():
    text = prose.answer(prose.with_kinds(ABLATION), BALANCED)
    assert text == (
        "of 2 steps of the ladder, 1 changes accuracy by interval and corrected test (soft attention +2.0); of 3 "
        "comparisons, 1 changes balanced accuracy by their interval (SaFA +2.0), where by chance one in twenty would."
    )
    synthetic = prose.with_kinds(ABLATION.assign(provenance="SYNTHETIC; 64 px"))
    assert prose.answer(synthetic, BALANCED).endswith("not what the modules do.")
    assert prose.answer(prose.with_kinds(ABLATION[2:]), BALANCED).startswith("of 1 comparisons, 1 changes accuracy")
    assert "nothing to compare" in prose.answer(prose.with_kinds(ABLATION[:0]), BALANCED[:0])


def test_one_seed_is_warned_of():
    probe = pd.DataFrame({"arm": ["mobilenetv2-probe"], "n_seeds": 1})
    assert prose.note(pd.concat([ARMS, probe])) == ""
    assert "With one seed" in prose.note(ARMS.assign(n_seeds=1))


def test_lists_and_tables_for_people():
    steps = prose.with_kinds(ABLATION)
    assert prose.sentences(steps[:2]) == "- First.\n- Second." and prose.sentences(steps[:0]) == "Nothing was compared."
    line = prose.table(steps).iloc[0].tolist()
    assert line[1:] == ["DenseNet-121 + SA", "DenseNet-121", "+2.0 [+1.0, +3.0]", "+1.32", 5, 1, "0.001", "0.002"]
    assert prose.table(steps).iloc[2]["paper"] == "–"
    balanced = prose.balanced_table(BALANCED)
    assert list(balanced.columns) == ["comparison", "a", "b", "balanced accuracy", "macro F1"]
    assert balanced["comparison"].tolist() == [pair[0] for pair in PAIRS]
    assert balanced["macro F1"].tolist() == ["+0.5 [-0.5, +1.5]", "+2.0 [+1.0, +3.0]", "–"]


def test_ladder_holds_what_is_compared_in_order():
    labels = prose.ladder(ARMS, ABLATION)["label"].tolist()
    assert labels[:3] == ["DenseNet-121", "DenseNet-121 + SA", "DenseNet-121 + SA + GF"] and len(labels) == 5
    assert len(prose.ladder(ARMS, ABLATION[:0])) == len(ARMS)
    assert prose.ladder(ARMS, ABLATION).iloc[0][["value", "low", "high"]].tolist() == [80, 70, 90]


def test_forest_plot_takes_corrected_p_values():
    assert prose.differences(ABLATION)["p"].tolist() == [0.002, 0.9, 0.0003]
