"""The MAAW loss against numbers computed elsewhere (NumPy by hand from the formula)."""

import keras
import numpy as np
import pytest

from wagf_src.arms import parse_arm
from wagf_src.models.classifier import build_head
from wagf_src.train.methods import maaw

FEATURES = np.array([[1, 0, 0.5], [0.2, 1, 0], [0, 0.3, 1], [1, 1, 1]], "float32")
KERNEL = np.array([[1, 0, -1], [0, 1, 0.5], [0.5, -0.5, 1]], "float32")  # columns are classes
BIAS, LABELS = np.array([0, 0.1, -0.1], "float32"), np.array([0, 1, 2, 0])


@pytest.mark.parametrize(("margins", "wanted"), [((1, 1), 0.376240), ((1.04, 0.98), 0.395004)])
def test_the_loss_of_four_images(margins, wanted):
    assert float(maaw.loss(FEATURES, KERNEL, BIAS, LABELS, *margins)) == pytest.approx(wanted, rel=2e-6)


def test_a_single_image_of_each_class_is_plain_cross_entropy():
    logits = FEATURES[:3] @ KERNEL + BIAS
    wanted = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[[0, 1, 2], [0, 1, 2]])
    assert float(maaw.loss(FEATURES[:3], KERNEL, BIAS, [0, 1, 2], 1, 1)) == pytest.approx(wanted, rel=1e-5)


def test_beyond_pi_the_angle_goes_on_falling():
    """Features opposite to their class: 1.04 pi, where psi = -cos t - 2 = -1.0079; a plain cosine would rise."""
    z = np.array([-np.cos(1.04 * np.pi) - 2, 0.0])
    got = float(maaw.loss(np.array([[-1.0, 0]], "float32"), np.eye(2, dtype="float32"), np.zeros(2), [0], 1.04, 1))
    assert got == pytest.approx(np.log(np.exp(z).sum()) - z[0], rel=1e-3)


def test_stages_end_by_accuracy_or_with_their_third():
    def at(epochs, *accuracies):
        return maaw.stage(epochs, [{"val_accuracy": a} for a in accuracies])

    assert [at(60, *[0.5] * n) for n in (0, 19, 20, 39, 40, 59)] == [0, 0, 1, 1, 2, 2]
    assert at(60, 0.8) == 1 and at(60, 0.8, 0.81) == 1 and at(60, 0.8, 0.82) == 2 and at(60, 0.8, 0.82, 0.9) == 2
    assert [at(4, *[0.5] * n) for n in range(4)] == [0, 1, 1, 2]


def test_a_trainer_trains_by_it():
    keras.utils.set_random_seed(0)
    model = build_head(parse_arm("mobilenetv2-base"), (2, 2, 5))
    features = keras.Input((2, 2, 5), name="again")
    trainer = maaw.build(model, features, features)
    trainer.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.random.default_rng(0).normal(size=(14, 2, 2, 5)).astype("float32"), np.arange(14) % 7
    trainer.begin_epoch(2, 4, None, [{"val_accuracy": 0.81}])
    head = (np.array(v) for v in (trainer.head.kernel, trainer.head.bias))
    wanted = float(maaw.loss(x.mean(axis=(1, 2)), *head, y, 1.02, 0.99))
    assert trainer.fit(x, y, batch_size=14, verbose=0).history["loss"][0] == pytest.approx(wanted, rel=1e-5)
    assert all(np.isfinite(np.array(v)).all() for v in trainer.trainable_variables)


def test_a_hopeless_answer_costs_no_more_than_one_in_ten_million():
    got = float(maaw.loss(np.array([[-900.0, 0]], "float32"), np.eye(2, dtype="float32"), np.zeros(2), [0], 1, 1))
    assert got == pytest.approx(7 * np.log(10), rel=1e-3)


@pytest.fixture
def trainer():
    keras.utils.set_random_seed(0)
    features = keras.Input((2, 2, 5), name="again")
    trainer = maaw.build(build_head(parse_arm("mobilenetv2-base"), (2, 2, 5)), features, features)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    return trainer


def test_every_stage_has_the_margins_of_the_authors(trainer):
    """(1, 1), (1.02, 0.99) and (1.04, 0.98), and the next from 80 and 82 percent on."""
    found = []
    for accuracies in ((), (0.79,), (0.8,), (0.8, 0.81), (0.8, 0.82), (0.8, 0.82, 0.99)):
        trainer.begin_epoch(1, 60, None, [{"val_accuracy": a} for a in accuracies])
        found.append(np.array(trainer.margins).round(6).tolist())
    wanted = [(1, 1)] * 2 + [(1.02, 0.99)] * 2 + [(1.04, 0.98)] * 2
    assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-5)


def test_validation_is_by_plain_cross_entropy(trainer):
    p = np.random.default_rng(0).dirichlet(np.ones(7), 3).astype("float32")
    y_pred = {"probabilities": keras.ops.convert_to_tensor(p), "features": keras.ops.ones((3, 5))}
    got = float(trainer.compute_loss(None, np.array([0, 3, 3]), y_pred, training=False))
    assert got == pytest.approx(-np.log(p[[0, 1, 2], [0, 3, 3]]).mean(), rel=1e-5)
