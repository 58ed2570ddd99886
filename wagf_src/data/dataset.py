"""A profile's data, ready for use: checked metadata and decoded images, the same way for real and synthetic data."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic
from wagf_src.data import ham10000, protocol, store, synthetic
from wagf_src.errors import UserError
from wagf_src.paths import cache_dir, data_dir, short
from wagf_src.profile import Profile


@dataclass(frozen=True)
class Dataset:
    """``images`` (n, S, S, 3) uint8 in the row order of ``metadata``; ``name`` as every result states it."""

    name: str
    folder: Path
    metadata: pd.DataFrame
    metadata_md5: str  # of the file
    metadata_digest: str  # of what it says
    images: np.ndarray
    image_digest: str

    @property
    def labels(self) -> np.ndarray:
        return protocol.labels(self.metadata)

    def further_digest(self, number: int) -> str | None:
        """Of what a network of so many channels is given beside the images; None for three channels.

        Raises:
            UserError: see :meth:`channels`.
        """
        return None if number == 3 else hashlib.sha256(self._masks).hexdigest()

    def channels(self, number: int) -> np.ndarray:
        """What a network is given, (n, S, S, number) uint8: 3, the images; 4, their masks (0 or 255) behind them.

        Raises:
            UserError: the folder holds no masks.
        """
        if number == 3:
            return self.images
        return np.concatenate([self.images, 255 * self._masks[..., None].astype(np.uint8)], axis=-1)

    @cached_property
    def _masks(self) -> np.ndarray:
        """(n, S, S) bool, decoded once a process: what makes a run stale asks for them as well as the run itself."""
        masks = store.load_masks(self.folder, self.metadata["image_id"], self.images.shape[1])
        if masks is None:
            raise UserError(
                f"{short(self.folder)}: no lesion masks, which this network is given; add them beside the images"
            )
        return masks


def folder(profile: Profile) -> Path:
    """Where the profile's images are; synthetic ones are made when they are not there yet (seconds)."""
    if profile.synthetic:
        return synthetic.generate(cache_dir() / f"synthetic-{profile.synthetic_lesions}", profile.synthetic_lesions)
    return data_dir()


def load_metadata(profile: Profile) -> pd.DataFrame:
    """The metadata of all images that the profile uses."""
    metadata = ham10000.load_metadata(folder(profile))
    if profile.max_images_per_class is not None:
        metadata = protocol.subsample(metadata, profile.max_images_per_class)
    return metadata


def load(profile: Profile) -> Dataset:
    """Load a profile's data; the first call decodes the images, later ones map the decoded array.

    Raises:
        UserError: data missing, incomplete or corrupt.
    """
    where, metadata = folder(profile), load_metadata(profile)
    images, image_digest, source_size = store.image_store(where, metadata, profile.image_size, profile.resize)
    return Dataset(
        name=ham10000.dataset_name(where, metadata, source_size),
        folder=where,
        metadata=metadata,
        metadata_md5=atomic.file_digest(ham10000.find_metadata(where), "md5"),
        metadata_digest=ham10000.metadata_digest(metadata),
        images=images,
        image_digest=image_digest,
    )
