"""Files that appear whole or not at all, and digests of them."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

import pandas as pd

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


def move_into_place(source: Path, target: Path) -> None:
    """Replace folder ``target`` by the finished folder ``source`` (same file system)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(source, target)
    shutil.rmtree(old, ignore_errors=True)


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest(value) -> str:
    """SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
