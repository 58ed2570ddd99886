"""What this machine's TensorFlow makes of the released 3-D convolution (asked by ``paper.released``)."""

import numpy as np
import tensorflow as tf


def literal(x, kernel):
    """The released operator on features (B, H, W, C), taken literally: (B, H, W, heads)."""
    return tf.nn.conv3d(x[..., None], kernel, strides=(1, 1, 1, x.shape[-1], 1), padding="SAME")[:, :, :, 0]


def jax_scores(x, kernel) -> np.ndarray:
    """The same by JAX: (B, H, W, heads). Raises ImportError without JAX."""
    import jax

    strides, dimensions = (1, 1, x.shape[-1]), ("NHWDC", "HWDIO", "NHWDC")
    highest = {"dimension_numbers": dimensions, "precision": jax.lax.Precision.HIGHEST}
    return np.asarray(jax.lax.conv_general_dilated(x[..., None], kernel, strides, "SAME", **highest))[:, :, :, 0]


def answer(question: dict) -> dict:
    """What this build computes.

    Args:
        question: ``x_<size>`` (B, H, W, C) and ``kernel_<size>`` (C, 3, 3, 1, heads) of some sizes; ``left_behind``.

    Returns:
        ``scores`` and ``compiled`` (B, H, W, heads): the operator on the first size, run as it is and compiled by XLA;
        ``influence`` (C,): the largest change of a score when 1 is added to one channel;
        ``gradient`` (C,): the largest derivative of a weighted sum of the scores with respect to each channel;
        ``scores_<size>``: the same as ``scores`` for every size;
        ``again_<size>``: the largest change of these when they are computed again in the same process, after the other
        sizes and after some memory was filled with ``left_behind`` and given back; 0 for a kernel that reads its inputs
        only; ``version``: TensorFlow's.
    """
    sizes = [name.removeprefix("x_") for name in question if name.startswith("x_")]
    probes = {size: (tf.constant(question[f"x_{size}"]), tf.constant(question[f"kernel_{size}"])) for size in sizes}
    x, kernel = probes[sizes[0]]
    scores = literal(x, kernel).numpy()
    weights = np.random.default_rng(1).normal(size=scores.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(literal(x, kernel) * weights)
    raised = np.eye(x.shape[-1], dtype=np.float32)
    facts = {
        "scores": scores,
        "compiled": tf.function(literal, jit_compile=True)(x, kernel).numpy(),
        "influence": [np.abs(literal(x + one, kernel).numpy() - scores).max() for one in raised],
        "gradient": np.abs(tape.gradient(total, x).numpy()).max(axis=(0, 1, 2)),
        "version": tf.__version__,
    }
    facts |= {f"scores_{k}": literal(*probe).numpy() for k, probe in probes.items()}
    for k, probe in probes.items():
        changes = []
        for _ in range(5):
            used = [
                np.full(count, question["left_behind"], np.float32)
                for count in (256, 480, 512, 960, *2 ** np.arange(10, 15))
            ]
            del used
            changes.append(np.abs(literal(*probe).numpy() - facts[f"scores_{k}"]).max())
        facts[f"again_{k}"] = max(changes)
    return facts
