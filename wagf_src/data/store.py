"""Images decoded once to uint8 and kept; lesion masks."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src import array_cache, atomic
from wagf_src.data import ham10000, reading
from wagf_src.errors import UserError

# Part of the cache's key: raise it with any change of the decoding below.
DECODER = 1


def _decode_square(path: Path, size: int, resize: str) -> tuple[tuple[int, int], np.ndarray]:
    """One image's own size, and what :func:`squeezed` makes of it."""
    with Image.open(path) as image:
        _refuse_turned(image, path)
        return image.size, squeezed(image, size, resize)


def _refuse_turned(image, path):
    """Predictions turn such a photograph upright (``photograph.read``): a model must not have learned it lying."""
    if reading.turned(image):
        raise UserError(
            f"{path}: its EXIF says that it is to be turned; turn the pixels instead, of image and mask alike, as "
            "`mogrify -auto-orient` of ImageMagick does"
        )


def squeezed(image: Image.Image, size: int, resize: str) -> np.ndarray:
    """The whole frame squeezed into (size, size, 3) uint8, as the released loaders do."""
    if image.mode[0] in "IF":  # converting would cut off what is above 255
        raise ValueError("more than 8 bits a channel; save it with 8")
    box = None
    if resize == "antialias":
        # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, which saves most of the time where the source is that
        # much larger; the box keeps the frame's exact borders where the side is no multiple.
        drafted = image.draft("RGB", (size, size))
        box = drafted[1] if drafted else None
    # Pillow's bilinear filter widens with the reduction, hence antialiases; its nearest filter does not.
    method = Image.Resampling.BILINEAR if resize == "antialias" else Image.Resampling.NEAREST
    return np.asarray(image.convert("RGB").resize((size, size), method, box=box))


def image_store(
    folder: Path, metadata: pd.DataFrame, size: int, resize: str = "antialias"
) -> tuple[np.ndarray, str, list[int]]:
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
        source_size: (width, height) in pixels, which all files have in common.

    Raises:
        UserError: images missing, damaged, to be turned or of several sizes; nothing is left behind then.
    """
    if resize not in ("antialias", "nearest"):
        raise UserError(f"resize is {resize!r}, but must be antialias or nearest")
    folder, image_ids = Path(folder), list(metadata["image_id"])
    paths = ham10000.find_images(folder, image_ids)
    key = atomic.digest([source_digest(image_ids, paths), size, resize, DECODER])[:16]

    def decoded(facts):
        print(f"decoding {len(paths):,} images to {size} x {size} pixels, once", flush=True)
        first = None
        images = reading.in_parallel(lambda path: _decode_square(path, size, resize), paths, folder, "decoded")
        with contextlib.closing(images):
            for path, (source_size, image) in zip(paths, images, strict=True):
                first = first or source_size
                if source_size != first:
                    raise UserError(
                        f"{reading.short_path(path, folder)} in {folder} is {source_size[0]} x {source_size[1]} "
                        f"pixels, but the first image is {first[0]} x {first[1]}; do not mix originals and copies"
                    )
                yield image[None]
        facts["source_size"] = list(first)

    images, facts = array_cache.cached(f"images-{size}-{resize}-{key}", len(paths), np.uint8, decoded)
    return images, facts["sha256"], facts["source_size"]


def source_digest(image_ids: list[str], paths: list[Path]) -> str:
    """Tells whether any source file was replaced, without reading it.

    Raises:
        UserError: a file is a link to nowhere.
    """
    facts = []
    for image_id, path in zip(image_ids, paths, strict=True):
        try:
            stat = os.stat(path)
        except OSError as error:
            raise UserError(
                f"{path}: {'a link to a file that is not there' if path.is_symlink() else error.strerror}; "
                "put the file in its place"
            ) from None
        facts.append([image_id, stat.st_size, stat.st_mtime_ns])
    return atomic.digest(facts)


def load_masks(folder: Path, image_ids: Iterable[str], size: int) -> np.ndarray | None:
    """Lesion masks, squeezed into a square like the images; a pixel is lesion where most of its area is.

    A mask may be coded in any two values, the lesion the larger (0 and 255, 0 and 1, false and true).

    Returns:
        (n, size, size) bool, in the order asked for; None if the folder holds no masks.

    Raises:
        UserError: masks missing, damaged or to be turned.
    """
    paths = ham10000.find_masks(folder, image_ids)
    if paths is None:
        return None

    def decode(path):
        with Image.open(path) as image:
            _refuse_turned(image, path)
            shape = image.getchannel("A") if "A" in image.getbands() else None
            # A mask in the transparency lies over an even picture.
            hidden = shape and shape.getextrema()[0] < 255 and len(image.convert("RGB").getcolors(1) or ()) == 1
            grey = shape if hidden else image.convert("L")
            largest = grey.getextrema()[1]
            if 0 < largest < 255:
                grey = grey.point(lambda value: 255 * (2 * value > largest))
            return np.asarray(grey.resize((size, size), Image.Resampling.BOX)) > 127

    masks = list(reading.in_parallel(decode, paths, folder, "decoded masks of"))
    return np.stack(masks) if masks else np.zeros((0, size, size), bool)
