"""How fast everything is, against the released way of doing it, and what every profile costs: results/bench/*.csv.

    python -m wagf_src.bench [data] [arms] [epoch] [backends] [tried] [cost] [--quick] [--out FOLDER]

Every case runs in a process of its own, so that memory and compilation are its own; the processes of a comparison live
side by side and take turns, round by round, so that what else the machine does meets both. A ratio is the median over
rounds of the reference's seconds per image over the case's: above 1, the case is faster. The first call (compilation)
is reported apart. ``--quick`` runs every part in its smallest form on synthetic images, to see that it works.

Parts:
    data: offline copies on disk against virtual ones; reading files again every epoch against the decoded store.
    arms: training step, inference and memory of every arm, and the released model written literally.
    epoch: what the input costs: images ready on the device, ours, and the released loaders.
    backends: TensorFlow and JAX, float32 and bfloat16.
    tried: other ways to run the same training step, against the one that training uses.
    cost: operations counted, hours of every profile here and, from published training rates, on common GPUs.

The parent process needs no TensorFlow, the chapter that shows the files needs none of this.
"""

import argparse
import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic, fast, paths
from wagf_src.arms import parse_arm, split_run
from wagf_src.classes import CLASSES
from wagf_src.data import augmentation, dataset, ham10000, protocol, store
from wagf_src.errors import UserError
from wagf_src.machine import git_state, processor
from wagf_src.models.backbones import build_backbone
from wagf_src.models.classifier import Classifier, build_head, build_model, explain, with_inputs
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.paths import data_dir, short
from wagf_src.profile import Profile, load_profile
from wagf_src.runs import load_runs

PARTS = ("data", "arms", "epoch", "backends", "tried", "cost")
ARMS = (
    "mobilenetv2-base",
    "resnet50-base",
    "densenet121-sa-described",
    "densenet121-sa-gf-described",
    "densenet121-wagf-described",
    "densenet121-sa-released",
    "densenet121-sa-gf-released",
    "densenet121-wagf-released",
)  # each against densenet121-base


# What was tried to make a training step faster: label, and what it changes in the case. TensorFlow's affine resampling
# cannot be compiled by XLA, so that network is given one batch that is ready: it saves the input on top.
TRIED = (
    ("compiled by XLA, no input", {"input": "ready", "compile": {"jit_compile": True}}),
    ("eight steps a call", {"compile": {"steps_per_execution": 8}}),
    ("batch of 32", {"batch": 32}),
    ("batch of 128", {"batch": 128}),
    ("one thread", {"environment": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}}),
    ("without oneDNN", {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}),
    ("tf.data tuning itself", {"autotune": True}),
    ("Keras's own batch normalisation", {"fused": False}),
)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured. Images and files a round; ``batch`` by side in pixels."""

    rounds: int  # of `data` and `epoch`
    network_rounds: int  # of the parts that time single steps
    batch: dict[int, int]  # sides and batches of `arms`
    arms: tuple[str, ...]
    reference: str
    literal: str  # the arm whose literal form is timed
    epoch: tuple[int, int]  # side, images a round
    backends: tuple[int, tuple[str, ...]]  # side, arms
    tried: tuple[tuple[str, dict], ...]  # label, changes of the case; side as in `backends`
    data: tuple[int, int]  # side, files a round
    cost_sides: tuple[int, ...]


# 256 px: two networks with their activations have to fit side by side (about 17 GB at this batch).
FULL = Scale(
    10,
    3,
    {128: 64, 160: 64, 256: 32},
    ARMS,
    "densenet121-base",
    "densenet121-wagf-released",
    (160, 1024),
    (128, ("mobilenetv2-base", "densenet121-wagf-described")),
    TRIED,
    (160, 500),
    (64, 96, 128, 160, 192, 224, 256),
)
QUICK = Scale(
    2,
    2,
    {32: 4},
    (),
    "mobilenetv2-base",
    "mobilenetv2-wagf-released",
    (32, 16),
    (32, ("mobilenetv2-base",)),
    TRIED[1:2],
    (32, 24),
    (32, 64),
)


# --- cases, each in a process of its own ---------------------------------------------------------------------


class Worker:
    """A process that holds one case and measures on request.

    Raises:
        UserError: if it ends before it answers, with its last line.
    """

    def __init__(self, case: dict):
        self.case = case
        backend = case.get("backend", "tensorflow")
        started = time.perf_counter()
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wagf_src.bench", "--worker", json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2", **case.get("environment", {})},
        )
        self._answer()
        self.start_seconds = time.perf_counter() - started

    def ask(self, **request) -> dict:
        """What the case's function answers to a request, with ``peak_mib``, the process's highest memory so far."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise UserError(f"{self.case}: the process ended ({said[-1] if said else 'killed; out of memory?'})")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()


