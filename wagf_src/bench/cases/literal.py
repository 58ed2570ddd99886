"""The released model as its code writes it."""

import keras
from keras import layers, ops

from wagf_src.classes import CLASSES
from wagf_src.layers import DWT2D
from wagf_src.models.backbones import build_backbone
from wagf_src.models.classifier import Classifier


def literal_wagf(backbone: str, image_size: int):
    """The released model as its code writes it, for its speed; the function is that of ``<backbone>-wagf-released``.

    The 3-D convolution of length C, separable convolutions as Keras's own layer; SaFA's two LSTMs are left out, as the
    released graph leaves them out. On a CPU TensorFlow's 3-D convolution gives wrong values (the chapter on the
    released code shows it), JAX's the right ones.
    """
    image = keras.Input((image_size, image_size, 3), name="image")
    probabilities = literal_head(build_backbone(backbone, image_size, "none")(image))
    return Classifier(image, {"probabilities": probabilities}, name="literal")


def literal_head(features):
    """What :func:`literal_wagf` puts on a backbone: (B, H, W, C) symbolic to probabilities (B, 7)."""
    _, height, width, channels = features.shape
    volume = layers.Reshape((height, width, channels, 1))(features)
    scores = layers.Conv3D(
        16, (channels, 3, 3), strides=(1, 1, channels), padding="same", activation="relu", name="soft_attention"
    )(volume)
    heads = layers.Softmax(axis=1)(layers.Reshape((height * width, 16))(scores))
    attention = ops.reshape(ops.sum(heads, axis=-1), (-1, height, width, 1))
    f_sa = layers.MaxPooling2D(2, padding="same")(features * attention)
    f_w = layers.SeparableConv2D(channels, 1, name="wavelet")(DWT2D("haar")(features))
    fused = f_sa / 2 + f_w / 3

    def convolutions(x, name, kernel, strides=1, activation=None):
        plan = (256, kernel, strides, None), (64, 3, 1, None), (1, 1, 1, activation)
        for i, (filters, size, step, activate) in enumerate(plan, start=1):
            settings = {"strides": step, "padding": "same", "activation": activate, "name": f"{name}_{i}"}
            x = layers.SeparableConv2D(filters, size, **settings)(x)
        return x

    columns = ops.transpose(convolutions(features, "difference", 5)[..., 0], (0, 2, 1))
    columns = ops.normalize(columns, axis=-1)
    similarity = ops.expand_dims(ops.matmul(columns, ops.transpose(columns, (0, 2, 1))), -1)
    maps = convolutions(features * similarity, "symmetry", 1, strides=2, activation="sigmoid")
    safa = layers.MaxPooling2D(2, padding="same")(features) * maps
    x = layers.ReLU()(layers.Concatenate()([safa, fused]))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.layers.Dense(len(CLASSES), activation="softmax", dtype="float32", name="probabilities")(x)
