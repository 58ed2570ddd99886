"""Grad-CAM against the class activation map in closed form, and against finite differences."""

import keras
import numpy as np
import pytest

from wagf_src.arms import parse_arm
from wagf_src.models.classifier import build_head, build_model, explain
from wagf_src.models.gradcam import grad_cam, split_off_head


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def test_on_a_plain_backbone_it_is_the_class_activation_map():
    head = build_head(parse_arm("mobilenetv2-base"), (3, 4, 6))
    x = np.random.default_rng(0).normal(size=(70, 3, 4, 6)).astype(np.float32)
    kernel, bias = head.get_layer("probabilities").get_weights()
    chosen = (x.mean(axis=(1, 2)) @ kernel + bias).argmax(axis=1)
    expected = np.maximum(np.einsum("nhwc,cn->nhw", x, kernel[:, chosen]) / 12, 0)
    np.testing.assert_allclose(grad_cam(head, x), expected, atol=1e-6)


def test_through_the_modules_by_finite_differences():
    """The weight of a channel is the mean slope over positions: a step of the whole channel, divided by positions."""
    head = build_head(parse_arm("mobilenetv2-wagf-described"), (4, 4, 5))
    x = np.random.default_rng(1).random((1, 4, 4, 5)).astype(np.float32)
    kernel = head.get_layer("probabilities").get_weights()[0]
    chosen = int(np.argmax(head(x)["probabilities"]))

    def score(features):
        return float((np.asarray(head(features)["features"], float) @ kernel[:, chosen])[0])

    step, slopes = 2e-3, []
    for channel in range(5):
        up, down = x.copy(), x.copy()
        up[..., channel] += step
        down[..., channel] -= step
        slopes.append((score(up) - score(down)) / (2 * step) / 16)
    expected = np.maximum((x * np.array(slopes)).sum(axis=-1), 0)
    np.testing.assert_allclose(grad_cam(head, x), expected, rtol=0.02, atol=1e-4)


def test_backbone_and_head_are_the_whole_model():
    arm = parse_arm("mobilenetv2-wagf-described")
    model = build_model(arm, 64, "none")
    backbone, head = split_off_head(model, arm)
    x = np.random.default_rng(2).integers(256, size=(2, 64, 64, 3)).astype(np.float32)
    whole, parts = explain(model).predict(x, verbose=0), head.predict(backbone.predict(x, verbose=0), verbose=0)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, atol=1e-5)
