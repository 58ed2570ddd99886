"""Arrays that are computed once and kept in the cache folder, each with the digest of its bytes.

What is damaged from outside (cut short, emptied, changed) is noticed by its digest and made again. A file appears whole
or not at all; what an earlier, killed process left half-written is removed.
"""

import contextlib
import fcntl
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from wagf_src.errors import UserError
from wagf_src.paths import cache_dir, short


def cached(name: str, rows: int | None, dtype, make: Callable[[dict], Iterator[np.ndarray]]) -> tuple[np.ndarray, dict]:
    """An array of the cache folder, made if it is not there or damaged.

    Args:
        name: of the file, without ending; holds a digest of all that the array depends on.
        rows, dtype: length of the first axis (None: that of the only part), and type.
        make: yields the array in order, in parts of any length along the first axis. It may add facts about the array
            to the dictionary that it is given, as long as JSON can hold them.

    Returns:
        A read-only memory map, and the facts: ``sha256`` of the bytes, ``shape``, and what ``make`` added.

    Raises:
        UserError: no room or no permission; nothing is left behind then.
    """
    file = cache_dir() / f"{name}.npy"
    note = file.with_suffix(".json")
    entry = _open(file, note)
    if entry is None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(file)
            facts = _write(file, rows, np.dtype(dtype), make)
            try:
                _write_note(note, facts)
            except BaseException:  # without its note nobody takes it, and nobody would remove it
                file.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise UserError(
                f"{short(file)}: cannot be written ({error.strerror or error}); make room or access there, or name "
                "another cache folder by WAGF_CACHE_DIR"
            ) from None
        entry = _open(file, note)
    return entry


def _open(file: Path, note: Path) -> tuple[np.ndarray, dict] | None:
    """The array if file and note belong together and hold what they say."""
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        whole = list(array.shape) == facts["shape"] and _digest(array) == facts["sha256"]
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return (array, facts) if whole else None


def _digest(array: np.ndarray) -> str:
    hashed = hashlib.sha256()
    for start in range(0, len(array), 256):
        hashed.update(np.ascontiguousarray(array[start : start + 256]))
    return hashed.hexdigest()


def _write(file: Path, rows: int, dtype, make) -> dict:
    facts, hashed, written = {}, hashlib.sha256(), 0
    aside = file.with_name(f".{file.name}.part-{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as out, contextlib.closing(make(facts)) as parts:
            _hold(out)
            # Written, not mapped: on a full disk a mapped page kills the process.
            for part in parts:
                data = np.ascontiguousarray(part, dtype)
                if not written:
                    rows = len(data) if rows is None else rows
                    shape = (rows, *data.shape[1:])
                    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(out, header)
                hashed.update(data)
                out.write(data)
                written += len(data)
            if written != rows:
                raise ValueError(f"{file.name}: {written} rows were made, not {rows}")
            out.flush()
            aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return {**facts, "sha256": hashed.hexdigest(), "shape": list(shape)}


def _write_note(note: Path, facts: dict) -> None:
    aside = note.with_name(f".{note.name}.part-{uuid.uuid4().hex}")
    try:
        with aside.open("w", encoding="utf-8") as out:
            _hold(out)
            json.dump(facts, out, indent=1, sort_keys=True)
            out.flush()
            aside.replace(note)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _hold(out) -> None:
    """Lock a file that is being written: while that holds, nobody takes it for a leftover."""
    with contextlib.suppress(OSError):  # a file system without locks: there leftovers stay, so it needs none
        fcntl.flock(out, fcntl.LOCK_EX)


def _remove_leftovers(file: Path) -> None:
    for leftover in file.parent.glob(".*.part-*"):
        # Without its lock it stays: somebody is writing it, or, without locks in the file system, may be.
        with contextlib.suppress(OSError), leftover.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
