"""Cross-entropy with inverse-frequency class weights: the plain control of the methods that reweight classes."""

import keras
import numpy as np
from keras import ops

from wagf_src.models.classifier import Classifier


@keras.saving.register_keras_serializable(package="wagf")
class WeightedClassifier(Classifier):
    """Trains by the mean of w_y (-ln p_y), with w_c = (N / C) / N_c over the N training images of C classes."""

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        classes = self.head.units
        self.class_weights = self.add_weight(
            shape=(classes,), initializer="ones", trainable=False, dtype="float32", name="class_weights"
        )

    def begin_epoch(self, epoch, epochs, counts, history):
        counts = np.asarray(counts, float)
        present = counts > 0
        weights = np.zeros(len(counts))
        weights[present] = counts.sum() / len(counts) / counts[present]
        self.class_weights.assign(weights)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training:
            sample_weight = ops.take(self.class_weights, ops.cast(ops.reshape(y, (-1,)), "int32"))
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)


def build(model: Classifier, inputs, image) -> WeightedClassifier:
    """See :func:`wagf_src.models.classifier.with_inputs`."""
    return WeightedClassifier(inputs, model(image), name="weighted")
