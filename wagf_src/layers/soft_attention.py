"""Soft attention over positions."""

import keras
from keras import ops

from wagf_src.layers.readings import READINGS


@keras.saving.register_keras_serializable(package="wagf")
class SoftAttention(keras.layers.Layer):
    """Soft attention (paper, section 2; the operator is cited there, not defined).

    One convolution gives a score map per head; ReLU; softmax over the H x W positions of each head; the sum over the
    heads is the attention map, and the features are multiplied by it.

    Input F (B, H, W, C). Outputs (F_sa, map): F_sa (B, H, W, C), map (B, H, W), float32, non-negative, summing to the
    number of heads over the positions.

    Args:
        heads: number of score maps (16 in the released code).
        reading: which convolution gives the scores; both have 9 C heads + heads parameters.
            "described": a 3 x 3 x C kernel a head, over all channels, as in the literature on soft attention.
            "released": the released 3-D convolution, kernel (C, 3, 3), strides (1, 1, C), padding "same", over the
            volume (H, W, C). Its long axis runs along H, and its one window along the channels covers channels 0 to
            2, so it is computed here as what it is: a 2-D convolution of the first three channels with rows
            (C - 1) // 2 - (H - 1) to (C - 1) // 2 + (H - 1) of the kernel. The other rows never meet a feature and
            never get a gradient. This follows the documented meaning of "same" padding; TensorFlow's own CPU kernels
            depart from it.
    """

    def __init__(self, heads=16, reading="described", **kwargs):
        super().__init__(**kwargs)
        if reading not in READINGS:
            raise ValueError(f"SoftAttention: reading must be one of {', '.join(READINGS)}, not {reading!r}")
        self.heads = heads
        self.reading = reading

    def build(self, input_shape):
        channels = input_shape[-1]
        if self.reading == "released" and channels < 3:
            raise ValueError(f"SoftAttention: the released reading needs 3 channels or more, not {channels}")
        shape = (3, 3, channels, self.heads) if self.reading == "described" else (channels, 3, 3, 1, self.heads)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.heads,), initializer="zeros")

    def effective_kernel(self, height):
        """Released reading: the part of the kernel that a map of this height meets, (2 height - 1, 3, 3, heads)."""
        channels = self.kernel.shape[0]
        centre = (channels - 1) // 2
        first, last = centre - (height - 1), centre + (height - 1)
        used = self.kernel[max(first, 0) : last + 1, :, :, 0, :]
        # With fewer channels than 2 H - 1 the kernel is shorter than the map: beyond its ends there is nothing to add.
        before, after = max(-first, 0), max(last + 1 - channels, 0)
        return ops.pad(used, [[before, after], [0, 0], [0, 0], [0, 0]]) if before or after else used

    def call(self, inputs):
        height, width = inputs.shape[1:3]
        if self.reading == "described":
            scores = ops.conv(inputs, ops.convert_to_tensor(self.kernel), padding="same")
        else:
            scores = ops.conv(inputs[..., :3], self.effective_kernel(height), padding="same")
        scores = ops.relu(scores + self.bias)
        scores = ops.cast(ops.reshape(scores, (-1, height * width, self.heads)), "float32")
        attention = ops.reshape(ops.sum(ops.softmax(scores, axis=1), axis=-1), (-1, height, width))
        return inputs * ops.cast(attention[..., None], inputs.dtype), attention

    def compute_output_shape(self, input_shape):
        return input_shape, input_shape[:3]

    def compute_output_spec(self, inputs):
        attended, attention = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(attended, self.compute_dtype), keras.KerasTensor(attention, "float32")

    def get_config(self):
        return {**super().get_config(), "heads": self.heads, "reading": self.reading}
