"""Arms as networks: sizes, the closed-form gradient, what learns and what does not, explanations."""

import keras
import numpy as np
import pytest
from keras import ops

from wagf_src.arms import parse_arm
from wagf_src.errors import UserError
from wagf_src.layers.dwt2d import haar_to_conv
from wagf_src.models.classifier import (
    Classifier,
    build_head,
    build_model,
    explain,
    fused_gradient,
    gradient_weights,
    parameter_counts,
    with_inputs,
)

tf = pytest.importorskip("tensorflow")

MODULES = [
    "base",
    "sa-described",
    "sa-released",
    "sa-gf-described",
    "sa-gf-released",
    "wagf-described",
    "wagf-released",
    "wagf-described-saliency",
    "wagf-described-learned",
    "sa-gf-described-conv",
    "sa-gf-described-pool",
]


def arm(modules, backbone="mobilenetv2"):
    return parse_arm(f"{backbone}-{modules}")


def maps(n, size=4, channels=12, seed=0):
    """Feature maps as a backbone ends them, after a ReLU, and labels."""
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(n, size, size, channels)), 0).astype("float32")
    return x, rng.integers(0, 7, n)


def head(modules, size=4, channels=12, seed=1):
    keras.utils.set_random_seed(seed)
    return build_head(arm(modules), (size, size, channels))


