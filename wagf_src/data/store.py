"""Images decoded once to uint8 and kept; lesion masks."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src import atomic
from wagf_src.data import ham10000, reading
from wagf_src.errors import UserError
from wagf_src.paths import cache_dir


def _decode_square(path: Path, size: int, resize: str) -> np.ndarray:
    """One image as (size, size, 3) uint8: the whole frame squeezed into a square, as the released loaders do."""
    with Image.open(path) as image:
        box = None
        if resize == "antialias":
            # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, which saves most of the time where the source is that
            # much larger; the box keeps the frame's exact borders where the side is no multiple.
            drafted = image.draft("RGB", (size, size))
            box = drafted[1] if drafted else None
        # Pillow's bilinear filter widens with the reduction, hence antialiases; its nearest filter does not.
        method = Image.Resampling.BILINEAR if resize == "antialias" else Image.Resampling.NEAREST
        return np.asarray(image.convert("RGB").resize((size, size), method, box=box))


def image_store(folder: Path, metadata: pd.DataFrame, size: int, resize: str = "antialias") -> tuple[np.ndarray, str]:
    """All images of ``metadata``, decoded and resized once into a file of the cache folder and mapped from there.

    The whole frame is squeezed into a square. ``antialias`` is a bilinear filter as wide as the reduction asks for;
    ``nearest`` is the default of the released loaders (Keras' ``flow_from_directory``).

    Args:
        folder: where the images are, in any layout.
        metadata: in whose row order the images come.
        size: side of the square in pixels.
        resize: "antialias" or "nearest".

    Returns:
        images: (n, size, size, 3) uint8, read-only memory map.
        digest: SHA-256 of the array's bytes.

    Raises:
        UserError: images missing or damaged; nothing is left behind then.
    """
    if resize not in ("antialias", "nearest"):
        raise UserError(f"resize is {resize!r}, but must be antialias or nearest")
    folder, image_ids = Path(folder), list(metadata["image_id"])
    paths = ham10000.find_images(folder, image_ids)
    key = atomic.digest([source_digest(image_ids, paths), size, resize])[:16]
    store = cache_dir() / f"images-{size}-{resize}-{key}.npy"
    note = store.with_suffix(".sha256")
    images = _open_store(store, note)
    if images is None:
        store.parent.mkdir(parents=True, exist_ok=True)
        print(f"decoding {len(paths):,} images to {size} x {size} pixels, once", flush=True)
        atomic.write_text(note, _write_store(store, paths, folder, size, resize) + "\n")
        images = _open_store(store, note)
    return images, note.read_text(encoding="utf-8").strip()


def source_digest(image_ids: list[str], paths: list[Path]) -> str:
    """Tells whether any source file was replaced, without reading it."""
    stats = [os.stat(path) for path in paths]
    return atomic.digest([[image_id, s.st_size, s.st_mtime_ns] for image_id, s in zip(image_ids, stats, strict=True)])


def _open_store(store: Path, note: Path) -> np.ndarray | None:
    try:
        return np.load(store, mmap_mode="r") if note.is_file() else None
    except (OSError, ValueError):  # not there, or cut short from outside
        return None


def _write_store(store: Path, paths: list[Path], folder: Path, size: int, resize: str) -> str:
    """Write the .npy file aside, move it into place when complete, and return the SHA-256 of the array's bytes."""
    handle, aside = tempfile.mkstemp(dir=store.parent, prefix=f".{store.name}.")
    hashed = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), size, size, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            decoded = reading.in_parallel(lambda path: _decode_square(path, size, resize), paths, folder, "decoded")
            with contextlib.closing(decoded):
                for image in decoded:
                    data = image.tobytes()
                    hashed.update(data)
                    file.write(data)
        os.chmod(aside, 0o644)
        os.replace(aside, store)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return hashed.hexdigest()


def load_masks(folder: Path, image_ids: Iterable[str], size: int) -> np.ndarray | None:
    """Lesion masks, squeezed into a square like the images; a pixel is lesion where most of its area is.

    Returns:
        (n, size, size) bool, in the order asked for; None if the folder holds no masks.
    """
    paths = ham10000.find_masks(folder, image_ids)
    if paths is None:
        return None

    def decode(path):
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX)) > 127

    masks = list(reading.in_parallel(decode, paths, folder, "decoded masks of"))
    return np.stack(masks) if masks else np.zeros((0, size, size), bool)
