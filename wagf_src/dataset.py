"""A profile's data, ready for use: checked metadata and decoded images, the same way for real and synthetic data."""

import contextlib
import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import ham10000, protocol, synthetic
from wagf_src.config import Profile, cache_dir, data_dir
from wagf_src.results import file_digest


@dataclass(frozen=True)
class Dataset:
    """``images`` (n, S, S, 3) uint8 in the row order of ``metadata``; ``name`` as every result states it."""

    name: str
    folder: Path
    metadata: pd.DataFrame
    metadata_md5: str
    images: np.ndarray
    image_digest: str

    @property
    def labels(self) -> np.ndarray:
        return protocol.labels(self.metadata)


def folder(profile: Profile) -> Path:
    """Where the profile's images are; synthetic ones are made when they are not there yet (seconds)."""
    if profile.synthetic:
        return synthetic.generate(cache_dir() / f"synthetic-{profile.synthetic_lesions}", profile.synthetic_lesions)
    return data_dir()


def load_metadata(profile: Profile) -> pd.DataFrame:
    """The metadata of all images that the profile uses."""
    metadata = ham10000.load_metadata(folder(profile))
    if profile.max_images_per_class is not None:
        metadata = protocol.handful(metadata, profile.max_images_per_class)
    return metadata


def load(profile: Profile) -> Dataset:
    """Load a profile's data; the first call decodes the images, later ones map the decoded array.

    Raises:
        UserError: data missing, incomplete or corrupt.
    """
    set_autotune(False)
    where, metadata = folder(profile), load_metadata(profile)
    paths = ham10000.find_images(where, metadata["image_id"])
    name = ham10000.dataset_name(where, paths)
    if profile.max_images_per_class is not None:
        name += f", {len(metadata)} images only"
    images, image_digest = ham10000.image_store(where, metadata, profile.image_size, profile.resize)
    return Dataset(
        name=name,
        folder=where,
        metadata=metadata,
        metadata_md5=file_digest(ham10000.find_metadata(where), "md5"),
        images=images,
        image_digest=image_digest,
    )


def set_autotune(enabled: bool) -> None:
    """Whether tf.data tunes itself below Keras's ``fit`` and ``predict``; without TensorFlow, nothing to do.

    A tuning thread sleeps 10, 20, 40 ms and so on up to a minute (the period in tensorflow/core/framework/model.h), and
    when an epoch ends, TensorFlow (2.21) often waits for it to wake: the epoch lasts 2.6, 5.1, 10, 20, 41, 82 or 142 s
    (chapter "Speed and cost"). There is nothing to tune in a look-up by number. No number but the time depends on it, so
    it stands outside the training code, whose changes make finished runs stale.
    """
    keras = sys.modules.get("keras")
    if keras is None or keras.backend.backend() != "tensorflow":
        return
    with contextlib.suppress(ImportError, AttributeError):  # no public switch; another Keras is slower, not wrong
        from keras.src.trainers.data_adapters import array_data_adapter, py_dataset_adapter

        for adapter in (array_data_adapter.ArrayDataAdapter, py_dataset_adapter.PyDatasetAdapter):
            original = getattr(adapter.get_tf_dataset, "__wrapped__", adapter.get_tf_dataset)
            adapter.get_tf_dataset = _with_autotune(original, enabled)


def _with_autotune(get_tf_dataset, enabled: bool):
    @functools.wraps(get_tf_dataset)
    def wrapped(self):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = enabled
        return get_tf_dataset(self).with_options(options)

    return wrapped
