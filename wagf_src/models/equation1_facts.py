"""Equation 1 and the wavelet branch, measured on the layers that are trained (asked by ``paper.equation1``)."""

import keras
import numpy as np
import tensorflow as tf

from wagf_src.arms import parse_arm
from wagf_src.layers import DWT2D, GradientFusion
from wagf_src.layers.dwt2d import conv_to_haar, haar_to_conv
from wagf_src.models.classifier import Classifier, build_head, fused_gradient, gradient_weights

SIDE, CHANNELS = 5, 32  # an odd map, as 160 pixels give, and few channels
STARTS = (0.05, 0.3, 0.5, 0.7, 0.9)
SIZES = {  # what measures the size of a gradient
    "mean magnitude": lambda d: np.abs(d).mean(),
    "Euclidean norm": np.linalg.norm,
    "largest entry": lambda d: np.abs(d).max(),
}


def cross_entropy(p, y):
    return -tf.reduce_mean(tf.math.log(tf.gather(p, y, batch_dims=1)))


def squared_error(p, y):
    return tf.reduce_mean((p - tf.one_hot(y, p.shape[-1])) ** 2)


def focal(p, y):
    true = tf.gather(p, y, batch_dims=1)
    return -tf.reduce_mean((1 - true) ** 2 * tf.math.log(true))


LOSSES = {"cross entropy": cross_entropy, "squared error": squared_error, "focal": focal}


def random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def exchanges(arm: str, loss) -> tuple[float, float, float]:
    """How far Equation 1's new weights are from the old ones exchanged, in an arm's head, from all ``STARTS``.

    Returns:
        The largest of: the tape's gradients of the branches minus ``fused_gradient``, relative (NaN but for
        cross-entropy, whose closed form it is); new g_w minus old g_sa by every size; the same entry by entry.
    """
    rng = np.random.default_rng(0)
    head = build_head(parse_arm(arm), (SIDE, SIDE, CHANNELS))
    fusion, x, y = head.get_layer("fusion"), random(rng, 16, SIDE, SIDE, CHANNELS), rng.integers(7, size=16)
    closed, exchange, entry = [], [], []
    for start in STARTS:
        g = np.array([start, 1 - start])
        fusion.average.assign(g)
        with tf.GradientTape() as tape:
            out = head(x)
            value = loss(out["probabilities"], y)
        branches = [out["wavelet"], out["soft"]]
        d_w, d_sa = (d.numpy() for d in tape.gradient(value, branches))
        d = fused_gradient(fusion(branches), head.get_layer("probabilities").kernel, out["probabilities"], y).numpy()
        closed += [np.abs(measured - (1 - w) * d).max() / np.abs(d).max() for measured, w in zip((d_w, d_sa), g)]
        exchange += [abs(size(d_w) / (size(d_w) + size(d_sa)) - g[1]) for size in SIZES.values()]
        some = np.abs(d_w) > 1e-4 * np.abs(d_w).max()  # far enough from the smallest float32
        one, other = np.abs(d_w[some]), np.abs(d_sa[some])
        entry.append(np.abs(one / (one + other) - g[1]).max())
    return max(closed) if loss is cross_entropy else np.nan, max(exchange), max(entry)


def course(fusion: GradientFusion, batches, eager: bool = False) -> list[float]:
    """g_w before each training step and after the last, of a small classifier on ([F_w, F_sa], labels)."""
    branches = [keras.Input((3, 3, 8)) for _ in range(2)]
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(fusion(branches)))
    x = keras.layers.Dense(7, activation="softmax", name="probabilities")(x)
    model = Classifier(branches, {"probabilities": x, "wavelet": branches[0], "soft": branches[1]})
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", run_eagerly=eager)
    weights = [gradient_weights(model)[0]]
    for maps, labels in batches:
        model.train_on_batch(maps, labels)
        weights.append(gradient_weights(model)[0])
    return weights


def orbit(start: float, momentum: float, steps: int) -> list[float]:
    """g_w of Equation 1 over training steps (steps + 1), on new random maps and labels each."""
    rng = np.random.default_rng(0)
    batches = [([random(rng, 16, 3, 3, 8) for _ in range(2)], rng.integers(7, size=16)) for _ in range(steps)]
    return course(GradientFusion("eq1", momentum=momentum, initial=start, name="fusion"), batches, eager=True)


def readings(fusion: str, steps: int = 60) -> list[list[float]]:
    """g_w over a small training (3, steps + 1): the class is in F_w, in F_sa, or in both and F_w larger."""
    rng = np.random.default_rng(0)
    labels, centres = rng.integers(7, size=256), random(rng, 7, 1, 1, 8)
    one, other = (np.abs(centres[labels] + 0.5 * random(rng, 256, 3, 3, 8)) for _ in range(2))  # carry the class
    empty = np.abs(np.sqrt(1.25) * random(rng, 256, 3, 3, 8))  # of the same size, without it
    cases = ([one, empty], [empty, one], [3 * one, other])
    return [course(GradientFusion(fusion, name="fusion"), [(maps, labels)] * steps) for maps in cases]


