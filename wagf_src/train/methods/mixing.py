"""Copies mixed in pairs in training: mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019).

Half of the copies are mixed with their neighbour in the batch, whose order is random, and so are the targets, in the
same shares, which are uniform (alpha = 1 of both papers).
"""

import keras
from keras import ops

from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier
from wagf_src.train.methods.draws import Draws, maps_of

PROBABILITY = 0.5


def kept(maps, kind: str, side: int):
    """How much of each pixel stays the copy's own, (B, side, side, 1); the rest is the neighbour's.

    Args:
        maps: (B, 8), as ``augmentation.affine_parameters`` has them.
        kind: "mixup", the same share for all pixels; "cutmix", 0 in a square (cut at the frame) and 1 outside.
    """
    u = Draws(maps)
    mixed, share = u() < PROBABILITY, u()
    if kind == "mixup":
        own = ops.broadcast_to(share, (ops.shape(maps)[0], side, side, 1))
    else:
        half = ops.sqrt(1 - share) / 2
        at = (ops.arange(side, dtype="float32") + 0.5) / side
        inside = ops.abs(at[None, :, None, None] - u()) < half
        inside = inside & (ops.abs(at[None, None, :, None] - u()) < half)
        own = 1 - ops.cast(inside, "float32")
    return ops.where(mixed, own, 1.0)


@keras.saving.register_keras_serializable(package="wagf")
class Mixing(keras.layers.Layer):
    """[images (B, S, S, 3), maps (B, 8)] to images mixed as :func:`kept` says; in training only."""

    def __init__(self, kind, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.kind = kind

    def call(self, inputs, training=False):
        images, maps = inputs
        if not training:
            return images
        own = kept(maps, self.kind, images.shape[1])
        return own * images + (1 - own) * ops.roll(images, 1, axis=0)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="wagf")
class MixingClassifier(Classifier):
    """Trains by the profile's loss with both targets of a mixed copy, each weighing what is seen of it."""

    def __init__(self, inputs, outputs, name=None, kind="mixup", side=1, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if self.fusion is not None and self.fusion.measured:
            raise UserError("mixed targets cannot train Equation 1, whose gradient is that of the plain ones")
        self.kind, self.side = kind, side

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        labels = ops.reshape(y, (-1,))
        own = ops.mean(kept(x["map"], self.kind, self.side), axis=(1, 2, 3))
        others = super().compute_loss(x, ops.roll(labels, 1), y_pred, 1 - own, training=training)
        return others + super().compute_loss(x, labels, y_pred, own, training=training)


def _build(model, inputs, image, kind):
    mixed = Mixing(kind, name=f"{kind}_images")([image, maps_of(inputs, f"{kind} mixes")])
    return MixingClassifier(inputs, model(mixed), name=kind, kind=kind, side=image.shape[1])


def build_mixup(model: Classifier, inputs, image) -> MixingClassifier:
    """See :func:`wagf_src.models.classifier.with_inputs`."""
    return _build(model, inputs, image, "mixup")


def build_cutmix(model: Classifier, inputs, image) -> MixingClassifier:
    return _build(model, inputs, image, "cutmix")
