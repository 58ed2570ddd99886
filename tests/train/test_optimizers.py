"""FlatAdam against Keras's Adam and AdamW and against Adam written out in NumPy, on TensorFlow and on JAX."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from wagf_src.train.first_step import build_training_state
from wagf_src.train.optimizers import FlatAdam

STEPS, BATCH = 5, 8
JAX_TESTS = "(five_steps and cosine) or printed or resumes or not_a_number"
rng = np.random.default_rng(0)
X = rng.normal(size=(STEPS, BATCH, 6, 6, 3)).astype(np.float32)
Y = rng.integers(0, 4, size=(STEPS, BATCH))


class Counted(keras.Model):
    """A model that counts how often its training step is written (once per graph, on TensorFlow)."""

    written = 0

    def train_step(self, *args):
        self.written += 1
        return super().train_step(*args)


def network(kind=keras.Model):
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(5, 3, use_bias=False)(image)
    x = layers.Activation("tanh")(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    constraint = keras.constraints.UnitNorm()
    return kind(image, layers.Dense(4, activation="softmax", kernel_constraint=constraint)(x))


def train(model, optimizer, steps=range(STEPS)):
    """Weights after these steps; the model is compiled first unless the optimizer is None."""
    if optimizer is not None:
        model.compile(optimizer, "sparse_categorical_crossentropy")
    for step in steps:
        model.train_on_batch(X[step], Y[step])
    return model.get_weights()


def rate(schedule):
    return keras.optimizers.schedules.CosineDecay(0.02, decay_steps=2 * STEPS) if schedule == "cosine" else 0.02


def close(a, b, rtol=1e-5):
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("weight_decay", [None, 0.5])
def test_five_steps_give_the_weights_of_keras(schedule, weight_decay):
    if weight_decay is None:
        oracle = keras.optimizers.Adam(rate(schedule))
    else:
        oracle = keras.optimizers.AdamW(rate(schedule), weight_decay=weight_decay)
        oracle.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    start = network().get_weights()
    expected, weights = (train(network(), o) for o in (oracle, FlatAdam(rate(schedule), weight_decay=weight_decay)))
    assert max(np.abs(a - b).max() for a, b in zip(start, weights, strict=True)) > 0.05
    close(weights, expected)


def test_update_is_adam_as_printed():
    """Kingma and Ba, algorithm 1, in double precision; epsilon stands where Keras and its section 2 put it."""
    first, second = keras.Variable(np.array([[1.0, -2.0]]), name="kernel"), keras.Variable(np.ones(3), name="bias")
    optimizer = FlatAdam(0.1, weight_decay=0.2)
    m = v = np.zeros(5)
    theta, decayed = np.array([1.0, -2.0, 1, 1, 1]), np.array([1, 1, 0, 0, 0])
    for t in range(1, 4):
        g = np.array([0.5, -0.1, 2.0, 1e-3, 0.0]) * t
        optimizer.apply([g[:2].reshape(1, 2).astype(np.float32), g[2:].astype(np.float32)], [first, second])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        theta = theta - 0.1 * 0.2 * decayed * theta - step * m / (np.sqrt(v) + 1e-7)
        np.testing.assert_allclose(np.ravel(first.numpy()), theta[:2], rtol=1e-5)
        np.testing.assert_allclose(second.numpy(), theta[2:], rtol=1e-5)


def test_state_is_four_arrays_and_resumes():
    model = network()
    whole = train(model, FlatAdam(0.02, weight_decay=0.1))
    assert [v.shape for v in model.optimizer.variables] == [(), (), (169,), (169,)]  # 135 + 10 + 24 trainable

    model = network()
    train(model, FlatAdam(0.02, weight_decay=0.1), range(3))
    state = [np.array(v) for v in model.optimizer.variables]
    resumed = network()
    resumed.set_weights(model.get_weights())
    resumed.compile(FlatAdam(0.5, weight_decay=0.1), "sparse_categorical_crossentropy")
    resumed.optimizer.build(resumed.trainable_variables)
    for variable, value in zip(resumed.optimizer.variables, state, strict=True):
        variable.assign(value)
    close(train(resumed, None, range(3, STEPS)), whole, rtol=1e-6)
    assert int(resumed.optimizer.iterations) == STEPS


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_saved_model_goes_on_as_if_it_had_not_been(schedule, tmp_path):
    whole = train(network(), FlatAdam(rate(schedule), weight_decay=0.1, no_decay=["gamma"]))
    model = network()
    train(model, FlatAdam(rate(schedule), weight_decay=0.1, no_decay=["gamma"]), range(3))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.no_decay == ["gamma"]
    close(train(loaded, None, range(3, STEPS)), whole, rtol=1e-6)


def test_config_round_trip():
    optimizer = FlatAdam(0.3, 0.8, 0.9, 1e-5, 0.1, ["kernel"], "mine")
    config = optimizer.get_config()
    assert config == {
        "name": "mine",
        "learning_rate": pytest.approx(0.3),
        "weight_decay": 0.1,
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 1e-5,
        "no_decay": ["kernel"],
    }
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is FlatAdam and again.get_config() == config


def test_learning_rate_can_be_set_between_steps():
    weights = []
    for optimizer in (FlatAdam(0.02), keras.optimizers.Adam(0.02)):
        model = network()
        train(model, optimizer, range(2))
        model.optimizer.learning_rate = 0.001
        weights.append(train(model, None, range(2, STEPS)))
    close(*weights)


def test_not_a_number_stays_in_its_variable_and_none_moves_nothing():
    a, b, c = (keras.Variable(np.ones(2), name=name) for name in ("a", "b", "c"))
    FlatAdam(0.1, weight_decay=0.1).apply([np.array([np.nan, 1], np.float32), np.ones(2, np.float32), None], [a, b, c])
    assert np.isnan(a.numpy()).tolist() == [True, False]
    np.testing.assert_allclose(b.numpy(), 1 - 0.1 - 0.01, rtol=1e-5)
    np.testing.assert_array_equal(c.numpy(), [1, 1])


def test_errors():
    a, b = (keras.Variable(np.ones(2)) for _ in range(2))
    optimizer = FlatAdam(0.1)
    optimizer.build([a, b])
    gradient = np.ones(2, np.float32)
    with pytest.raises(ValueError, match="no variable has a gradient"):
        optimizer.apply([None, None], [a, b])
    for grads, variables in (([gradient], [a]), ([gradient] * 2, [b, a]), ([gradient], None)):
        with pytest.raises(ValueError, match="not those that the optimizer was built with"):
            optimizer.apply(grads, variables)


def test_float16_policy_trains_with_loss_scaling():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        weights = [train(network(), optimizer) for optimizer in (FlatAdam(0.02), keras.optimizers.Adam(0.02))]
    finally:
        keras.config.set_dtype_policy(before)
    close(*weights, rtol=1e-3)


def test_built_training_state_changes_nothing_but_the_number_of_graphs():
    models, histories = (network(Counted), network(Counted)), []
    for model in models:
        model.compile(FlatAdam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
        if model is models[1]:
            build_training_state(model)
        histories.append(model.fit(X[0], Y[0], batch_size=4, shuffle=False, verbose=0).history)
    assert {k: pytest.approx(v) for k, v in histories[0].items()} == histories[1]
    close(*(model.get_weights() for model in models))
    if keras.backend.backend() == "tensorflow":
        assert models[0].written > models[1].written == 1


TWO_DEVICES = """
import numpy as np, tensorflow as tf
cpu, half = tf.config.list_physical_devices("CPU")[0], tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])
import keras
from wagf_src.train.optimizers import FlatAdam
x, y = np.random.default_rng(0).normal(size=(40, 5)).astype("float32"), np.arange(40) % 3
weights = []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])
        model.compile(FlatAdam(0.02, weight_decay=0.1), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    weights.append(model.get_weights())
for one, two in zip(*weights):
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_two_devices_train_as_one_does():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the process that starts the other one")
@pytest.mark.timeout(300)
def test_on_jax():
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-k", JAX_TESTS, __file__]
    settings = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiling takes the time
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