def conversion(height: int, width: int) -> tuple[float, float]:
    """Haar and separable 1 x 1 convolution against the convolution that its weights convert to, and back: relative."""
    rng = np.random.default_rng(0)
    x = random(rng, 2, height, width, CHANNELS)
    padded = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="symmetric")
    dwt, conv = DWT2D("haar"), keras.layers.Conv2D(CHANNELS, 2, strides=2)
    separable = keras.layers.SeparableConv2D(CHANNELS, 1)
    haar = keras.Sequential([dwt, separable])
    haar(x), conv(padded)
    separable.set_weights([random(rng, *w.shape) for w in separable.weights])
    depthwise, pointwise, bias = separable.get_weights()
    conv.set_weights([haar_to_conv(depthwise, pointwise), bias])
    there = distance(conv(padded), haar(x))
    conv.set_weights([random(rng, *conv.kernel.shape), bias])
    separable.set_weights([*conv_to_haar(conv.get_weights()[0]), bias])
    return there, distance(haar(x), conv(padded))


def distance(a, b) -> float:
    """Largest absolute difference of two tensors as a share of the second's largest entry."""
    return float(np.abs(np.subtract(a, b)).max() / np.abs(b).max())


def whole_heads() -> dict:
    """Row (iii)'s head with the wavelet and with the convolution in its place, weights converted.

    Returns:
        ``whole``: largest difference of their probabilities; ``kernel`` (2, 2): one of the convolution's, with the
        ``weights`` (4,) and ``patterns`` (4, 2, 2) of the four Haar sub-bands that it is the sum of.
    """
    x = random(np.random.default_rng(0), 4, SIDE, SIDE, CHANNELS)
    haar, conv = (build_head(parse_arm(f"densenet121-wagf-described{b}"), x.shape[1:]) for b in ("", "-conv"))
    for layer in conv.layers:
        if layer.name != "wavelet" and layer.weights:
            layer.set_weights(haar.get_layer(layer.name).get_weights())
    (scale,), (mix, bias) = (haar.get_layer(name).get_weights() for name in ("wavelet_scale", "wavelet"))
    kernel = haar_to_conv(scale, mix[None, None])
    # The arm's convolution is written as a Dense layer on patches of 2 x 2 x C numbers.
    conv.get_layer("wavelet").set_weights([kernel.reshape(-1, CHANNELS), bias])
    return {
        "whole": np.abs(haar(x)["probabilities"] - conv(x)["probabilities"]).max(),
        "kernel": kernel[:, :, 0, 0],
        "weights": conv_to_haar(kernel[:, :, :1, :1])[1].ravel(),
        "patterns": [haar_to_conv(np.ones((1, 1, 4, 1)), band.reshape(1, 1, 4, 1))[:, :, 0, 0] for band in np.eye(4)],
    }


def branch(name: str) -> tuple[int, float]:
    """A branch at the released size: its parameters, and the standard deviation of its 2 x 2 kernel before training."""
    variant = "" if name == "haar" else f"-{name}"
    head = build_head(parse_arm(f"densenet121-sa-gf-described{variant}"), (8, 8, 1024))
    layers = {layer.name: layer for layer in head.layers if layer.name.startswith("wavelet")}
    mix = layers["wavelet"].get_weights()[0]
    if name == "haar":
        mix = haar_to_conv(layers["wavelet_scale"].get_weights()[0], mix[None, None])
    # The mean of four is a kernel with a quarter in each place.
    start = mix / 4 if name == "pool" else mix
    return sum(layer.count_params() for layer in layers.values()), float(np.std(start))


def answer(question: dict) -> dict:
    """The functions above for everything that ``paper.equation1.question`` lists.

    Returns:
        ``exchanges`` (arms, losses, 3); ``orbits`` (2, starts, steps + 1), without and with the layer's ``momentum``;
        ``readings`` (fusions, 3, 61); ``conversions`` (maps, 2); ``branches`` (branches, 2); those of ``whole_heads``.
    """
    ask = {name: values.tolist() for name, values in question.items()}
    momentum = GradientFusion("eq1").momentum
    return {
        "momentum": momentum,
        "exchanges": [[exchanges(arm, LOSSES[loss]) for loss in ask["losses"]] for arm in ask["arms"]],
        "orbits": [[orbit(start, m, ask["steps"]) for start in ask["starts"]] for m in (0.0, momentum)],
        "readings": [readings(fusion) for fusion in ask["fusions"]],
        "conversions": [conversion(*size) for size in ask["maps"]],
        "branches": [branch(name) for name in ask["branches"]],
        **whole_heads(),
    }