def _work(case: dict) -> None:
    """The worker's side: build the case, then answer every line of standard input by one line of standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    function = _KINDS[case["kind"]](case)

    def answer(value):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
        answers.write(json.dumps({**value, "peak_mib": round(peak)}) + "\n")
        answers.flush()

    answer({})
    for line in sys.stdin:
        answer(function(**json.loads(line)))


def _timed(function, images: int) -> dict:
    started = time.perf_counter()
    function()
    return {"seconds": time.perf_counter() - started, "images": images}


def _profile(case: dict, **changes) -> Profile:
    """The profile that a case's network and images are of: HAM10000 where it is, else (and if quick) synthetic."""
    synthetic = {"data": "synthetic", "synthetic_lesions": 140} if case["quick"] or not _real_data() else {}
    return Profile(
        **{
            "name": "bench",
            "description": "",
            "data": "ham10000",
            "image_size": case["pixels"],
            "weights": "none",
            "arms": (case.get("arm") or "mobilenetv2-base",),
            "batch_size": case.get("batch", 64),
            "validation": "lesions",
            "learning_rate": 0.001,
            "precision": case.get("precision", "float32"),
        }
        | synthetic
        | changes
    )


def _real_data() -> bool:
    try:
        ham10000.find_metadata(data_dir())
    except UserError:
        return False
    return True


def _images(rows, copies, profile) -> dict:
    """Inputs of a network as training gives them."""
    pass

    return {"number": np.asarray(rows, np.int32), "map": augmentation.affine_parameters(rows, copies, 0, profile)}


def _network_case(case: dict):
    """Training and inference of one arm (``case["arm"]``), literally if ``case["literal"]``, on a handful of images.

    ``case["input"]``: "device" (as training: look-up and affine map in the compiled step), "ready" (one batch of floats
    that lies on the device) or "files" (the released loaders: Keras's generator, Pillow, nearest, 1/255).
    ``case["compile"]``: further settings of Keras's ``compile``; ``case["autotune"]`` and ``case["fused"]``: see
    ``fast.set_autotune`` and ``fast.set_fused_batch_norm`` (both as training has them, unless given).
    """
    import keras

    pass
    pass

    fast.set_fused_batch_norm(case.get("fused", True))
    fast.set_autotune(case.get("autotune", False))
    profile = _profile(case, max_images_per_class=24)
    keras.config.set_dtype_policy(profile.precision)
    keras.utils.set_random_seed(0)
    data = dataset.load(profile)
    arm, size, batch, source = (
        parse_arm(case["arm"]),
        profile.image_size,
        profile.batch_size,
        case.get("input", "device"),
    )
    if case.get("literal"):
        classifier = literal_wagf(arm.backbone, size)
    else:
        classifier = build_model(arm, size, "none")
    if source == "files":
        inputs = pixels = keras.Input((size, size, 3))
    else:
        inputs = {"number": keras.Input((), dtype="int32", name="number"), "map": keras.Input((8,), name="map")}
        if source == "ready":
            pixels = _ready_batch(np.asarray(data.images[np.arange(batch) % len(data.images)], np.float32))(
                inputs["number"]
            )
        else:
            pixels = AffineTransform()([DeviceArray(data.images)(inputs["number"]), inputs["map"]])
    trainer = with_inputs(classifier, inputs, pixels)
    reader = with_inputs(explain(classifier), inputs, pixels)
    trainer.compile(
        keras.optimizers.Adam(0.001),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **case.get("compile", {}),
    )
    files = protocol.split(data.metadata, profile).train

    def train(images):
        rows = np.arange(images) % len(data.metadata)
        x = _images(rows, 1 + np.arange(images), profile)
        return _timed(lambda: trainer.fit(x, data.labels[rows], batch_size=batch, shuffle=False, verbose=0), images)

    def predict(images):
        x = _images(np.arange(images) % len(data.metadata), 1 + np.arange(images), profile)
        return _timed(lambda: reader.predict(x, batch_size=batch, verbose=0), images)

    def epoch(images):
        """A whole epoch of training, drawing its files included; ``fit`` is the part that is spent in fit."""
        if source == "files":
            loader = _released_loader(data, profile, images)
            return _timed(lambda: trainer.fit(loader, verbose=0), images)
        started = time.perf_counter()
        drawn = trainer.epoch_files(
            files, data.labels, dataclasses.replace(profile, images_per_epoch=images), seed=0, epoch=1
        )
        rows = drawn["row"].to_numpy()
        x = _images(rows, drawn["copy"].to_numpy(), profile)
        clock = time.perf_counter()
        trainer.fit(x, data.labels[rows], batch_size=batch, shuffle=False, verbose=0)
        ended = time.perf_counter()
        return {"seconds": ended - started, "fit": ended - clock, "images": images}

    return lambda what, images: {"train": train, "predict": predict, "epoch": epoch}[what](images)


def _ready_batch(batch: np.ndarray):
    import keras

    class Ready(keras.layers.Layer):
        def build(self, _):
            self.batch = self.add_weight(shape=batch.shape, initializer=lambda *_, **__: batch, trainable=False)

        def call(self, _):
            return keras.ops.convert_to_tensor(self.batch)

    return Ready(dtype="float32")


def _generator(**settings):
    """Keras's image generator, which the released notebooks use and which Keras keeps for old code."""
    from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(**settings)


