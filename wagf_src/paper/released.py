"""The released soft attention as its definition writes it, and what this machine's TensorFlow builds make of it.

The released layer is a 3-D convolution of the volume (H, W, C): kernel (C, 3, 3), strides (1, 1, C), padding "same".
TensorFlow's CPU kernels disagree about it, and which one is used is fixed when TensorFlow is imported. So
:func:`tensorflow_build` asks a process of its own:

    python -m wagf_src.paper.released answer.npz
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

SIDE, CHANNELS, HEADS = 8, 32, 4


# Images and channels for which a build is asked what it computes, the probe's own size first: kernels are chosen by size.
LEFT_BEHIND = 1e6  # far beyond any score that the probes can have


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
    found = np.zeros((len(x), height, width, kernel.shape[-1]))
    for row, column, r in np.ndindex(height, width, height):
        i, start = r - row + front, r * (width + 2) + step * column
        if 0 <= i < channels:
            window = line[:, start : start + 3]
            found[:, row, column] += np.einsum("bjd,jdh->bh", window, kernel[i, :, :, 0].astype(np.float64))
    return found


def jax_scores(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The same 3-D convolution, taken literally, by JAX: (B, H, W, heads). Raises ImportError without JAX."""
    import jax

    volume = jax.lax.conv_general_dilated(
        x[..., None],
        kernel,
        (1, 1, x.shape[-1]),
        "SAME",
        dimension_numbers=("NHWDC", "HWDIO", "NHWDC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    return np.asarray(volume)[:, :, :, 0]


def middle_channel(channels: int) -> int:
    """Where the window starts if the padding is let below zero and halved: (C - 3) // 2."""
    return (channels - 3) // 2


def tensorflow_build(onednn: bool) -> dict[str, np.ndarray]:
    """What TensorFlow computes for :func:`probe` on this machine's CPU, in a new process.

    Args:
        onednn: with oneDNN's kernels (TensorFlow's default on x86) or without (TF_ENABLE_ONEDNN_OPTS=0).

    Returns:
        ``scores`` and ``compiled`` (B, H, W, heads): the literal 3-D convolution, run as it is and compiled by XLA;
        ``influence`` (C,): the largest change of a score when 1 is added to one channel;
        ``gradient`` (C,): the largest derivative of a weighted sum of the scores with respect to each channel;
        ``scores_<images>_<channels>``: the same as ``scores``, for the probes of all ``SIZES``;
        ``again_<images>_<channels>``: the largest change of these when they are computed again in the same process, after
        the other sizes and after some memory was filled with ``LEFT_BEHIND`` and given back; 0 for a kernel that reads
        its inputs only;
        ``version``: TensorFlow's.

    Raises:
        RuntimeError: with TensorFlow's last line, if the process fails.
    """
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.npz"
        command = [sys.executable, "-m", "wagf_src.paper.released", str(answer)]
        done = subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"TensorFlow failed ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}")
        with np.load(answer) as arrays:
            return dict(arrays)


def _answer(path: str) -> None:
    import tensorflow as tf

    def literal(x, kernel):
        return tf.nn.conv3d(x[..., None], kernel, strides=(1, 1, 1, x.shape[-1], 1), padding="SAME")[:, :, :, 0]

    x, kernel = (tf.constant(a) for a in probe())
    found = literal(x, kernel).numpy()
    channel = np.eye(CHANNELS, dtype=np.float32)
    weights = np.random.default_rng(1).normal(size=found.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(literal(x, kernel) * weights)
    answer = {
        "scores": found,
        "compiled": tf.function(literal, jit_compile=True)(x, kernel).numpy(),
        "influence": [np.abs(literal(x + one, kernel).numpy() - found).max() for one in channel],
        "gradient": np.abs(tape.gradient(total, x).numpy()).max(axis=(0, 1, 2)),
        "version": tf.__version__,
    }
    for size in SIZES:
        answer["scores_{}_{}".format(*size)] = literal(*probe(*size)).numpy()
    for size in SIZES:
        first, changes = answer["scores_{}_{}".format(*size)], []
        for _ in range(5):
            used = [np.full(count, LEFT_BEHIND, np.float32) for count in (256, 480, 512, 960, *2 ** np.arange(10, 15))]
            del used
            changes.append(np.abs(literal(*probe(*size)).numpy() - first).max())
        answer["again_{}_{}".format(*size)] = max(changes)
    np.savez(path, **answer)


if __name__ == "__main__":
    _answer(sys.argv[1])
