"""MWNL against numbers computed elsewhere (NumPy by hand from the formula, arXiv:2102.01284 and its code)."""

import keras
import numpy as np
import pytest

from wagf_src.arms import parse_arm
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_head
from wagf_src.train.methods import mwnl

COUNTS = np.array([297, 479, 1011, 107, 1067, 5822, 129])  # the 8,912 images that the paper trains on
LOGITS = np.array([[0] * 7, [2, -1, 0.5, -3, 1, 4, -2], [-4, 0, 0, 0, 0, 3, 0]], "float32")
LABELS = np.array([5, 5, 0])


@pytest.mark.parametrize(
    ("exponent", "wanted"),
    [
        (1.2, [0.8577, 0.4833, 0.1972, 2.9199, 0.1849, 0.0241, 2.3330]),
        (1.1, [0.9079, 0.5366, 0.2360, 2.7908, 0.2224, 0.0344, 2.2720]),
        (0.0, [1] * 7),
    ],
)
def test_class_weights(exponent, wanted):
    assert mwnl.class_weights(COUNTS, exponent) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize(
    ("form", "exponent", "wanted"),
    [("code", 0, 13.061767), ("paper", 0, 12.233663), ("code", 1.2, 6.478868), ("paper", 1.2, 5.768638)],
)
def test_the_loss_of_three_images(form, exponent, wanted):
    weights = mwnl.class_weights(COUNTS, exponent).astype("float32")
    assert float(mwnl.loss(LOGITS, LABELS, weights, form)) == pytest.approx(wanted, rel=2e-6)


def test_what_the_forms_make_of_a_hopeless_answer():
    """As p of the right answer goes to 0: 1.865 as printed, 2.303 in the code, and no cap in the focal form."""
    logits, ones = np.full((1, 7), -40, "float32"), np.ones(7, "float32")  # six of seven terms vanish
    terms = {form: float(mwnl.loss(logits, [0], ones, form)) * 7 / 30 for form in mwnl.FORMS}
    assert terms == pytest.approx({"code": 2.302585, "paper": 1.865094, "focal": 40}, rel=1e-5)


def test_the_schedule_is_that_of_seventy_epochs():
    wanted = {1: 0, 20: 0, 21: 0.00075, 30: 0.075, 40: 0.3, 50: 0.675, 59: 1.14075, 60: 1.2, 70: 1.2}
    assert {epoch: mwnl.exponent(epoch, 70) for epoch in wanted} == pytest.approx(wanted, abs=1e-9)
    # 4 epochs stand for 17.5, 35, 52.5 and 70 of them: 1.2 (15 / 40)^2 and 1.2 (32.5 / 40)^2.
    assert [mwnl.exponent(epoch, 4) for epoch in range(1, 5)] == pytest.approx([0, 0.16875, 0.7921875, 1.2])


@pytest.fixture
def trainers():
    keras.utils.set_random_seed(0)
    model = build_head(parse_arm("mobilenetv2-base"), (2, 2, 5))
    features = keras.Input((2, 2, 5), name="again")
    return {name: getattr(mwnl, name)(model, features, features) for name in ("build", "build_paper", "build_focal")}


@pytest.mark.parametrize(("name", "form"), [("build", "code"), ("build_paper", "paper"), ("build_focal", "focal")])
def test_a_trainer_trains_by_it(trainers, name, form):
    trainer = trainers[name]
    trainer.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.random.default_rng(0).normal(size=(14, 2, 2, 5)).astype("float32"), np.arange(14) % 7
    trainer.begin_epoch(4, 4, COUNTS, [])
    kernel, bias = (np.array(v) for v in (trainer.head.kernel, trainer.head.bias))
    weights = mwnl.class_weights(COUNTS, 1.1 if form == "focal" else 1.2).astype("float32")
    wanted = float(mwnl.loss((x.mean(axis=(1, 2)) @ kernel + bias).astype("float32"), y, weights, form))
    log = trainer.fit(x, y, batch_size=14, verbose=0).history
    assert log["loss"][0] == pytest.approx(wanted, rel=1e-5)
    assert not np.array_equal(kernel, np.array(trainer.head.kernel))


def test_equation_1_needs_the_cross_entropy():
    model = build_head(parse_arm("mobilenetv2-wagf-described"), (4, 4, 8))
    features = keras.Input((4, 4, 8), name="again")
    with pytest.raises(UserError, match="Equation 1"):
        mwnl.build(model, features, features)
    with pytest.raises(ValueError, match="form must be one of code"):
        mwnl.MWNLClassifier(features, build_head(parse_arm("mobilenetv2-base"), (4, 4, 8))(features), form="x")


def test_a_class_without_an_image_weighs_nothing():
    """4 and 1 images at an exponent of 1: 1/4 and 1, times 3 classes over their sum, 5/4."""
    assert mwnl.class_weights([4, 0, 1], 1.0) == pytest.approx([0.6, 0, 2.4])


def test_the_head_s_bias_counts_in_training_and_validation_is_by_cross_entropy(trainers):
    trainer = trainers["build"]
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    bias, y = np.linspace(-1, 1, 7).astype("float32"), np.array([5, 0])
    trainer.head.bias.assign(bias)
    trainer.class_weights.assign(np.arange(1, 8))
    p = np.random.default_rng(0).dirichlet(np.ones(7), 2).astype("float32")
    y_pred = {"probabilities": keras.ops.convert_to_tensor(p), "features": keras.ops.zeros((2, 5))}
    right = 1 / (1 + np.exp(np.where(np.eye(7)[y] > 0, -bias, bias)))  # features of zero leave the bias alone
    terms = (1 - right) ** 2 * np.minimum(-np.log(right), np.log(10))
    wanted = 30 * (np.array([[6], [1]]) * terms).mean()
    assert float(trainer.compute_loss(None, y, y_pred, training=True)) == pytest.approx(wanted, rel=1e-5)
    plain = -np.log(p[[0, 1], y]).mean()
    assert float(trainer.compute_loss(None, y, y_pred, training=False)) == pytest.approx(plain, rel=1e-5)