def _released_loader(data, profile, images, paths=None):
    """The released loaders over ``images`` files: decoded by Pillow, nearest neighbour, divided by 255."""
    paths = paths or ham10000.find_images(data.folder, data.metadata["image_id"])
    frame = pd.DataFrame({"file": [str(paths[i % len(paths)]) for i in range(images)]})
    frame["class"] = [str(data.labels[i % len(data.labels)]) for i in range(images)]
    size = profile.image_size
    return _generator(rescale=1 / 255).flow_from_dataframe(
        frame,
        x_col="file",
        y_col="class",
        class_mode="sparse",
        target_size=(size, size),
        batch_size=profile.batch_size,
        interpolation="nearest",
        validate_filenames=False,
    )


def literal_wagf(backbone: str, image_size: int):
    """The released model as its code writes it, for its speed; the function is that of ``<backbone>-wagf-released``.

    The 3-D convolution of length C, separable convolutions as Keras's own layer; SaFA's two LSTMs are left out, as the
    released graph leaves them out. On a CPU TensorFlow's 3-D convolution gives wrong values (the chapter on the
    released code shows it), JAX's the right ones.
    """
    import keras

    pass

    image = keras.Input((image_size, image_size, 3), name="image")
    probabilities = literal_head(build_backbone(backbone, image_size, "none")(image))
    return Classifier(image, {"probabilities": probabilities}, name="literal")


def literal_head(features):
    """What :func:`literal_wagf` puts on a backbone: (B, H, W, C) symbolic to probabilities (B, 7)."""
    import keras
    from keras import layers, ops

    from wagf_src.layers import DWT2D

    _, height, width, channels = features.shape
    volume = layers.Reshape((height, width, channels, 1))(features)
    scores = layers.Conv3D(
        16, (channels, 3, 3), strides=(1, 1, channels), padding="same", activation="relu", name="soft_attention"
    )(volume)
    heads = layers.Softmax(axis=1)(layers.Reshape((height * width, 16))(scores))
    attention = ops.reshape(ops.sum(heads, axis=-1), (-1, height, width, 1))
    f_sa = layers.MaxPooling2D(2, padding="same")(features * attention)
    f_w = layers.SeparableConv2D(channels, 1, name="wavelet")(DWT2D("haar")(features))
    fused = f_sa / 2 + f_w / 3

    def convolutions(x, name, kernel, strides=1, activation=None):
        for i, (filters, size, step, activate) in enumerate(
            [(256, kernel, strides, None), (64, 3, 1, None), (1, 1, 1, activation)], start=1
        ):
            x = layers.SeparableConv2D(
                filters, size, strides=step, padding="same", activation=activate, name=f"{name}_{i}"
            )(x)
        return x

    columns = ops.transpose(convolutions(features, "difference", 5)[..., 0], (0, 2, 1))
    columns = ops.normalize(columns, axis=-1)
    similarity = ops.expand_dims(ops.matmul(columns, ops.transpose(columns, (0, 2, 1))), -1)
    maps = convolutions(features * similarity, "symmetry", 1, strides=2, activation="sigmoid")
    safa = layers.MaxPooling2D(2, padding="same")(features) * maps
    x = layers.ReLU()(layers.Concatenate()([safa, fused]))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.layers.Dense(len(CLASSES), activation="softmax", dtype="float32", name="probabilities")(x)


def _copies_case(case: dict):
    """Making copies: "offline" (the released way: decode, transform on the CPU, write a JPEG) or "virtual" (parameters)."""
    profile = _profile(case)
    data = dataset.load(dataclasses.replace(profile, max_images_per_class=24))
    paths = [str(p) for p in ham10000.find_images(data.folder, data.metadata["image_id"])]
    made = 0

    def offline(images):
        nonlocal made
        frame = pd.DataFrame({"file": [paths[i % len(paths)] for i in range(images)], "class": "x"})
        generator = _generator(
            rotation_range=profile.rotation_degrees,
            width_shift_range=profile.shift,
            height_shift_range=profile.shift,
            zoom_range=profile.zoom,
            horizontal_flip=True,
            vertical_flip=True,
            fill_mode="nearest",
        )
        batches = generator.flow_from_dataframe(
            frame,
            x_col="file",
            y_col="class",
            target_size=(profile.image_size,) * 2,
            batch_size=profile.generator_batch,
            save_to_dir=case["folder"],
            save_format="jpg",
            save_prefix=f"copy{made}",
            validate_filenames=False,
        )
        answer = _timed(lambda: [batches[i] for i in range(len(batches))], images)
        made += images
        sizes = [entry.stat().st_size for entry in os.scandir(case["folder"])]
        return answer | {"bytes_per_image": float(np.mean(sizes))}

    def virtual(images):
        rows = np.arange(images) % len(data.metadata)
        answer = _timed(lambda: _images(rows, 1 + np.arange(images), profile), images)
        return answer | {
            "bytes_per_image": float(sum(v.nbytes for v in _images(rows, rows, profile).values()) / images)
        }

    return {"offline": offline, "virtual": virtual}[case["how"]]