def compiled(model, rate=0.05):
    # Eager: a few tiny steps cost less than tracing a graph for each arm.
    model.compile(
        keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


# --- sizes ---------------------------------------------------------------------------------------------------


def test_released_parameter_totals():
    """As the released notebooks print them, for (i) at 160 px and (iii) at 256 px, where the map is 8 x 8."""
    model = build_model(parse_arm("densenet121-sa-released"), 160, "none")
    assert parameter_counts(model) == {"total": 7_199_319, "trainable": 7_115_671}
    assert model.count_params() == 7_199_319
    backbone = parameter_counts(model.get_layer("backbone"))
    proposed = parameter_counts(build_head(parse_arm("densenet121-wagf-released"), (8, 8, 1024)))
    assert backbone["total"] + proposed["total"] == 11_987_929
    assert backbone["trainable"] + proposed["trainable"] == 11_987_929 - 83_648  # batch-norm statistics, as above


def test_the_described_readings_have_the_released_soft_attention_size():
    described, released = head("sa-described"), head("sa-released")
    assert parameter_counts(described) == parameter_counts(released)


@pytest.mark.parametrize("modules", MODULES)
def test_every_arm_on_odd_and_tiny_maps(modules):
    for size in (3, 1):
        model = head(modules, size=size)
        x, _ = maps(3, size=size)
        out = model(x)
        assert list(out["probabilities"].shape) == [3, 7]
        np.testing.assert_allclose(np.sum(out["probabilities"], axis=1), 1, rtol=1e-5)
        half = -(-size // 2)
        branches = {"wavelet", "soft"} & set(out)
        assert all(list(out[branch].shape) == [3, half, half, 12] for branch in branches)
        assert len(branches) == (2 if modules.startswith(("sa-gf", "wagf")) else 0)


@pytest.mark.parametrize("size", [4, 5])
def test_the_haar_arm_turns_into_the_conv_arm(size):
    haar, conv = head("sa-gf-described", size=size), head("sa-gf-described-conv", size=size, seed=2)
    x, _ = maps(3, size=size)
    for name in ("soft_attention", "probabilities"):
        conv.get_layer(name).set_weights(haar.get_layer(name).get_weights())
    kernel, bias = haar.get_layer("wavelet").get_weights()
    (scale,) = haar.get_layer("wavelet_scale").get_weights()
    # The branch is a Dense on 2 x 2 patches; Keras's own convolution with the same kernel says that this is one.
    kernel = haar_to_conv(scale, kernel[None, None])
    conv.get_layer("wavelet").set_weights([kernel.reshape(-1, 12), bias])
    keras_conv = keras.layers.Conv2D(12, 2, strides=2)
    padded = np.pad(x, ((0, 0), (0, size % 2), (0, size % 2), (0, 0)), mode="symmetric")
    keras_conv.build(padded.shape)
    keras_conv.set_weights([kernel, bias])
    np.testing.assert_allclose(conv(x)["wavelet"], keras_conv(padded), atol=1e-5)
    np.testing.assert_allclose(conv(x)["wavelet"], haar(x)["wavelet"], atol=1e-5)
    np.testing.assert_allclose(conv(x)["probabilities"], haar(x)["probabilities"], atol=1e-5)


def test_the_pool_arm_is_the_low_pass_band():
    pool = head("sa-gf-described-pool", size=5)
    x, _ = maps(2, size=5)
    kernel, bias = pool.get_layer("wavelet").get_weights()
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="symmetric")
    low = padded.reshape(2, 3, 2, 3, 2, 12).mean(axis=(2, 4))
    np.testing.assert_allclose(pool(x)["wavelet"], low @ kernel + bias, atol=1e-5)


def test_the_described_proposal_is_its_parts():
    """Concatenate SaFA and F_fuse, ReLU, average, Dense: the order that fused_gradient relies on."""
    model = head("wagf-described-saliency")
    x, _ = maps(3)
    model.get_layer("fusion").average.assign([0.3, 0.7])
    safa, _ = model.get_layer("safa")(x)
    attended, _ = model.get_layer("soft_attention")(x)
    soft = attended.numpy().reshape(3, 2, 2, 2, 2, 12).max(axis=(2, 4))
    out = model(x)
    np.testing.assert_allclose(out["soft"], soft, atol=1e-6)
    pooled = np.maximum(np.concatenate([safa, 0.7 * out["wavelet"].numpy() + 0.3 * soft], axis=-1), 0).mean(axis=(1, 2))
    np.testing.assert_allclose(explain(model)(x)["features"], pooled, atol=1e-5)
    kernel, bias = model.get_layer("probabilities").get_weights()
    e = np.exp(pooled @ kernel + bias)
    np.testing.assert_allclose(out["probabilities"], e / e.sum(axis=1, keepdims=True), rtol=1e-4)


# --- gradients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modules", ["wagf-described", "sa-gf-released"])
@pytest.mark.parametrize("weighted", [False, True])
def test_closed_form_gradient_is_automatic_differentiation(modules, weighted):
    model = head(modules, size=5)
    x, y = maps(6, size=5)
    weight = np.linspace(0.5, 2, 6).astype("float32") if weighted else None
    # From the fused map on, with the fused map as the watched tensor.
    after = ["concatenate"] * modules.startswith("wagf") + ["relu", "pooled", "probabilities"]
    out = model(x)
    fused = model.get_layer("fusion")([out["wavelet"], out["soft"]])
    with tf.GradientTape() as tape:
        tape.watch(fused)
        z = fused
        for name in after:
            layer = model.get_layer(name)
            z = layer([model.get_layer("safa")(x)[0], z]) if name == "concatenate" else layer(z)
        loss = keras.losses.SparseCategoricalCrossentropy()(y, z, sample_weight=weight)
    expected = tape.gradient(loss, fused)
    found = fused_gradient(fused, model.get_layer("probabilities").kernel, out["probabilities"], y, weight)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("modules", MODULES)
def test_gradient_reaches_exactly_the_weights_it_should(modules):
    model = head(modules)
    x, y = maps(16)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, compiled(model)(x, training=True))
    found = tape.gradient(loss, [w.value for w in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, found, strict=True):
        assert gradient is not None, weight.path
        gradient = ops.convert_to_numpy(gradient)
        assert np.any(gradient != 0), weight.path
        if "released" in modules and weight.path.endswith("soft_attention/kernel"):
            # At H = 4 and C = 12: rows 5 - 3 to 5 + 3 of twelve.
            assert np.flatnonzero(np.any(gradient != 0, axis=(1, 2, 3, 4))).tolist() == list(range(2, 9))


def test_equation_1_stays_at_one_half_in_training():
    model = compiled(head("wagf-described"))
    x, y = maps(16)
    before = model.get_layer("wavelet").get_weights()[0]
    log = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert np.abs(model.get_layer("wavelet").get_weights()[0] - before).max() > 1e-4
    np.testing.assert_allclose(gradient_weights(model), (0.5, 0.5), rtol=1e-6)
    assert set(log) == {"loss", "accuracy"} and log["loss"][1] < log["loss"][0]


def test_equation_1_measures_what_automatic_differentiation_does():
    """One step from an uneven start: the measured weights swap, as dL/dF_w and dL/dF_sa by autodiff say."""
    model = compiled(head("sa-gf-described"), rate=0.0)
    fusion = model.get_layer("fusion")
    fusion.momentum = 0.0
    fusion.average.assign([0.8, 0.2])
    x, y = maps(8)
    out = model(x)
    f_w, f_sa = ops.convert_to_tensor(out["wavelet"]), ops.convert_to_tensor(out["soft"])
    with tf.GradientTape() as tape:
        tape.watch([f_w, f_sa])
        z = model.get_layer("probabilities")(model.get_layer("pooled")(ops.relu(fusion([f_w, f_sa]))))
        loss = keras.losses.SparseCategoricalCrossentropy()(y, z)
    sizes = np.array([np.abs(g).mean() for g in tape.gradient(loss, [f_w, f_sa])])
    model.train_on_batch(x, y)
    np.testing.assert_allclose(gradient_weights(model), sizes / sizes.sum(), rtol=1e-4)
    np.testing.assert_allclose(gradient_weights(model), (0.2, 0.8), rtol=1e-4)


def test_measured_weights_move_in_training_only():
    model = compiled(head("wagf-described-saliency"))
    x, y = maps(16)
    model.evaluate(x, y, verbose=0)
    assert gradient_weights(model) == (0.5, 0.5)
    model.train_on_batch(x, y)
    moved = gradient_weights(model)
    assert abs(moved[0] - 0.5) > 1e-3 and sum(moved) == pytest.approx(1)
    probabilities = model(x)["probabilities"]
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert gradient_weights(model) == moved
    np.testing.assert_array_equal(model(x)["probabilities"], probabilities)


def test_gradient_weights_of_the_other_arms():
    assert gradient_weights(head("sa-released")) is None
    assert gradient_weights(head("sa-gf-released")) == pytest.approx((2 / 3, 1 / 2))
    assert gradient_weights(head("sa-gf-described-learned")) == pytest.approx((0.5, 0.5))


# --- whole models --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    """The smallest model that has everything: 64 px gives 2 x 2 maps."""
    keras.utils.set_random_seed(3)
    return build_model(arm("wagf-described-saliency"), 64, "none", batch_norm_momentum=0.8)


def images(n, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3)).astype("uint8")


