"""A DenseNet of few layers: the demo's backbone, made of DenseNet-121's parts so that it compiles in seconds."""

import keras
from keras import layers

from wagf_src.errors import UserError

GROWTH = 32
BLOCKS = (1, 2, 2, 1)  # layers; DenseNet-121 has (6, 12, 24, 16)


def densenet17(include_top: bool = False, weights: str | None = None, input_shape=None) -> keras.Model:
    """DenseNet-BC (Huang et al., CVPR 2017, section 3) with growth 32, four blocks and compression 0.5.

    Named as its authors name theirs, by the layers that have weights: a stem, two in each of 6 block layers, 3
    transitions and a classifier, which is left out here. Pixels (B, S, S, 3) to features (B, S / 32, S / 32, 92).

    Args:
        include_top, weights, input_shape: as those of ``keras.applications``; there is no top and no weights file.

    Raises:
        UserError: ImageNet weights are asked for.
    """
    if include_top or weights:
        raise UserError("DenseNet-17 is the demo's and was never trained on ImageNet; say weights: none")
    image = keras.Input(input_shape)
    x = layers.Conv2D(2 * GROWTH, 7, strides=2, padding="same", use_bias=False)(image)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(_normalized(x))
    for number, depth in enumerate(BLOCKS):
        if number:
            x = layers.Conv2D(x.shape[-1] // 2, 1, use_bias=False)(_normalized(x))
            x = layers.AveragePooling2D(2)(x)
        for _ in range(depth):
            new = layers.Conv2D(4 * GROWTH, 1, use_bias=False)(_normalized(x))
            new = layers.Conv2D(GROWTH, 3, padding="same", use_bias=False)(_normalized(new))
            x = layers.Concatenate()([x, new])
    return keras.Model(image, _normalized(x), name="densenet17")


def _normalized(x):
    return layers.ReLU()(layers.BatchNormalization(epsilon=1.001e-5)(x))