def _read_case(case: dict):
    """Getting float32 batches for a step: "files" (copies on disk), "photographs" (the data folder), "store" (gathered from
    the decoded array on the host), or "device" (gathered and resampled on the device, as in training)."""
    profile = _profile(case, max_images_per_class=24)
    data = dataset.load(profile)
    folder = Path(case.get("folder", ""))
    paths = sorted(folder.glob("*.jpg")) if case["how"] == "files" else None

    if case["how"] == "store":

        def read(rows):
            return data.images[rows].astype(np.float32) / np.float32(255)

    elif case["how"] == "device":
        import keras

        pass

        number, maps = keras.Input((), dtype="int32", name="number"), keras.Input((8,), name="map")
        look_up = AffineTransform()([DeviceArray(data.images)(number), maps])
        model = keras.Model({"number": number, "map": maps}, look_up)

        def read(rows):
            return model.predict_on_batch(_images(rows, 1 + rows, profile))

    def ours(images):
        rows = np.arange(images) % len(data.metadata)
        return _timed(
            lambda: [read(rows[i : i + profile.batch_size]) for i in range(0, images, profile.batch_size)], images
        )

    def released(images):
        loader = _released_loader(data, profile, images, paths)
        return _timed(lambda: [loader[i] for i in range(len(loader))], images)

    answer = ours if case["how"] in ("store", "device") else released
    return lambda images: answer(images) | {"bytes_per_image": _bytes_per_image(data, case["how"], paths)}


def _bytes_per_image(data, how, paths) -> float:
    if how in ("store", "device"):
        return float(data.images[0].nbytes)
    paths = paths or ham10000.find_images(data.folder, data.metadata["image_id"])
    return float(np.mean([path.stat().st_size for path in paths]))


def _store_case(case: dict):
    """Decoding all photographs into the store, once, into an empty cache."""
    profile = _profile(case)
    folder, metadata = dataset.folder(profile), dataset.load_metadata(profile)

    def decode(images):
        with tempfile.TemporaryDirectory(dir=case["folder"]) as cache:
            os.environ["WAGF_CACHE_DIR"] = cache
            answer = _timed(lambda: store.image_store(folder, metadata, profile.image_size), len(metadata))
            return answer | {"bytes_per_image": float(3 * profile.image_size**2)}

    return decode


# --- counted operations --------------------------------------------------------------------------------------


def count_flops(function, *shapes) -> float:
    """Floating-point operations of all convolutions and matrix products of a TensorFlow function, two a multiply-add.

    Everything else (normalisation, activation, pooling, resampling) is left out, as is usual.

    Args:
        function: of tensors.
        shapes: of its float32 arguments, batch included, all known.

    Raises:
        ValueError: for an operation that this cannot count (a loop or a call, a size that is not known).
    """
    import tensorflow as tf

    graph = tf.function(function).get_concrete_function(*(tf.TensorSpec(shape, tf.float32) for shape in shapes)).graph
    total = 0.0
    for op in graph.get_operations():
        kind = op.type
        if kind in ("Einsum", "While", "StatelessWhile", "PartitionedCall", "StatefulPartitionedCall"):
            raise ValueError(f"operations inside {kind} are not counted")
        if kind in ("Conv2D", "Conv3D"):
            each = np.prod(op.inputs[1].shape.as_list()[:-1])
        elif kind == "DepthwiseConv2dNative":
            each = np.prod(op.inputs[1].shape.as_list()[:2])
        elif kind in ("MatMul", "BatchMatMulV2"):
            transposed = op.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
            each = op.inputs[0].shape.as_list()[-2 if transposed else -1]
        else:
            continue
        total += 2.0 * each * np.prod(op.outputs[0].shape.as_list())  # a None among the factors is a TypeError
    return total


def _flops_case(_: dict):
    """{"flops", "parameters", "shape"} of a backbone, or of the head of an arm on features of a shape."""
    pass

    def count(arm, pixels=None, shape=None):
        if shape is None:
            model = build_backbone(parse_arm(arm).backbone, pixels, "none")
        else:
            model = build_head(parse_arm(arm), tuple(shape))
        flops = count_flops(lambda x: model(x, training=False), (1, *model.input_shape[1:]))
        shape = model.output_shape[1:] if shape is None else None
        return {"flops": flops, "parameters": model.count_params(), "shape": shape}

    return count


_KINDS = {
    "network": _network_case,
    "copies": _copies_case,
    "read": _read_case,
    "store": _store_case,
    "flops": _flops_case,
}


# --- comparisons ---------------------------------------------------------------------------------------------


