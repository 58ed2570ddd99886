"""Layers against independent definitions: PyWavelets, NumPy loops, Keras's own layers, scikit-learn."""

import keras
import numpy as np
import pytest
import pywt
from keras import ops
from sklearn.metrics.pairwise import cosine_similarity

from wagf_src.layers import DWT2D, GradientFusion, SoftAttention, SymmetryAwareFeatureAttention
from wagf_src.layers.dwt2d import conv_to_haar, haar_to_conv

tf = pytest.importorskip("tensorflow")  # for gradients; test_backends.py compares the other backend


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gradients(layer, x, loss):
    """d loss(layer(x)) / d (trainable weights), by automatic differentiation."""
    with tf.GradientTape() as tape:
        value = loss(layer(x))
    return tape.gradient(value, [w.value for w in layer.trainable_weights])


# --- DWT2D ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wavelet", ["haar", "db2", "sym4"])
@pytest.mark.parametrize("size", [(8, 8), (5, 5), (6, 3), (2, 2), (1, 1)])
def test_dwt_is_pywavelets(wavelet, size):
    x = normal(2, *size, 3)
    layer = DWT2D(wavelet)
    found = ops.convert_to_numpy(layer(x))
    c_a, (c_h, c_v, c_d) = pywt.dwt2(x.astype("float64"), wavelet, mode="symmetric", axes=(1, 2))
    np.testing.assert_allclose(found, np.concatenate([c_a, c_h, c_v, c_d], axis=-1), atol=2e-6)
    assert layer.compute_output_shape(x.shape) == found.shape
    assert layer.count_params() == 0


def test_dwt_names_an_unknown_wavelet():
    with pytest.raises(ValueError, match="haaar.*wavelist"):
        DWT2D("haaar")


@pytest.mark.parametrize("size", [6, 5, 3, 1])
def test_haar_branch_is_a_strided_convolution(size):
    channels, filters = 4, 6
    x = normal(2, size, size, channels)
    separable = keras.layers.SeparableConv2D(filters, 1)
    wavelet = separable(DWT2D("haar")(x))
    separable.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(separable.weights)])
    wavelet = separable(DWT2D("haar")(x))

    depthwise, pointwise, bias = separable.get_weights()
    conv = keras.layers.Conv2D(filters, 2, strides=2)
    padded = np.pad(x, ((0, 0), (0, size % 2), (0, size % 2), (0, 0)), mode="symmetric")
    conv.build(padded.shape)
    conv.set_weights([haar_to_conv(depthwise, pointwise), bias])
    np.testing.assert_allclose(conv(padded), wavelet, atol=2e-5)

    # And back: any such convolution is a Haar branch.
    kernel = normal(2, 2, channels, filters, seed=9)
    separable.set_weights([*conv_to_haar(kernel), bias])
    conv.set_weights([kernel, bias])
    np.testing.assert_allclose(separable(DWT2D("haar")(x)), conv(padded), atol=2e-5)


# --- SoftAttention -------------------------------------------------------------------------------------------


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


# --- SymmetryAwareFeatureAttention -------------------------------------------------------------------------------


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


# --- GradientFusion ----------------------------------------------------------------------------------------------


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


# --- all layers --------------------------------------------------------------------------------------------------

LAYERS = [
    (DWT2D, {"wavelet": "db2"}),
    (SoftAttention, {"heads": 2, "reading": "described"}),
    (SoftAttention, {"heads": 2, "reading": "released"}),
    (SymmetryAwareFeatureAttention, {"reading": "described"}),
    (SymmetryAwareFeatureAttention, {"reading": "released"}),
    (GradientFusion, {"fusion": "eq1", "momentum": 0.5, "initial": 0.25}),
    (GradientFusion, {"fusion": "saliency"}),
    (GradientFusion, {"fusion": "learned"}),
    (GradientFusion, {"fusion": "released"}),
]
each_layer = pytest.mark.parametrize(
    ("cls", "arguments"), LAYERS, ids=lambda v: str(v) if isinstance(v, dict) else v.__name__
)


def applied(layer, features):
    return layer([features, features * 2] if isinstance(layer, GradientFusion) else features)


@each_layer
def test_a_layer_comes_back_from_a_file(cls, arguments, tmp_path):
    inputs = keras.Input((5, 5, 4))
    layer = cls(**arguments)
    model = keras.Model(inputs, applied(layer, inputs))
    assert cls.from_config(layer.get_config()).get_config() == layer.get_config()
    assert arguments.items() <= layer.get_config().items()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = normal(2, 5, 5, 4)
    for a, b in zip(keras.tree.flatten(model(x)), keras.tree.flatten(loaded(x)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@each_layer
def test_a_layer_works_in_mixed_precision(cls, arguments):
    x = np.abs(normal(2, 5, 5, 4))
    full = cls(**arguments)
    expected = keras.tree.flatten(applied(full, ops.convert_to_tensor(x)))
    layer = cls(**arguments, dtype="mixed_bfloat16")
    symbolic = keras.tree.flatten(applied(layer, keras.Input((5, 5, 4))))
    layer.set_weights(full.get_weights())
    found = keras.tree.flatten(applied(layer, ops.convert_to_tensor(x)))
    assert all(w.dtype == "float32" for w in layer.weights)
    assert keras.backend.standardize_dtype(found[0].dtype) == "bfloat16"
    for one, spec, want in zip(found, symbolic, expected, strict=True):
        assert keras.backend.standardize_dtype(one.dtype) == spec.dtype
        assert tuple(one.shape)[1:] == spec.shape[1:]
        np.testing.assert_allclose(ops.cast(one, "float32"), want, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("cls", [SoftAttention, SymmetryAwareFeatureAttention])
def test_a_layer_names_its_readings(cls):
    with pytest.raises(ValueError, match="described, released"):
        cls(reading="guessed")
