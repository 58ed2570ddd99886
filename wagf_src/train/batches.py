"""What ``fit`` and ``predict`` are given: arrays in batches, without tf.data's tuning thread."""

import keras
import numpy as np


def batches(x: dict[str, np.ndarray], y: np.ndarray | None, batch_size: int) -> dict:
    """Arrays in their order, in batches, the last one short where they do not divide.

    On TensorFlow a ``tf.data.Dataset`` without autotuning. Given arrays, Keras makes one with it: its tuning thread
    sleeps 10, 20, 40 ms and so on up to a minute (the period in tensorflow/core/framework/model.h), and when an epoch
    ends, TensorFlow (2.21) often waits for it to wake, so that an epoch lasts 2.6, 5.1, 10, 20, 41, 82 or 142 s
    (chapter "Speed and cost"). There is nothing to tune in a look-up by number. Other backends take the arrays.

    Args:
        x: arrays by the names of the model's inputs, each (n, ...), n > 0.
        y: (n,) labels for ``fit``, or None for ``predict``.
        batch_size: images a batch.

    Returns:
        Keyword arguments: ``model.fit(**batches(x, y, 64), shuffle=False)``, ``model.predict(**batches(x, None, 64))``.

    Raises:
        ValueError: if the arrays differ in length or are empty.
    """
    lengths = sorted({len(a) for a in (*x.values(), *([] if y is None else [y]))})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"batches: arrays of one length are needed, none of them empty (here {lengths})")
    if keras.backend.backend() != "tensorflow":
        return {"x": x, "batch_size": batch_size} | ({} if y is None else {"y": y})
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    data = (x,) if y is None else (x, y)
    return {"x": tf.data.Dataset.from_tensor_slices(data).batch(batch_size).with_options(options)}
