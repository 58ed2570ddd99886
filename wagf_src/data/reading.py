"""Walking a folder and reading its images, in parallel."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from wagf_src.errors import UserError

PROGRESS_STEP = 2000
_ORIENTATION = 0x0112  # EXIF's tag


def files(folder: Path) -> Iterator[str]:
    """Every file below a folder, nearest first, then by name; hidden ones left out, links to folders followed once."""
    pending, seen = deque([str(folder)]), set()
    while pending:
        here = pending.popleft()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    yield entry.path


def short_path(path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def in_parallel(function: Callable, paths: list[Path], folder: Path, verb: str) -> Iterator:
    """``function(path)`` for every path, in order, in threads (Pillow decodes without the GIL), with progress lines."""

    def one(path):
        try:
            return function(path)
        except UserError:
            raise
        except Exception as error:  # Pillow has no common one for damaged files
            reason = "file cannot be identified" if isinstance(error, Image.UnidentifiedImageError) else error
            raise UserError(
                f"{short_path(path, folder)} in {folder}: not a readable image ({reason}); "
                "put an intact copy in its place, or delete it and run `make data`, which adds what is missing"
            ) from None

    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 16))
    try:
        for done, result in enumerate(pool.map(one, paths), 1):
            if done % PROGRESS_STEP == 0:
                print(f"  {verb} {done:,} of {len(paths):,} images", flush=True)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def turned(image: Image.Image) -> bool:
    """Whether EXIF says that the picture is to be shown turned or mirrored; numbers of no meaning (0, 9) do not."""
    return image.getexif().get(_ORIENTATION) in range(2, 9)


def decode_fully(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size