def compare(reference: dict, cases: list[dict], rounds: int, *requests: dict) -> list[dict]:
    """Measure every case against the reference, in turns.

    Args:
        reference, cases: each ``{"label", "kind", "pixels", "quick", ...}`` as its kind takes it.
        rounds: how often both are asked, after one call each that is not counted.
        requests: what to ask, one after the other; ``what`` (or the case's kind) names the row.

    Returns:
        One row a case and request, the reference first: seconds per image (median, low, high over rounds), ratio to the
        reference (likewise; above 1 is faster), seconds of start and first call, peak memory. A case whose process
        ends is left out, with a line that says so.
    """
    rows, own = [], {}
    with Worker(reference) as first:
        warm = {}
        for case in cases or [None]:
            try:
                with contextlib.ExitStack() as stack:
                    second = stack.enter_context(Worker(case)) if case else None
                    for request in requests:
                        key = json.dumps(request)
                        warm[key] = warm.get(key) or first.ask(**request)
                        begun = second.ask(**request) if second else None
                        mine, theirs = [], []
                        for k in range(rounds):
                            turns = [(first, mine), (second, theirs)] if second else [(first, mine)]
                            for worker, into in turns if k % 2 == 0 else turns[::-1]:
                                into.append(worker.ask(**request))
                        own.setdefault(key, []).extend(mine)
                        if second:
                            rows.append(_row(second, reference["label"], request, begun, theirs, mine))
                        print(f"  {_sentence(rows[-1]) if rows else reference['label']}", flush=True)
            except UserError as error:
                print(f"  left out: {error}", flush=True)
        head = [_row(first, "", r, warm[json.dumps(r)], own[json.dumps(r)]) for r in requests if json.dumps(r) in own]
    return head + rows


def _row(worker, reference, request, begun, answers, against=None) -> dict:
    case, each = worker.case, np.array([a["seconds"] / a["images"] for a in answers])
    row = {
        "case": case["label"],
        "what": request.get("what", case["kind"]),
        "pixels": case["pixels"],
        "batch": case.get("batch"),
        "backend": case.get("backend", "tensorflow"),
        "precision": case.get("precision", "float32"),
        "rounds": len(answers),
        "images": answers[0]["images"],
        "seconds_per_image": np.median(each),
        "seconds_low": each.min(),
        "seconds_high": each.max(),
        "fit_share": np.median([a["fit"] / a["seconds"] for a in answers]) if "fit" in answers[0] else None,
        "start_seconds": worker.start_seconds,
        "first_seconds": begun["seconds"],
        "peak_mib": answers[-1]["peak_mib"],
        "bytes_per_image": answers[-1].get("bytes_per_image"),
        "reference": reference,
    }
    if against:
        ratios = np.array([a["seconds"] / a["images"] for a in against]) / each
        row |= {"ratio": np.median(ratios), "ratio_low": ratios.min(), "ratio_high": ratios.max()}
    return row


def _sentence(row) -> str:
    return (
        f"{row['case']}, {row['what']}, {row['pixels']} px, {row['backend']} {row['precision']}: "
        f"{1 / row['seconds_per_image']:.4g} images/s, "
        f"{row['ratio']:.3f} times as fast [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}] as the reference ({row['reference']})"
    )


def measure_data(scale: Scale, quick: bool) -> list[dict]:
    pixels, files = scale.data
    with tempfile.TemporaryDirectory() as folder:
        copies, cache = Path(folder) / "copies", Path(folder) / "cache"
        copies.mkdir()
        cache.mkdir()
        same = {"pixels": pixels, "quick": quick, "batch": 64, "folder": str(copies)}
        rows = compare(
            {"label": "offline copies on disk", "kind": "copies", "how": "offline", **same},
            [{"label": "virtual copies", "kind": "copies", "how": "virtual", **same}],
            scale.rounds,
            {"images": files},
        )
        rows += compare(
            {"label": "copies from disk, decoded every epoch", "kind": "read", "how": "files", **same},
            [
                {"label": "photographs, decoded every epoch", "kind": "read", "how": "photographs", **same},
                {"label": "decoded store", "kind": "read", "how": "store", **same},
                {"label": "decoded store, resampled on the device", "kind": "read", "how": "device", **same},
            ],
            scale.rounds,
            {"images": files},
        )
        store = {"label": "decoding all images, once", "kind": "store", **same, "folder": str(cache)}
        rows += compare(store, [], 3, {"images": 0})
    profile = _profile({"pixels": pixels, "quick": quick})
    metadata = dataset.load_metadata(profile)
    left = np.setdiff1d(np.arange(len(metadata)), protocol.test_rows(metadata, profile.test_seed))
    # What the paper's protocol would hold, for scaling: files on disk, files read in an epoch.
    n_files = len(protocol.virtual_files(metadata, left, profile))
    offline = dataclasses.replace(profile, augmentation="offline", validation="copies", validation_fraction=0.3)
    n_epoch = len(protocol.split(metadata, offline).train)
    scaled = {"copies": n_files, "read": n_epoch, "store": len(metadata)}
    return [row | {"scaled_to": scaled[row["what"]]} for row in rows]


def measure_arms(scale: Scale, quick: bool) -> list[dict]:
    rows = []
    for pixels, batch in scale.batch.items():

        def case(arm, label=None, pixels=pixels, batch=batch, **more):
            same = {"kind": "network", "pixels": pixels, "batch": batch, "quick": quick}
            return {"label": label or arm, "arm": arm, **same, **more}

        requests = [{"what": what, "images": 2 * batch} for what in ("train", "predict")]
        if scale.arms:
            rows += compare(case(scale.reference), [case(arm) for arm in scale.arms], scale.network_rounds, *requests)
        # Keras 3 writes a batch normalisation out (``fast``), Keras 2 did not: the literal form in both.
        literal = case(scale.literal, f"{scale.literal}, literal", literal=True, fused=False)
        as_keras_2 = case(scale.literal, f"{scale.literal}, literal, fused batch normalisation", literal=True)
        rows += compare(literal, [as_keras_2, case(scale.literal)], scale.network_rounds, *requests)
    return rows


