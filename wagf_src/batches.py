"""What ``fit`` and ``predict`` are given: arrays in batches, without tf.data's tuning thread."""

import keras
import numpy as np


def batches(x: dict[str, np.ndarray], y: np.ndarray | None, batch_size: int):
    """Arrays as one pass in their order, the last batch short where they do not divide.

    On TensorFlow a ``tf.data.Dataset`` without autotuning. For arrays, Keras makes one with: its tuning thread sleeps
    10, 20, 40 ms and so on up to a minute (the period in tensorflow/core/framework/model.h), and when an epoch ends,
    TensorFlow (2.21) often waits for it to wake, so that an epoch lasts 2.6, 5.1, 10, 20, 41, 82 or 142 s (chapter
    "Speed and cost"). There is nothing to tune in a look-up by number. Other backends get the batches from a
    ``keras.utils.PyDataset``.

    Args:
        x: arrays by the names of the model's inputs, each (n, ...).
        y: (n,) labels for ``fit``, or None for ``predict``.
        batch_size: images a batch, 1 or more.

    Returns:
        What ``model.fit(..., shuffle=False)`` and ``model.predict(...)`` take as their one data argument.

    Raises:
        ValueError: if the arrays differ in length or are empty, or the batch size is below 1.
    """
    arrays = [np.asarray(a) for a in (*x.values(), *([] if y is None else [y]))]
    lengths = sorted({len(a) for a in arrays})
    if len(lengths) != 1 or lengths[0] == 0 or batch_size < 1:
        raise ValueError(f"batches: arrays of one length and a batch size of 1 or more are needed (here {lengths}, {batch_size})")
    data = (x,) if y is None else (x, y)
    if keras.backend.backend() != "tensorflow":
        return _Slices(data, lengths[0], batch_size)
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return tf.data.Dataset.from_tensor_slices(data).batch(batch_size).with_options(options)


class _Slices(keras.utils.PyDataset):
    def __init__(self, data, n, batch_size):
        super().__init__()
        self._data, self._n, self._batch_size = data, n, batch_size

    def __len__(self):
        return -(-self._n // self._batch_size)

    def __getitem__(self, index):
        part = slice(index * self._batch_size, (index + 1) * self._batch_size)
        return keras.tree.map_structure(lambda a: a[part], self._data)
