"""Copies made and images read, ours and the released way."""

import os
import tempfile
from pathlib import Path

import numpy as np

from wagf_src.bench import images as bench_images
from wagf_src.bench.worker import timed
from wagf_src.data import dataset, store


def copies(case: dict):
    """Making copies: "offline" (the released way: decode, transform, write a JPEG) or "virtual" (parameters)."""
    profile = bench_images.profile(case, **bench_images.FEW)
    data = dataset.load(profile)
    files = bench_images.files(data)
    made = 0

    def offline(images):
        nonlocal made
        ranges = {"rotation_range": profile.rotation_degrees, "zoom_range": profile.zoom, "fill_mode": "nearest"}
        ranges |= dict.fromkeys(("width_shift_range", "height_shift_range"), profile.shift)
        ranges |= dict.fromkeys(("horizontal_flip", "vertical_flip"), True)
        flow = {"batch_size": profile.generator_batch, "save_format": "jpg", "save_prefix": f"copy{made}"}
        taken = [files[i % len(files)] for i in range(images)]
        batches = bench_images.generator(taken, "x", profile, ranges, save_to_dir=case["folder"], **flow)
        answer = timed(lambda: [batches[i] for i in range(len(batches))], images)
        made += images
        return answer | {"bytes_per_image": np.mean([entry.stat().st_size for entry in os.scandir(case["folder"])])}

    def virtual(images):
        rows = np.arange(images) % len(data.metadata)
        answer = timed(lambda: bench_images.feed(rows, 1 + np.arange(images), profile), images)
        values = bench_images.feed(rows, rows, profile).values()
        return answer | {"bytes_per_image": sum(v.nbytes for v in values) / images}

    return {"offline": offline, "virtual": virtual}[case["how"]]


def read(case: dict):
    """Getting float32 batches for a step.

    ``how``: by the released loaders, "files" (copies on disk) or "photographs" (the data folder); from the array,
    "store" (gathered on the host) or "device" (gathered and resampled on the device, as in training).
    """
    profile = bench_images.profile(case, **bench_images.FEW)
    data = dataset.load(profile)
    how, batch = case["how"], profile.batch_size
    if how in ("files", "photographs"):
        files = sorted(Path(case["folder"]).glob("*.jpg")) if how == "files" else bench_images.files(data)
        size = np.mean([file.stat().st_size for file in files])

        def released(images):
            loader = bench_images.released_loader(files, data.labels, profile, images)
            return timed(lambda: [loader[i] for i in range(len(loader))], images) | {"bytes_per_image": size}

        return released

    if how == "device":
        from wagf_src.bench.cases.network import device_inputs  # the other ways need no Keras

        model = device_inputs(data.images)

        def batch_of(rows):
            return model.predict_on_batch(bench_images.feed(rows, 1 + rows, profile))
    else:

        def batch_of(rows):
            return data.images[rows].astype(np.float32) / np.float32(255)

    def ours(images):
        rows = np.arange(images) % len(data.metadata)
        answer = timed(lambda: [batch_of(rows[i : i + batch]) for i in range(0, images, batch)], images)
        return answer | {"bytes_per_image": data.images[0].nbytes}

    return ours


def store_once(case: dict):
    """Decoding all photographs into the store, once, into an empty cache."""
    profile = bench_images.profile(case)
    folder, metadata = dataset.folder(profile), dataset.load_metadata(profile)

    def decode(images):
        with tempfile.TemporaryDirectory(dir=case["folder"]) as cache:
            os.environ["WAGF_CACHE_DIR"] = cache
            answer = timed(lambda: store.image_store(folder, metadata, profile.image_size), len(metadata))
            return answer | {"bytes_per_image": 3 * profile.image_size**2}

    return decode
