"""TensorFlow and JAX compute the same, and the released 3-D convolution is what we say it is.

JAX runs in its own process.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from backend_outputs import ARMS, outputs

from wagf_src import paths
from wagf_src.layers import SoftAttention

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed (extra: dev)")
HERE = Path(__file__).resolve().parent


def start(script, *arguments):
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(paths.ROOT),
        # Tiny models: compiling takes longer than computing.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    command = [sys.executable, HERE / script, *arguments]
    return subprocess.Popen(command, env=environment, cwd=HERE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors[-2000:]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The outputs of this process's backend and of JAX."""
    assert keras.backend.backend() != "jax"
    file = tmp_path_factory.mktemp("jax") / "outputs.npz"
    process = start("backend_outputs.py", file)
    here = outputs()  # meanwhile
    finish(process)
    with np.load(file) as there:
        return here, dict(there)


@pytest.mark.parametrize("arm", ARMS)
def test_both_backends_agree(pair, arm):
    here, there = ({k: v for k, v in found.items() if k.startswith(f"{arm}/")} for found in pair)
    assert set(here) == set(there) and f"{arm}/soft_attention" in here
    for key, value in here.items():
        np.testing.assert_allclose(there[key], value, rtol=1e-5, atol=1e-5, err_msg=key)


def test_both_backends_change_copies_alike(pair):
    here, there = ({k: v for k, v in found.items() if k.startswith("copies/")} for found in pair)
    assert set(here) == set(there) and len(here) == 3
    for key, value in here.items():
        # A level that rounds the other way is equalised or posterised to another one: a few pixels, not an image.
        apart = np.abs(there[key] - value) > 0.05
        assert apart.mean() < 0.002, key
        assert len(value) > 4 and not np.array_equal(value[0], value[1])


def test_a_step_was_taken_and_measured_on_both(pair):
    """Otherwise agreement after training would say nothing."""
    for found in pair:
        arm = "mobilenetv2-wagf-described-saliency"
        pairs = [v for k, v in found.items() if k.startswith(f"{arm}/after/") and v.shape == (2,)]
        assert len(pairs) == 1 and abs(pairs[0][0] - 0.5) > 1e-3 and abs(pairs[0].sum() - 1) < 1e-5


def test_released_soft_attention_is_jax_conv3d(tmp_path):
    rng = np.random.default_rng(0)
    given, layers = {}, []
    for i, (height, channels) in enumerate([(8, 1024), (5, 24), (5, 4)]):
        x = np.maximum(rng.normal(size=(2, height, height, channels)), 0).astype("float32")
        layers.append(SoftAttention(reading="released"))
        layers[i].build(x.shape)
        given |= {f"x_{i}": x, f"kernel_{i}": layers[i].get_weights()[0]}
    np.savez(tmp_path / "in.npz", **given)
    finish(start("jax_conv3d.py", tmp_path / "in.npz", tmp_path / "out.npz"))
    literal = np.load(tmp_path / "out.npz")
    for i, layer in enumerate(layers):
        x, scores = given[f"x_{i}"], literal[str(i)][:, :, :, 0]
        ours = keras.ops.conv(x[..., :3], layer.effective_kernel(x.shape[1]), padding="same")
        np.testing.assert_allclose(ours, scores, atol=1e-5)
        e = np.exp(np.maximum(scores, 0))
        np.testing.assert_allclose(layer(x)[1], (e / e.sum(axis=(1, 2), keepdims=True)).sum(axis=-1), atol=1e-5)
