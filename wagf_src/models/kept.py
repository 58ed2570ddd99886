"""Models that were trained and kept, whole: from pixels to probabilities."""

import importlib

import keras
import numpy as np
from keras import ops

from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.models.backbones import build_backbone
from wagf_src.models.classifier import explain
from wagf_src.models.weights import weights_name
from wagf_src.runs import Run

VIEWS = 8  # of a square: flips and quarter turns (``data.augmentation.dihedral_parameters``)


def read_model(run: Run) -> keras.Model:
    """The model that made a run's predictions, of ``image`` (B, S, S, 3), 0 to 255; preprocessing is part of it.

    Outputs by name: "probabilities" (B, 7), the mean over the run's ``test_views``; of the image as it is, "features"
    (B, D) pooled before the softmax layer, and the maps "safa" and "soft_attention" where the arm has them. The
    predictions of the run are these, to all digits on the machine that made them, in batches of
    ``trainer.PREDICT_BATCH``.

    Raises:
        UserError: the run kept no weights, or stands on ImageNet weights that are not at hand.
    """
    if run.weights_file is None:
        raise UserError(
            f"{run.name}: its weights are not here (they are kept by those who trained, never committed); train it by "
            f"`make reproduce PROFILE={run.info['profile']}`, or leave RUN out for the shipped model"
        )
    arm, settings = parse_arm(run.arm), run.info["settings"]
    if arm.is_network:
        network = explain(read_network(run))
    else:
        network = None
    if settings["train"] == "frozen":
        backbone = _frozen_backbone(run, arm, settings)
        network = network or _probe(run, backbone.output.shape[1:])
        image = keras.Input(backbone.input_shape[1:], name="image")
        # The features were kept in half precision.
        features = ops.cast(ops.cast(backbone(image), "float16"), "float32")
        network = keras.Model(image, network(features), name="on_frozen_backbone")
    return with_views(network, settings["test_views"])


def read_network(run: Run) -> keras.Model:
    """What a run trained, with its weights: from pixels, or from the features of its frozen backbone.

    Args:
        run: of an arm that is a network, with ``weights_file``.
    """
    # Keras finds a layer or model of ours by its registered name, which stands once its module is imported. By name, as
    # the registry has them: methods live on a floor above.
    for module in parse_arm(run.arm).code:
        importlib.import_module("wagf_src." + module.partition(":")[0].replace("/", "."))
    network = keras.models.model_from_json(run.file("model.json").read_text(encoding="utf-8"))
    network.load_weights(run.weights_file)
    return network


def with_views(network: keras.Model, views: int) -> keras.Model:
    """A model of images (B, S, S, C) whose probabilities are means over 1 or all 8 flips and quarter turns.

    ``network`` gives "probabilities" by name, and may give more: that stays of the image as it is.
    """
    image = keras.Input(network.input_shape[1:], name="image")
    seen = [network(image)]
    for view in range(1, views):
        turned = ops.flip(image, axis=2) if view >= VIEWS // 2 else image
        seen.append(network(ops.rot90(turned, k=view % 4, axes=(1, 2)) if view % 4 else turned))
    outputs = dict(seen[0])
    if views > 1:
        outputs["probabilities"] = keras.layers.Average(dtype="float32")([s["probabilities"] for s in seen])
    return keras.Model(image, outputs, name="kept")


def check_start(run: Run) -> None:
    """Compare the weights that a run's backbone began with to those at hand.

    Raises:
        UserError: they are others.
    """
    start = run.info["weights"]
    here = weights_name(parse_arm(run.arm).backbone, run.info["settings"]["weights"])
    if start != here and "keras" not in (start, here):
        raise UserError(
            f"{run.name}: stands on the ImageNet weights {start}, and WAGF_WEIGHTS_DIR holds {here}; give the folder "
            "with the file that it was trained with (make WEIGHTS=folder)"
        )


def _frozen_backbone(run: Run, arm, settings: dict) -> keras.Model:
    if run.info["weights"] == "none":
        raise UserError(f"{run.name}: its frozen backbone had random weights, which were not kept; train another arm")
    check_start(run)
    return build_backbone(arm.backbone, settings["image_size"], settings["weights"], settings["preprocessing"])


def _probe(run: Run, feature_shape) -> keras.Model:
    """The logistic regression as a softmax layer; a class that it never saw has probability 0."""
    with np.load(run.weights_file, allow_pickle=False) as kept:
        coefficients = kept["coefficients"] / kept["scale"]
        intercept = kept["intercept"] - coefficients @ kept["mean"]
        seen = kept["classes"]
    kernel, bias = np.zeros((coefficients.shape[1], len(CLASSES))), np.full(len(CLASSES), -1e9)
    kernel[:, seen], bias[seen] = coefficients.T, intercept
    features = keras.Input(feature_shape, name="features")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    softmax = keras.layers.Dense(len(CLASSES), activation="softmax", name="probabilities")
    outputs = {"probabilities": softmax(pooled), "features": pooled}
    softmax.set_weights([kernel, bias])
    return keras.Model(features, outputs, name="probe")


def probabilities(run: Run) -> keras.Model:
    """:func:`read_model` with one output, the probabilities (B, 7)."""
    model = read_model(run)
    return keras.Model(model.input, model.output["probabilities"], name=run.name)
