"""Backbones of keras.applications with their preprocessing: pixels to features."""

import keras

from wagf_src.errors import UserError
from wagf_src.models.weights import BUILDERS, load_imagenet

# How each backbone's ImageNet weights expect the image, in keras.applications' own terms: "torch" is RGB by ImageNet
# mean and standard deviation, "caffe" BGR minus mean, "tf" RGB between -1 and 1.
_IMAGENET_MODE = {"densenet121": "torch", "resnet50": "caffe", "mobilenetv2": "tf"}


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

    H and W are about S / 32; odd sizes are rounded as the backbone does.

    Args:
        backbone: one of ``config.BACKBONES``.
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
    # Keras numbers unnamed layers through the process; a fixed name keeps two builds of an arm alike.
    network = BUILDERS[backbone](
        include_top=False, weights=None, input_shape=(image_size, image_size, 3), name=backbone
    )
    if weights == "imagenet":
        load_imagenet(network, backbone)
    if batch_norm_momentum is not None:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = batch_norm_momentum
    image = keras.Input((image_size, image_size, 3), name="image")
    mode = _IMAGENET_MODE[backbone] if preprocessing == "imagenet" else "rescale"
    x = ImagePreprocessing(mode, name="preprocessing")(image)
    return keras.Model(image, network(x), name="backbone")
