"""Cross-entropy with class weights: the plain control of the methods that reweight classes, and our own recipe's."""

import keras
import numpy as np
from keras import ops

from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier


@keras.saving.register_keras_serializable(package="wagf")
class WeightedClassifier(Classifier):
    """Trains by the mean of w_y (-ln p_y), with w_c = N N_c^-power / sum N_c^(1 - power) over N images of C classes.

    Args:
        power: 1, every class weighs the same; 1/2, as drawing class c with weight N_c^(1/2) has it on average.
        smoothing: share of the target that is spread over all classes (training only).
    """

    def __init__(self, inputs, outputs, name=None, power=1.0, smoothing=0.0, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if smoothing and self.fusion is not None and self.fusion.measured:
            raise UserError("smoothed targets cannot train Equation 1, whose gradient is that of the plain ones")
        self.power, self.smoothing = power, smoothing
        self.class_weights = self.add_weight(
            shape=(self.head.units,), initializer="ones", trainable=False, dtype="float32", name="class_weights"
        )

    def begin_epoch(self, epoch, epochs, counts, history):
        counts = np.asarray(counts, float)
        weights = np.where(counts > 0, np.maximum(counts, 1) ** -self.power, 0.0)
        self.class_weights.assign(weights * counts.sum() / (counts * weights).sum())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        labels = ops.cast(ops.reshape(y, (-1,)), "int32")
        sample_weight = ops.take(self.class_weights, labels)
        if not self.smoothing:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        targets, p = ops.one_hot(labels, self.head.units), y_pred["probabilities"]
        return ops.mean(
            sample_weight * keras.losses.categorical_crossentropy(targets, p, label_smoothing=self.smoothing)
        )


def build(model: Classifier, inputs, image) -> WeightedClassifier:
    """See :func:`wagf_src.models.classifier.with_inputs`."""
    return WeightedClassifier(inputs, model(image), name="weighted")


def build_smoothed(model: Classifier, inputs, image) -> WeightedClassifier:
    """Profile ``ours``, as far as a loss can say it: classes half-way to balance, targets smoothed by 0.1."""
    return WeightedClassifier(inputs, model(image), name="smoothed", power=0.5, smoothing=0.1)
