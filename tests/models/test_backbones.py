"""Backbones: sizes, preprocessing, momentum. A new backbone is one row of BACKBONE_FACTS."""

import keras
import numpy as np
import pytest

from wagf_src.arms import BACKBONES, parse_arm
from wagf_src.errors import UserError
from wagf_src.models.backbones import ImagePreprocessing, build_backbone
from wagf_src.models.classifier import build_head, parameter_counts

# Image side; side and channels of the map; parameters (Keras's published total less the layer of 1,000 classes); the
# module of keras.applications whose preprocess_input its weights expect.
BACKBONE_FACTS = {
    "mobilenetv2": (96, 3, 1280, 3_538_984 - 1_281_000, "mobilenet_v2"),
    "resnet50": (160, 5, 2048, 25_636_712 - 2_049_000, "resnet50"),
    "densenet121": (32, 1, 1024, 8_062_504 - 1_025_000, "densenet"),
    "efficientnetv2b0": (64, 2, 1280, 7_200_312 - 1_281_000, "efficientnet_v2"),
    "efficientnetv2b2": (64, 2, 1408, 10_178_374 - 1_409_000, "efficientnet_v2"),
    "inceptionresnetv2": (75, 1, 1536, 55_873_736 - 1_537_000, "inception_resnet_v2"),
    "densenet17": (64, 2, 92, 305_952, "densenet"),  # counted by hand, layer by layer
}


def images(n, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3)).astype("uint8")


@pytest.mark.parametrize("backbone", [key for key, b in BACKBONES.items() if b.builder.startswith("keras.")])
def test_a_backbone_is_kerass_own_and_gives_a_map_that_every_module_takes(backbone):
    size, side, channels, parameters, module = BACKBONE_FACTS[backbone]
    network = build_backbone(backbone, size, "none")
    assert network.output_shape == (None, side, side, channels)
    assert parameter_counts(network)["total"] == parameters

    x = images(2, 4).astype("float32")
    expected = getattr(keras.applications, module).preprocess_input(x.copy())
    if (mode := BACKBONES[backbone].imagenet_mode) == "included":
        assert "preprocessing" not in {layer.name for layer in network.layers}
        np.testing.assert_array_equal(expected, x)
    else:
        np.testing.assert_allclose(ImagePreprocessing(mode, dtype="bfloat16")(x), expected, rtol=1e-5, atol=1e-4)

    features = np.abs(np.random.default_rng(0).normal(size=(2, side, side, channels))).astype("float32")
    for modules in ("wagf-described", "wagf-released"):
        out = build_head(parse_arm(f"{backbone}-{modules}"), (side, side, channels))(features)
        np.testing.assert_allclose(np.sum(out["probabilities"], axis=1), 1, rtol=1e-5)
        assert list(out["wavelet"].shape) == list(out["soft"].shape) == [2, -(-side // 2), -(-side // 2), channels]


def test_the_shallow_densenet_has_no_weights_to_load():
    with pytest.raises(UserError, match="never trained on ImageNet"):
        build_backbone("densenet17", 64, "imagenet")


def test_efficientnet_prepares_its_pixels_itself():
    """By ImageNet's mean and standard deviation, as its authors' B variants do, and not at all where we rescale."""
    own, rescaled = (
        build_backbone("efficientnetv2b0", 32, "none", how).layers[-1].layers for how in ("imagenet", "rescale")
    )
    x = images(2, 4).astype("float32")
    expected = (x / 255 - [0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(own[2](own[1](x)), expected, rtol=1e-4, atol=1e-5)
    assert isinstance(own[3], keras.layers.Conv2D) and isinstance(rescaled[1], keras.layers.Conv2D)


def test_rescaling_and_the_default_momentum():
    keras.utils.set_random_seed(0)
    model = build_backbone("mobilenetv2", 32, "none", "rescale")
    x = images(2, size=32).astype("float32")
    network = model.layers[-1]
    np.testing.assert_allclose(model(x), network(x / 255), atol=1e-5)
    np.testing.assert_allclose(ImagePreprocessing("rescale")(x), x / 255, rtol=1e-6)
    assert model.output_shape == (None, 1, 1, 1280)
    momenta = {layer.momentum for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momenta == {0.999}
    with pytest.raises(UserError, match="weights must be imagenet or none"):
        build_backbone("mobilenetv2", 32, "noise")
