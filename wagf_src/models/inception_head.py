"""Inception-v3 with the head of MAAW (Roy et al., IEEE TAI 2023), as the authors' code has it."""

import keras

from wagf_src.models.small_cnn import at_most

SIDE = 224


def build(input_shape, include_top=False, weights=None, include_preprocessing=True) -> keras.Model:
    """Pixels (B, S, S, 3), 0 to 255, to features (B, 1, 1, 128); larger images are made 224 x 224.

    Pixels are divided by 255, as the authors do although the ImageNet weights expect -1 to 1.

    Args as those of keras.applications; without ``include_preprocessing`` pixels are 0 to 1. ``weights="imagenet"`` are
    Inception-v3's; the head's are drawn.
    """
    inputs = keras.Input(input_shape)
    x = at_most(SIDE, inputs)
    if include_preprocessing:
        x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.applications.InceptionV3(include_top=False, weights=weights, input_shape=x.shape[1:])(x)
    x = keras.layers.GlobalMaxPooling2D()(keras.layers.MaxPooling2D(2, padding="same")(x))
    for units, share in ((256, 0.2), (128, 0.1)):
        x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.BatchNormalization()(keras.layers.Dropout(share)(x))
    return keras.Model(inputs, keras.layers.Reshape((1, 1, 128))(x), name="inception_head")
