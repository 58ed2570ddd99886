"""Backbones of keras.applications with their preprocessing: pixels to features."""

import functools
import pkgutil

import keras

from wagf_src.arms import BACKBONES
from wagf_src.errors import UserError
from wagf_src.layers import with_fused_batch_normalization
from wagf_src.models.weights import load_imagenet


@keras.saving.register_keras_serializable(package="wagf")
class ImagePreprocessing(keras.layers.Layer):
    """Pixel values 0 to 255, RGB, to what a backbone expects; same shape (B, S, S, 3), float32.

    Args:
        mode: "rescale" (x / 255, as released), or "torch", "caffe", "tf" (keras.applications).
    """

    def __init__(self, mode, **kwargs):
        # In half precision the pixels themselves would be rounded.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mode = mode

    def call(self, inputs):
        if self.mode == "rescale":
            return inputs / 255.0
        return keras.applications.imagenet_utils.preprocess_input(inputs, data_format="channels_last", mode=self.mode)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


def build_backbone(
    backbone: str,
    image_size: int,
    weights: str,
    preprocessing: str = "imagenet",
    batch_norm_momentum: float | None = None,
) -> keras.Model:
    """A backbone of keras.applications with its preprocessing: pixels (B, S, S, 3), 0 to 255 -> features (B, H, W, C).

    H and W are about S / 32; odd sizes are rounded as the backbone does. Where the registry's entry has four channels,
    the fourth is the mask, which "rescale" alone can prepare.

    Args:
        backbone: one of ``arms.BACKBONES``.
        image_size: S, side in pixels, 32 or more.
        weights: "imagenet" or "none" (random).
        preprocessing: "imagenet" (what this backbone's ImageNet weights were trained on) or "rescale" (x / 255).
        batch_norm_momentum: of every batch normalisation; None keeps the backbone's own.

    Raises:
        UserError: if the weights cannot be found or read.
    """
    if weights not in ("imagenet", "none") or preprocessing not in ("imagenet", "rescale"):
        raise UserError(
            f"weights must be imagenet or none (here {weights!r}), "
            f"preprocessing imagenet or rescale (here {preprocessing!r})"
        )
    entry = BACKBONES[backbone]
    mode = entry.imagenet_mode if preprocessing == "imagenet" else "rescale"
    shape = (image_size, image_size, entry.channels)
    included = {"include_preprocessing": mode == "included"} if entry.imagenet_mode == "included" else {}
    # Under its own name: by it some builders choose preprocessing and file.
    build = functools.partial(pkgutil.resolve_name(entry.builder), include_top=False, input_shape=shape, **included)
    network = build(weights=None)
    if weights == "imagenet":
        load_imagenet(network, backbone, download=functools.partial(build, weights="imagenet"))
    if batch_norm_momentum is not None:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = batch_norm_momentum
    network = with_fused_batch_normalization(network)
    image = keras.Input(shape, name="image")
    x = image if mode == "included" else ImagePreprocessing(mode, name="preprocessing")(image)
    return keras.Model(image, network(x), name="backbone")
