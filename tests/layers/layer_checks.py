"""What every layer has to do, whatever it computes: :func:`check_layer`."""

import keras
import numpy as np
import pytest
from keras import ops

tf = pytest.importorskip("tensorflow")  # for gradients; test_backends.py compares the other backend

TOLERANCE = {"float32": 1e-6, "mixed_bfloat16": 0.05, "mixed_float16": 0.01}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gradients(layer, x, loss):
    """d loss(layer(x)) / d (trainable weights), by automatic differentiation."""
    with tf.GradientTape() as tape:
        value = loss(layer(x))
    return tape.gradient(value, [w.value for w in layer.trainable_weights])


def check_layer(cls, init_kwargs, input_shape, total, trainable, folder):
    """Round trip of its configuration, weight count, gradients, output shapes, precision policies, save and load.

    Args:
        cls, init_kwargs: the layer's class and arguments.
        input_shape: (H, W, C), or a list of such shapes for a layer of several inputs.
        total, trainable: number of parameters.
        folder: an empty one, for the saved model.
    """
    several = isinstance(input_shape, list)
    shapes = input_shape if several else [input_shape]

    def pack(values):
        return list(values) if several else next(iter(values))

    x = pack(ops.convert_to_tensor(np.abs(normal(2, *shape, seed=i))) for i, shape in enumerate(shapes))
    symbolic = pack(keras.Input(shape) for shape in shapes)

    layer = cls(**init_kwargs)
    config = layer.get_config()
    assert init_kwargs.items() <= config.items()
    assert cls.from_config(config).get_config() == config

    expected = keras.tree.flatten(layer(x))
    assert layer.count_params() == total
    assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == trainable

    # A sum of squares: a plain sum has no gradient through what sums to one.
    squares = gradients(layer, x, lambda y: sum(ops.sum(ops.square(part)) for part in keras.tree.flatten(y)))
    for weight, gradient in zip(layer.trainable_weights, squares, strict=True):
        assert gradient is not None and np.any(ops.convert_to_numpy(gradient) != 0), weight.path

    batched = layer.compute_output_shape(pack((2, *shape) for shape in shapes))
    batched = [batched] if isinstance(batched[0], int) else list(batched)
    assert [tuple(shape) for shape in batched] == [tuple(y.shape) for y in expected]

    for policy, tolerance in TOLERANCE.items():
        other = cls(**init_kwargs, dtype=policy)
        specs = keras.tree.flatten(other(symbolic))
        other.set_weights(layer.get_weights())
        assert all(w.dtype == "float32" for w in other.weights)
        outputs = keras.tree.flatten(other(x))
        assert keras.backend.standardize_dtype(outputs[0].dtype) == other.compute_dtype
        for y, spec, want in zip(outputs, specs, expected, strict=True):
            assert keras.backend.standardize_dtype(y.dtype) == spec.dtype
            assert tuple(y.shape)[1:] == spec.shape[1:]
            np.testing.assert_allclose(ops.cast(y, "float32"), want, rtol=tolerance, atol=tolerance, err_msg=policy)

    model = keras.Model(symbolic, layer(symbolic))
    model.save(folder / "layer.keras")
    loaded = keras.saving.load_model(folder / "layer.keras")
    for y, want in zip(keras.tree.flatten(loaded(x)), expected, strict=True):
        np.testing.assert_allclose(y, want, atol=1e-6)