def test_a_whole_model_comes_back_from_a_file(whole, tmp_path):
    whole.get_layer("fusion").average.assign([0.4, 0.6])
    whole.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Classifier)
    assert gradient_weights(loaded) == gradient_weights(whole)
    (network,) = (layer for layer in loaded.get_layer("backbone").layers if isinstance(layer, keras.Model))
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 52 and {layer.momentum for layer in norms} == {0.8}
    found, expected = explain(loaded)(images(2)), explain(whole)(images(2))
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], atol=1e-6)


@pytest.mark.parametrize("modules", ["base", "wagf-described-saliency"])
def test_fusion_and_head_are_held_through_every_wrapping(modules, tmp_path):
    model = head(modules)
    image = keras.Input((4, 4, 12))
    around = with_inputs(model, image, 2 * image)
    assert around.head is model.head and around.fusion is model.fusion
    assert len(around.weights) == len(model.weights) == len({id(w) for w in model.weights})
    around.save(tmp_path / "model.keras")
    x, y = maps(8)
    for copy in (model, around, keras.models.clone_model(model), keras.saving.load_model(tmp_path / "model.keras")):
        assert isinstance(copy, Classifier) and copy.head.units == 7
        compiled(copy).train_on_batch(x, y)
        moved = gradient_weights(copy)
        assert moved is None if modules == "base" else abs(moved[0] - 0.5) > 1e-3


def test_with_inputs_trains_the_same_model(whole):
    """A gather in front, as in training; weights, explanation and fusion are those of the model within."""
    store, y = images(8), np.arange(8) % 7
    number = keras.Input((), dtype="int32", name="number")
    gather = keras.layers.Embedding(8, 64 * 64 * 3, trainable=False, name="store")
    trainer = compiled(with_inputs(whole, number, keras.layers.Reshape((64, 64, 3))(gather(number))))
    gather.set_weights([store.reshape(8, -1).astype("float32")])
    rows = np.arange(8, dtype="int32")
    expected = explain(whole)(store)["probabilities"]
    np.testing.assert_allclose(trainer(rows)["probabilities"], expected, atol=1e-5)
    whole.get_layer("fusion").average.assign([0.5, 0.5])
    before = whole.get_layer("probabilities").get_weights()[0]
    trainer.train_on_batch(rows, y)
    assert np.abs(whole.get_layer("probabilities").get_weights()[0] - before).max() > 1e-5
    assert gradient_weights(whole) != (0.5, 0.5)
    assert gradient_weights(trainer) == gradient_weights(whole)


def test_compiled_training_in_mixed_precision():
    """The one test that goes through Keras's compiled step, as runs do."""
    x, y = maps(16, size=2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = head("wagf-described-saliency", size=2)
        model.compile(keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        log = model.fit(x, y, batch_size=8, epochs=2, verbose=0, validation_data=(x, y)).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert set(log) == {"loss", "accuracy", "val_loss", "val_accuracy"} and np.all(np.isfinite(log["loss"]))
    out = model(x)
    assert out["probabilities"].dtype == "float32" and out["wavelet"].dtype == "bfloat16"
    assert all(w.dtype == "float32" for w in model.weights)
    assert abs(gradient_weights(model)[0] - 0.5) > 1e-3


@pytest.mark.parametrize("modules", ["base", "sa-described", "sa-gf-released", "wagf-described", "wagf-released"])
def test_explain_names_what_an_arm_has(modules):
    model = head(modules, size=5)
    x, _ = maps(3, size=5)
    found = explain(model)(x)
    expected = {"probabilities", "features"}
    expected |= {"soft_attention"} if "sa" in modules.split("-") or "wagf" in modules else set()
    expected |= {"safa"} if "wagf" in modules else set()
    assert set(found) == expected
    np.testing.assert_array_equal(found["probabilities"], model(x)["probabilities"])
    wide = modules.startswith("wagf") or arm(modules).modules == "sa"
    assert list(found["features"].shape) == [3, 24 if wide else 12]
    if "soft_attention" in found:
        assert list(found["soft_attention"].shape) == [3, 5, 5]
        np.testing.assert_allclose(np.sum(found["soft_attention"], axis=(1, 2)), 16, rtol=1e-5)
    if "safa" in found:
        assert list(found["safa"].shape) == ([3, 3, 3] if "released" in modules else [3, 5, 5])
        assert 0 < np.min(found["safa"]) and np.max(found["safa"]) < 1


def test_a_probe_is_no_network():
    with pytest.raises(UserError, match="logistic regression"):
        head("probe")
