"""Soft attention against its definition in NumPy, the released convolution written out as loops."""

import numpy as np
import pytest
from keras import ops
from layers.layer_checks import check_layer, gradients, normal

from wagf_src.layers import SoftAttention


def soft_attention_by_definition(x, scores):
    """From scores (B, H, W, heads) before the ReLU to (F_sa, map), in float64."""
    scores = np.maximum(scores, 0)
    e = np.exp(scores - scores.max(axis=(1, 2), keepdims=True))
    attention = (e / e.sum(axis=(1, 2), keepdims=True)).sum(axis=-1)
    return x * attention[..., None], attention


def conv3d_by_definition(x, kernel):
    """The released operator, written out: (B, H, W, C) and kernel (C, 3, 3, 1, heads), strides (1, 1, C), "same".

    "same": ceil(n / stride) windows, total padding max((windows - 1) stride + k - n, 0), the smaller half in front.
    """
    batch, height, width, channels = x.shape
    before = [(channels - 1) // 2, 1, 0]
    scores = np.zeros((batch, height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            for i in range(channels):
                for j in range(3):
                    r, c = row + i - before[0], column + j - before[1]
                    if 0 <= r < height and 0 <= c < width:
                        for d in range(3):
                            scores[:, row, column] += x[:, r, c, d, None] * kernel[i, j, d, 0]
    return scores


@pytest.mark.parametrize(("height", "width", "channels"), [(4, 4, 11), (5, 5, 16), (5, 3, 4), (1, 1, 8)])
def test_released_soft_attention_is_its_definition(height, width, channels):
    x = normal(2, height, width, channels).astype("float64")
    layer = SoftAttention(heads=2, reading="released")
    layer.build(x.shape)
    layer.set_weights([normal(channels, 3, 3, 1, 2, seed=1), normal(2, seed=2)])
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    expected, expected_map = soft_attention_by_definition(x, conv3d_by_definition(x, kernel) + bias)
    found, found_map = layer(x.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found_map, expected_map, atol=1e-5)


def test_described_soft_attention_spans_all_channels():
    x = normal(2, 5, 5, 6).astype("float64")
    layer = SoftAttention(heads=3, reading="described")
    layer.build(x.shape)
    layer.set_weights([normal(3, 3, 6, 3, seed=1), normal(3, seed=2)])
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))  # (B, H, W, C, 3, 3)
    expected, expected_map = soft_attention_by_definition(x, np.einsum("bhwcij,ijcn->bhwn", windows, kernel) + bias)
    found, found_map = layer(x.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.sum(found_map, axis=(1, 2)), [3, 3], rtol=1e-5)
    np.testing.assert_allclose(found_map, expected_map, atol=1e-5)


def test_released_soft_attention_at_the_released_size():
    x = normal(2, 8, 8, 1024)
    layer = SoftAttention(reading="released")
    attended, _ = layer(x)
    assert layer.count_params() == 147_472
    described = SoftAttention(reading="described")
    described.build(x.shape)
    assert described.count_params() == 147_472

    # Exactly rows 504 to 518 of the long axis learn: 2,160 of 147,456 kernel weights.
    kernel, bias = gradients(layer, x, lambda y: ops.sum(y[0] * normal(*x.shape, seed=1)))
    rows = np.flatnonzero(np.any(kernel.numpy() != 0, axis=(1, 2, 3, 4)))
    assert rows.tolist() == list(range(504, 519))
    assert np.count_nonzero(kernel) == 2160
    assert np.all(bias.numpy() != 0)

    # Channels beyond the third change the output only through the product, not the attention.
    other = x.copy()
    other[..., 3:] = normal(2, 8, 8, 1021, seed=5)
    np.testing.assert_array_equal(layer(other)[1], layer(x)[1])
    other[..., 2] += 1
    assert np.abs(layer(other)[1] - layer(x)[1]).max() > 1e-3


def test_soft_attention_released_needs_three_channels():
    with pytest.raises(ValueError, match="3 channels"):
        SoftAttention(reading="released").build((None, 4, 4, 2))


@pytest.mark.parametrize("reading", ["described", "released"])
def test_the_layer_is_a_good_keras_layer(reading, tmp_path):
    # 9 weights a channel and head, and a bias a head.
    size = 9 * 4 * 2 + 2
    check_layer(SoftAttention, {"heads": 2, "reading": reading}, (5, 5, 4), size, size, tmp_path)


def test_an_unknown_reading_is_named():
    with pytest.raises(ValueError, match="described, released.*guessed"):
        SoftAttention(reading="guessed")
