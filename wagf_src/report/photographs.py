"""Lesion masks and photographs of test images, from the data folder; no photograph of a patient is ever kept."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from wagf_src import atomic
from wagf_src.data import dataset, ham10000, protocol, store
from wagf_src.errors import UserError
from wagf_src.profile import known_profile
from wagf_src.runs import Run
from wagf_src.stats import attention


def folder(profile: str, run: Run) -> Path:
    """Where the images of a profile's run are."""
    # A profile file of the reader's own may be gone since: its settings stand in its runs.
    return dataset.folder(known_profile(profile) or run.made_with)


def holds(where: Path, run: Run) -> bool:
    """Whether a folder's metadata are those that a run was made with: the same file, or one that says the same.

    Raises:
        UserError: the folder has no metadata, or they cannot be read.
    """
    known, most = run.info["data"], run.settings["max_images_per_class"]
    if atomic.file_digest(ham10000.find_metadata(where), "md5") == known.get("metadata_md5"):
        return True
    metadata = ham10000.load_metadata(where)
    if "metadata_digest" in known:
        chosen = metadata if most is None else protocol.subsample(metadata, most)
        return ham10000.metadata_digest(chosen) == known["metadata_digest"]
    # Older runs have the digest of the file alone, which is another where the rows come in another order.
    of_kaggle = known.get("metadata_md5") == ham10000.METADATA_MD5
    return of_kaggle and ham10000.labels_digest(metadata) == ham10000.LABELS_DIGEST


def _obstacle(place: Path, run: Run) -> str:
    """Why a folder's images cannot stand for the run's; "" if they can: images of elsewhere may have the same names."""
    if not place.is_dir():
        return "the data are not here"
    try:
        return "" if holds(place, run) else f"the data folder holds other images than those of {run.path.name}"
    except UserError as error:
        return str(error)


def lesion_masks(profile: str, run: Run, image_ids: Iterable[str]) -> tuple[np.ndarray | None, str]:
    """Masks (n, 160, 160) bool of a run's test images; or None, and why there are none."""
    try:
        place = folder(profile, run)
        if reason := _obstacle(place, run):
            return None, reason
        masks = store.load_masks(place, image_ids, attention.MASK_SIZE)
    except UserError as error:
        return None, str(error)
    return masks, "the data folder holds none" if masks is None else ""


def photographs(profile: str, run: Run, image_ids: Iterable[str]) -> np.ndarray | None:
    """Photographs (n, 200, 200, 3) uint8 of a run's test images, None without them; publish synthetic ones only."""
    place = folder(profile, run)
    if _obstacle(place, run):  # which ``lesion_masks`` says
        return None
    files = ham10000.find_images(place, image_ids)
    return np.array([np.asarray(Image.open(path).convert("RGB").resize((200, 200))) for path in files])
