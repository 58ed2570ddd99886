"""Fusion of the wavelet and the soft attention branch (equation 1)."""

import keras
from keras import ops

FUSIONS = ("eq1", "released", "saliency", "learned")


@keras.saving.register_keras_serializable(package="wagf")
class GradientFusion(keras.layers.Layer):
    """F_fuse = (1 - g_w) F_w + (1 - g_sa) F_sa (paper, section 2.1, equation 1).

    Inputs [F_w, F_sa], both (B, H, W, C); output (B, H, W, C).

    Equation 1 needs the gradient of the loss, which does not exist at inference, where there is no label. So the
    measured fusions keep a moving average of (g_w, g_sa), as batch normalisation does: :meth:`update` is called in
    training (here by the classifier's ``compute_loss``), and inference uses the last value.

    Args:
        fusion:
            "eq1": g are the mean magnitudes of dL/dF_w and dL/dF_sa, normalised to sum to one.
            "released": what the released layer computes for every input, g_w = 2/3, g_sa = 1/2, that is
            F_fuse = F_sa / 2 + F_w / 3; no state.
            "saliency": g are the mean magnitudes of gradient times activation, normalised likewise.
            "learned": g are the softmax of two trainable logits.
        momentum: of the moving average; 0 takes the last batch's value.
        initial: first g_w, between 0 and 1; g_sa = 1 - g_w ("eq1" and "saliency").
    """

    def __init__(self, fusion="eq1", momentum=0.9, initial=0.5, **kwargs):
        super().__init__(**kwargs)
        if fusion not in FUSIONS:
            raise ValueError(f"GradientFusion: fusion must be one of {', '.join(FUSIONS)}, not {fusion!r}")
        if not (0 <= momentum < 1 and 0 <= initial <= 1):
            raise ValueError(f"GradientFusion: momentum in [0, 1) and initial in [0, 1], not {momentum} and {initial}")
        self.fusion = fusion
        self.momentum = momentum
        self.initial = initial

    @property
    def measured(self):
        """Whether the weights come from gradients measured in training."""
        return self.fusion in ("eq1", "saliency")

    def build(self, input_shape):
        if self.measured:
            self.average = self.add_weight(
                name="gradient_weights",
                shape=(2,),
                dtype="float32",
                initializer=lambda shape, dtype: ops.convert_to_tensor([self.initial, 1 - self.initial], dtype),
                trainable=False,
                autocast=False,
                aggregation="mean",
            )
        elif self.fusion == "learned":
            self.logits = self.add_weight(
                name="logits", shape=(2,), dtype="float32", initializer="zeros", autocast=False
            )

    def gradient_weights(self):
        """(g_w, g_sa) as a float32 tensor of shape (2,)."""
        if self.measured:
            return ops.convert_to_tensor(self.average)
        if self.fusion == "learned":
            return ops.softmax(ops.convert_to_tensor(self.logits))
        return ops.convert_to_tensor([2 / 3, 1 / 2], dtype="float32")

    def call(self, inputs):
        f_w, f_sa = inputs
        scale = ops.cast(1 - self.gradient_weights(), f_w.dtype)
        return scale[0] * f_w + scale[1] * f_sa

    def update(self, d_fuse, f_w, f_sa):
        """Move (g_w, g_sa) towards the values measured on one batch; nothing to do for "released" and "learned".

        The backward pass holds the weights constant, so dL/dF_w = (1 - g_w) dL/dF_fuse and
        dL/dF_sa = (1 - g_sa) dL/dF_fuse. A batch without any gradient changes nothing.

        Args:
            d_fuse: dL/dF_fuse, (B, H, W, C).
            f_w, f_sa: the branches, (B, H, W, C).
        """
        if not self.measured:
            return
        now = self.gradient_weights()
        d_fuse, f_w, f_sa = (ops.cast(ops.stop_gradient(x), "float32") for x in (d_fuse, f_w, f_sa))
        d_w, d_sa = (1 - now[0]) * d_fuse, (1 - now[1]) * d_fuse
        if self.fusion == "saliency":
            d_w, d_sa = d_w * f_w, d_sa * f_sa
        sizes = ops.stack([ops.mean(ops.abs(d_w)), ops.mean(ops.abs(d_sa))])
        total = ops.sum(sizes)
        measured = ops.where(total > 0, sizes / ops.where(total > 0, total, 1.0), now)
        self.average.assign(self.momentum * now + (1 - self.momentum) * measured)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "fusion": self.fusion, "momentum": self.momentum, "initial": self.initial}
