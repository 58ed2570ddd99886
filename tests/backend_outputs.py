"""Run as `python backend_outputs.py OUT.npz` under any KERAS_BACKEND: what test_backends.py compares between backends.

Weights and inputs come from NumPy alone, so two backends start alike.
"""

import sys

import keras
import numpy as np

from wagf_src.arms import parse_arm
from wagf_src.data.augmentation import affine_parameters
from wagf_src.models.classifier import build_head, explain
from wagf_src.profile import load_profile
from wagf_src.train.methods import mixing, policy

# Both readings, every kind of fusion, every branch. The arm with the most to differentiate is trained for a step.
ARMS = {
    "mobilenetv2-wagf-described-saliency": "train",
    "mobilenetv2-sa-gf-described-conv": "predict",
    "mobilenetv2-wagf-released": "predict",
    "mobilenetv2-wagf-described-learned-pool": "predict",
}
SIZE, CHANNELS = 3, 6


def outputs() -> dict[str, np.ndarray]:
    """For each arm: what `explain` gives, and, for trained ones, all weights after one step of gradient descent."""
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(4, SIZE, SIZE, CHANNELS)), 0).astype("float32")
    y = np.array([0, 3, 5, 5])
    found = {}
    for name, what in ARMS.items():
        model = build_head(parse_arm(name), (SIZE, SIZE, CHANNELS))
        # Fusion weights stay where they start; everything else, biases included, is random.
        model.set_weights(
            [w if v.path.endswith("gradient_weights") else 0.3 * rng.normal(size=w.shape) for v, w in weights_of(model)]
        )
        for key, value in explain(model)(x).items():
            found[f"{name}/{key}"] = keras.ops.convert_to_numpy(value)
        if what == "train":
            model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
            found[f"{name}/loss"] = np.array(model.train_on_batch(x, y))
            found |= {f"{name}/after/{i}": w for i, w in enumerate(model.get_weights())}
    return found | changed_copies()


def changed_copies() -> dict[str, np.ndarray]:
    """What the methods that change pixels make of some copies."""
    rows = np.arange(32)
    maps = affine_parameters(rows, rows + 1, 1000, load_profile("lite")).astype("float32")
    images = np.random.default_rng(0).integers(0, 256, (32, 24, 24, 3)).astype("float32")
    layers = {k: mixing.Mixing(k) for k in ("mixup", "cutmix")} | {"policy": policy.Policy("modified")}  # has all of it
    return {
        f"copies/{name}": keras.ops.convert_to_numpy(layer([images, maps], training=True))
        for name, layer in layers.items()
    }


def weights_of(model):
    return zip(model.weights, model.get_weights(), strict=True)


if __name__ == "__main__":
    np.savez(sys.argv[1], **outputs())
