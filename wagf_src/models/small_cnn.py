"""Network in the style of Mridha et al. (IEEE Access 11:41003, 2023).

The paper's abstract names no layer. These are those of a student's rebuild that names the paper
(haneenalaa465/Explainable-AI-for-Skin-Cancer-Detection, e967b48), with ReLU: second-hand, all of it an assumption.
"""

import keras

SIDE = 100


def at_most(side: int, inputs):
    """Images made ``side`` x ``side`` where they are larger."""
    return keras.layers.Resizing(side, side, antialias=True)(inputs) if inputs.shape[1] > side else inputs


def build(input_shape, include_top=False, weights=None, include_preprocessing=True) -> keras.Model:
    """Pixels (B, S, S, 3), 0 to 255, to features (B, 1, 1, 128); larger images are made 100 x 100.

    Args as those of keras.applications; without ``include_preprocessing`` pixels are 0 to 1. There are no weights to
    load (ValueError).
    """
    if weights is not None:
        raise ValueError("there are none; name the arm with -random")
    inputs = keras.Input(input_shape)
    x = at_most(SIDE, inputs)
    if include_preprocessing:  # mean and deviation of one half
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    for filters in (32, 64):
        for _ in range(2):
            x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.Dropout(0.25)(keras.layers.MaxPooling2D(2)(x))
    x = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Reshape((1, 1, 128))(x), name="small_cnn")
