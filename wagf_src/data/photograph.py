"""Any photograph that Pillow reads, as a model takes it; what had to be done to it is said."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from wagf_src.data import reading
from wagf_src.data.store import squeezed
from wagf_src.errors import UserError
from wagf_src.paths import typed

SMALLEST = 32  # pixels a side; no backbone takes less


@dataclass(frozen=True)
class Photograph:
    """``pixels`` (S, S, 3) uint8, the whole frame squeezed; ``size`` (width, height) upright; ``notes`` for people."""

    path: Path
    pixels: np.ndarray
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def read(path: Path, size: int, resize: str = "antialias") -> Photograph:
    """Read a photograph: upright, first frame, eight bits, RGB, squeezed into a square like the training images.

    Args:
        path: of a file. size: S, side of the square. resize: as ``store.image_store``.

    Raises:
        UserError: naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _upright(path, image, size, resize)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = f"{Image.MAX_IMAGE_PIXELS / 1e6:.0f} million"
        raise UserError(f"{path.name}: has more than {limit} pixels; save a smaller copy") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{path.name}: no image of a kind that Pillow reads; save it as JPEG or PNG") from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # whatever a decoder stumbles over: Pillow's have no common one for damaged files
        if not path.is_file():
            raise UserError(f"{path}: no such file") from None
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise UserError(f"{path.name}: cannot be read ({reason}); give an intact copy") from None


def _upright(path, image, size, resize) -> Photograph:
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"the first of {frames} frames")
        image.seek(0)
    deep = _deep(path, image)  # before it is turned, which forgets its format
    if reading.turned(image):
        notes.append("turned upright as its EXIF says")
        image = ImageOps.exif_transpose(image)
    if min(image.size) < SMALLEST:
        raise UserError(f"{path.name}: {image.size[0]} x {image.size[1]} pixels; at least {SMALLEST} a side are needed")
    if deep:
        notes.append("16 bits reduced to 8")
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        if not (values >> 12).any():  # nearly black for the model, whatever it shows: it was meant as 8 or 12 bits
            raise UserError(
                f"{path.name}: its 16 bits hold no value above {values.max():,}, which leaves it black; save it with "
                "8 bits, or with all of its 16"
            )
        image = Image.fromarray((values >> 8).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        if with_alpha.getchannel("A").getextrema()[0] < 255:
            notes.append("transparent parts shown on white")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), with_alpha)
    elif image.mode not in ("RGB", "L"):
        image.load()
        image = image.convert("RGB")
    source_size = image.size  # of a JPEG that is decoded at a part of its size, ``squeezed`` changes it
    pixels = squeezed(image, size, resize)
    if (pixels == pixels[..., :1]).all():
        notes.append("without colour, which the model was trained on")
    return Photograph(path, pixels, source_size, tuple(notes))


def _deep(path, image) -> bool:
    """Whether it has 16 bits a pixel.

    Raises:
        UserError: it has broken numbers, or 32 bits, or 16 with a sign.
    """
    # Of what Pillow opens as 32 bits, these formats have 16.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        what = "broken numbers" if image.mode == "F" else "numbers of 32 bits or with a sign"
        raise UserError(f"{path.name}: pixels are {what}, whose range is not known; save it with 8 or 16 bits")
    return image.mode.startswith("I")


def files(given: Iterable[str | Path]) -> tuple[list[Path], int]:
    """The image files that are meant by files and folders, each once, and how many others the folders hold.

    Raises:
        UserError: a path that is neither, or no image at all.
    """
    endings, unique, others = set(Image.registered_extensions()), {}, 0
    given = [typed(one) for one in given]
    for one in given:
        if one.is_dir():
            inside = [Path(path) for path in reading.files(one)]
            images = [path for path in inside if path.suffix.lower() in endings]
            others += len(inside) - len(images)
        elif one.exists():
            images = [one]
        else:
            raise UserError(f"{one}: no such file or folder")
        for path in images:
            unique.setdefault(os.path.realpath(path), path)
    if not unique:
        raise UserError(f"{', '.join(map(str, given)) or 'nothing given'}: no image files there")
    return list(unique.values()), others
