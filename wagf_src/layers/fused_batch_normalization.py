"""Batch normalisation by the one kernel that TensorFlow has for it."""

import functools
import random

import keras


@keras.saving.register_keras_serializable(package="wagf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization``, faster on TensorFlow; arguments, weights, inputs and outputs are the same.

    Keras 3 writes mean, variance and scaling as operations of their own, forward and backward. This layer calls the
    kernel FusedBatchNormV3, as Keras 2 did: the same outputs, gradients and moving statistics to rounding, in about two
    thirds of a network's training step on a CPU. It does so for float32 maps (B, H, W, C) normalised over C with scale
    and offset; masks, other shapes and precisions, renormalisation, synchronised devices and other backends keep what
    Keras does.

    The moving variance is Keras 3's: of the batch, divided by n = B H W. Keras 2 kept the kernel's own, divided by
    n - 1, which differs by 0.06% for 64 maps of 5 x 5 (FINDINGS, section 7).
    """

    def call(self, inputs, training=None, mask=None):
        if mask is not None or not self._fits_kernel(inputs):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        # The native variables: Keras's operators on its own would double the time of building the graph.
        gamma, beta, moving_mean, moving_variance = (
            v.value for v in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        kernel = functools.partial(
            tf.raw_ops.FusedBatchNormV3, x=inputs, scale=gamma, offset=beta, epsilon=self.epsilon
        )
        if not training or not self.trainable:
            return kernel(mean=moving_mean, variance=moving_variance, is_training=False).y
        outputs, mean, variance, *_ = kernel(mean=[], variance=[], is_training=True)
        # The kernel divides by n - 1, Keras by n.
        variance *= 1 - inputs.shape[-1] / tf.cast(tf.size(inputs), tf.float32)
        for moving, new in ((moving_mean, mean), (moving_variance, variance)):
            moving.assign_add((new - moving) * (1 - self.momentum))
        return outputs

    def _fits_kernel(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and keras.backend.standardize_dtype(inputs.dtype) == "float32"
            and self.scale
            and self.center
            and not self.synchronized
            and not self.renorm
        )


def with_fused_batch_normalization(model: keras.Model) -> keras.Model:
    """A copy of a network whose every ``BatchNormalization`` is a :class:`FusedBatchNormalization`.

    Args:
        model: a functional or sequential network; networks nested in it are copied too.

    Returns:
        The same network by class, layer names, weights, order of weights, trainable flags and momentum, with variables
        of its own. Old .h5 files of the plain network load into it; a .weights.h5, where Keras names layers by their
        class, must be loaded before. A compiled network is returned compiled, with an optimizer that starts afresh.
    """
    # The copy's initial values are overwritten: they must not move the stream that later layers draw theirs from.
    stream = random.getstate()
    copy = keras.models.clone_model(model, clone_function=_copied_layer, recursive=True)
    random.setstate(stream)
    copy.set_weights(model.get_weights())
    _copy_trainable(model, copy)
    return copy


def _copied_layer(layer):
    kind = FusedBatchNormalization if type(layer) is keras.layers.BatchNormalization else type(layer)
    return kind.from_config(layer.get_config())


def _copy_trainable(model, copy):
    """The flags of models, which clone_model leaves out; from the outside in, since a model's flag sets its layers'."""
    if copy.trainable != model.trainable:
        copy.trainable = model.trainable
    for layer, copied in zip(getattr(model, "layers", ()), getattr(copy, "layers", ()), strict=True):
        _copy_trainable(layer, copied)
