"""The released soft attention as its definition writes it, and what this machine's TensorFlow builds make of it.

The released layer is a 3-D convolution of the volume (H, W, C): kernel (C, 3, 3), strides (1, 1, C), padding "same".
TensorFlow's CPU kernels disagree about it, and which one is used is fixed when TensorFlow is imported.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from wagf_src.paper import keras_process

SIDE, CHANNELS, HEADS = 8, 32, 4


LEFT_BEHIND = 1e6  # far beyond any score that the probes can have
STEP = 3  # columns that oneDNN moves on; seen by giving the operator features that are zero but for one entry

# Images and channels for which a build is asked, the probe's own size first: kernels are chosen by size.
SIZES = ((2, CHANNELS), (1, CHANNELS), (2, CHANNELS + 1), (2, 1024), (1, 1024), (2, 5))


def probe(images: int = 2, channels: int = CHANNELS) -> tuple[np.ndarray, np.ndarray]:
    """Features F (images, 8, 8, C), smooth over positions, and a kernel (C, 3, 3, 1, 4); float32, always the same."""
    rng = np.random.default_rng(0)
    x = 3 * gaussian_filter(rng.normal(size=(images, SIDE, SIDE, channels)), sigma=(0, 1, 1, 0))
    kernel = rng.normal(scale=0.2, size=(channels, 3, 3, 1, HEADS))
    return x.astype(np.float32), kernel.astype(np.float32)


def scores(x: np.ndarray, kernel: np.ndarray, first: int = 0, step: int = 1) -> np.ndarray:
    """The released 3-D convolution, written out.

    By the documented rule, "same" padding is max((windows - 1) * stride + kernel - size, 0) in all, the smaller half in
    front. Along the channels that is none, so the only window stands on channels 0, 1 and 2.

    Args:
        x: F, (B, H, W, C). kernel: (C, 3, 3, 1, heads).
        first: the window's first channel; 0 by the rule.
        step: columns that the window moves on for each column of the output; 1 by the rule. With more, it runs past the
            end of a row into the padding and the next rows of the image, and behind the last row it finds zeros.

    Returns:
        (B, H, W, heads), float64.
    """
    _, height, width, channels = x.shape
    front = (channels - 1) // 2  # of the padding along H, where the kernel is as long as there are channels
    rows = np.pad(x[..., first : first + 3].astype(np.float64), ((0, 0), (0, 0), (1, 1), (0, 0)))
    line = np.pad(rows.reshape(len(x), -1, 3), ((0, 0), (0, step * width), (0, 0)))  # all rows, one behind the other
    output = np.zeros((len(x), height, width, kernel.shape[-1]))
    for row, column, r in np.ndindex(height, width, height):
        i, start = r - row + front, r * (width + 2) + step * column
        if 0 <= i < channels:
            window = line[:, start : start + 3]
            output[:, row, column] += np.einsum("bjd,jdh->bh", window, kernel[i, :, :, 0].astype(np.float64))
    return output


def middle_channel(channels: int) -> int:
    """Where the window starts if the padding is let below zero and halved: (C - 3) // 2."""
    return (channels - 3) // 2


def reads(measured: np.ndarray, images: int = 2, channels: int = CHANNELS) -> str:
    """Which definition of the operator gives these scores of the :func:`probe` of this size."""
    x, kernel = probe(images, channels)
    middle = middle_channel(channels)
    known = {
        "channels 0 to 2 (the rule)": (0, 1),
        f"channels {middle} to {middle + 2} (the middle)": (middle, 1),
        f"channels 0 to 2, moving {STEP} columns for one": (0, STEP),
    }
    for name, definition in known.items():
        if relative_distance(measured, scores(x, kernel, *definition)) < 1e-4:
            return name
    return "no definition that we know"


def relative_distance(values: np.ndarray, wanted: np.ndarray) -> float:
    """Largest absolute difference as a share of the largest wanted value; NaN or infinite where ``values`` are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.abs(values.astype(float) - wanted).max() / np.abs(wanted).max())


def attention(scores: np.ndarray) -> np.ndarray:
    """The attention map (B, H, W) of scores (B, H, W, heads): ReLU, softmax over positions, sum of the heads."""
    flat = np.maximum(np.nan_to_num(scores.astype(float)), 0).reshape(len(scores), -1, scores.shape[-1])
    return softmax(flat, axis=1).sum(axis=-1).reshape(scores.shape[:3])


def build_question() -> dict:
    """What ``models.conv3d_facts`` is asked: the :func:`probe` of all ``SIZES``, named ``<images>_<channels>``."""
    probes = {"{}_{}".format(*size): probe(*size) for size in SIZES}
    question = {f"{part}_{size}": array for size, both in probes.items() for part, array in zip(("x", "kernel"), both)}
    return question | {"left_behind": LEFT_BEHIND}


def tensorflow_build(onednn: bool) -> dict[str, np.ndarray]:
    """What TensorFlow computes for :func:`probe` on this machine's CPU (``models.conv3d_facts``), in a new process.

    Args:
        onednn: with oneDNN's kernels (``TF_ENABLE_ONEDNN_OPTS=1``) or without (TF_ENABLE_ONEDNN_OPTS=0).

    Raises:
        RuntimeError: with TensorFlow's last line, if the process fails.
    """
    return keras_process.ask(onednn, conv3d_facts=build_question())["conv3d_facts"]


def parts_question(pixels: np.ndarray) -> dict:
    """What ``models.released_facts`` is asked.

    Args:
        pixels: photographs (n, H, W, 3), 0 to 255, to see what each preprocessing makes of them.
    """
    x, kernel = probe()
    return {"x": x, "kernel": kernel, "pixels": pixels.astype("float32")}
