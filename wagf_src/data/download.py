"""HAM10000 from Kaggle, checked: ``make data``."""

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pandas as pd

from wagf_src import atomic, paths
from wagf_src.data import ham10000, kaggle_fetch, kaggle_token, reading, store
from wagf_src.data.reading import PROGRESS_STEP
from wagf_src.errors import UserError
from wagf_src.paths import data_dir, typed

KAGGLE_DATASET = "kmader/skin-cancer-mnist-ham10000"


LICENCE = (
    "HAM10000 is licensed CC BY-NC 4.0 (Kaggle lists CC BY-NC-SA 4.0): attribution, no commercial use. Cite: "
    "P. Tschandl, C. Rosendahl, H. Kittler, The HAM10000 dataset, Scientific Data 5:180161 (2018), "
    "doi:10.7910/DVN/DBW86T."
)


def check(folder: Path, metadata_md5: str = ham10000.METADATA_MD5, n_images: int = ham10000.N_IMAGES) -> str:
    """Check a folder completely: the metadata's md5, every image there, all of one size, every image decodes.

    Returns:
        One line that says what was found.

    Raises:
        UserError: at the first thing that is wrong.
    """
    folder = Path(folder)
    file = ham10000.find_metadata(folder)
    md5 = atomic.file_digest(file, "md5")
    if md5 != metadata_md5:
        raise UserError(
            f"{file.name} in {folder} has md5 {md5}, but Kaggle's has {metadata_md5}; {ham10000.HOW_TO_GET}"
        )
    metadata = ham10000.load_metadata(folder)
    if len(metadata) != n_images:
        raise UserError(
            f"{file.name} in {folder} lists {len(metadata):,} images, not {n_images:,}; {ham10000.HOW_TO_GET}"
        )
    files = ham10000.find_images(folder, metadata["image_id"])
    sizes = list(reading.in_parallel(reading.decode_fully, files, folder, "checked"))
    for path, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{reading.short_path(path, folder)} in {folder} is {size[0]} x {size[1]} pixels, but the first "
                f"image is {sizes[0][0]} x {sizes[0][1]}; do not mix originals and copies"
            )
    return (
        f"{ham10000.dataset_name(folder, metadata, sizes[0])}: {len(files):,} images of "
        f"{metadata['lesion_id'].nunique():,} lesions, {sizes[0][0]} x {sizes[0][1]} pixels, all there and decoded; "
        f"metadata md5 {md5}"
    )


class _BadArchive(UserError):
    """The archive itself is at fault: only another one helps."""


_AGAIN = kaggle_token.AGAIN
STALL_SECONDS = 120.0  # without a byte


def download(
    folder: Path | None = None, metadata_md5: str = ham10000.METADATA_MD5, n_images: int = ham10000.N_IMAGES
) -> None:
    """Fetch HAM10000 from Kaggle with the kaggle client, unpack the metadata and the images, and check them.

    Does nothing if the folder already holds them all. After an interruption the next call goes on: the client resumes
    its partial archive, unpacking leaves out images that are already whole. What is there and differs from Kaggle's
    may be the reader's own work: it is left alone, and the folder refused. The archive, gigabytes, is deleted only once
    all is in place or if it is at fault itself; otherwise the next call uses it.

    Args:
        folder: default is where the profiles look for the data (``paths.data_dir``).
        metadata_md5, n_images: what the data must have; other values only for tests.

    Raises:
        UserError: Kaggle asks for a token and has none, is out of reach or refuses, archive damaged or not as expected.
    """
    folder = Path(folder) if folder is not None else data_dir()
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"{folder} is a link to nowhere ({os.readlink(folder)}); mend or delete it, then {_AGAIN}")
    checked = folder / ".checked"
    archive = folder / ".download" / f"{KAGGLE_DATASET.split('/')[1]}.zip"
    state = _quick_state(folder, metadata_md5, n_images)
    if state is not None and checked.is_file() and checked.read_text(encoding="utf-8") == state:
        print(f"{folder}: {n_images:,} images are there and were checked before; nothing to do")
        with contextlib.suppress(OSError):
            _clear(archive)
        return
    try:
        summary = check(folder, metadata_md5, n_images)
    except UserError as error:
        if folder.is_dir() and any(folder.iterdir()):
            print(f"not complete: {str(error).split('; ')[0]}")
    else:
        with contextlib.suppress(OSError):  # a read-only folder is checked again each time
            atomic.write_text(checked, state)
            _clear(archive)  # kept by an earlier call, until the reader put the folder right
        print(f"{summary}\nnothing to do")
        return

    try:
        if not zipfile.is_zipfile(archive):  # a partial archive has no directory at its end, so it is none
            _fetch(archive)
        unpacked = _unpack(archive, folder, metadata_md5)
        print("checking all images")
        try:
            summary = check(folder, metadata_md5, n_images)
        except UserError as error:
            if all(_same(path, info) for path, info in unpacked.items()):
                raise _BadArchive(f"{error}; it came so in Kaggle's archive, which was deleted, {_AGAIN}") from None
            raise UserError(f"{error}; {_kept(archive)}") from None  # changed since, by the reader or a bad disk
        atomic.write_text(checked, _quick_state(folder, metadata_md5, n_images))
        _clear(archive)
    except _BadArchive:
        archive.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; make room or access, then {_AGAIN}"
        ) from None
    print(f"{summary}\n{LICENCE}")


