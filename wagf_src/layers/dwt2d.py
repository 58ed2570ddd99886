"""One-level 2-D discrete wavelet transform, and its conversion to and from a strided convolution."""

import keras
import numpy as np
import pywt
from keras import ops


def analysis_matrix(wavelet: str, size: int) -> np.ndarray:
    """One level of the 1-D transform as a matrix, half-sample symmetric borders included.

    Args:
        wavelet: name of a discrete PyWavelets wavelet.
        size: n, length of the signal.

    Returns:
        (2, k, n) float64 with k = (n + filter length - 1) // 2: approximation, then detail, each equal to
        ``pywt.dwt(x, wavelet, mode="symmetric")`` when applied to a signal x.
    """
    filters = pywt.Wavelet(wavelet)
    length = filters.dec_len
    k = (size + length - 1) // 2
    # Output i is sum_j filter[j] * x[2 i + 1 - j]; the index list says which sample stands at each place of the
    # signal extended by length - 1 samples on both sides.
    extended = np.pad(np.arange(size), length - 1, mode="symmetric")
    matrix = np.zeros((2, k, size))
    for band, taps in enumerate((filters.dec_lo, filters.dec_hi)):
        for j, tap in enumerate(taps):
            places = extended[2 * np.arange(k) + 1 - j + length - 1]
            np.add.at(matrix[band], (np.arange(k), places), tap)
    return matrix


@keras.saving.register_keras_serializable(package="wagf")
class DWT2D(keras.layers.Layer):
    """One-level 2-D discrete wavelet transform of every channel (paper, section 2.1: Haar, giving F_w).

    Input (B, H, W, C), output (B, h, w, 4 C) with h = (H + L - 1) // 2 for filters of length L (Haar: half, rounded
    up). Sub-bands are stacked band-major on the channel axis, [cA, cH, cV, cD], each equal to
    ``pywt.dwt2(x, wavelet, mode="symmetric")`` on that channel. No weights.

    The transform along each axis is a small constant matrix, so it costs two matrix products, whatever the wavelet
    and whatever the parity of the size.

    Args:
        wavelet: name of a discrete PyWavelets wavelet.

    Raises:
        ValueError: if PyWavelets knows no such wavelet.
    """

    def __init__(self, wavelet="haar", **kwargs):
        super().__init__(**kwargs)
        if wavelet not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"DWT2D: unknown wavelet {wavelet!r}; see pywt.wavelist(kind='discrete'), e.g. haar")
        self.wavelet = wavelet

    def build(self, input_shape):
        _, height, width, _ = input_shape
        self._rows = analysis_matrix(self.wavelet, height)
        self._columns = analysis_matrix(self.wavelet, width)

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        h, w = self._rows.shape[1], self._columns.shape[1]
        rows = ops.convert_to_tensor(self._rows.reshape(2 * h, height), dtype=inputs.dtype)
        columns = ops.convert_to_tensor(self._columns.reshape(2 * w, width), dtype=inputs.dtype)
        x = ops.matmul(rows, ops.reshape(inputs, (-1, height, width * channels)))
        x = ops.matmul(columns, ops.reshape(x, (-1, 2 * h, width, channels)))
        x = ops.reshape(x, (-1, 2, h, 2, w, channels))
        # PyWavelets' cH is detail along the rows' axis, cV along the columns': the row band varies fastest.
        return ops.reshape(ops.transpose(x, (0, 2, 4, 3, 1, 5)), (-1, h, w, 4 * channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        length = pywt.Wavelet(self.wavelet).dec_len
        return (batch, (height + length - 1) // 2, (width + length - 1) // 2, 4 * channels)

    def get_config(self):
        return {**super().get_config(), "wavelet": self.wavelet}


def _haar_patches() -> np.ndarray:
    """(4, 2, 2): the 2 x 2 pattern that each Haar sub-band [cA, cH, cV, cD] is the inner product with."""
    one = analysis_matrix("haar", 2)[:, 0]  # (2, 2): band, place
    return np.stack([np.outer(one[row], one[column]) for column in (0, 1) for row in (0, 1)])


def haar_to_conv(depthwise, pointwise) -> np.ndarray:
    """Kernel of the 2 x 2, stride-2 convolution that equals Haar DWT + separable 1 x 1 convolution.

    Both are linear on each 2 x 2 patch, and the Haar basis is orthogonal. The bias carries over as it is. Odd sizes
    agree if the convolution's input is first extended by its own last row and column (symmetric padding).

    Args:
        depthwise: (1, 1, 4 C, 1), depthwise kernel after the DWT.
        pointwise: (1, 1, 4 C, D), pointwise kernel.

    Returns:
        (2, 2, C, D).
    """
    mix = np.asarray(depthwise, "float64")[0, 0] * np.asarray(pointwise, "float64")[0, 0]
    mix = mix.reshape(4, mix.shape[0] // 4, -1)
    return np.einsum("spq,scd->pqcd", _haar_patches(), mix)


def conv_to_haar(kernel) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of :func:`haar_to_conv`.

    Args:
        kernel: (2, 2, C, D).

    Returns:
        Depthwise kernel (1, 1, 4 C, 1), all ones, and pointwise kernel (1, 1, 4 C, D).
    """
    kernel = np.asarray(kernel, "float64")
    pointwise = np.einsum("spq,pqcd->scd", _haar_patches(), kernel).reshape(1, 1, -1, kernel.shape[-1])
    return np.ones((1, 1, pointwise.shape[2], 1)), pointwise
