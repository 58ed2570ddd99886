"""SaFA against Keras's own layers and scikit-learn's cosine similarity."""

import keras
import numpy as np
import pytest
from keras import ops
from layers.layer_checks import check_layer, gradients, normal
from sklearn.metrics.pairwise import cosine_similarity

from wagf_src.layers import SymmetryAwareFeatureAttention


def separable(chain, x, sizes, strides=1, activation=None):
    """Keras's SeparableConv2D layers with the weights of our chain of depthwise and pointwise factors."""
    for i, size in enumerate(sizes):
        depthwise, pointwise = chain[2 * i], chain[2 * i + 1]
        layer = keras.layers.SeparableConv2D(
            (256, 64, 1)[i],
            size,
            padding="same",
            strides=strides if i == 0 else 1,
            activation=activation if i == 2 else None,
        )
        layer.build(x.shape)
        kernel, bias = pointwise.get_weights()
        layer.set_weights([depthwise.get_weights()[0], kernel[None, None], bias])
        x = ops.convert_to_numpy(layer(x))
    return x


def max_pool(x):
    return ops.convert_to_numpy(keras.layers.MaxPooling2D(2, padding="same")(x))


def random_biases(layer):
    """Keras starts biases at zero, where a forgotten bias would not show."""
    for i, weight in enumerate(layer.weights):
        if len(weight.shape) == 1:
            weight.assign(normal(*weight.shape, seed=100 + i) * 0.3)


@pytest.mark.parametrize("size", [4, 5, 1])
def test_described_safa_is_its_definition(size):
    x = normal(2, size, size, 6)
    layer = SymmetryAwareFeatureAttention(reading="described")
    layer(x)
    random_biases(layer)
    out, attention = layer(x)

    m = separable(layer.difference, x, (5, 3, 1))[..., 0]
    rows, columns = (keras.layers.LSTM(size, return_sequences=True) for _ in range(2))
    rows.build(m.shape)
    columns.build(m.shape)
    rows.set_weights(layer.over_rows.get_weights())
    columns.set_weights(layer.over_columns.get_weights())
    f_lstm = np.array(rows(m)) + np.swapaxes(columns(np.swapaxes(m, 1, 2)), 1, 2)
    similarity = np.stack([cosine_similarity(f) for f in f_lstm])
    expected = separable(layer.symmetry, similarity[..., None], (5, 3, 1), activation="sigmoid")
    np.testing.assert_allclose(attention, expected[..., 0], atol=1e-5)
    np.testing.assert_allclose(out, max_pool(x * expected), atol=1e-5)


@pytest.mark.parametrize("size", [4, 5, 1])
def test_released_safa_is_its_definition(size):
    x = normal(2, size, size, 6)
    layer = SymmetryAwareFeatureAttention(reading="released")
    layer(x)
    random_biases(layer)
    out, attention = layer(x)

    m = separable(layer.difference, x, (5, 3, 1))[..., 0]
    similarity = np.stack([cosine_similarity(f.T) for f in m])
    expected = separable(layer.symmetry, x * similarity[..., None], (1, 3, 1), strides=2, activation="sigmoid")
    np.testing.assert_allclose(attention, expected[..., 0], atol=1e-5)
    np.testing.assert_allclose(out, max_pool(x) * expected, atol=1e-5)
    assert not any("lstm" in w.path for w in layer.weights)


@pytest.mark.parametrize("reading", ["described", "released"])
def test_safa_survives_an_empty_map(reading):
    layer = SymmetryAwareFeatureAttention(reading=reading)
    zeros = np.zeros((2, 4, 4, 3), "float32")
    found = gradients(layer, zeros, lambda y: ops.sum(y[0]) + ops.sum(y[1]))
    assert np.all(np.isfinite(layer(zeros)[1]))
    assert all(np.all(np.isfinite(ops.convert_to_numpy(g))) for g in found)


def test_safa_refuses_a_map_that_is_not_square():
    with pytest.raises(ValueError, match="4 x 3.*square"):
        SymmetryAwareFeatureAttention()(normal(1, 4, 3, 2))


def chain_size(channels, first):
    """Parameters of the separable convolutions 256 (first x first), 64 (3 x 3) and 1 (1 x 1) on this many channels."""
    return channels * first**2 + channels * 256 + 256 + 256 * 9 + 256 * 64 + 64 + 64 + 64 + 1


@pytest.mark.parametrize(
    ("reading", "size"),
    [
        # Two LSTMs of 5 units on 5 inputs, with four gates each, between a chain on F and one on a single map.
        ("described", chain_size(4, 5) + 2 * 4 * 5 * (5 + 5 + 1) + chain_size(1, 5)),
        ("released", chain_size(4, 5) + chain_size(4, 1)),
    ],
)
def test_the_layer_is_a_good_keras_layer(reading, size, tmp_path):
    check_layer(SymmetryAwareFeatureAttention, {"reading": reading}, (5, 5, 4), size, size, tmp_path)


def test_an_unknown_reading_is_named():
    with pytest.raises(ValueError, match="described, released.*guessed"):
        SymmetryAwareFeatureAttention(reading="guessed")
