"""Sentences of the chapter on the confusion matrix and the features, from made-up tables."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src.classes import CLASSES
from wagf_src.report.prose import confusion_features as prose

ARM, BASE = "mobilenetv2-wagf-described", "mobilenetv2-base"


def confusion(**cells):
    """Ten images a class, all found, but for ``true_predicted=n``."""
    counts = 10 * np.eye(7)
    for cell, n in cells.items():
        true, predicted = (CLASSES.index(c) for c in cell.split("_"))
        counts[true, [true, predicted]] += [-n, n]
    cases = pd.MultiIndex.from_product([CLASSES, CLASSES], names=["true", "predicted"]).to_frame(index=False)
    return cases.assign(arm=ARM, images=counts.ravel(), profile="lite", condition="end to end", provenance="HAM10000")


def separability(silhouette=0.1, knn=0.34, base=0.26):
    rows = [
        (arm, measure, value, value - 0.03, value + 0.03)
        for arm, accuracy in ((BASE, base), (ARM, knn))
        for measure, value in zip(prose.MEASURES, (0, silhouette, 0.8, accuracy))
    ]
    return pd.DataFrame(rows, columns=["arm", "measure", "value", "ci_low", "ci_high"])


def test_answer_names_the_most_frequent_confusion_of_the_strongest_condition():
    both = pd.concat([confusion(mel_nv=6, mel_bkl=2, bkl_mel=2), confusion(nv_mel=9).assign(profile="frozen")])
    text = prose.answer(both, ARM, separability())
    assert text.startswith(
        "in the strongest condition (lite: end to end), the most frequent confusion of MobileNetV2 + SA + GF + SaFA is "
        "mel taken for nv (6 images). Of 10 melanomas, 8 are called benign (nv 6, bkl 2). Fewer"
    )
    assert "Fewer than half of the images are found in mel. By the balanced" in text
    assert "At least half are found in every class." in prose.answer(confusion(bkl_mel=2), ARM, separability())
    table = confusion(bkl_mel=2)
    table.loc[table["true"] == "mel", "images"] = 0
    assert "melanomas" not in prose.answer(table, ARM, separability())
    shown = prose.melanomas(both)
    assert shown["condition"].tolist() == ["lite: end to end", "frozen: end to end"]
    assert shown.loc[0, ["melanomas", "found (%)", "called benign (%)", "as bkl (%)"]].tolist() == [
        "10",
        "20.0",
        "80.0",
        "20.0",
    ]


def test_what_is_shown_is_named(tmp_path):
    [run] = fabricate(tmp_path, (ARM,))
    text = prose.arms(confusion(), run)
    assert text.startswith("**Matrix:** MobileNetV2 + SA + GF + SaFA, lite: end to end. **Features:** MobileNetV2 + SA")


@pytest.mark.parametrize(
    ("value", "word"), [(0.1, "largely overlapping"), (0.3, "apart, with overlap"), (0.6, "well apart")]
)
def test_apart(value, word):
    text = prose.apart(ARM, separability(value))
    assert f"silhouette of {value:.2f}, the classes are {word} in the features of Mob" in text


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [(0.073, 0.004, "above its"), (-0.073, 0.004, "below its"), (0.073, 0.2, "not shown to differ from its")],
)
def test_neighbours_against_the_plain_backbone(difference, p, said):
    components = pd.DataFrame({"variance_share": [0.1, 0.07, 0.06]})
    lead = pd.DataFrame({"difference": [difference], "ci_low": difference - 0.05, "ci_high": difference + 0.05, "p": p})
    text = prose.neighbours(ARM, separability(), lead, components)
    assert f"is 34.0 [31.0, 37.0]%. That is {said} plain backbone's, image by image ({100 * difference:+.1f} [" in text
    assert text.endswith("Three components hold 23% of the variance, so the plot shows part of it.")
    assert "backbone" not in prose.neighbours(ARM, separability()[4:], lead[:0], components)


def test_tables_and_procedure():
    shown = prose.measures(separability())
    assert shown.columns.tolist() == ["arm", *prose.MEASURES.values()]
    assert shown.iloc[1].tolist()[2:] == ["0.10 [0.07, 0.13]", "80.0 [77.0, 83.0]", "34.0 [31.0, 37.0]"]
    near = separability().assign(value=-0.004, ci_low=-0.006, ci_high=-0.001)
    assert prose.measures(near).iloc[0].tolist()[1] == "0.00 [-0.01, 0.00]", "no minus before a zero"
    table = pd.DataFrame(
        {"plot": list("abc"), "value": [0.2, 0.17, 0.16], "ci_low": 0.1, "ci_high": 0.3, "silhouette": -0.087}
    )
    assert prose.batches(table).iloc[0].tolist() == ["a", "20.0 [10.0, 30.0]", -0.09]
    text = prose.fitting_per_batch(table, 70)
    assert "20.0% when the projection is fitted once, 17.0% when" in text and "(batches of 8)" in text  # 70 images
    # Of seven classes chance finds 14.3%, so 5.7 points are above it.
    assert text.endswith("the procedure takes 4.0 of the 5.7 points above chance.")
    assert prose.fitting_per_batch(table.assign(value=[0.14, 0.13, 0.12]), 70).endswith("2.0 of nothing above chance.")
    assert prose.fitting_per_batch(table.assign(value=[0.7, 0.4, 0.7]), 70).endswith("what such a plot shows.")


def test_four_classes_are_benign_and_three_are_not():
    """Keratosis of the actinic kind and basal cell carcinoma are treated: a melanoma called so is not sent home."""
    cells = confusion(mel_akiec=1, mel_bcc=1, mel_bkl=1, mel_df=1, mel_nv=1, mel_vasc=1)
    assert "Of 10 melanomas, 4 are called benign (nv 1, bkl 1, df 1, vasc 1)." in prose.answer(
        cells, ARM, separability()
    )
    assert prose.melanomas(cells).loc[0, ["found (%)", "called benign (%)"]].tolist() == ["40.0", "40.0"]
