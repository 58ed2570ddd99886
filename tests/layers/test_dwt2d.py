"""The wavelet transform against PyWavelets, and the Haar branch against Keras's own strided convolution."""

import keras
import numpy as np
import pytest
import pywt
from keras import ops
from layers.layer_checks import check_layer, normal

from wagf_src.layers import DWT2D
from wagf_src.layers.dwt2d import conv_to_haar, haar_to_conv


@pytest.mark.parametrize("wavelet", ["haar", "db2", "sym4"])
@pytest.mark.parametrize("size", [(8, 8), (5, 5), (6, 3), (2, 2), (1, 1)])
def test_dwt_is_pywavelets(wavelet, size):
    x = normal(2, *size, 3)
    layer = DWT2D(wavelet)
    found = ops.convert_to_numpy(layer(x))
    c_a, (c_h, c_v, c_d) = pywt.dwt2(x.astype("float64"), wavelet, mode="symmetric", axes=(1, 2))
    np.testing.assert_allclose(found, np.concatenate([c_a, c_h, c_v, c_d], axis=-1), atol=2e-6)
    assert layer.compute_output_shape(x.shape) == found.shape
    assert layer.count_params() == 0


def test_dwt_names_an_unknown_wavelet():
    with pytest.raises(ValueError, match="haaar.*wavelist"):
        DWT2D("haaar")


@pytest.mark.parametrize("size", [6, 5, 3, 1])
def test_haar_branch_is_a_strided_convolution(size):
    channels, filters = 4, 6
    x = normal(2, size, size, channels)
    separable = keras.layers.SeparableConv2D(filters, 1)
    wavelet = separable(DWT2D("haar")(x))
    separable.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(separable.weights)])
    wavelet = separable(DWT2D("haar")(x))

    depthwise, pointwise, bias = separable.get_weights()
    conv = keras.layers.Conv2D(filters, 2, strides=2)
    padded = np.pad(x, ((0, 0), (0, size % 2), (0, size % 2), (0, 0)), mode="symmetric")
    conv.build(padded.shape)
    conv.set_weights([haar_to_conv(depthwise, pointwise), bias])
    np.testing.assert_allclose(conv(padded), wavelet, atol=2e-5)

    # And back: any such convolution is a Haar branch.
    kernel = normal(2, 2, channels, filters, seed=9)
    separable.set_weights([*conv_to_haar(kernel), bias])
    conv.set_weights([kernel, bias])
    np.testing.assert_allclose(separable(DWT2D("haar")(x)), conv(padded), atol=2e-5)


def test_the_layer_is_a_good_keras_layer(tmp_path):
    check_layer(DWT2D, {"wavelet": "db2"}, (5, 5, 4), total=0, trainable=0, folder=tmp_path)
