"""Reading runs, and what arms are called and compared with."""

import numpy as np
import pandas as pd
import pytest
from fabricate import FROZEN, LADDER, fabricate, seal

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paper import comparisons
from wagf_src.runs import (
    PROBABILITY_COLUMNS,
    TEST,
    VALIDATION,
    Run,
    by_arm,
    of_arm,
    truth_and_probabilities,
    validation_predictions,
)


@pytest.fixture
def one(tmp_path):
    return fabricate(tmp_path, LADDER[:1])[0]


# --- reading -------------------------------------------------------------------------------------------------


def test_truth_and_probabilities_are_the_file(one):
    y, p = truth_and_probabilities(one)
    frame = one.predictions()
    assert [CLASSES[k] for k in y] == frame["dx"].tolist()
    np.testing.assert_allclose(p, frame[PROBABILITY_COLUMNS], atol=1e-5)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.drop(columns="p_df"), "no column p_df"),
        (lambda f: f.assign(dx="wart"), "dx holds 'wart'"),
        (lambda f: f.assign(p_nv=0.9, p_mel=0.9), "not a distribution"),
        (lambda f: f.assign(p_nv=np.nan), "not a distribution"),
        (lambda f: f.assign(p_nv=-f["p_nv"]), "not a distribution"),
        (lambda f: pd.concat([f, f[:1]]), "is there twice"),
        (lambda f: f[:0], "no rows"),
    ],
)
def test_spoiled_predictions_are_named(one, spoil, message):
    spoil(one.predictions()).to_csv(one.path / TEST, index=False)
    seal(one.path)
    with pytest.raises(UserError, match=rf"mobilenetv2-base-seed0/predictions\.csv\.gz: .*{message}"):
        truth_and_probabilities(Run(one.path))


def test_missing_predictions_are_named(one):
    (one.path / TEST).unlink()
    with pytest.raises(UserError, match="mobilenetv2-base-seed0/predictions.csv.gz is missing"):
        truth_and_probabilities(one)


def test_validation_predictions_may_be_absent_and_may_repeat_images(one):
    y, p = validation_predictions(one)
    assert p.shape == (len(y), 7) and len(y) == 100
    file = one.path / VALIDATION
    frame = pd.read_csv(file)
    pd.concat([frame, frame]).to_csv(file, index=False)  # offline copies of one image share its id
    seal(one.path)
    assert len(validation_predictions(Run(one.path))[0]) == 200
    file.unlink()
    seal(one.path)
    assert validation_predictions(Run(one.path)) is None


# --- arms ----------------------------------------------------------------------------------------------------


def test_arms_come_in_the_order_of_table_1(tmp_path):
    runs = fabricate(tmp_path, LADDER[::-1], seeds=(1, 0))
    arms = by_arm(runs)
    assert list(arms) == [*LADDER[:4], "densenet121-sa-released", *LADDER[4:6], "densenet121-wagf-released"]
    assert [r.seed for r in arms["resnet50-base"]] == [0, 1]
    assert of_arm(runs, "densenet121-base") == arms["densenet121-base"]
    assert of_arm(runs, "mobilenetv2-probe") == []


def test_table_1_rows_name_what_differs():
    rows = comparisons.table1_rows(list(FROZEN))
    assert rows[0] == ("MobileNet-v2", "mobilenetv2-base", "MobileNet-v2")
    assert ("DenseNet-121", None, "DenseNet-121") in rows and ("(iii)", None, "(iii)") in rows
    assert ("(iii), on MobileNetV2", "mobilenetv2-wagf-described", "(iii)") in rows
    assert rows[-1] == ("linear probe on MobileNetV2", "mobilenetv2-probe", None)

    rows = comparisons.table1_rows(
        [
            "densenet121-base-random",
            "densenet121-wagf-described-random",
            "mobilenetv2-base-random",
            "mobilenetv2-base",
            "densenet121-wagf-released-random",
            "densenet121-wagf-described-saliency-random",
        ]
    )
    assert ("MobileNet-v2", "mobilenetv2-base-random", "MobileNet-v2") in rows
    assert ("MobileNet-v2, the profile's initialisation", "mobilenetv2-base", "MobileNet-v2") in rows
    assert ("(iii), as released", "densenet121-wagf-released-random", "(iii)") in rows
    assert rows[-1][1:] == ("densenet121-wagf-described-saliency-random", None)

    rows = comparisons.table1_rows(["densenet121-base", "densenet121-base-lr0.01"])
    assert ("DenseNet-121", "densenet121-base", "DenseNet-121") in rows
    assert "learning rate 0.01" in rows[3][0] and rows[3][1] == "densenet121-base-lr0.01"


def test_comparisons_differ_in_one_thing():
    found = comparisons.comparisons(list(LADDER))
    ladder = [c[1:] for c in found if c[0] == "ladder"]
    d = "densenet121-"
    assert ladder[:4] == [
        ("soft attention", f"{d}sa-described", f"{d}base"),
        ("gradient-based fusion with the wavelet branch", f"{d}sa-gf-described", f"{d}sa-described"),
        ("SaFA", f"{d}wagf-described", f"{d}sa-gf-described"),
        ("all modules together", f"{d}wagf-described", f"{d}base"),
    ]
    # Row (ii) was not released: that ladder goes from (i) to (iii).
    assert ladder[4:] == [
        ("soft attention (as released)", f"{d}sa-released", f"{d}base"),
        ("fusion and SaFA together (as released)", f"{d}wagf-released", f"{d}sa-released"),
        ("all modules together (as released)", f"{d}wagf-released", f"{d}base"),
    ]
    assert [c[2:] for c in found if c[0] == "backbone"] == [
        ("resnet50-base", "mobilenetv2-base"),
        (f"{d}base", "mobilenetv2-base"),
        (f"{d}base", "resnet50-base"),
    ]
    assert [c[2:] for c in found if c[0] == "reading"] == [
        (f"{d}sa-described", f"{d}sa-released"),
        (f"{d}wagf-described", f"{d}wagf-released"),
    ]
    assert {c[0] for c in found} == {"ladder", "backbone", "reading"}

    variants = [
        "mobilenetv2-probe",
        "mobilenetv2-base",
        "mobilenetv2-base-random",
        "mobilenetv2-base-lr0.01",
        "mobilenetv2-sa-gf-described",
        "mobilenetv2-sa-gf-described-saliency",
        "mobilenetv2-sa-gf-described-conv",
    ]
    found = [
        (kind, a.removeprefix("mobilenetv2-"), b.removeprefix("mobilenetv2-"))
        for kind, _, a, b in comparisons.comparisons(variants)
    ]
    assert ("fusion", "sa-gf-described-saliency", "sa-gf-described") in found
    assert ("branch", "sa-gf-described-conv", "sa-gf-described") in found
    assert ("training", "base-random", "base") in found and ("training", "base-lr0.01", "base") in found
    assert ("probe", "base", "probe") in found and ("ladder", "sa-gf-described", "base") in found
    assert len(found) == 6
    assert comparisons.comparisons(["mobilenetv2-base"]) == []


# --- features -----------------------------------------------------------------------------------------------


def test_features_beyond_half_precision_are_the_largest_value(one):
    np.savez_compressed(one.path / "features.npz", features=np.array([[np.inf, -np.inf, 1.5]], np.float16))
    seal(one.path)
    assert Run(one.path).features()["features"].tolist() == [[65504.0, -65504.0, 1.5]]
    (one.path / "features.npz").unlink()
    assert Run(one.path).features() == {}
