"""Models that were kept predict again what their runs committed, from pixels alone."""

import dataclasses
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from tiny_profiles import END_TO_END, FROZEN

from wagf_src import paths
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.models.kept import read_model, with_views
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.train import staging
from wagf_src.train.trainer import PREDICT_BATCH

pytestmark = pytest.mark.usefixtures("own_results")

needs_imagenet = pytest.mark.skipif("WAGF_WEIGHTS_DIR" not in os.environ, reason="needs ImageNet weights")


def printed(p):
    """Probabilities as the file of predictions has them."""
    return np.array([[float(f"{value:.5g}") for value in row] for row in p])


def committed(run):
    frame = run.predictions()
    return frame[PROBABILITY_COLUMNS].to_numpy()


def images_of(profile, run):
    data = dataset.load(profile)
    return data.images[protocol.split(data.metadata, profile).test].astype(np.float32)


def predicted(model, images):
    p = printed(model.predict(images, batch_size=PREDICT_BATCH, verbose=0))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("views", [1, 8])
def test_a_trained_network_predicts_what_is_committed(views, tmp_path):
    profile = dataclasses.replace(END_TO_END, name=f"tiny{views}", arms=("mobilenetv2-base",), test_views=views)
    run = Run(staging.train(profile, "mobilenetv2-base-seed0"))
    model, images = run.model(), images_of(profile, run)
    assert model.input_shape == (None, 32, 32, 3) and model.output_shape == (None, 7)
    np.testing.assert_array_equal(predicted(model, images), committed(run))
    # Elsewhere: a whole file, without this package's functions being trusted.
    model.save(tmp_path / "whole.keras")
    loaded = keras.models.load_model(tmp_path / "whole.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


FRESH = """
import sys
from pathlib import Path
import numpy as np
from wagf_src.data import dataset, protocol
from wagf_src.models.kept import read_model
from wagf_src.profile import Profile
from wagf_src.runs import Run
from wagf_src.train.trainer import PREDICT_BATCH
from wagf_src.use import gradcam
run = Run(Path(sys.argv[1]))
profile = Profile(run.info["profile"], "", arms=(run.arm,), **run.info["settings"])
data = dataset.load(profile)
assert "wagf_src.models.two_path" not in sys.modules
found = gradcam.of_run(run, data) if sys.argv[2] == "gradcam" else read_model(run).predict(
    data.channels(4)[protocol.split(data.metadata, profile).test].astype(np.float32),
    batch_size=PREDICT_BATCH, verbose=0)["probabilities"]
np.save(sys.argv[3], found)
"""


def test_layers_that_one_backbone_has_are_found_in_a_new_process(tmp_path):
    """Keras knows them once their module is imported, which building does and reading must."""
    profile = dataclasses.replace(END_TO_END, name="tinypaths", arms=("twopath-base-random",))
    run = Run(staging.train(profile, "twopath-base-random-seed0"))
    found = {}
    for what in ("predictions", "gradcam"):
        file = tmp_path / f"{what}.npy"
        command = [sys.executable, "-c", FRESH, str(run.path), what, str(file)]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        found[what] = np.load(file)
    p = printed(found["predictions"])
    np.testing.assert_allclose(p / p.sum(axis=1, keepdims=True), committed(run), atol=2e-5)
    # Of a plain backbone whose map is one point: the logit without its bias, where positive.
    logits = np.log(committed(run))
    features = run.features()["features"].astype(float)
    kernel, bias = read_model(run).get_layer("explain").get_layer("probabilities").get_weights()
    np.testing.assert_allclose(logits - logits[:, :1], (z := features @ kernel + bias) - z[:, :1], atol=0.05)
    highest = (z - bias)[np.arange(len(z)), z.argmax(axis=1)]
    np.testing.assert_allclose(found["gradcam"][:, 0, 0], np.maximum(highest, 0), atol=0.02)


def test_views_are_numpys(tmp_path):
    image = keras.Input((4, 4, 1))
    corner = keras.Model(image, {"probabilities": image[:, 0, 1], "features": image[:, 0, 0]})
    x = np.random.default_rng(0).random((2, 4, 4, 1)).astype(np.float32)
    outputs = with_views(corner, 8).predict(x, verbose=0)
    seen = [np.rot90(v, k, axes=(1, 2))[:, 0, 1] for v in (x, x[:, :, ::-1]) for k in range(4)]
    np.testing.assert_allclose(outputs["probabilities"], np.mean(seen, axis=0), rtol=1e-6)
    np.testing.assert_array_equal(outputs["features"], x[:, 0, 0])


@needs_imagenet
@pytest.mark.parametrize("arm", ["mobilenetv2-wagf-described", "mobilenetv2-probe"])
def test_a_head_stands_on_its_frozen_backbone(arm, tmp_path, monkeypatch):
    profile = dataclasses.replace(FROZEN, name="tinyfrozen", arms=(arm,), weights="imagenet", epochs=1)
    run = Run(staging.train(profile, f"{arm}-seed0"))
    images = images_of(profile, run)
    model = run.model()
    np.testing.assert_allclose(predicted(model, images), committed(run), atol=2e-5)
    maps = read_model(run).predict(images, verbose=0)
    for name, values in run.attention().items():
        np.testing.assert_allclose(maps[name], values, rtol=1e-3)
    model.save(tmp_path / "whole.keras")
    loaded = keras.models.load_model(tmp_path / "whole.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    # Without the weights that it stands on, one line says which.
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", str(tmp_path / "other"))
    (tmp_path / "other" / "mobilenetv2_notop.h5").write_bytes(b"another file")
    with pytest.raises(UserError, match="ImageNet weights local-.*WEIGHTS="):
        run.model()


def test_what_cannot_be_had_is_said_in_a_line(tmp_path):
    run = Run(staging.train(FROZEN, "densenet17-base-seed0"))
    with pytest.raises(UserError, match="random weights"):
        run.model()
    shutil.copytree(run.path, tmp_path / "committed", ignore=shutil.ignore_patterns("model.*"))
    with pytest.raises(UserError, match="never committed.*make reproduce PROFILE=tiny"):
        Run(tmp_path / "committed").model()
