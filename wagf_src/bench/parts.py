"""What is compared: each part gives the rows of the file of its name."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from wagf_src.arms import READINGS
from wagf_src.bench import images
from wagf_src.bench.turns import compare
from wagf_src.data import dataset, protocol
from wagf_src.machine import version

REFERENCE = "densenet121-base"
LITERAL = "densenet121-wagf-released"  # whose literal form is timed
FASTEST = "mobilenetv2-base"  # where everything but the network weighs most
# Each against REFERENCE.
ARMS = [FASTEST, "resnet50-base", *(f"densenet121-{m}-{r}" for r in READINGS for m in ("sa", "sa-gf", "wagf"))]

# Sides in pixels and batches. At 256 px two networks with their activations have to fit side by side (about 17 GB).
SIDES = {128: 64, 160: 64, 256: 32}

# What was tried to make a training step faster: label, and what it changes in the case. TensorFlow's affine resampling
# cannot be compiled by XLA, so that network is given one batch that is ready: it saves the input on top.
TRIED = (
    ("compiled by XLA, no input", {"input": "ready", "compile": {"jit_compile": True}}),
    ("eight steps a call", {"compile": {"steps_per_execution": 8}}),
    ("batch of 32", {"batch": 32}),
    ("batch of 128", {"batch": 128}),
    ("one thread", {"environment": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}}),
    ("without oneDNN", {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}),
    ("tf.data tuning itself", {"keras": ["batches"]}),
    ("Keras's own batch normalisation", {"keras": ["normalisation"]}),
    ("Keras's own Adam", {"keras": ["optimizer"]}),
)

PEERS = (("mobilenetv2-base", 64), ("densenet121-base", 32))  # arms and batches, against torchvision's network
PEERS_SIDES = (128, 160)


def _train_and_predict(images: int) -> list[dict]:
    return [{"what": what, "images": images} for what in ("train", "predict")]


def data(quick: bool) -> list[dict]:
    """Offline copies on disk against virtual ones; reading files again every epoch against the decoded store."""
    pixels, files, rounds = (32, 24, 2) if quick else (160, 500, 10)
    with tempfile.TemporaryDirectory() as folder:
        copies, cache = Path(folder) / "copies", Path(folder) / "cache"
        copies.mkdir()
        cache.mkdir()

        def case(kind, label, how=None, folder=copies):
            same = {"pixels": pixels, "quick": quick, "batch": 64, "folder": str(folder)}
            return {"kind": kind, "label": label, "how": how, **same}

        virtual = case("copies", "virtual copies", "virtual")
        rows = compare(case("copies", "offline copies on disk", "offline"), [virtual], rounds, {"images": files})
        reads = [
            case("read", "photographs, decoded every epoch", "photographs"),
            case("read", "decoded store", "store"),
            case("read", "decoded store, resampled on the device", "device"),
        ]
        from_disk = case("read", "copies from disk, decoded every epoch", "files")
        rows += compare(from_disk, reads, rounds, {"images": files})
        rows += compare(case("store", "decoding all images, once", folder=cache), [], 3, {"images": 0})
    profile = images.profile({"pixels": pixels, "quick": quick})
    metadata = dataset.load_metadata(profile)
    left = np.setdiff1d(np.arange(len(metadata)), protocol.test_rows(metadata, profile.test_seed))
    paper = dataclasses.replace(profile, augmentation="offline", validation="copies", validation_fraction=0.3)
    scaled = {  # what the paper's protocol would hold: files on disk, files read in an epoch
        "copies": len(protocol.virtual_files(metadata, left, profile)),
        "read": len(protocol.split(metadata, paper).train),
        "store": len(metadata),
    }
    return [row | {"scaled_to": scaled[row["what"]]} for row in rows]


def arms(quick: bool) -> list[dict]:
    """Training step, inference and memory of every arm, and the released model written literally."""
    rows, rounds = [], 2 if quick else 3
    for pixels, batch in ({32: 4} if quick else SIDES).items():

        def case(arm, label=None, pixels=pixels, batch=batch, **more):
            same = {"kind": "network", "pixels": pixels, "batch": batch, "quick": quick}
            return {"label": label or arm, "arm": arm, **same, **more}

        if not quick:
            rows += compare(case(REFERENCE), [case(arm) for arm in ARMS], rounds, *_train_and_predict(2 * batch))
        # Keras 3 writes a batch normalisation out, Keras 2 did not: the literal form in both.
        arm = "mobilenetv2-wagf-released" if quick else LITERAL
        literal = case(arm, f"{arm}, literal", literal=True, keras=["normalisation"])
        as_keras_2 = case(arm, f"{arm}, literal, fused batch normalisation", literal=True)
        rows += compare(literal, [as_keras_2, case(arm)], rounds, *_train_and_predict(2 * batch))
    return rows


def epoch(quick: bool) -> list[dict]:
    """What the input costs: images ready on the device, ours, and the released loaders."""
    pixels, n, batch, rounds = (32, 16, 8, 2) if quick else (160, 1024, 64, 10)

    def case(label, source):
        same = {"kind": "network", "arm": FASTEST, "pixels": pixels, "batch": batch, "quick": quick}
        return {"label": label, "input": source, **same}

    ours = case("ours: look-up and affine map on the device", "device")
    cases = [ours, case("released loaders, from files", "files")]
    return compare(case("images ready on the device", "ready"), cases, rounds, {"what": "epoch", "images": n})


def backends(quick: bool) -> list[dict]:
    """TensorFlow and JAX, float32 and bfloat16."""
    pixels, batch, rounds = (32, 4, 2) if quick else (128, 32, 3)
    rows = []
    for arm in (FASTEST,) if quick else (FASTEST, "densenet121-wagf-described"):
        same = {"label": arm, "kind": "network", "arm": arm, "pixels": pixels, "batch": batch, "quick": quick}
        cases = [
            {**same, "backend": backend, "precision": precision}
            for backend in (b for b in ("tensorflow", "jax") if b == "tensorflow" or version(b))
            for precision in ("float32", "mixed_bfloat16")
        ]
        rows += compare(cases[0], cases[1:], rounds, *_train_and_predict(2 * batch))
    return rows


def tried(quick: bool) -> list[dict]:
    """Other ways to run the same training step, against the one that training uses."""
    pixels, batch, rounds = (32, 4, 2) if quick else (128, 64, 3)
    same = {"kind": "network", "arm": FASTEST, "pixels": pixels, "batch": batch, "quick": quick}
    cases = [{"label": label, **same, **changes} for label, changes in (TRIED[1:2] if quick else TRIED)]
    request = {"what": "train", "images": 8 * batch}
    return compare({"label": "as training does it", **same}, cases, rounds, request)


def peers(quick: bool, python: str) -> list[dict]:
    """PyTorch's networks, ours as training runs it, and ours on Keras's torch backend: same batch, same pixels.

    Args:
        python: of an environment with requirements/peers.txt.
    """
    rows, rounds, steps = [], 2 if quick else 3, 2 if quick else 4
    for arm, batch in ((FASTEST, 4),) if quick else PEERS:
        for pixels in (32,) if quick else PEERS_SIDES:

            def case(label, kind, backend, arm=arm, batch=batch, pixels=pixels, **more):
                same = {"arm": arm, "pixels": pixels, "batch": batch, "quick": quick, "photographs": True}
                return {"label": f"{arm}, {label}", "kind": kind, "backend": backend, **same, **more}

            cases = [
                case("ours", "network", "tensorflow"),
                case("ours on PyTorch", "network", "torch", python=python),
                case("PyTorch, compiled", "pytorch", "torch", python=python, compiled=True),
            ]
            reference = case("PyTorch", "pytorch", "torch", python=python)
            # The first call is one step: what compilation and the first step take.
            rows += compare(reference, cases, rounds, *_train_and_predict(steps * batch), first_images=batch)
    return rows


PARTS = {"data": data, "arms": arms, "epoch": epoch, "backends": backends, "tried": tried, "peers": peers}
