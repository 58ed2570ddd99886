"""Reading runs, and what arms are called and compared with."""

import numpy as np
import pandas as pd
import pytest
from fabricate import LADDER, fabricate, seal

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
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


# --- metrics -------------------------------------------------------------------------------------------------


def test_features_beyond_half_precision_are_the_largest_value(one):
    np.savez_compressed(one.path / "features.npz", features=np.array([[np.inf, -np.inf, 1.5]], np.float16))
    seal(one.path)
    assert Run(one.path).features()["features"].tolist() == [[65504.0, -65504.0, 1.5]]
    (one.path / "features.npz").unlink()
    assert Run(one.path).features() == {}
