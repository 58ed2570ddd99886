"""The released model written literally is the released one, and computes what ours does.

Run as ``python test_literal.py OUT.json`` under KERAS_BACKEND=jax, this file compares the two: JAX's 3-D convolution
follows the documented rule, TensorFlow's does not on a CPU.
"""

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
from wagf_src.bench.cases.literal import literal_wagf


def literal_against_ours() -> dict:
    import keras

    from wagf_src.bench.cases.literal import literal_head
    from wagf_src.models.classifier import build_head

    features = np.random.default_rng(0).normal(size=(3, 5, 5, 24)).clip(0).astype("float32")
    ours = build_head(parse_arm("densenet121-wagf-released"), features.shape[1:])
    given = keras.Input(features.shape[1:])
    literal = keras.Model(given, literal_head(given))
    rng = np.random.default_rng(1)
    for variable in ours.variables:
        variable.assign(0.2 * rng.normal(size=variable.shape))
    mine = {layer.name: layer for layer in ours.layers}
    literal.get_layer("soft_attention").set_weights(mine["soft_attention"].get_weights())
    literal.get_layer("probabilities").set_weights(mine["probabilities"].get_weights())

    def separable(name, depthwise, pointwise):
        kernel, bias = pointwise.get_weights()
        literal.get_layer(name).set_weights([*depthwise.get_weights(), kernel[None, None], bias])

    separable("wavelet", mine["wavelet_scale"], mine["wavelet"])
    for chain in ("difference", "symmetry"):
        steps = getattr(mine["safa"], chain)
        for i in range(3):
            separable(f"{chain}_{i + 1}", steps[2 * i], steps[2 * i + 1])
    there, here = literal.predict(features, verbose=0), ours.predict(features, verbose=0)["probabilities"]
    return {"difference": float(np.abs(there - here).max()), "spread": float(np.std(here))}


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed (extra: dev)")
def test_the_literal_model_is_the_released_one_and_computes_what_ours_does(tmp_path):
    settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(paths.ROOT)}
    settings["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiling is what takes the time
    command = [sys.executable, Path(__file__).resolve(), tmp_path / "out.json"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["difference"] < 1e-5 < result["spread"]


def test_the_literal_model_has_the_released_ones_parameters():
    assert literal_wagf("densenet121", 256).count_params() == 11_987_929  # FINDINGS section 3


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(literal_against_ours()))
