"""Margin-aware adaptive-weighted loss: Roy et al., IEEE TAI 2023, as the formula in the authors' code has it."""

import keras
import numpy as np
from keras import ops

from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier

# Of the angle of the right class and of the others, and the validation accuracy at which the next stage begins; each
# has 20 of 60 epochs at most. The authors' training ends where the last one is reached; a common budget goes on.
STAGES = ((1.00, 1.00, 0.80), (1.02, 0.99, 0.82), (1.04, 0.98, 0.84))


def stage(epochs: int, history: list[dict]) -> int:
    """Number of the stage, from 0, after these epochs of a budget, which each stage has a third of at most."""
    longest = np.diff(np.round(np.linspace(0, epochs, len(STAGES) + 1)))
    number = spent = 0
    for row in history:
        spent += 1
        reached = row["val_accuracy"] >= STAGES[number][2]
        if number < len(STAGES) - 1 and (reached or spent >= longest[number]):
            number, spent = number + 1, 0
    return number


def loss(features, kernel, bias, labels, alpha, beta):
    """Mean over the batch of -(1 / f) (1 - p_y)^(1 - 1 / f) ln p_y, f the images of the same class in the batch.

    p is the softmax of |a| |w_j| psi(t_j) + b_j, where t_j is the angle of features and weights of class j, times alpha
    for the right class and beta for others, and psi(t) = cos t up to pi, -cos t - 2 beyond.

    Args:
        features: a, (B, D). kernel: (D, C). bias: (C,). labels: (B,) whole numbers. alpha, beta: margins.
    """
    right = ops.cast(ops.one_hot(labels, kernel.shape[-1]), "float32")
    lengths = ops.norm(features, axis=1, keepdims=True) * ops.norm(kernel, axis=0, keepdims=True)
    # At +-1 the derivative of arccos is infinite.
    cosine = ops.clip(ops.matmul(features, kernel) / ops.maximum(lengths, 1e-12), -1 + 1e-7, 1 - 1e-7)
    angle = ops.arccos(cosine) * (beta + (alpha - beta) * right)
    psi = ops.where(angle <= np.pi, ops.cos(angle), -ops.cos(angle) - 2)
    p = ops.sum(right * ops.softmax(lengths * psi + bias), axis=1)
    p = ops.clip(p, 1e-7, 1 - 1e-7)
    alike = ops.sum(right * ops.sum(right, axis=0, keepdims=True), axis=1)
    return ops.mean(-((1 - p) ** (1 - 1 / alike)) * ops.log(p) / alike)


@keras.saving.register_keras_serializable(package="wagf")
class MAAWClassifier(Classifier):
    """Trains by :func:`loss` with the margins of :func:`stage`; predicts without a margin."""

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if self.fusion is not None and self.fusion.measured:
            raise UserError("MAAW cannot train Equation 1: its gradient weights are those of the cross-entropy")
        self.margins = self.add_weight(shape=(2,), initializer="ones", trainable=False, dtype="float32", name="margins")

    def begin_epoch(self, epoch, epochs, counts, history):
        self.margins.assign(STAGES[stage(epochs, history)][:2])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        features, kernel = ops.cast(y_pred["features"], "float32"), ops.convert_to_tensor(self.head.kernel)
        labels = ops.cast(ops.reshape(y, (-1,)), "int32")
        margins = ops.convert_to_tensor(self.margins)
        return loss(features, kernel, ops.convert_to_tensor(self.head.bias), labels, margins[0], margins[1])


def build(model: Classifier, inputs, image) -> MAAWClassifier:
    """See :func:`wagf_src.models.classifier.with_inputs`."""
    return MAAWClassifier(inputs, model(image), name="maaw")