def measure_epoch(scale: Scale, quick: bool) -> list[dict]:
    pixels, images = scale.epoch
    same = {
        "kind": "network",
        "arm": "mobilenetv2-base",
        "pixels": pixels,
        "batch": min(64, images // 2),
        "quick": quick,
    }
    return compare(
        {"label": "images ready on the device", "input": "ready", **same},
        [
            {"label": "ours: look-up and affine map on the device", "input": "device", **same},
            {"label": "released loaders, from files", "input": "files", **same},
        ],
        scale.rounds,
        {"what": "epoch", "images": images},
    )


def measure_backends(scale: Scale, quick: bool) -> list[dict]:
    pixels, arms = scale.backends
    backends = ["tensorflow"] + ["jax"] * _installed("jax")
    rows = []
    for arm in arms:
        cases = [
            {
                "label": arm,
                "kind": "network",
                "arm": arm,
                "pixels": pixels,
                "batch": 4 if quick else 32,
                "quick": quick,
                "backend": backend,
                "precision": precision,
            }
            for backend in backends
            for precision in ("float32", "mixed_bfloat16")
        ]
        requests = [{"what": what, "images": 2 * cases[0]["batch"]} for what in ("train", "predict")]
        rows += compare(cases[0], cases[1:], scale.network_rounds, *requests)
    return rows


def measure_tried(scale: Scale, quick: bool) -> list[dict]:
    pixels, arm = scale.backends[0], "mobilenetv2-base"
    same = {"kind": "network", "arm": arm, "pixels": pixels, "batch": 4 if quick else 64, "quick": quick}
    return compare(
        {"label": "as training does it", **same},
        [{"label": label, **same, **changes} for label, changes in scale.tried],
        scale.network_rounds,
        {"what": "train", "images": 8 * same["batch"]},
    )


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


# --- what a profile costs ------------------------------------------------------------------------------------

# Published rates of training at 224 px on one GPU, mixed precision, images/s. ResNet-50 there is version 1.5, a little
# more work than Keras's.
_GITHUB = "https://github.com"
SOURCES = {
    "timm": f"{_GITHUB}/huggingface/pytorch-image-models/blob/5e7d47ca105a59a39778102d3276291d6db5dd32/results/"
    "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv",
    "NVIDIA": f"{_GITHUB}/NVIDIA/DeepLearningExamples/blob/1d4211fe9d94550d7bc72bb9b0ac4f576533ca52/TensorFlow/"
    "Classification/ConvNets/resnet50v1.5/README.md",
    "A100": "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf",
}
PUBLISHED = (
    ("RTX 3090", "densenet121", 913.65, "timm"),
    ("RTX 3090", "resnet50", 1218.01, "timm"),
    ("RTX 3090", "mobilenetv2", 2313.10, "timm"),
    ("V100 (16 GB)", "resnet50", 1270.0, "NVIDIA"),
    ("A100 (40 GB)", "resnet50", 2375.0, "NVIDIA"),
)
PUBLISHED_PIXELS = 224
A100_BYTES_PER_SECOND = 1.555e12  # memory bandwidth of the 40 GB card (SOURCES["A100"])
TRAINING = 3  # operations of a training step over those of a forward pass: the backward pass is two more


class Counter:
    """Operations and parameters of any arm at any size, each backbone counted once."""

    def __init__(self, worker):
        self.worker = worker

    @functools.cache  # noqa: B019 (as long-lived as the program)
    def backbone(self, backbone: str, pixels: int) -> dict:
        return self.worker.ask(arm=f"{backbone}-base", pixels=pixels)

    @functools.cache  # noqa: B019
    def head(self, arm: str, pixels: int) -> dict:
        return self.worker.ask(arm=arm, shape=self.backbone(parse_arm(arm).backbone, pixels)["shape"])

    def forward(self, arm: str, pixels: int) -> float:
        """Operations of one image forward."""
        return self.backbone(parse_arm(arm).backbone, pixels)["flops"] + self.head(_network_of(arm), pixels)["flops"]


def _network_of(arm: str) -> str:
    """The arm's name without what does not change the network: initial weights and learning rate."""
    part = parse_arm(arm)
    return arm.split("-lr")[0].removesuffix("-random") if part.weights or part.learning_rate else arm


def training_rates(counter: Counter) -> dict[str, dict[str, float]]:
    """Operations per second in training, by device and backbone, from the published rates."""
    found = {}
    for device, backbone, rate, _ in PUBLISHED:
        found.setdefault(device, {})[backbone] = TRAINING * rate * counter.forward(f"{backbone}-base", PUBLISHED_PIXELS)
    whole = found["RTX 3090"]
    for of_device in found.values():
        for backbone in whole:  # where only ResNet-50 was published, in the RTX 3090's proportion
            of_device.setdefault(backbone, of_device["resnet50"] * whole[backbone] / whole["resnet50"])
    return found


def measured_rates(counter: Counter, arms: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Operations per second in training on the machine of arms.csv, by network and side in pixels."""
    found = {}
    for row in arms[arms["what"] == "train"].itertuples():
        if ", literal" not in row.case:
            flops = TRAINING * counter.forward(row.case, row.pixels)
            found.setdefault(row.case, {})[row.pixels] = flops / row.seconds_per_image
    return found


def profile_work(counter: Counter, profile: Profile) -> pd.DataFrame:
    """Operations of every run of a profile: columns run, arm, training_images (all epochs), training, evaluation.

    Raises:
        UserError: if the profile's data are not there.
    """
    metadata = dataset.load_metadata(profile)
    split = protocol.split(metadata, profile)
    held = len(split.validation) + len(split.test)
    frozen = profile.train == "frozen"
    views = 8 if profile.augmentation == "dihedral" else 1
    rows = []
    for run in profile.runs():
        arm = split_run(run)[0]
        part = parse_arm(arm)
        body = counter.backbone(part.backbone, profile.image_size)["flops"]
        top = 0.0 if part.modules == "probe" else counter.head(_network_of(arm), profile.image_size)["flops"]
        drawn = profile.images_per_epoch if profile.augmentation == "online" else None
        images = 0 if part.modules == "probe" else profile.epochs * (drawn or len(split.train))
        seen = profile.epochs * held + (profile.test_views - 1) * held  # every epoch, and the views at the end
        each = top if frozen else body + top
        rows.append((run, arm, images, TRAINING * images * each, seen * each))
    if frozen:  # features are computed once for all runs
        rows.append(("features", f"{part.backbone}-base", 0, 0.0, views * len(metadata) * body))
    return pd.DataFrame(rows, columns=["run", "arm", "training_images", "training", "evaluation"])


def cost(scale: Scale, quick: bool, arms: pd.DataFrame | None) -> dict[str, list[dict]]:
    """Tables ``flops`` (arm and side), ``profiles`` (profile and device) and ``derived`` (targets on one GPU)."""
    names = ["demo"] if quick else sorted(path.stem for path in paths.PROFILES_DIR.glob("*.yaml"))
    profiles = [load_profile(name) for name in names]
    with Worker({"label": "operations", "kind": "flops", "environment": {"CUDA_VISIBLE_DEVICES": "-1"}}) as worker:
        counter = Counter(worker)
        shown = (scale.reference, *scale.arms, scale.literal)
        flops = [
            {
                "arm": arm,
                "pixels": pixels,
                "flops_forward": counter.forward(arm, pixels),
                "flops_training": TRAINING * counter.forward(arm, pixels),
                "parameters": counter.backbone(parse_arm(arm).backbone, pixels)["parameters"]
                + counter.head(arm, pixels)["parameters"],
                "image_bytes": 3 * pixels**2,
            }
            for arm in dict.fromkeys(shown)
            for pixels in scale.cost_sides
        ]
        published = training_rates(counter)
        here = measured_rates(counter, arms) if arms is not None else {}
        machine = arms["provenance"].iloc[0].split("; ")[1] if here else ""  # it need not be the one that counts
        hours = []
        for profile in profiles:
            try:
                work = profile_work(counter, profile)
            except UserError as error:
                print(f"  {profile.name}: left out ({str(error).split('; ')[0]})")
                continue
            hours += _profile_rows(profile, work, published, here, machine)
        derived = _derived(counter, published["A100 (40 GB)"]) if not quick else []
    return {"flops": flops, "profiles": hours, "derived": derived}


def _profile_rows(profile: Profile, work: pd.DataFrame, published, here, machine: str) -> list[dict]:
    total = work["training"] + work["evaluation"]
    same = {
        "profile": profile.name,
        "pixels": profile.image_size,
        "arms": len(profile.arms),
        "seeds": len(profile.seeds),
        "runs": len(profile.runs()),
        "epochs": profile.epochs,
        "training_images": int(work["training_images"].sum()),
        "petaflops": total.sum() / 1e15,
    }
    backbones = [parse_arm(arm).backbone for arm in work["arm"]]
    rows = [
        same
        | {
            "device": device,
            "basis": "derived from published rates",
            "hours": sum(t / rates[b] for t, b in zip(total, backbones)) / 3600,
            "source": " ".join(
                SOURCES[key] for key in dict.fromkeys(s for d, _, _, s in PUBLISHED if d in (device, "RTX 3090"))
            ),
        }
        for device, rates in published.items()
    ]
    if here:
        seconds = [t / (_rate_here(here, a, profile.image_size) or np.nan) for t, a in zip(total, work["arm"])]
        basis = "derived from this benchmark's training steps"
        rows.append(same | {"device": machine, "basis": basis, "hours": np.sum(seconds) / 3600})
    runs = load_runs(profile.name, required=False)
    if {run.name for run in runs} >= set(profile.runs()):
        ours = [run.info for run in runs if run.name in profile.runs()]
        device = " / ".join(dict.fromkeys(f"{i['environment']['cpu']}, {i['environment']['device']}" for i in ours))
        wall = sum(info["wall_seconds"] for info in ours) / 3600
        rows.append(same | {"device": device, "basis": "measured: wall time of the runs", "hours": wall})
    return rows


def _rate_here(here, arm: str, pixels: int) -> float | None:
    """The measured rate of the arm's network, else of its plain backbone, at the nearest side measured."""
    of_network = here.get(_network_of(arm)) or here.get(f"{parse_arm(arm).backbone}-base")
    return of_network[min(of_network, key=lambda side: abs(side - pixels))] if of_network else None


def _derived(counter: Counter, a100) -> list[dict]:
    """The targets on one GPU that no GPU was at hand for: DenseNet-121, 160 px, and a whole Table 1 of one seed."""
    pixels, arm = 160, "densenet121-base"
    rate = a100["densenet121"] / (TRAINING * counter.forward(arm, pixels))
    # A byte look-up written as floats, then four neighbours read for every value written.
    moved = 3 * pixels**2 * (1 + 4 + 4 * 4 + 4)
    input_seconds = moved / A100_BYTES_PER_SECOND
    profile = dataclasses.replace(
        load_profile("released"),
        seeds=(0,),
        arms=("mobilenetv2-base", "resnet50-base", "densenet121-base")
        + tuple(f"densenet121-{m}-described" for m in ("sa", "sa-gf", "wagf")),
    )
    rows = [
        ("DenseNet-121, 160 px: images/s in training", rate, "images/s", None),
        ("bytes that look-up and resampling move for an image", moved, "bytes", None),
        ("share of the rate without look-up and resampling", 1 / (1 + rate * input_seconds), "", 0.7),
        ("the same if they ran at a tenth of the memory bandwidth", 1 / (1 + 10 * rate * input_seconds), "", 0.7),
    ]
    with contextlib.suppress(UserError):  # without the metadata, no number of images
        work = profile_work(counter, profile)
        split = protocol.split(dataset.load_metadata(profile), profile)
        seconds = sum((r.training + r.evaluation) / a100[parse_arm(r.arm).backbone] for r in work.itertuples())
        rows += [
            (f"DenseNet-121, 160 px: an epoch of {len(split.train):,} images", len(split.train) / rate, "s", None),
            (f"the six rows of Table 1, {profile.epochs} epochs, validation included", seconds / 60, "minutes", 30.0),
        ]
        store = len(dataset.load_metadata(profile)) * 3 * pixels**2 / 1e9
        rows.append((f"all images on the device, {pixels} px", store, "GB", None))
    device = "A100 (40 GB), mixed precision"
    return [
        {
            "device": device,
            "quantity": q,
            "value": v,
            "unit": u,
            "target": t,
            "basis": "derived",
            "source": " ".join(SOURCES.values()),
        }
        for q, v, u, t in rows
    ]


# --- command line --------------------------------------------------------------------------------------------


def provenance(quick: bool, git: dict) -> str:
    """One line: data, machine, versions, commit (``results.git_state``), load at the start."""
    profile = _profile({"pixels": 32, "quick": quick})
    paths = ham10000.find_images(dataset.folder(profile), dataset.load_metadata(profile)["image_id"][:1])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ("tensorflow", "tensorflow-cpu", "jax", "keras", "numpy", "pillow")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages if _installed(name)]
    commit = f"commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git["commit"] else "no commit"
    parts = [
        ham10000.dataset_name(dataset.folder(profile), paths),
        f"{processor()}, {cores} cores",
        f"Python {platform.python_version()}, {', '.join(versions)}",
        commit,
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return "; ".join(parts + ["smallest form: says nothing about speed"] * quick)


def main(words=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src.bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="every part in its smallest form, on synthetic images")
    parser.add_argument(
        "--out", type=Path, help="folder for the files (default: results/bench, quick: results/bench-quick)"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.worker:
        _work(json.loads(arguments.worker))
        return 0
    try:
        unknown = [part for part in arguments.parts if part not in PARTS]
        if unknown:
            raise UserError(f"no part {unknown[0]!r}; parts: {', '.join(PARTS)}")
        _run(arguments.parts or PARTS, arguments.quick, arguments.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(parts, quick: bool, out: Path | None) -> None:
    scale = QUICK if quick else FULL
    out = out or paths.RESULTS_DIR / ("bench-quick" if quick else "bench")
    measure = {
        "data": measure_data,
        "arms": measure_arms,
        "epoch": measure_epoch,
        "backends": measure_backends,
        "tried": measure_tried,
    }
    git = git_state()  # before the first file is written: each would count as a change to the next part
    for part in PARTS:
        if part not in parts:
            continue
        rests_on, started = provenance(quick, git), time.perf_counter()
        print(f"{part}", flush=True)
        if part == "cost":
            arms = pd.read_csv(out / "arms.csv") if (out / "arms.csv").is_file() else None
            tables = cost(scale, quick, arms)
        else:
            tables = {part: measure[part](scale, quick)}
        for name, rows in tables.items():
            atomic.write_csv(out / f"{name}.csv", pd.DataFrame(rows).assign(provenance=rests_on))
        print(f"  {time.perf_counter() - started:.0f} s; {short(out)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
