"""Grad-CAM: where a class's score comes from on the backbone's map (Selvaraju et al., ICCV 2017)."""

import keras
import numpy as np

from wagf_src.arms import Arm
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_head

_BATCH = 64


def split_off_head(classifier: keras.Model, arm: Arm) -> tuple[keras.Model, keras.Model]:
    """The backbone of a model of ``build_model``, and its head from features (B, H, W, C), with the same weights."""
    backbone = classifier.get_layer("backbone")
    head = build_head(arm, backbone.output.shape[1:])
    for layer in head.layers:
        if layer.weights:
            layer.set_weights(classifier.get_layer(layer.name).get_weights())
    return backbone, head


def grad_cam(head: keras.Model, features: np.ndarray) -> np.ndarray:
    """ReLU of the features, weighted by the mean gradient of each image's highest score: (n, H, W), 0 or more.

    Equations 1 and 2 of the paper on Grad-CAM, of the score before the softmax. With nothing but average pooling and a
    softmax layer on the backbone, it is the class activation map (Zhou et al., CVPR 2016) over the number of positions.

    Args:
        head: from features to the outputs of ``build_head``.
        features: (n, H, W, C) of the backbone.

    Raises:
        UserError: on another backend than TensorFlow, whose gradients are used.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError("Grad-CAM is computed by TensorFlow's gradients; use BACKEND=tensorflow")
    import tensorflow as tf

    kernel = tf.convert_to_tensor(head.get_layer("probabilities").kernel)
    maps = []
    for start in range(0, len(features), _BATCH):
        x = tf.convert_to_tensor(np.asarray(features[start : start + _BATCH], np.float32))
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = head(x, training=False)
            chosen = tf.argmax(outputs["probabilities"], axis=-1)
            score = tf.reduce_sum(outputs["features"] * tf.transpose(tf.gather(kernel, chosen, axis=1)))
        weights = tf.reduce_mean(tape.gradient(score, x), axis=(1, 2), keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(weights * x, axis=-1)).numpy())
    return np.concatenate(maps)