def _clear(archive: Path) -> None:
    """Remove the archive, whole or partial, and the note beside it; nothing needs them any more."""
    for done in (archive, archive.parent / "written"):
        done.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something of the reader's is in there
        archive.parent.rmdir()


def _kept(archive: Path) -> str:
    """What the reader's folder being at fault means for the archive, and for one who takes another folder."""
    return (
        f"the downloaded archive is kept and used by the next `make data` (for another folder, move {archive.parent} "
        "into that)"
    )


def _quick_state(folder: Path, metadata_md5: str, n_images: int) -> str | None:
    """What a check rests on, in one line, without decoding anything; None if something is missing."""
    try:
        metadata = ham10000.load_metadata(folder)
        files = ham10000.find_images(folder, metadata["image_id"])
    except UserError:
        return None
    if len(files) != n_images or atomic.file_digest(ham10000.find_metadata(folder), "md5") != metadata_md5:
        return None
    return f"{metadata_md5} {store.source_digest(list(metadata['image_id']), files)}\n"


def _fetch(archive: Path) -> None:
    """Download the dataset's archive with the kaggle client: as nobody, and with the reader's token where Kaggle asks.

    In a process of its own, since on import the client already writes to the home folder.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    private = (*kaggle_token.VARIABLES, "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME")
    nobody = {name: value for name, value in os.environ.items() if name not in private}
    with tempfile.TemporaryDirectory(prefix="wagf-") as home:
        if _ask(archive, {**nobody, "HOME": home}, "--anonymous"):
            return
    try:
        token = kaggle_token.stripped()
    except UserError:
        with contextlib.suppress(OSError):  # nothing is left of an attempt that brought nothing
            archive.parent.rmdir()
            archive.parent.parent.rmdir()
        raise
    _ask(archive, {**os.environ, **token})


def _ask(archive: Path, environment: dict[str, str], *arguments: str) -> bool:
    """Start the client, end it if it stalls (it knows no time-out); returns whether the archive came.

    Raises:
        UserError: it did not, and not because Kaggle asks for a token.
    """
    command = [sys.executable, "-m", "wagf_src.data.kaggle_fetch", KAGGLE_DATASET, str(archive.parent), *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=paths.ROOT) as client:
        size, since = -1, time.monotonic()
        try:
            while client.poll() is None:
                time.sleep(0.2)
                now = sum(file.stat().st_size for file in archive.parent.iterdir() if file.is_file())
                if now != size:
                    size, since = now, time.monotonic()
                if time.monotonic() - since > STALL_SECONDS:
                    raise UserError(
                        f"Kaggle has sent nothing for {STALL_SECONDS:g} s; check the network and the proxy "
                        f"(http_proxy, https_proxy), then {_AGAIN}: it goes on where it stopped"
                    )
        finally:
            if client.poll() is None:
                client.kill()
        answer = kaggle_token.hidden(client.stdout.read().strip())
    if client.returncode not in (0, kaggle_fetch.NEEDS_TOKEN):
        raise UserError(
            answer.splitlines()[-1] if answer else f"the kaggle client ended with code {client.returncode}; {_AGAIN}"
        )
    return client.returncode == 0


def _unpack(archive: Path, folder: Path, metadata_md5: str) -> dict[Path, zipfile.ZipInfo]:
    """Take the metadata and one copy of every image out of the archive; it holds them twice, and much else.

    Every image is written aside and moved, so one that is there is whole; the metadata come last.

    Returns:
        Every file with the archive's member whose content it now has.

    Raises:
        _BadArchive: damaged or of other content than expected.
        UserError: something of the reader's is in the way.
    """
    unpacked = {}
    try:
        with zipfile.ZipFile(archive) as members:
            files = {}
            for info in members.infolist():
                files.setdefault(PurePosixPath(info.filename).name, info)
            if "HAM10000_metadata.csv" not in files:
                raise _BadArchive(f"Kaggle's archive holds no HAM10000_metadata.csv; it was deleted, {_AGAIN}")
            metadata = members.read(files["HAM10000_metadata.csv"])
            md5 = hashlib.md5(metadata, usedforsecurity=False).hexdigest()
            if md5 != metadata_md5:
                raise _BadArchive(
                    f"HAM10000_metadata.csv in Kaggle's archive has md5 {md5}, not {metadata_md5}: the dataset has "
                    f"changed; it was deleted, {_AGAIN}, or give another copy of the data by DATA=<folder>"
                )
            image_ids = pd.read_csv(io.BytesIO(metadata), dtype=str, keep_default_na=False)["image_id"].tolist()
            missing = [image_id for image_id in image_ids if f"{image_id}.jpg" not in files]
            if missing:
                raise _BadArchive(
                    f"Kaggle's archive lacks {len(missing):,} images, the first is {missing[0]}; it was deleted, "
                    f"{_AGAIN}"
                )
            present = ham10000.jpegs(folder) if folder.is_dir() else {}
            ours = _written(archive)  # by an earlier call, perhaps from a damaged archive
            own = [
                path
                for name, path in present.items()
                if f"{name}.jpg" in files
                and not _same(Path(path), files[f"{name}.jpg"])
                and ours.get(name) != zlib.crc32(Path(path).read_bytes())
            ]
            if own:
                raise UserError(
                    f"{len(own):,} images in {folder} differ from Kaggle's, the first is "
                    f"{reading.short_path(own[0], folder)}; they may be your own work and are left alone: give an "
                    f"empty folder by DATA=<folder>, or delete them if they are damaged; {_kept(archive)}"
                )
            for done, image_id in enumerate(image_ids, 1):
                info = files[f"{image_id}.jpg"]
                target = Path(present.get(image_id, folder / "images" / f"{image_id}.jpg"))
                if not _same(target, info):
                    content = members.read(info)  # compares the member's CRC
                    with (archive.parent / "written").open("a") as note:
                        note.write(f"{image_id} {zlib.crc32(content)}\n")
                    _write_whole(target, content)
                unpacked[target] = info
                if done % PROGRESS_STEP == 0:
                    print(f"  unpacked {done:,} of {len(image_ids):,} images", flush=True)
            table = folder / "HAM10000_metadata.csv"
            if table.is_file() and table.read_bytes() != metadata:
                raise UserError(
                    f"{table} differs from Kaggle's and is left alone; move it away, or give an empty folder by "
                    f"DATA=<folder>; {_kept(archive)}"
                )
            _write_whole(table, metadata)
            unpacked[table] = files["HAM10000_metadata.csv"]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _BadArchive(f"the downloaded archive is damaged ({error}); it was deleted, {_AGAIN}") from None
    return unpacked


def _written(archive: Path) -> dict[str, int]:
    """The checksums of images that earlier calls put into the folder."""
    note = archive.parent / "written"
    if not note.is_file():
        return {}
    return {name: int(crc) for name, crc in (line.split() for line in note.read_text().splitlines())}


def _same(path: Path, info: zipfile.ZipInfo) -> bool:
    """Whether the file already has the content of the archive's member."""
    return path.is_file() and path.stat().st_size == info.file_size and zlib.crc32(path.read_bytes()) == info.CRC


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.unpacking")  # no name that a reader's own file has
    aside.write_bytes(data)
    os.replace(aside, path)


def main(command: str, folder: str | None = None) -> int:
    """``download`` or ``check`` for the command line; returns the exit code."""
    path = typed(folder) if folder else data_dir()
    try:
        if command == "download":
            download(path)
        else:
            print(check(path))
    except KeyboardInterrupt:
        print(f"error: interrupted; {_AGAIN}, it goes on where it stopped", file=sys.stderr)
        return 130
    return 0
