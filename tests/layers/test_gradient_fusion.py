"""The fusions against hand-worked values."""

import numpy as np
import pytest
from keras import ops
from layers.layer_checks import check_layer, gradients, normal

from wagf_src.layers import GradientFusion


def fusion_weights(layer):
    return ops.convert_to_numpy(layer.gradient_weights())


def branches(seed=0):
    """dL/dF_fuse, F_w, F_sa, the second branch ten times the size of the first."""
    return normal(4, 3, 3, 5, seed=seed), normal(4, 3, 3, 5, seed=seed + 1), 10 * normal(4, 3, 3, 5, seed=seed + 2)


def test_equation_1_stays_at_one_half():
    layer = GradientFusion("eq1", momentum=0.9)
    for seed in range(20):
        d, f_w, f_sa = branches(seed)
        fused = layer([f_w, f_sa])
        np.testing.assert_allclose(fused, (f_w + f_sa) / 2, rtol=1e-5, atol=1e-6)
        layer.update(d, f_w, f_sa)
    np.testing.assert_allclose(fusion_weights(layer), [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("start", [0.8, 0.3, 1.0])
def test_equation_1_alternates_from_any_other_start(start):
    layer = GradientFusion("eq1", momentum=0.0, initial=start)
    seen = []
    for seed in range(6):
        d, f_w, f_sa = branches(seed)
        layer([f_w, f_sa])
        layer.update(d, f_w, f_sa)
        seen.append(fusion_weights(layer))
    np.testing.assert_allclose(seen, [[1 - start, start], [start, 1 - start]] * 3, atol=1e-5)


def test_saliency_weighs_by_gradient_times_activation():
    layer = GradientFusion("saliency", momentum=0.75)
    d, f_w, f_sa = branches()
    layer([f_w, f_sa])
    layer.update(d, f_w, f_sa)
    s_w, s_sa = np.abs(0.5 * d * f_w).mean(), np.abs(0.5 * d * f_sa).mean()
    expected = 0.75 * 0.5 + 0.25 * np.array([s_w, s_sa]) / (s_w + s_sa)
    np.testing.assert_allclose(fusion_weights(layer), expected, rtol=1e-5)
    assert expected[0] < 0.45
    np.testing.assert_allclose(
        layer([f_w, f_sa]), (1 - expected[0]) * f_w + (1 - expected[1]) * f_sa, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("fusion", ["eq1", "saliency"])
def test_a_batch_without_gradient_changes_nothing(fusion):
    layer = GradientFusion(fusion, momentum=0.0, initial=0.3)
    d, f_w, f_sa = branches()
    layer([f_w, f_sa])
    layer.update(0 * d, f_w, f_sa)
    np.testing.assert_allclose(fusion_weights(layer), [0.3, 0.7])
    assert not layer.trainable_weights


def test_released_fusion_is_constant():
    layer = GradientFusion("released")
    d, f_w, f_sa = branches()
    layer([f_w, f_sa])
    layer.update(d, f_w, f_sa)
    np.testing.assert_allclose(layer([f_w, f_sa]), f_sa / 2 + f_w / 3, rtol=1e-5, atol=1e-6)
    assert not layer.weights


def test_learned_fusion_learns_its_two_logits():
    layer = GradientFusion("learned")
    _, f_w, f_sa = branches()
    layer([f_w, f_sa])
    (found,) = gradients(layer, [f_w, f_sa], lambda y: ops.sum(ops.square(y)))
    assert np.all(found.numpy() != 0)
    layer.logits.assign([1.0, 0.0])
    np.testing.assert_allclose(fusion_weights(layer), np.exp([1, 0]) / np.exp([1, 0]).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "total", "trainable"),
    [
        ({"fusion": "eq1", "momentum": 0.5, "initial": 0.25}, 2, 0),
        ({"fusion": "saliency"}, 2, 0),
        ({"fusion": "learned"}, 2, 2),
        ({"fusion": "released"}, 0, 0),
    ],
)
def test_the_layer_is_a_good_keras_layer(arguments, total, trainable, tmp_path):
    check_layer(GradientFusion, arguments, [(5, 5, 4), (5, 5, 4)], total, trainable, tmp_path)


@pytest.mark.parametrize("arguments", [{"fusion": "guessed"}, {"momentum": 1.0}, {"initial": 1.5}])
def test_impossible_arguments_are_named(arguments):
    with pytest.raises(ValueError, match="GradientFusion: .*(guessed|1.0|1.5)"):
        GradientFusion(**arguments)
