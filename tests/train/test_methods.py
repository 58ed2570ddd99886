"""Methods of training: the loss against its formula by hand, and that nothing but training changes."""

import keras
import numpy as np
import pytest

from wagf_src.arms import METHODS, parse_arm
from wagf_src.digests import TRAINING_CODE
from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier, build_head
from wagf_src.train.methods import weighted

COUNTS = np.array([297, 479, 1011, 107, 1067, 5822, 129])  # the 8,912 images that the paper trains on


@pytest.fixture
def head():
    keras.utils.set_random_seed(0)
    model = build_head(parse_arm("mobilenetv2-base"), (2, 2, 5))
    features = keras.Input((2, 2, 5), name="again")
    return model, {"again": features}, features


def test_inverse_frequencies_weigh_every_class_alike(head):
    model, inputs, features = head
    trainer = weighted.build(model, inputs, features)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    trainer.begin_epoch(1, 4, COUNTS, [])
    x = np.random.default_rng(0).normal(size=(14, 2, 2, 5)).astype("float32")
    y = np.arange(14) % 7
    p = model.predict(x, verbose=0)["probabilities"]
    each = np.array([8912 / 7 / n for n in COUNTS])
    wanted = np.mean(each[y] * -np.log(p[np.arange(14), y]))
    got = trainer.compute_loss(None, y, {"probabilities": keras.ops.convert_to_tensor(p)}, training=True)
    assert float(got) == pytest.approx(wanted, rel=1e-5)


def test_a_method_is_part_of_the_name_the_label_and_the_order():
    arm = parse_arm("mobilenetv2-base-weighted")
    assert arm.method == "weighted"
    assert arm.label == "MobileNetV2 (inverse-frequency weights)"
    assert arm.paper_row is None, "the paper has no such row"
    assert parse_arm("mobilenetv2-base").order < arm.order < parse_arm("mobilenetv2-sa-described").order
    assert arm.network_key[:-1] == parse_arm("mobilenetv2-base").network_key


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_code_is_its_own_and_no_other_arms(name):
    arm = parse_arm(f"mobilenetv2-base-{name}")
    assert all(module.startswith("train/methods/") for module in arm.code) and arm.code
    assert parse_arm("mobilenetv2-base").code == ()
    assert not any(module.startswith("train/methods") for module in TRAINING_CODE)


def test_plain_training_has_nothing_to_begin_an_epoch_with(head):
    model, _, _ = head
    before = [np.array(v) for v in model.variables]
    assert isinstance(model, Classifier) and model.begin_epoch(1, 4, COUNTS, []) is None
    assert all((np.array(v) == b).all() for v, b in zip(model.variables, before, strict=True))


def test_our_recipes_loss_is_half_way_to_balance_with_smoothed_targets(head):
    model, inputs, features = head
    trainer = weighted.build_smoothed(model, inputs, features)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    trainer.begin_epoch(1, 4, COUNTS, [])
    x = np.random.default_rng(0).normal(size=(14, 2, 2, 5)).astype("float32")
    y = np.arange(14) % 7
    p = model.predict(x, verbose=0)["probabilities"]
    each = COUNTS**-0.5 / np.average(COUNTS**-0.5, weights=COUNTS)
    wanted = np.mean(each[y] * (-0.9 * np.log(p[np.arange(14), y]) - 0.1 * np.log(p).mean(axis=1)))
    got = trainer.compute_loss(None, y, {"probabilities": keras.ops.convert_to_tensor(p)}, training=True)
    assert float(got) == pytest.approx(wanted, rel=1e-5)


def test_a_class_without_an_image_has_no_weight_and_leaves_the_others_theirs(head):
    model, inputs, features = head
    trainer = weighted.build(model, inputs, features)
    trainer.begin_epoch(1, 4, [10, 0, 30, 0, 0, 0, 0], [])  # 40 images of two classes: 40 / 2 / 10 and 40 / 2 / 30
    assert np.array(trainer.class_weights) == pytest.approx([2, 0, 2 / 3, 0, 0, 0, 0])


@pytest.mark.parametrize("build", [weighted.build, weighted.build_smoothed])
def test_weights_and_smoothing_are_of_training_alone(head, build):
    trainer = build(*head)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    trainer.begin_epoch(1, 4, COUNTS, [])
    p, y = np.random.default_rng(0).dirichlet(np.ones(7), 7).astype("float32"), np.arange(7)
    got = trainer.compute_loss(None, y, {"probabilities": keras.ops.convert_to_tensor(p)}, training=False)
    assert float(got) == pytest.approx(-np.log(p[y, y]).mean(), rel=1e-5)


def test_equation_1_takes_class_weights_but_no_smoothed_targets():
    model, features = build_head(parse_arm("mobilenetv2-wagf-described"), (4, 4, 8)), keras.Input((4, 4, 8))
    with pytest.raises(UserError, match="Equation 1"):
        weighted.build_smoothed(model, features, features)
    assert weighted.build(model, features, features).smoothing == 0
