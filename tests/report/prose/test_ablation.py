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
BALANCED["p_holm"] = [0.9, 0.9, 0.03, 0.2, np.nan, np.nan]
ARMS = pd.DataFrame(
    {"arm": sorted({arm for pair in PAIRS for arm in pair[1:]} | {"resnet50-base"}), "n_seeds": 3}
).assign(accuracy=0.8, accuracy_ci_low=0.7, accuracy_ci_high=0.9)


def test_main_comparisons():
    assert prose.with_main(ABLATION)["main"].tolist() == [True, True, False]
    assert prose.with_main(ABLATION[2:])["main"].tolist() == [True]  # nothing else to show first
    assert len(prose.with_main(ABLATION[:0])) == 0


def test_answer_counts_what_is_shown():
    text = prose.answer(prose.with_main(ABLATION), BALANCED)
    assert text == (
        "of 2 planned directions, 1 changes accuracy (soft attention +2.0); of 1 other comparisons, 1 changes "
        "accuracy (learned fusion -3.0). Over the plain backbone: (i) +2.0 [+1.0, +3.0], of which (i) is shown to be "
        "better. Of 3 comparisons, 1 changes balanced accuracy (SaFA +2.0). All after Holm's correction."
    )
    worse = ABLATION.assign(difference=[-2.0, 0.1, -3.0], ci_low=[-3.0, -1, -4], ci_high=[-1.0, 1, -2])
    assert "(i) -2.0 [-3.0, -1.0], of which none is shown" in prose.answer(prose.with_main(worse), BALANCED)
    synthetic = prose.with_main(ABLATION.assign(provenance="SYNTHETIC; 64 px"))
    assert prose.answer(synthetic, BALANCED).endswith("not what the modules do.")
    assert prose.answer(prose.with_main(ABLATION[2:]), BALANCED).startswith("of 1 comparisons, 1 changes accuracy (l")
    assert "nothing to compare" in prose.answer(prose.with_main(ABLATION[:0]), BALANCED[:0])


def test_one_seed_is_warned_of():
    probe = pd.DataFrame({"arm": ["mobilenetv2-probe"], "n_seeds": 1})
    assert prose.note(pd.concat([ARMS, probe])) == ""
    assert "With one seed" in prose.note(ARMS.assign(n_seeds=1))


def test_lists_and_tables_for_people():
    steps = prose.with_main(ABLATION)
    assert prose.sentences(steps[:2]) == "- First.\n- Second." and prose.sentences(steps[:0]) == "Nothing was compared."
    line = prose.table(steps).iloc[0].tolist()
    assert line[1:4] == ["DenseNet-121 + SA", "DenseNet-121", "+2.0 [+1.0, +3.0]"]
    assert line[4:] == ["0.002", "planned", "+1.3 [-1.5, +4.2]", 3]
    assert prose.table(steps).iloc[2, -3:].tolist() == ["others", "–", 3]
    assert prose.mcnemar_table(steps).iloc[0].tolist() == ["soft attention", 5, 1, "0.220"]
    balanced = prose.balanced_table(BALANCED)
    assert list(balanced.columns) == ["comparison", "a", "b", "balanced accuracy", "macro F1"]
    assert balanced["comparison"].tolist() == [pair[0] for pair in PAIRS]
    assert balanced["balanced accuracy"].tolist() == ["+0.5 [-0.5, +1.5]", "+2.0 [+1.0, +3.0]*", "–"]
    assert balanced["macro F1"].tolist() == ["+0.5 [-0.5, +1.5]", "+2.0 [+1.0, +3.0]", "–"]


def test_ladder_holds_what_is_compared_in_order():
    labels = prose.ladder(ARMS, ABLATION)["label"].tolist()
    assert labels[:3] == ["DenseNet-121", "DenseNet-121 + SA", "DenseNet-121 + SA + GF"] and len(labels) == 5
    assert len(prose.ladder(ARMS, ABLATION[:0])) == len(ARMS)
    assert prose.ladder(ARMS, ABLATION).iloc[0][["value", "low", "high"]].tolist() == [80, 70, 90]


def test_forest_plot_takes_corrected_p_values():
    assert prose.differences(ABLATION)["p"].tolist() == [0.002, 0.9, 0.0003]
