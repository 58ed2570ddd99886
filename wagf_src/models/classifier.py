"""Arms as Keras models, and the classifier that measures Equation 1's gradients while it trains.

How to train any arm: ``model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])`` and
``model.fit(x, y)`` with whole-number labels. The classifier hands loss and metrics the probabilities alone, so
they are given as for a model with one output, whatever else the model returns.
"""

import math

import keras
from keras import ops

from wagf_src import layers
from wagf_src.arms import SOFT_ATTENTION, Arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.models.backbones import build_backbone


@keras.saving.register_keras_serializable(package="wagf")
class Classifier(keras.Model):
    """A functional model of the outputs that :func:`build_model` names, or one around another classifier.

    In training, each batch also moves the gradient weights of its :class:`GradientFusion`. dL/dF_fuse has a closed
    form at this head (:func:`fused_gradient`), so no second backward pass is needed, on any backend.

    Attributes:
        fusion: the :class:`GradientFusion`, None in arms without.
        head: the softmax layer.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        # Found here and nowhere else: a saved file and clone_model give a functional model nothing but its layers.
        inner = next((layer for layer in self.layers if isinstance(layer, Classifier)), None)
        fusions = (layer for layer in self.layers if isinstance(layer, layers.GradientFusion))
        self.fusion = inner.fusion if inner else next(fusions, None)
        self.head = inner.head if inner else self.layers[-1]

    def begin_epoch(self, epoch: int, epochs: int, counts, history: list[dict]) -> None:
        """What a method changes between epochs; plain training changes nothing.

        Args:
            epoch: the one that begins, from 1. epochs: how many there will be.
            counts: (classes,) training images of each class.
            history: a row for each finished epoch, as ``train.trainer.FitResult`` has them.
        """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training and self.fusion is not None and self.fusion.measured:
            f_w, f_sa = ops.stop_gradient(y_pred["wavelet"]), ops.stop_gradient(y_pred["soft"])
            d_fuse = fused_gradient(
                fused=self.fusion([f_w, f_sa]),
                kernel=ops.convert_to_tensor(self.head.kernel),
                probabilities=ops.stop_gradient(y_pred["probabilities"]),
                labels=y,
                sample_weight=sample_weight,
            )
            self.fusion.update(d_fuse, f_w, f_sa)
        return super().compute_loss(x, y, y_pred["probabilities"], sample_weight, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred["probabilities"], sample_weight)


def fused_gradient(fused, kernel, probabilities, labels, sample_weight=None):
    """dL/dF_fuse in closed form: mean cross-entropy, softmax, Dense, global average pooling, ReLU mask.

    Args:
        fused: F_fuse before the ReLU, (B, H, W, C).
        kernel: of the last Dense, (D, classes); F_fuse is its last C inputs (SaFA, where present, comes first).
        probabilities: (B, classes).
        labels: (B,) or (B, 1) whole numbers.
        sample_weight: (B,) or None.

    Returns:
        (B, H, W, C), float32.
    """
    _, height, width, channels = fused.shape
    probabilities = ops.cast(probabilities, "float32")
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    d_logits = probabilities - ops.one_hot(labels, probabilities.shape[-1], dtype="float32")
    if sample_weight is not None:
        d_logits = d_logits * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
    d_logits = d_logits / ops.cast(ops.shape(labels)[0] * height * width, "float32")
    d_pooled = ops.matmul(d_logits, ops.transpose(ops.cast(kernel, "float32")[-channels:]))
    return ops.cast(fused > 0, "float32") * d_pooled[:, None, None, :]


def build_model(
    arm: Arm,
    image_size: int,
    weights: str,
    preprocessing: str = "imagenet",
    batch_norm_momentum: float | None = None,
    num_classes: int = len(CLASSES),
) -> keras.Model:
    """An arm from pixels to probabilities.

    Args:
        arm: see :class:`wagf_src.arms.Arm`; its own ``weights``, if given, go before the argument.
        image_size: S, side in pixels, 32 or more.
        weights, preprocessing, batch_norm_momentum: see :func:`build_backbone`.
        num_classes: width of the softmax.

    Returns:
        A :class:`Classifier` of ``image`` (B, S, S, 3), values 0 to 255 (4 channels where the backbone has them). Its
        outputs by name: "probabilities" (B, num_classes) float32; "features" (B, D), the pooled vector before the
        softmax layer; the map of each attention layer, "safa" (B, h, w) and "soft_attention" (B, H, W); in fusion arms
        the branches "wavelet" and "soft" (B, h, h, C). ``predict`` would collect the branches too: use :func:`explain`
        to predict.
    """
    backbone = build_backbone(arm.backbone, image_size, arm.weights or weights, preprocessing, batch_norm_momentum)
    image = keras.Input(backbone.input_shape[1:], name="image")
    return _classifier(arm, image, backbone(image), num_classes)


def build_head(arm: Arm, feature_shape: tuple[int, int, int], num_classes: int = len(CLASSES)) -> keras.Model:
    """What an arm puts on a backbone: ``features`` (B, H, W, C) to the outputs of :func:`build_model`."""
    features = keras.Input(feature_shape, name="features")
    return _classifier(arm, features, features, num_classes)


def _classifier(arm, inputs, features, num_classes):
    """The head of an arm, functional: the parts of its module side by side, ReLU, global average pooling, softmax."""
    if not arm.is_network:
        raise UserError(f"{arm.name}: a probe is a logistic regression on pooled features, not a Keras model")
    outputs, parts = {}, {}

    def attend(part):
        """What an attention layer makes of F, at half size, (B, h, h, C), as the released code pools it."""
        name, layer = part.split(":")
        reading = {"reading": arm.reading} if arm.reading else {}
        attended, outputs[name] = getattr(layers, layer)(**reading, name=name)(features)
        if attended.shape[1:3] == features.shape[1:3]:
            attended = keras.layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(attended)
        return attended

    # Random weights are drawn in the order in which layers are made: fusion first.
    for part in sorted(arm.module.parts, key=lambda part: part != "fusion"):
        if part == "features":
            parts[part] = features
        elif part == "pooled":
            parts[part] = keras.layers.MaxPooling2D(2, padding="same", name="feature_pool")(features)
        elif part == "fusion":
            outputs["wavelet"] = _wavelet_branch(arm.branch, features)
            outputs["soft"] = attend(SOFT_ATTENTION)
            parts[part] = layers.GradientFusion(arm.fusion, name="fusion")([outputs["wavelet"], outputs["soft"]])
        else:
            parts[part] = attend(part)
    x = [parts[part] for part in arm.module.parts]
    x = keras.layers.Concatenate(name="concatenate")(x) if len(x) > 1 else x[0]
    if arm.modules != "base":
        x = keras.layers.Activation("relu", name="relu")(x)
    outputs["features"] = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    softmax = keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")
    outputs["probabilities"] = softmax(outputs["features"])
    return Classifier(inputs, outputs, name="classifier")


def _wavelet_branch(branch, features):
    """F_w, (B, H/2, W/2, C) with odd sizes rounded up: the Haar branch, or one of its two controls (section 2.1).

    Every branch ends in a 1 x 1 convolution, written as Dense: the same function, but its backward pass takes a third
    of the time on a CPU (TensorFlow 2.21, 64 maps of 6 x 6 x 1280).
    """
    height, width, channels = features.shape[1:]
    if branch == "haar":
        x = layers.DWT2D("haar", name="dwt")(features)
        x = keras.layers.DepthwiseConv2D(1, use_bias=False, name="wavelet_scale")(x)
    elif branch == "pool":
        x = keras.layers.AveragePooling2D(2, padding="same", name="average_pool")(features)
    else:
        # A 2 x 2, stride-2 convolution: each patch as one vector, then Dense. Odd maps are extended as the transform
        # does, by their last row and column; zeros would make it another function there.
        if height % 2 or width % 2:
            features = ops.pad(features, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="symmetric")
        h, w = -(-height // 2), -(-width // 2)
        x = ops.transpose(ops.reshape(features, (-1, h, 2, w, 2, channels)), (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, h, w, 4 * channels))
    return keras.layers.Dense(channels, name="wavelet")(x)


def with_inputs(model: keras.Model, inputs, image) -> keras.Model:
    """A model that trains like ``model``, with its weights, behind other input layers.

    Args:
        model: from :func:`build_model`, :func:`build_head` or :func:`explain`.
        inputs: the new input or inputs (``keras.Input``).
        image: a symbolic tensor computed from them, in the place of the model's own input.
    """
    return type(model)(inputs, model(image), name="with_inputs")


def explain(model: keras.Model) -> keras.Model:
    """What to keep of a prediction: all outputs of :func:`build_model` or :func:`build_head` but the branches.

    Weights are shared with ``model``.
    """
    kept = {name: output for name, output in model.output.items() if name not in ("wavelet", "soft")}
    return keras.Model(model.input, kept, name="explain")


def gradient_weights(model: Classifier) -> tuple[float, float] | None:
    """(g_w, g_sa) now in force in a classifier with fusion; None for other arms."""
    if model.fusion is None:
        return None
    g_w, g_sa = ops.convert_to_numpy(model.fusion.gradient_weights())
    return float(g_w), float(g_sa)


def parameter_counts(model: keras.Model) -> dict[str, int]:
    """{"total", "trainable"}: number of parameters, as Keras counts them (batch-norm statistics are not trainable)."""
    counted = {"total": model.weights, "trainable": model.trainable_weights}
    return {name: sum(math.prod(weight.shape) for weight in weights) for name, weights in counted.items()}
