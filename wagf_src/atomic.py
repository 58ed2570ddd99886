"""Files that appear whole or not at all, and digests of them."""

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import Path

import pandas as pd

from wagf_src.errors import UserError

# What reading an archive of arrays raises that is not whole, or no such archive.
DAMAGED = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    write_together({path: content})


def write_together(contents: dict[Path, bytes]) -> None:
    """The same for files that belong together: none is put in its place before all are written."""
    aside = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(aside[path], 0o644)
        for path in contents:
            os.replace(aside[path], path)
    except BaseException:
        for left in aside.values():
            Path(left).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """The same for text: UTF-8, lines end in one newline character on every system."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame, float_format="%.6g") -> None:
    """A table as text (:func:`csv_bytes`), compressed where the name ends in .gz."""
    write_bytes(path, csv_bytes(frame, float_format, compressed=path.suffix == ".gz"))


def csv_bytes(frame: pd.DataFrame, float_format="%.6g", compressed: bool = False) -> bytes:
    """A table as text, the same bytes for the same table.

    Names of files that are no text, as Linux allows them, appear with their bytes as escapes.
    """
    text = frame.to_csv(index=False, float_format=float_format, lineterminator="\n")
    content = text.encode("utf-8", "backslashreplace")
    if compressed:
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:  # no name, no time
            file.write(content)
        content = packed.getvalue()
    return content


def move_into_place(source: Path, target: Path, ours: Callable[[Path], Container[str]] | None = None) -> list[str]:
    """Replace folder ``target`` by the finished folder ``source`` (same file system).

    Args:
        source: the finished folder, which is gone afterwards.
        target: its place; what was there before goes, or is there again where the move fails.
        ours: of a folder that was in the place, the names that may go; whatever else lies there is somebody's own and
            is in the new folder afterwards. None: all may go.

    Returns:
        Names that somebody's own files have now because the finished folder has files of theirs.

    Raises:
        UserError: the folder cannot be moved; it is still at ``source``.
    """
    old = _beside(target, "old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tidy(target, ours)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(source, target)
        except BaseException:
            with contextlib.suppress(OSError):  # else the next one puts it back
                os.replace(old, target)
            raise
    except OSError as error:
        way = "keep both on one disk" if error.errno == errno.EXDEV else "make room or access"
        raise UserError(
            f"{target}: {source} is finished and cannot be moved there ({error.strerror or error}); {way}"
        ) from None
    try:
        return tidy(target, ours)
    except OSError:  # the finished folder is in its place; the next one tidies up
        return []


def tidy(target: Path, ours: Callable[[Path], Container[str]] | None = None) -> list[str]:
    """Remove what a replacement leaves beside the folder, wherever it ended: somebody's own files go into the folder,
    and between the two moves what was in the place is put back. Arguments and return value are ``move_into_place``'s.

    Raises:
        OSError: something cannot be moved, and is still there.
    """
    old, gone, renamed = _beside(target, "old"), _beside(target, "gone"), []
    shutil.rmtree(gone, ignore_errors=True)
    if not old.is_dir():
        return renamed
    if not target.exists():
        os.replace(old, target)
        return renamed
    names = ours(old) if ours else None
    for entry in sorted(old.iterdir()):
        if names is not None and entry.name not in names:
            goal = free_name(target / entry.name)
            os.replace(entry, goal)
            renamed += [goal.name] if goal.name != entry.name else []
    os.replace(old, gone)  # from now on nothing in it is anybody's
    shutil.rmtree(gone, ignore_errors=True)
    return renamed


def _beside(target, ending):
    return target.with_name(f".{target.name}.{ending}")


def free_name(path: Path) -> Path:
    """The path, or the first of ``<stem>.kept<ending>``, ``<stem>.kept2<ending>``, ... that is nobody's."""
    names = (path.with_name(f"{path.stem}.kept{number or ''}{path.suffix}") for number in [0, *range(2, 1000)])
    return path if not os.path.lexists(path) else next(name for name in names if not os.path.lexists(name))


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest(value) -> str:
    """SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
