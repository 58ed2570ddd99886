"""Adam and AdamW as one update of one flat vector: the same numbers, a first step in a fraction of the time."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="wagf")
class FlatAdam(keras.optimizers.Optimizer):
    """Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), as ``keras.optimizers`` compute them.

    Keras writes some thirty operations for every variable, which TensorFlow builds, optimises and schedules one by one:
    with the 364 of DenseNet-121, most of the time of a first training step. Here all gradients are put behind one
    another, the update is computed once, and each variable subtracts its part. The result is Keras's to rounding, on
    any backend.

    The state is the iteration, the learning rate (if constant) and the two moments, each one float32 vector.

    Args:
        learning_rate: a number or a ``keras.optimizers.schedules.LearningRateSchedule``.
        beta_1, beta_2, epsilon: as in ``keras.optimizers.Adam``.
        weight_decay: None for Adam; for AdamW the part of a weight that, times the learning rate, a step takes off.
        no_decay: variables whose name contains one of these are left out of the decay. Unlike Keras's
            ``exclude_from_weight_decay``, they are saved and loaded with the optimizer.
        name: of the optimizer.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        weight_decay=None,
        no_decay=("bias", "gamma", "beta"),
        name="flat_adam",
    ):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, name=name)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.no_decay = list(no_decay)
        self.trained = list

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        variables = list(variables)
        # In a function: an attribute that holds variables would make them the optimizer's own.
        self.trained = lambda: variables
        size = sum(_size(v) for v in variables)
        self.mean = self.add_variable((size,), dtype="float32", name="mean")
        self.square = self.add_variable((size,), dtype="float32", name="square")

    def apply(self, grads, trainable_variables=None):
        """One step.

        Args:
            grads: one gradient for each variable that the optimizer was built with, in that order. None: the variable
                has no part in the loss and stays as it is.
            trainable_variables: these variables; may be left out once the optimizer is built.

        Raises:
            ValueError: if there is no gradient at all, or the variables are not those it was built with.
        """
        grads = list(grads)
        if trainable_variables is not None:
            self.build(list(trainable_variables))
        variables = self.trained()
        if len(grads) != len(variables) or any(a is not b for a, b in zip(trainable_variables or variables, variables)):
            raise ValueError(f"{self.name}: the variables are not those that the optimizer was built with")
        if all(g is None for g in grads):
            raise ValueError(f"{self.name}: no variable has a gradient")
        rate = ops.cast(self.learning_rate, "float32")
        parts = self._update(grads, variables, rate)
        for gradient, variable, part in zip(grads, variables, parts, strict=True):
            if gradient is None:
                continue
            part = ops.reshape(part, variable.shape)
            if self.weight_decay and not any(name in variable.name for name in self.no_decay):
                part = part + ops.cast(variable, "float32") * (self.weight_decay * rate)
            self.assign_sub(variable, part)
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(1)

    def _update(self, grads, variables, rate):
        """Moves the moments and returns what Adam subtracts, a vector for each variable."""
        gradient = ops.concatenate(
            [
                ops.zeros(_size(v), "float32") if g is None else ops.reshape(ops.cast(g, "float32"), (-1,))
                for g, v in zip(grads, variables, strict=True)
            ]
        )
        gradient = _sum_over_devices(gradient)
        step = ops.cast(self.iterations + 1, "float32")
        rate = rate * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))
        mean = self.mean + (gradient - self.mean) * (1 - self.beta_1)
        square = self.square + (ops.square(gradient) - self.square) * (1 - self.beta_2)
        self.assign(self.mean, mean)
        self.assign(self.square, square)
        ends = np.cumsum([_size(v) for v in variables])[:-1]
        return ops.split(mean * rate / (ops.sqrt(square) + self.epsilon), ends.tolist())

    def get_config(self):
        config = super().get_config()
        return {
            **{key: config[key] for key in ("name", "learning_rate", "weight_decay")},
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "no_decay": list(self.no_decay),
        }


def _sum_over_devices(gradient):
    """Under ``tf.distribute`` every device has the gradient of its own part of the batch."""
    if keras.backend.backend() != "tensorflow":
        return gradient
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return gradient
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradient)


def _size(variable):
    return int(np.prod(variable.shape, dtype=np.int64))
