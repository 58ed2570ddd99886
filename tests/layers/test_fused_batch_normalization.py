"""The layer that uses TensorFlow's one kernel must compute what Keras's layer computes, and what batch normalisation
is."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from wagf_src.layers.fused_batch_normalization import FusedBatchNormalization, with_fused_batch_normalization

TENSORFLOW = keras.backend.backend() == "tensorflow"
tensorflow_only = pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow's kernel")
MAPS = np.random.default_rng(0).normal(1, 3, size=(4, 3, 5, 6)).astype(np.float32)


def layer(kind=FusedBatchNormalization, **settings):
    """Built for MAPS, with known weights."""
    norm = kind(momentum=0.7, **settings)
    norm.build(MAPS.shape)
    norm.gamma.assign(np.arange(1.0, 7))
    norm.beta.assign(np.arange(6.0))
    return norm


def run(kind, **settings) -> dict:
    """Outputs before, in and after a step of training, its gradients (TensorFlow), and the moving statistics."""
    norm, weights = layer(kind, **settings), np.random.default_rng(1).normal(size=MAPS.shape).astype(np.float32)
    seen = {}
    for name, training in (("before", False), ("training", True), ("after", False)):
        if not TENSORFLOW:
            seen[name] = [keras.ops.convert_to_numpy(norm(MAPS, training=training))]
            continue
        import tensorflow as tf

        x = tf.constant(MAPS)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = norm(x, training=training)
            total = tf.reduce_sum(tf.cast(y, "float32") * weights)
        seen[name] = [y, *tape.gradient(total, [x, norm.gamma.value, norm.beta.value])]
    return seen | {"moving": [norm.moving_mean.numpy(), norm.moving_variance.numpy()]}


def test_outputs_gradients_and_statistics_are_kerass_to_rounding():
    plain, fused = run(keras.layers.BatchNormalization), run(FusedBatchNormalization)
    for name in plain:
        for a, b in zip(plain[name], fused[name], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=name)


def test_outputs_and_statistics_are_what_batch_normalisation_is():
    seen = run(FusedBatchNormalization)
    y = np.asarray(seen["training"][0])
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), np.arange(6), atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), np.arange(1, 7), rtol=1e-3)
    mean, variance = (0.7 * start + 0.3 * s for start, s in ((0, MAPS.mean((0, 1, 2))), (1, MAPS.var((0, 1, 2)))))
    np.testing.assert_allclose(seen["moving"], [mean, variance], rtol=1e-4)
    expected = np.arange(1, 7) * (MAPS - mean) / np.sqrt(variance + 1e-3) + np.arange(6)
    np.testing.assert_allclose(seen["after"][0], expected, rtol=1e-4, atol=1e-4)


def test_statistics_where_the_batch_is_not_known_beforehand():
    """As in ``fit``: the number of images comes with the batch, the last of which is short."""
    norm = layer()
    model = keras.Sequential([keras.Input(MAPS.shape[1:]), norm, keras.layers.GlobalAveragePooling2D()])
    model.compile("sgd", "mse")
    mean, variance = np.zeros(6), np.ones(6)
    for part in (MAPS[:3], MAPS[3:]):
        mean, variance = 0.7 * mean + 0.3 * part.mean((0, 1, 2)), 0.7 * variance + 0.3 * part.var((0, 1, 2))
    model.fit(MAPS, np.zeros((4, 6)), batch_size=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-4)


def test_frozen_layer_keeps_its_statistics():
    norm = layer(trainable=False)
    np.testing.assert_allclose(norm(MAPS, training=True), norm(MAPS, training=False), rtol=1e-5)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), np.zeros(6))


@tensorflow_only
def test_kernel_is_used_where_it_fits_and_only_there():
    import tensorflow as tf

    def kernels(norm, x, **arguments):
        graph = tf.function(lambda: norm(tf.constant(x), training=True, **arguments)).get_concrete_function().graph
        return sum(op.type == "FusedBatchNormV3" for op in graph.get_operations())

    norm = FusedBatchNormalization
    assert [kernels(n, MAPS) for n in (norm(), norm(trainable=False), norm(axis=3))] == [1, 1, 1]
    others = [
        kernels(keras.layers.BatchNormalization(), MAPS),
        kernels(norm(scale=False), MAPS),
        kernels(norm(center=False), MAPS),
        kernels(norm(axis=1), MAPS),
        kernels(norm(renorm=True), MAPS),
        kernels(norm(), MAPS[:, 0, 0]),
        kernels(norm(dtype="float64"), MAPS.astype(np.float64)),
        kernels(norm(dtype="mixed_float16"), MAPS),
        kernels(norm(), MAPS, mask=np.ones(MAPS.shape[:3], bool)),
    ]
    assert others == [0] * len(others)


def network():
    """A network in a network, as backbones are nested in classifiers, with frozen parts and values of its own."""
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="convolution")(image)
    x = keras.layers.BatchNormalization(name="first")(x)
    y = keras.layers.BatchNormalization(name="second", epsilon=1e-5, trainable=False)(x)
    inner = keras.Model(image, keras.layers.Add(name="sum")([x, y]), name="inner")
    inner.get_layer("first").momentum = 0.77
    outer_image = keras.Input((8, 8, 3), name="outer_image")
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(inner(outer_image))
    x = keras.layers.BatchNormalization(name="vector")(x)
    model = keras.Model(outer_image, keras.layers.Dense(2, name="dense")(x), name="outer")
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


IMAGES = np.random.default_rng(3).uniform(size=(5, 8, 8, 3)).astype(np.float32)


def test_copy_is_the_same_network():
    model = network()
    fused = with_fused_batch_normalization(model)
    assert type(fused) is type(model) and fused.name == "outer"
    assert [w.path for w in fused.weights] == [w.path for w in model.weights]
    assert [w.path for w in fused.trainable_weights] == [w.path for w in model.trainable_weights]
    assert fused.count_params() == model.count_params()
    for a, b in zip(fused.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    inner, first = fused.get_layer("inner"), fused.get_layer("inner").get_layer("first")
    assert [layer.name for layer in inner.layers] == [layer.name for layer in model.get_layer("inner").layers]
    assert type(first) is type(fused.get_layer("vector")) is FusedBatchNormalization
    assert first.momentum == 0.77 and inner.get_layer("second").epsilon == 1e-5
    np.testing.assert_allclose(fused(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fused(IMAGES, training=True), model(IMAGES, training=True), rtol=1e-4, atol=1e-4)
    # Its variables are its own.
    fused.set_weights([np.zeros(w.shape) for w in fused.get_weights()])
    assert all(w.any() for w in model.get_weights())


@pytest.mark.parametrize("name", ["outer", "inner"])
def test_copy_keeps_what_is_frozen(name):
    model = network()
    (model if name == "outer" else model.get_layer("inner")).trainable = False
    if name == "outer":
        model.get_layer("dense").trainable = True  # no weight of a frozen model trains, but the flag is kept
    fused = with_fused_batch_normalization(model)
    assert [w.path for w in fused.trainable_weights] == [w.path for w in model.trainable_weights]
    for a, b in ((model, fused), (model.get_layer("inner"), fused.get_layer("inner"))):
        assert a.trainable == b.trainable
        assert [layer.trainable for layer in a.layers] == [layer.trainable for layer in b.layers]


def test_saves_loads_and_takes_a_plain_networks_weights(tmp_path):
    model = network()
    fused = with_fused_batch_normalization(model)
    fused.save(tmp_path / "fused.keras")
    loaded = keras.models.load_model(tmp_path / "fused.keras")
    assert type(loaded.get_layer("vector")) is FusedBatchNormalization
    np.testing.assert_allclose(loaded(IMAGES), fused(IMAGES), rtol=1e-6)

    # The format of the ImageNet files of keras.applications.
    model.save(tmp_path / "plain.h5")
    fused.set_weights([np.zeros(w.shape) for w in fused.get_weights()])
    fused.load_weights(tmp_path / "plain.h5")
    np.testing.assert_allclose(fused(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-5)


def test_config_is_kerass():
    settings = {"momentum": 0.9, "epsilon": 1e-4, "name": "norm", "trainable": False}
    norm = FusedBatchNormalization(**settings)
    assert norm.get_config() == keras.layers.BatchNormalization(**settings).get_config()
    again = keras.layers.deserialize(keras.layers.serialize(norm))
    assert type(again) is FusedBatchNormalization and again.get_config() == norm.get_config()


@pytest.mark.skipif(not TENSORFLOW, reason="the process that starts the other one")
def test_on_jax():
    pytest.importorskip("jax")
    tests = "kerass_to_rounding or frozen_layer or takes"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-k", tests, __file__]
    settings = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiling takes the time
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
