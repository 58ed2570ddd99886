"""Networks that other papers describe: layers by counting, inputs by hand."""

import numpy as np
import pytest

from wagf_src.arms import BACKBONES, parse_arm
from wagf_src.models import inception_head, small_cnn, two_path
from wagf_src.models.classifier import build_model


def test_the_two_path_network_has_the_parameters_that_its_text_adds_up_to():
    """Two paths of 19,392, a dense layer of 130,056,256, and 130,097,351 in all with seven classes."""
    path = (3 * 9 * 32 + 32) + (32 * 9 * 64 + 64)
    flat = 2 * 126 * 126 * 64
    assert path == 19_392 and flat * 64 + 64 == 130_056_256
    small = two_path.build((20, 20, 4))  # 20 - 4 = 16, pooled 8: 2 * 8 * 8 * 64 values
    assert small.count_params() == 2 * path + (2 * 8 * 8 * 64 * 64 + 64) + (64 * 32 + 32)
    assert small.count_params() - 2 * 8 * 8 * 64 * 64 + flat * 64 + 32 * 7 + 7 == 130_097_351


def test_the_small_network_has_the_parameters_of_its_source():
    network = small_cnn.build((128, 128, 3))
    assert network.count_params() == 5_186_599 - (128 * 7 + 7) and network.output_shape == (None, 1, 1, 128)
    assert small_cnn.build((32, 32, 3)).count_params() == 65_568 + 8 * 8 * 64 * 128 + 128, "smaller images as they are"


def test_inception_with_its_head_counted():
    network = inception_head.build((96, 96, 3))
    head = 2048 * 256 + 256 + 4 * 256 + 256 * 128 + 128 + 4 * 128
    assert network.count_params() == 21_802_784 + head and network.output_shape == (None, 1, 1, 128)


def test_the_stretch_goes_through_its_two_points():
    x = np.zeros((1, 10, 10, 3), "float32")
    x[0, 0] = 200  # mean 20: the second point is (50, 80)
    x[0, 1, :2] = [[10] * 3, [50] * 3]
    x[0, 0, :2] = [[180] * 3, [160] * 3]
    mean = x.mean()
    out = np.array(two_path.ContrastStretch()(x))
    r2, s2 = mean + 30, mean + 60
    assert out[0, 1, 0] == pytest.approx(np.full(3, 7.5)) and out[0, 9, 9] == pytest.approx(np.zeros(3))
    assert out[0, 1, 1] == pytest.approx(np.full(3, np.interp(50, [20, r2, 255], [15, s2, 255])), rel=1e-5)
    assert out[0, 0, 5] == pytest.approx(np.full(3, np.interp(200, [20, r2, 255], [15, s2, 255])), rel=1e-5)


def test_the_second_path_sees_the_lesion_alone():
    x = np.full((1, 4, 4, 4), 100, "float32")
    x[0, :, :, 3] = np.repeat([0, 255], 2)
    assert np.array(two_path.Lesion()(x))[0, 0, :, 0].tolist() == pytest.approx([0, 0, 100, 100])


@pytest.mark.parametrize("name", ["twopath-base-random", "mridha-base-random"])
def test_their_arms_take_pixels_and_end_in_the_last_dense_layer(name):
    arm = parse_arm(name)
    channels = BACKBONES[arm.backbone].channels
    model = build_model(arm, 32, "imagenet")
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, channels)).astype("float32")
    out = model(x)
    kernel, bias = (np.array(v) for v in (model.head.kernel, model.head.bias))
    logits = np.array(out["features"]) @ kernel + bias
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.array(out["probabilities"]) == pytest.approx(wanted, rel=1e-4)
    if arm.backbone == "twopath":  # its stretch is of levels 0 to 255, however the pixels come
        rescaled = build_model(arm, 32, "none", "rescale")
        rescaled.set_weights(model.get_weights())
        assert np.array(rescaled(x)["probabilities"]) == pytest.approx(np.array(out["probabilities"]), rel=1e-4)
    assert "-style" in arm.label and arm.assumes
    assert set(arm.code) in ({"models/two_path", "models/small_cnn"}, {"models/small_cnn"}), "all that it imports"
    with pytest.raises(ValueError, match="-random"):
        {"twopath": two_path, "mridha": small_cnn}[arm.backbone].build((32, 32, channels), weights="imagenet")
