"""Two things in which Keras 3 on TensorFlow loses time, mended for this process by :func:`enable`.

Results depend on them to rounding only (another thread count changes as much), so they stand outside the training code,
whose changes make finished runs stale: what starts a training calls :func:`enable`. On other backends nothing is done.
"""

import contextlib
import functools

import keras


def enable() -> None:
    """Both, for every model of this process: batch normalisation by one kernel, tf.data without its tuning thread."""
    set_fused_batch_norm(True)
    set_autotune(False)


def set_fused_batch_norm(enabled: bool) -> None:
    """Whether Keras's ``BatchNormalization`` uses the one kernel that TensorFlow has for it.

    Keras 3 writes mean, variance and scaling as operations of their own, forward and backward; Keras 2 used this kernel
    for maps (B, H, W, C). Same outputs, gradients and moving averages to rounding. Masks, other shapes, synchronised
    devices, half precision and layers without scale or offset keep what Keras does.
    """
    layer = keras.layers.BatchNormalization
    plain = getattr(layer.call, "__wrapped__", layer.call)
    if keras.backend.backend() == "tensorflow":
        layer.call = _with_one_kernel(plain) if enabled else plain


def _with_one_kernel(plain):
    import tensorflow as tf

    @functools.wraps(plain)
    def call(self, inputs, training=None, mask=None):
        maps = len(inputs.shape) == 4 and self.axis in (-1, 3) and inputs.dtype == "float32"
        if (
            not (maps and self.scale and self.center)
            or mask is not None
            or self.synchronized
            or getattr(self, "renorm", False)
        ):
            return plain(self, inputs, training=training, mask=mask)
        same = {
            "x": inputs,
            "scale": tf.convert_to_tensor(self.gamma),
            "offset": tf.convert_to_tensor(self.beta),
            "epsilon": self.epsilon,
        }
        if not training or not self.trainable:
            mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
            return tf.raw_ops.FusedBatchNormV3(mean=mean, variance=variance, is_training=False, **same).y
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(mean=[], variance=[], is_training=True, **same)
        n = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
        variance *= (n - 1) / n  # the kernel divides by n - 1, Keras by n
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs

    return call


def set_autotune(enabled: bool) -> None:
    """Whether tf.data tunes itself below Keras's ``fit`` and ``predict``.

    A tuning thread sleeps 10, 20, 40 ms and so on up to a minute (the period in tensorflow/core/framework/model.h), and
    when an epoch ends, TensorFlow (2.21) often waits for it to wake: the epoch lasts 2.6, 5.1, 10, 20, 41, 82 or 142 s
    (chapter "Speed and cost"). There is nothing to tune in a look-up by number.
    """
    if keras.backend.backend() != "tensorflow":
        return
    with contextlib.suppress(ImportError, AttributeError):  # no public switch; another Keras is slower, not wrong
        from keras.src.trainers.data_adapters import array_data_adapter, py_dataset_adapter

        for adapter in (array_data_adapter.ArrayDataAdapter, py_dataset_adapter.PyDatasetAdapter):
            plain = getattr(adapter.get_tf_dataset, "__wrapped__", adapter.get_tf_dataset)
            adapter.get_tf_dataset = _with_autotune(plain, enabled)


def _with_autotune(get_tf_dataset, enabled: bool):
    @functools.wraps(get_tf_dataset)
    def wrapped(self):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = enabled
        return get_tf_dataset(self).with_options(options)

    return wrapped
