"""Multi-weighted new loss with cumulative learning: Yao et al., IEEE TMI 2022, arXiv:2102.01284, and its released code.

One sigmoid a class instead of the softmax. The order of the classes is that of the softmax, so accuracy means the same;
the probabilities that a run keeps are the softmax of the same logits, and their calibration is not the method's.
"""

import math

import keras
import numpy as np
from keras import ops

from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier

FORMS = ("code", "paper", "focal")
FOCUS, FLOOR, ENLARGED = 2.0, 0.1, 30.0  # r, T and the factor of the code
FULL, FIXED = 1.2, 1.1  # the exponent that the schedule ends at (HAM10000), and that of MWL_focal
RISE = 20 / 70, 60 / 70  # of the budget, between which it grows: epochs 20 and 60 of 70


def class_weights(counts, exponent: float) -> np.ndarray:
    """w_k = C N_k^-a / sum_j N_j^-a, as the code normalises it; 0 for a class without an image.

    Args:
        counts: (C,) training images N_k. exponent: a.
    """
    counts = np.asarray(counts, float)
    powers = np.where(counts > 0, np.maximum(counts, 1) ** -exponent, 0.0)
    return len(counts) * powers / powers.sum()


def exponent(epoch: int, epochs: int) -> float:
    """a of the cumulative learning strategy: 0, then a quarter of a parabola, then 1.2.

    Args:
        epoch: from 1. epochs: the budget, to which the 70 epochs of the code are scaled (our assumption).
    """
    start, end = RISE
    return FULL * float(np.clip((epoch / epochs - start) / (end - start), 0, 1)) ** 2


def loss(logits, labels, weights, form: str = "code"):
    """Mean over batch and classes of w_y l_j, times 30, with l_j = (1 - p)^2 min(-ln p, -ln T), p of the right answer.

    Args:
        logits: (B, C). labels: (B,) whole numbers. weights: (C,), of the class of the image.
        form: "code"; "paper", Eq. 10, where l_j is a constant below T; or "focal" (MWL_focal), without the cap.
    """
    right = ops.cast(ops.one_hot(labels, logits.shape[-1]), "float32")
    nll = ops.softplus(logits * (1 - 2 * right))
    terms = (1 - ops.exp(-nll)) ** FOCUS
    if form == "code":
        terms = terms * ops.minimum(nll, -math.log(FLOOR))
    else:
        terms = terms * nll
        if form == "paper":
            terms = ops.where(nll > -math.log(FLOOR), -((1 - FLOOR) ** FOCUS) * math.log(FLOOR), terms)
    return ENLARGED * ops.mean(ops.take(weights, labels)[:, None] * terms)


@keras.saving.register_keras_serializable(package="wagf")
class MWNLClassifier(Classifier):
    """Trains by :func:`loss`, with weights by :func:`exponent`; ``form`` as there ("focal" has a constant exponent)."""

    def __init__(self, inputs, outputs, name=None, form="code", **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if form not in FORMS:
            raise ValueError(f"MWNLClassifier: form must be one of {', '.join(FORMS)} (here {form!r})")
        if self.fusion is not None and self.fusion.measured:
            raise UserError("MWNL cannot train Equation 1: its gradient weights are those of the cross-entropy")
        self.form = form
        self.class_weights = self.add_weight(
            shape=(self.head.units,), initializer="ones", trainable=False, dtype="float32", name="class_weights"
        )

    def begin_epoch(self, epoch, epochs, counts, history):
        self.class_weights.assign(class_weights(counts, FIXED if self.form == "focal" else exponent(epoch, epochs)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        features = ops.cast(y_pred["features"], "float32")
        logits = ops.matmul(features, ops.convert_to_tensor(self.head.kernel)) + self.head.bias
        labels = ops.cast(ops.reshape(y, (-1,)), "int32")
        return loss(logits, labels, ops.convert_to_tensor(self.class_weights), self.form)


def build(model: Classifier, inputs, image) -> MWNLClassifier:
    """See :func:`wagf_src.models.classifier.with_inputs`."""
    return MWNLClassifier(inputs, model(image), name="mwnl")


def build_paper(model: Classifier, inputs, image) -> MWNLClassifier:
    return MWNLClassifier(inputs, model(image), name="mwnl_paper", form="paper")


def build_focal(model: Classifier, inputs, image) -> MWNLClassifier:
    return MWNLClassifier(inputs, model(image), name="mwl_focal", form="focal")
