"""What makes Keras on TensorFlow faster must not change what it computes: against Keras's own layers and datasets."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from wagf_src import fast


@pytest.fixture(autouse=True)
def as_before():
    yield
    fast.set_fused_batch_norm(False)
    fast.set_autotune(True)


def normalise(fused: bool, x, **settings) -> dict:
    """Outputs, gradients and statistics of a layer with known weights: inference, a step of training, inference again."""
    fast.set_fused_batch_norm(fused)
    layer = keras.layers.BatchNormalization(momentum=0.7, **settings)
    layer.build(x.shape)
    layer.gamma.assign(np.arange(1.0, 7))
    layer.beta.assign(np.arange(6.0))
    weights = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    found = {}
    for name, training in (("before", False), ("training", True), ("after", False)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            total = tf.reduce_sum(tf.cast(y, "float32") * weights)
        found[name] = [y, *tape.gradient(total, [x, layer.gamma.value, layer.beta.value])]
    return found | {"moving": [layer.moving_mean.value, layer.moving_variance.value]}


@pytest.fixture
def maps():
    return tf.constant(np.random.default_rng(0).normal(1, 3, size=(4, 3, 5, 6)), tf.float32)


def test_fused_batch_norm_is_kerass_to_rounding(maps):
    plain, fused = normalise(False, maps), normalise(True, maps)
    for name in plain:
        for a, b in zip(plain[name], fused[name], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=name)
    # What the layer promises: in training, mean beta and standard deviation gamma; then, the moving statistics.
    y = np.asarray(fused["training"][0])
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), np.arange(6), atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), np.arange(1, 7), rtol=1e-3)
    x = maps.numpy()
    mean, variance = (0.7 * start + 0.3 * s for start, s in ((0, x.mean((0, 1, 2))), (1, x.var((0, 1, 2)))))
    np.testing.assert_allclose(fused["moving"], [mean, variance], rtol=1e-4)
    expected = np.arange(1, 7) * (x - mean) / np.sqrt(variance + 1e-3) + np.arange(6)
    np.testing.assert_allclose(fused["after"][0], expected, rtol=1e-4, atol=1e-4)


def test_one_kernel_is_used_where_it_fits_and_only_there(maps):
    def kernels(layer, x):
        graph = tf.function(lambda: layer(x, training=True)).get_concrete_function().graph
        return sum(op.type == "FusedBatchNormV3" for op in graph.get_operations())

    fast.enable()
    norm = keras.layers.BatchNormalization
    frozen = norm(trainable=False)
    assert [kernels(layer, maps) for layer in (norm(), frozen)] == [1, 1]
    others = (norm(scale=False), maps), (norm(axis=1), maps), (norm(), maps[:, 0, 0]), (norm(dtype="float64"), maps)
    assert [kernels(layer, x) for layer, x in others] == [0] * 4
    # Frozen: statistics stay, whatever `training` says.
    np.testing.assert_array_equal(frozen.moving_mean, np.zeros(6))
    fast.set_fused_batch_norm(False)
    assert kernels(norm(), maps) == 0
    assert list(inspect.signature(norm.call).parameters) == ["self", "inputs", "training", "mask"]


def test_autotuning_of_tf_data_is_off():
    """An epoch's end would wait for tf.data's tuning thread, up to a minute; asked of the datasets that Keras makes."""
    from keras.src.trainers.data_adapters import array_data_adapter, py_dataset_adapter

    class Files(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return np.full((4, 1), i), np.zeros(4)

    def made():
        rows = np.arange(10)
        yield array_data_adapter.ArrayDataAdapter({"number": rows}, rows, batch_size=4).get_tf_dataset()
        yield py_dataset_adapter.PyDatasetAdapter(Files(), shuffle=False).get_tf_dataset()

    for enabled in (True, False):
        fast.set_autotune(enabled)
        assert [d.options().autotune.enabled for d in made()] == [enabled] * 2
    fast.set_autotune(True)
    fast.enable()
    array, _ = made()
    assert array.options().autotune.enabled is False
    assert [batch[0]["number"].numpy().tolist() for batch in array] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
