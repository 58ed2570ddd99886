"""Symmetry-aware feature attention (SaFA)."""

import keras
from keras import ops

from wagf_src.layers.readings import READINGS


@keras.saving.register_keras_serializable(package="wagf")
class SymmetryAwareFeatureAttention(keras.layers.Layer):
    """Symmetry-aware feature attention (paper, section 2.2, figure 2 and equation 2).

    Input F (B, H, W, C) with H = W. Outputs (out, map), where h = H / 2 rounded up: out (B, h, h, C), max-pooled
    to meet the fused map, and map F_attn: (B, H, W) in the described reading, (B, h, h) in the released one,
    between 0 and 1. No convolution but the last (sigmoid) has an activation: the paper names none, the released code
    uses none.

    Args:
        reading:
            "described": separable convolutions 256 (5 x 5), 64 (3 x 3), 1 (1 x 1) give a map x (H x W). An LSTM over
            its rows (W units) and one over its columns (H units, transposed back) are summed: F_LSTM. Equation 2 is the
            cosine similarity of the rows of F_LSTM: S[i, j] = cos(F_LSTM[i], F_LSTM[j]). The same three
            convolutions and a sigmoid turn S into F_attn; the output is maxpool(F * F_attn).
            "released": no LSTM; S[i, j] = cos(x[:, i], x[:, j]), the similarity of the columns of x. F * S goes through
            separable convolutions 256 (1 x 1, stride 2), 64 (3 x 3), 1 (1 x 1, sigmoid): F_attn, at half size.
            The output is maxpool(F) * F_attn.

    Raises:
        ValueError: if the map is not square.
    """

    def __init__(self, reading="described", **kwargs):
        super().__init__(**kwargs)
        if reading not in READINGS:
            raise ValueError(
                f"SymmetryAwareFeatureAttention: reading must be one of {', '.join(READINGS)}, not {reading!r}"
            )
        self.reading = reading
        first, stride = (5, 1) if reading == "described" else (1, 2)
        self.difference = self._convolutions("difference", kernel=5)
        self.symmetry = self._convolutions("symmetry", kernel=first, strides=stride, activation="sigmoid")
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=self.dtype_policy, name="pool")

    def _convolutions(self, name, kernel, strides=1, activation=None):
        """Separable convolutions with 256, 64 and 1 filters; only the first can have a stride.

        Each is written as its two factors, the pointwise one as Dense: the same function and the same weights as
        SeparableConv2D, with a backward pass several times faster on a CPU.
        """
        chain = []
        plan = [(256, kernel, strides, None), (64, 3, 1, None), (1, 1, 1, activation)]
        for i, (filters, size, stride, activate) in enumerate(plan, start=1):
            chain += [
                keras.layers.DepthwiseConv2D(
                    size,
                    strides=stride,
                    padding="same",
                    use_bias=False,
                    dtype=self.dtype_policy,
                    name=f"{name}_{i}_depthwise",
                ),
                keras.layers.Dense(filters, activation=activate, dtype=self.dtype_policy, name=f"{name}_{i}_pointwise"),
            ]
        return chain

    def build(self, input_shape):
        batch, height, width, _ = input_shape
        if height != width:
            raise ValueError(
                f"SymmetryAwareFeatureAttention: the map is {height} x {width}, but the similarity of its rows is "
                "multiplied with it, so it must be square; use square images"
            )
        self._build_chain(self.difference, input_shape)
        if self.reading == "described":
            # Unrolled: a map has few rows, and one arithmetic everywhere (no cuDNN) keeps devices comparable.
            common = {"return_sequences": True, "unroll": True, "use_cudnn": False, "dtype": self.dtype_policy}
            self.over_rows = keras.layers.LSTM(width, name="over_rows", **common)
            self.over_columns = keras.layers.LSTM(height, name="over_columns", **common)
            self.over_rows.build((batch, height, width))
            self.over_columns.build((batch, width, height))
            self._build_chain(self.symmetry, (batch, height, height, 1))
        else:
            self._build_chain(self.symmetry, input_shape)

    @staticmethod
    def _build_chain(chain, shape):
        for layer in chain:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs):
        x = _apply(self.difference, inputs)[..., 0]
        if self.reading == "described":
            x = self.over_rows(x) + ops.transpose(self.over_columns(ops.transpose(x, (0, 2, 1))), (0, 2, 1))
            attention = _apply(self.symmetry, _row_similarity(x)[..., None])
            return self.pool(inputs * attention), attention[..., 0]
        similarity = _row_similarity(ops.transpose(x, (0, 2, 1)))
        attention = _apply(self.symmetry, inputs * similarity[..., None])
        return self.pool(inputs) * attention, attention[..., 0]

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        half = (-(-height // 2), -(-width // 2))
        return (batch, *half, channels), (batch, *((height, width) if self.reading == "described" else half))

    def get_config(self):
        return {**super().get_config(), "reading": self.reading}


def _apply(chain, x):
    for layer in chain:
        x = layer(x)
    return x


def _row_similarity(x):
    """Cosine similarity of the rows of x, (B, H, W) to (B, H, H), computed in float32; 0 for a row of zeros."""
    dtype, x = x.dtype, ops.cast(x, "float32")
    # The maximum is inside the root, so that a row of zeros has a finite gradient.
    x = x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-12))
    return ops.cast(ops.matmul(x, ops.transpose(x, (0, 2, 1))), dtype)
