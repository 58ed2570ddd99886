"""What Keras makes of the released model's parts, and the model's sizes (asked by ``paper.released``)."""

import keras
import numpy as np
import tensorflow as tf

from wagf_src.arms import parse_arm
from wagf_src.layers import GradientFusion, SoftAttention, SymmetryAwareFeatureAttention
from wagf_src.models.backbones import ImagePreprocessing, build_backbone
from wagf_src.models.classifier import build_head, fused_gradient, parameter_counts
from wagf_src.models.conv3d_facts import jax_scores

RELEASED_SHAPE = (8, 8, 1024)  # of DenseNet-121's features at 256 pixels, as released


def learning_rate() -> dict:
    """Adam's default rate; what the argument ``lr`` of older versions does today: the rate in force, or the error."""
    try:
        tried = {"rate": float(keras.optimizers.Adam(lr=0.01).learning_rate), "rate_error": ""}
    except (TypeError, ValueError) as error:
        tried = {"rate": np.nan, "rate_error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    return {"default_rate": float(keras.optimizers.Adam().learning_rate), **tried}


def gradient_layer() -> dict:
    """The released gradient layer on random branches: the derivatives it asks for, the fusion that they amount to.

    Returns:
        Numbers: the least and greatest derivative of a branch by itself; the coefficients of F_w and F_sa, fitted to
        the outputs, and their spread over inputs; ``fusion_distance`` to ``GradientFusion("released")``, relative; and
        of what it could have asked for, the gradient of the loss on one batch, the range and the share of zeros.
    """
    rng = np.random.default_rng(0)
    layer, ones, coefficients, distances = GradientFusion("released"), [], [], []
    for scale in (0.01, 1, 100):
        f_w, f_sa = (tf.constant(rng.normal(size=(2, 3, 3, 8), scale=scale), tf.float32) for _ in range(2))
        g_w, g_sa = by_itself(f_w), by_itself(f_sa)
        ones += [g_w.numpy(), g_sa.numpy()]
        g_sa = g_sa / (g_w + g_sa)
        g_w = g_w / (g_w + g_sa)  # g_sa is the new one by now
        fused = ((1 - g_w) * f_w + (1 - g_sa) * f_sa).numpy()
        both = np.stack([np.ravel(f_w), np.ravel(f_sa)], axis=1)
        coefficients.append(np.linalg.lstsq(both, fused.ravel(), rcond=None)[0])
        distances.append(np.abs(layer([f_w, f_sa]).numpy() - fused).max() / np.abs(fused).max())
    head = build_head(parse_arm("densenet121-sa-gf-released"), (5, 5, 16))
    outputs, labels = head(rng.normal(size=(8, 5, 5, 16)).astype("float32")), rng.integers(7, size=8)
    fused = head.get_layer("fusion")([outputs["wavelet"], outputs["soft"]])
    kernel = head.get_layer("probabilities").kernel
    gradient = fused_gradient(fused, kernel, outputs["probabilities"], labels).numpy()
    return {
        "least_derivative": np.min(ones),
        "greatest_derivative": np.max(ones),
        **dict(zip(("coefficient_w", "coefficient_sa"), np.mean(coefficients, axis=0))),
        "coefficient_spread": np.ptp(coefficients, axis=0).max(),
        "fusion_distance": max(distances),
        "least_loss_gradient": gradient.min(),
        "greatest_loss_gradient": gradient.max(),
        "zero_loss_gradient": np.mean(gradient == 0),
    }


def by_itself(tensor):
    """The derivative of a tensor with respect to itself."""
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        same = tensor
    return tape.gradient(same, tensor)


def soft_attention(x, kernel) -> dict:
    """Our layer's ``attention`` (B, H, W) of features ``x`` with this released kernel; JAX's scores, NaN without JAX.

    And for the released size: how many kernel weights there are, how many get a gradient, in which rows.
    """
    try:
        by_jax = jax_scores(x, kernel)
    except ImportError:
        by_jax = np.full((1, 1, 1, 1), np.nan)
    layer = SoftAttention(heads=kernel.shape[-1], reading="released")
    layer.build(x.shape)
    layer.set_weights([kernel, np.zeros(kernel.shape[-1])])
    released, rng = SoftAttention(reading="released"), np.random.default_rng(0)
    features = rng.normal(size=(2, *RELEASED_SHAPE)).astype("float32")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(released(features)[0] * rng.normal(size=features.shape))
    learns = tape.gradient(total, released.kernel.value).numpy() != 0
    rows = np.flatnonzero(learns.any(axis=(1, 2, 3, 4)))
    counts = {"kernel_weights": learns.size, "kernel_learns": learns.sum()}
    counts |= {"kernel_first_row": rows[0], "kernel_last_row": rows[-1]}
    return {**counts, "attention": layer(x)[1].numpy(), "jax_scores": by_jax}


def miniature(connected: bool) -> keras.Model:
    """The layers of the released SaFA module in their order, H = W = 8; released, nothing leaves the LSTMs' sum."""
    x = keras.Input((8, 8), name="difference map")
    rows = keras.layers.LSTM(8, return_sequences=True, name="LSTM over rows")(x)
    transposed = keras.layers.Permute((2, 1), name="transpose")(x)
    columns = keras.layers.LSTM(8, return_sequences=True, name="LSTM over columns")(transposed)
    both = keras.layers.Add(name="sum")([rows, columns])
    similarity = keras.layers.Dot(1, normalize=True, name="similarity")([both, both] if connected else [x, x])
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid", name="attention")(similarity))


def sizes() -> dict:
    """The miniatures' layers; ``parameters`` of ``parts``: miniatures, attention layers, SaFA's LSTMs, the model."""
    small, large = miniature(connected=False), miniature(connected=True)
    head = build_head(parse_arm("densenet121-wagf-released"), RELEASED_SHAPE)
    models = {"miniature": small, "miniature, connected": large, "head, released": head}
    models["DenseNet-121"] = build_backbone("densenet121", 32, "none")
    counts = {name: parameter_counts(model)["total"] for name, model in models.items()}
    for reading in ("described", "released"):
        for name, kind in (("SaFA", SymmetryAwareFeatureAttention), ("soft attention", SoftAttention)):
            layer = kind(reading=reading)
            layer.build((None, *RELEASED_SHAPE))
            counts[f"{name}, {reading}"] = layer.count_params()
            if name == "SaFA":
                lstms = [weight for weight in layer.weights if "over_" in weight.path]
                counts[f"LSTMs of SaFA, {reading}"] = sum(int(np.prod(weight.shape)) for weight in lstms)
    layers = {"in_model": [layer.name for layer in small.layers], "in_intended": [layer.name for layer in large.layers]}
    return {**layers, "parts": list(counts), "parameters": list(counts.values())}


def inputs(pixels) -> dict:
    """Photographs (n, H, W, 3), 0 to 255, as the released loader and each backbone's own preprocessing give them."""
    modes = ("rescale", "torch", "caffe", "tf")
    return {f"input_{mode}": ImagePreprocessing(mode)(pixels).numpy() for mode in modes}


def answer(question: dict) -> dict:
    """What all functions above return, by name, and ``versions``, of Keras and TensorFlow."""
    facts = {"versions": [keras.__version__, tf.__version__], **learning_rate(), **gradient_layer(), **sizes()}
    return facts | soft_attention(question["x"], question["kernel"]) | inputs(question["pixels"])
