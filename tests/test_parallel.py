"""Two devices train an arm as one does; devices are virtual CPUs, and each backend has its own process.

Run as `python test_parallel.py OUT.json` under a KERAS_BACKEND, this file trains. The step is plain gradient descent:
Adam's first steps divide gradients by their own size, so that rounding alone would decide the sign of the small ones.

JAX sees the whole batch on all devices. Under TensorFlow every replica normalises by its own part of the batch, which
makes another curve by definition; the arm's batch norms are therefore told to synchronise, as whoever distributes a
run has to.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wagf_src import paths
from wagf_src.arms import parse_arm
from wagf_src.data import augmentation
from wagf_src.models import shallow_densenet
from wagf_src.models.classifier import build_model, gradient_weights, with_inputs
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.profile import Profile
from wagf_src.runs import PROBABILITY_COLUMNS, Run

pytestmark = pytest.mark.timeout(900)
ARM, SIZE, FILES, STEPS = "densenet17-wagf-described-saliency", 64, 16, 4


def whole_arm():
    """As in training: look-up by number and affine map before the arm, a fusion whose weights are measured in it."""
    import keras

    profile = Profile(name="p", description="", data="synthetic", synthetic_lesions=140, image_size=SIZE, arms=(ARM,))
    images = np.random.default_rng(1).integers(0, 256, size=(FILES, SIZE, SIZE, 3), dtype=np.uint8)
    arm = build_model(parse_arm(ARM), SIZE, "none", batch_norm_momentum=0.9)
    number, maps = keras.Input((), dtype="int32", name="number"), keras.Input((8,), name="map")
    pixels = AffineTransform()([DeviceArray(images)(number), maps])
    rows = np.arange(FILES)
    x = {"number": rows.astype(np.int32), "map": augmentation.affine_parameters(rows, rows + 1, 1, profile)}
    model = with_inputs(arm, {"number": number, "map": maps}, pixels)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = keras.backend.backend() == "tensorflow"
    return model, x


def curve(rate, strategy=None) -> dict:
    """The loss at every step of one batch seen again and again, and on how many devices a weight then lives."""
    import keras

    rng = np.random.default_rng(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model, x = whole_arm()
        for variable in model.variables:
            if variable.path.endswith("kernel"):
                variable.assign(rng.normal(scale=np.sqrt(2 / np.prod(variable.shape[:-1])), size=variable.shape))
        model.compile(keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy")
    y = np.arange(FILES) % 7
    history = model.fit(x, y, batch_size=FILES, epochs=STEPS, shuffle=False, verbose=0).history
    value = model.trainable_variables[0].value
    if strategy:
        devices = len(strategy.experimental_local_results(value))
    else:
        devices = len(value.sharding.device_set) if hasattr(value, "sharding") else 1
    return {"loss": history["loss"], "fusion": gradient_weights(model), "devices": devices}


def finished_run(strategy) -> list[int]:
    """``staging.train`` as it is, inside a strategy's scope: test images, and finite predictions of them."""
    from wagf_src.train import staging

    paths.RESULTS_DIR = Path(os.environ["WAGF_CACHE_DIR"]) / "results"
    profile = Profile(
        name="p",
        description="",
        data="synthetic",
        synthetic_lesions=140,
        image_size=32,
        arms=("densenet17-base",),
        weights="none",
        epochs=1,
        batch_size=16,
        images_per_epoch=40,
        batch_norm_momentum=0.5,
        learning_rate=0.001,
    )
    with strategy.scope():
        run = Run(staging.train(profile, "densenet17-base-seed0"))
    finite = np.isfinite(run.predictions()[PROBABILITY_COLUMNS]).all(axis=1)
    return [run.info["data"]["n_test"], int(finite.sum())]


def train_on_one_and_two() -> dict:
    import keras

    # Of the backbone what has another kind of part: compiling all of it is most of the time, and tells nothing more.
    shallow_densenet.BLOCKS = (0, 0, 0, 1)
    if keras.backend.backend() == "jax":
        one = curve(1e-6)
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return {"one": one, "two": curve(1e-6)}
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return {"one": curve(1e-6), "two": curve(1e-6, strategy), "run": finished_run(strategy)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, here = tmp_path_factory.mktemp("parallel"), Path(__file__).resolve()
    running = {}
    for backend in ["tensorflow"] + ["jax"] * (importlib.util.find_spec("jax") is not None):
        settings = {
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
            "WAGF_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(here.parents[1]),
        }
        command = [sys.executable, here, folder / f"{backend}.json"]
        running[backend] = subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE, text=True)
    found = {}
    try:
        for backend, process in running.items():
            _, errors = process.communicate(timeout=850)
            assert process.returncode == 0, errors[-3000:]
            found[backend] = json.loads((folder / f"{backend}.json").read_text())
    finally:
        for process in running.values():
            process.kill()
    return found


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_give_the_curve_of_one(trained, backend, rounding=5e-3):
    if backend not in trained:
        pytest.skip("JAX is not installed (extra: dev)")
    one, two = trained[backend]["one"], trained[backend]["two"]
    assert (one["devices"], two["devices"]) == (1, 2)
    # Every step moves the loss by much more than rounding, so a wrong gradient would show.
    assert (-np.diff(one["loss"]) > 5 * rounding).all()
    assert two["loss"][0] == pytest.approx(one["loss"][0], abs=1e-4)
    np.testing.assert_allclose(two["loss"], one["loss"], atol=rounding)
    # The fusion's weights, measured in training, have moved, and alike.
    assert two["fusion"] == pytest.approx(one["fusion"], abs=rounding) and abs(one["fusion"][0] - 0.5) > 2 * rounding


def test_a_whole_run_finishes_on_two_devices(trained):
    images, predicted = trained["tensorflow"]["run"]
    assert images == predicted > 0


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(train_on_one_and_two()))
