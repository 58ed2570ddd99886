"""Two-path network of Sai Charan et al. (arXiv:2008.09418), from the text of the paper.

The paper's second input is the segmentation of a U-Net of its own. Ours is the published mask times the image, which is
better segmentation than the method had; the means of the stretch are the released notebook's. Both are assumptions.
"""

import keras
from keras import ops

from wagf_src.models.small_cnn import at_most

SIDE = 256


@keras.saving.register_keras_serializable(package="wagf")
class ContrastStretch(keras.layers.Layer):
    """Piecewise linear through (20, 15) and (m + 30, m + 60), m the mean of the image; pixels 0 to 255, same shape."""

    def call(self, inputs):
        mean = ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        r1, s1 = 20.0, 15.0
        r2, s2 = ops.clip(mean + 30, r1 + 1, 254.0), ops.clip(mean + 60, s1, 255.0)
        middle = s1 + (inputs - r1) * (s2 - s1) / (r2 - r1)
        bright = s2 + (inputs - r2) * (255 - s2) / (255 - r2)
        return ops.where(inputs < r1, inputs * s1 / r1, ops.where(inputs < r2, middle, bright))


@keras.saving.register_keras_serializable(package="wagf")
class Lesion(keras.layers.Layer):
    """Image and mask (B, S, S, 4), 0 to 255, to the image with all but the lesion black, (B, S, S, 3)."""

    def call(self, inputs):
        return inputs[..., :3] * inputs[..., 3:] / 255.0

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


def build(input_shape, include_top=False, weights=None, include_preprocessing=True) -> keras.Model:
    """Pixels and mask (B, S, S, 4), 0 to 255, to features (B, 1, 1, 32); larger images are made 256 x 256.

    Args as those of keras.applications; without ``include_preprocessing`` pixels are 0 to 1. There are no weights to
    load (ValueError).
    """
    if weights is not None:
        raise ValueError("there are none; name the arm with -random")
    inputs = keras.Input(input_shape)
    x = at_most(SIDE, inputs)
    if not include_preprocessing:
        x = keras.layers.Rescaling(255.0)(x)
    paths = []
    for name, seen in (("image", ContrastStretch()(x[..., :3])), ("lesion", Lesion()(x))):
        path = keras.layers.Rescaling(1 / 255)(seen)
        for filters in (32, 64):
            path = keras.layers.Conv2D(filters, 3, activation="relu", name=f"{name}_{filters}")(path)
        paths.append(keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(path)))
    x = keras.layers.Concatenate()(paths)
    for units in (64, 32):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{units}")(x)
    return keras.Model(inputs, keras.layers.Reshape((1, 1, 32))(x), name="two_path")
