"""What a compiled model creates in its first training step, created before it."""

import keras
import numpy as np


def build_training_state(model: keras.Model) -> None:
    """Create the variables of optimizer and metrics now, so that TensorFlow builds the training step once, not twice.

    Keras creates them while ``tf.function`` traces the first step, and a trace that creates variables is thrown away
    and made again: for DenseNet-121, a third of the first step. Nothing that is computed changes.

    Args:
        model: compiled, with known outputs and whole-number labels.
    """
    model.optimizer.build(model.trainable_variables)
    outputs = keras.tree.map_structure(lambda t: np.zeros([n or 1 for n in t.shape], np.float32), model.output)
    model.compute_metrics(None, np.zeros(1, np.int32), outputs)
    model.reset_metrics()
