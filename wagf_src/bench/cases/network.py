"""Training and inference of an arm by Keras."""

import dataclasses
import time

import keras
import numpy as np

from wagf_src.arms import parse_arm
from wagf_src.bench.cases.literal import literal_wagf
from wagf_src.bench.images import FEW, feed, files, profile, released_loader
from wagf_src.bench.worker import timed
from wagf_src.data import dataset, protocol
from wagf_src.layers import FusedBatchNormalization
from wagf_src.models.classifier import build_model, explain, with_inputs
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.train.batches import batches
from wagf_src.train.first_step import build_training_state
from wagf_src.train.optimizers import FlatAdam
from wagf_src.train.trainer import epoch_files


def network(case: dict):
    """One arm (``arm``), literally as released if ``literal``, on a handful of images.

    ``input``: "device" (as training: look-up and affine map in the compiled step), "ready" (one batch of floats that
    lies on the device) or "files" (the released loaders). ``photographs``: no copies, whose map then is the identity.
    ``compile``: further settings of Keras's ``compile``. ``keras``: what is left as Keras does it, of "normalisation",
    "optimizer" and "batches".
    """
    plain = case.get("keras", ())
    p = profile(case, **FEW)
    keras.config.set_dtype_policy(p.precision)
    keras.utils.set_random_seed(0)
    data = dataset.load(p)
    arm, size, batch, source = parse_arm(case["arm"]), p.image_size, p.batch_size, case.get("input", "device")
    classifier = literal_wagf(arm.backbone, size) if case.get("literal") else build_model(arm, size, "none")
    if "normalisation" in plain:
        classifier = keras.models.clone_model(classifier, clone_function=_not_fused, recursive=True)
    if source == "files":
        inputs = pixels = keras.Input((size, size, 3))
    elif source == "ready":
        front = device_inputs(data.images)
        inputs = front.input
        ready = np.asarray(data.images[np.arange(batch) % len(data.images)], np.float32)
        pixels = _Ready(ready)(inputs["number"])
    else:
        front = device_inputs(data.images)
        inputs, pixels = front.input, front.output
    trainer = with_inputs(classifier, inputs, pixels)
    reader = with_inputs(explain(classifier), inputs, pixels)
    adam = (keras.optimizers.Adam if "optimizer" in plain else FlatAdam)(0.001)
    trainer.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"], **case.get("compile", {}))
    build_training_state(trainer)
    drawn_from = protocol.split(data.metadata, p).train

    def given(rows, copies, labels=None):
        x = feed(rows, 0 * copies if case.get("photographs") else copies, p)
        if "batches" in plain:
            return {"x": x, "batch_size": batch} | ({} if labels is None else {"y": labels})
        return batches(x, labels, batch)

    def train(images):
        rows = np.arange(images) % len(data.metadata)
        arrays = given(rows, 1 + np.arange(images), data.labels[rows])
        return timed(lambda: trainer.fit(**arrays, shuffle=False, verbose=0), images)

    def predict(images):
        arrays = given(np.arange(images) % len(data.metadata), 1 + np.arange(images))
        return timed(lambda: reader.predict(**arrays, verbose=0), images)

    def epoch(images):
        """A whole epoch of training, drawing its files included; ``fit`` is the part that is spent in fit."""
        if source == "files":
            loader = released_loader(files(data), data.labels, p, images)
            return timed(lambda: trainer.fit(loader, verbose=0), images)
        started = time.perf_counter()
        drawn = epoch_files(drawn_from, data.labels, dataclasses.replace(p, images_per_epoch=images), seed=0, epoch=1)
        rows = drawn["row"].to_numpy()
        arrays = given(rows, drawn["copy"].to_numpy(), data.labels[rows])
        fit = timed(lambda: trainer.fit(**arrays, shuffle=False, verbose=0), images)
        return {"seconds": time.perf_counter() - started, "fit": fit["seconds"], "images": images}

    return lambda what, images: {"train": train, "predict": predict, "epoch": epoch}[what](images)


def device_inputs(images: np.ndarray) -> keras.Model:
    """What stands in front of a network in training: number and map of each image -> pixels (B, S, S, 3)."""
    inputs = {"number": keras.Input((), dtype="int32", name="number"), "map": keras.Input((8,), name="map")}
    return keras.Model(inputs, AffineTransform()([DeviceArray(images)(inputs["number"]), inputs["map"]]))


def _not_fused(layer):
    kind = keras.layers.BatchNormalization if type(layer) is FusedBatchNormalization else type(layer)
    return kind.from_config(layer.get_config())


class _Ready(keras.layers.Layer):
    """The same batch (B, S, S, 3), whatever the input."""

    def __init__(self, batch):
        super().__init__(dtype="float32")
        self.batch = self.add_weight(shape=batch.shape, initializer=lambda *_, **__: batch, trainable=False)

    def call(self, _):
        return keras.ops.convert_to_tensor(self.batch)
