"""What stands in front of a classifier: all images on the device, and the affine map of a virtual copy."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("wagf")
class DeviceArray(keras.layers.Layer):
    """All images (or frozen features) as one weight on the device; looks up a batch by number.

    Call: (B,) int32 -> (B, ...) float32, the rows of an array (n, ...) of uint8 or float16.

    The array belongs to the data, not to the classifier: this layer stands in front of the model that is saved.
    """

    def __init__(self, array, **kwargs):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.array = self.add_weight(
            shape=array.shape,
            dtype=str(array.dtype),
            initializer=lambda *_, **__: ops.convert_to_tensor(array),
            trainable=False,
            autocast=False,
        )

    def call(self, numbers):
        return ops.cast(ops.take(self.array, numbers, axis=0), "float32")


@keras.saving.register_keras_serializable("wagf")
class AffineTransform(keras.layers.Layer):
    """Bilinear resampling by one affine map per image; outside the frame, the nearest pixel is repeated.

    Call: [images (B, S, S, 3), maps (B, 8)] -> (B, S, S, 3) float32. Maps as in ``affine_parameters``.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        images, maps = inputs
        return ops.image.affine_transform(
            images, maps, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )
