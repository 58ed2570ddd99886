"""What Keras would answer (``report.tables.keras_facts``), made up: builds that follow known definitions."""

import numpy as np

from wagf_src.paper import equation1, released
from wagf_src.paper.released import CHANNELS, SIZES


def keras_answers() -> dict:
    """oneDNN follows the rule but for one image of 1,024 channels, whose scores change; else the middle is read."""
    rng = np.random.default_rng(0)
    middle = released.middle_channel(CHANNELS)
    channels = np.arange(CHANNELS)
    onednn = {"compiled": released.scores(*released.probe()), "version": np.array("9.9")}
    plain = {"version": onednn["version"]}
    for build, first in ((onednn, 0), (plain, middle)):
        build["influence"] = ((channels >= first) & (channels < first + 3)).astype(float)
        build["gradient"] = (channels < 3).astype(float)
        for images, number in SIZES:
            start = first and released.middle_channel(number)
            build[f"scores_{images}_{number}"] = released.scores(*released.probe(images, number), start)
            build[f"again_{images}_{number}"] = 0.0
        build["scores"] = build["scores_2_32"]
    onednn["scores_1_1024"] = onednn["scores_1_1024"] + 1
    onednn["again_1_1024"] = 5e5
    parts = {"miniature": 9, "miniature, connected": 1097, "head, released": 1000, "DenseNet-121": 7000}
    parts |= {"SaFA, described": 50, "LSTMs of SaFA, described": 5, "SaFA, released": 60, "LSTMs of SaFA, released": 0}
    parts |= {"soft attention, released": 70, "soft attention, described": 70}
    names = "default_rate least_derivative greatest_derivative coefficient_w coefficient_sa coefficient_spread"
    names += " fusion_distance least_loss_gradient greatest_loss_gradient zero_loss_gradient"
    numbers = dict(zip(names.split(), np.array([0.001, 1, 1, 1 / 3, 1 / 2, 0, 0, -0.1, 0.2, 0.25])))
    counts = {"kernel_weights": 9000, "kernel_learns": 90, "kernel_first_row": 5, "kernel_last_row": 7}
    pixels = rng.integers(0, 256, (7, 6, 8, 3))
    inputs = {f"input_{mode}": pixels * scale for mode, scale in zip(("rescale", "torch", "caffe", "tf"), (1, 4, 9, 2))}
    layers = ["difference map", "transpose", "LSTM over rows", "LSTM over columns", "sum", "similarity", "attention"]
    parts_answer = {
        "versions": np.array(["3.99", "9.9"]),
        "rate": np.array(np.nan),
        "rate_error": np.array("ValueError: lr"),
        **{name: np.array(value) for name, value in (numbers | counts).items()},
        "attention": released.attention(onednn["scores"]),
        "jax_scores": onednn["compiled"],
        "in_model": np.array([layers[0], *layers[-2:]]),
        "in_intended": np.array(layers),
        "parts": np.array(list(parts)),
        "parameters": np.array(list(parts.values())),
        **inputs,
    }
    steps = np.arange(equation1.STEPS + 1)
    starts = np.array(equation1.STARTS)[:, None] - 0.5
    patterns = np.array([[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]]) / 2
    weights = np.array([0.5, -0.25, 0.125, 1])
    fusion = {
        "momentum": np.array(0.9),
        "exchanges": np.arange(18).reshape(2, 3, 3) * 1e-8,
        "orbits": 0.5 + np.stack([(-1.0) ** steps * starts, 0.8**steps * starts]),
        "readings": np.linspace(0.5, np.array([[0.5] * 3, [0.5, 0.5, 0.7], [0.1, 0.9, 0.2]]), 61, axis=-1),
        "conversions": np.full((5, 2), 2e-7),
        "branches": np.array([[4_199_424, 5e-4], [4_195_328, 2e-2], [1_049_600, 8e-3]]),
        "whole": np.array(1e-8),
        "weights": weights,
        "patterns": patterns,
        "kernel": np.tensordot(weights, patterns, axes=1),
    }
    return {"onednn": onednn, "plain": plain, "released": parts_answer, "equation1": fusion}
