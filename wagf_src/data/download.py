"""HAM10000 from Kaggle, checked: ``make data``."""

import contextlib
import hashlib
import io
import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pandas as pd

from wagf_src import atomic
from wagf_src.data import ham10000, reading, store
from wagf_src.data.reading import PROGRESS_STEP
from wagf_src.errors import UserError
from wagf_src.paths import data_dir

KAGGLE_DATASET = "kmader/skin-cancer-mnist-ham10000"


LICENCE = (
    "HAM10000 is licensed CC BY-NC 4.0 (Kaggle lists CC BY-NC-SA 4.0): attribution, no commercial use. Cite: "
    "P. Tschandl, C. Rosendahl, H. Kittler, The HAM10000 dataset, Scientific Data 5:180161 (2018), doi:10.7910/DVN/DBW86T."
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
    found = atomic.file_digest(file, "md5")
    if found != metadata_md5:
        raise UserError(
            f"{file.name} in {folder} has md5 {found}, but Kaggle's has {metadata_md5}; {ham10000.HOW_TO_GET}"
        )
    metadata = ham10000.load_metadata(folder)
    if len(metadata) != n_images:
        raise UserError(
            f"{file.name} in {folder} lists {len(metadata):,} images, not {n_images:,}; {ham10000.HOW_TO_GET}"
        )
    paths = ham10000.find_images(folder, metadata["image_id"])
    sizes = list(reading.in_parallel(reading.decode_fully, paths, folder, "checked"))
    for path, size in zip(paths, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{reading.short_path(path, folder)} in {folder} is {size[0]} x {size[1]} pixels, but the first image is "
                f"{sizes[0][0]} x {sizes[0][1]}; do not mix originals and copies"
            )
    return (
        f"{ham10000.dataset_name(folder, paths)}: {len(paths):,} images of {metadata['lesion_id'].nunique():,} lesions, "
        f"{sizes[0][0]} x {sizes[0][1]} pixels, all there and decoded; metadata md5 {found}"
    )


_AGAIN = "run the same command again"


def download(
    folder: Path | None = None, metadata_md5: str = ham10000.METADATA_MD5, n_images: int = ham10000.N_IMAGES
) -> None:
    """Fetch HAM10000 from Kaggle with the kaggle client, unpack the metadata and the images, and check them.

    Does nothing if the folder already holds them all. After an interruption the next call goes on: the client resumes
    its partial archive, unpacking leaves out images that are already whole. Damaged images are replaced.

    Args:
        folder: default is where the profiles look for the data (``config.data_dir``).
        metadata_md5, n_images: what the data must have; other values only for tests.

    Raises:
        UserError: no Kaggle token, Kaggle out of reach or refusing, archive damaged or not as expected.
    """
    folder = Path(folder) if folder is not None else data_dir()
    checked = folder / ".checked"
    state = _quick_state(folder, metadata_md5, n_images)
    if state is not None and _read_text(checked) == state:
        print(f"{folder}: {n_images:,} images are there and were checked before; nothing to do")
        return
    try:
        summary = check(folder, metadata_md5, n_images)
    except UserError as error:
        if folder.is_dir() and any(folder.iterdir()):
            print(f"not complete: {str(error).split('; ')[0]}")
    else:
        with contextlib.suppress(OSError):  # a read-only folder is checked again each time
            atomic.write_text(checked, state)
        print(f"{summary}\nnothing to do")
        return

    archive = folder / ".download" / f"{KAGGLE_DATASET.split('/')[1]}.zip"
    try:
        if not zipfile.is_zipfile(archive):  # a partial archive has no directory at its end, so it is none
            _fetch(archive)
        _unpack(archive, folder, metadata_md5)
        print("checking all images")
        summary = check(folder, metadata_md5, n_images)
        atomic.write_text(checked, _quick_state(folder, metadata_md5, n_images))
        shutil.rmtree(archive.parent)
    except UserError:
        if zipfile.is_zipfile(archive):  # complete, but not good: the next call shall fetch a new one
            archive.unlink()
        raise
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; make room or access, then {_AGAIN}"
        ) from None
    print(f"{summary}\n{LICENCE}")


def _read_text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _quick_state(folder: Path, metadata_md5: str, n_images: int) -> str | None:
    """What a check rests on, in one line, without decoding anything; None if something is missing."""
    try:
        metadata = ham10000.load_metadata(folder)
        paths = ham10000.find_images(folder, metadata["image_id"])
    except UserError:
        return None
    if len(paths) != n_images or atomic.file_digest(ham10000.find_metadata(folder), "md5") != metadata_md5:
        return None
    return f"{metadata_md5} {store.source_digest(list(metadata['image_id']), paths)}\n"


def _credentials_given() -> bool:
    """Whether there is anything for the client to try; importing it already writes to the home folder."""
    env = os.environ
    if env.get("KAGGLE_API_TOKEN") or (env.get("KAGGLE_USERNAME") and env.get("KAGGLE_KEY")):
        return True
    folders = ["~/.kaggle", os.path.join(env.get("XDG_CONFIG_HOME") or "~/.config", "kaggle")]
    folders += [env["KAGGLE_CONFIG_DIR"]] if env.get("KAGGLE_CONFIG_DIR") else []
    names = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
    return any(os.path.isfile(os.path.join(os.path.expanduser(f), name)) for f in folders for name in names)


def _fetch(archive: Path) -> None:
    """Download the dataset's archive with the kaggle client, which shows a progress bar and resumes a partial file."""
    two_ways = (
        "create one at https://www.kaggle.com/settings/api, then either set the environment variable "
        "KAGGLE_API_TOKEN=<token> or save the legacy key file as ~/.kaggle/kaggle.json, "
        f"and {_AGAIN} (or give a folder that already holds the images by DATA=<folder>)"
    )
    if not _credentials_given():
        raise UserError(f"no Kaggle token found; {two_ways}")
    page = f"https://www.kaggle.com/datasets/{KAGGLE_DATASET}"
    said = io.StringIO()  # on import the client logs in, and prints a page of help where that fails
    try:
        import requests

        with contextlib.redirect_stdout(said):
            import kaggle

            if "auth_method" not in kaggle.api.config_values:
                kaggle.api.authenticate()  # once more, for the reason: the import swallows it
        print(said.getvalue(), end="")
        archive.parent.mkdir(parents=True, exist_ok=True)
        kaggle.api.dataset_download_files(KAGGLE_DATASET, path=str(archive.parent), quiet=False)
    except ImportError:
        raise UserError("the kaggle package is not installed; use `make data`, which installs it") from None
    except SystemExit:
        raise UserError(f"Kaggle does not accept the token that was given; {two_ways}") from None
    except requests.exceptions.HTTPError as error:
        code = error.response.status_code
        advice = {
            401: f"check the token: {two_ways}",
            403: f"open {page} once while logged in, then check the token: {two_ways}",
            404: f"look at {page}, or give a folder that already holds the images by DATA=<folder>",
        }.get(code, f"{_AGAIN} later")
        raise UserError(f"Kaggle refused the download of {KAGGLE_DATASET} (HTTP {code}); {advice}") from None
    except requests.exceptions.RequestException as error:
        raise UserError(
            f"the connection to Kaggle failed ({type(error).__name__}); check the network and {_AGAIN}: "
            "it goes on where it stopped"
        ) from None
    except ValueError as error:  # the client found the file of another length than announced, or an answer unreadable
        raise UserError(f"the download from Kaggle went wrong ({error}); {_AGAIN}") from None


def _unpack(archive: Path, folder: Path, metadata_md5: str) -> None:
    """Take the metadata and one copy of every image out of the archive; it holds them twice, and much else.

    Every image is written aside and moved, so one that is there is whole; the metadata come last.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            files = {}
            for info in members.infolist():
                files.setdefault(PurePosixPath(info.filename).name, info)
            if "HAM10000_metadata.csv" not in files:
                raise UserError(f"Kaggle's archive holds no HAM10000_metadata.csv; it was deleted, {_AGAIN}")
            metadata = members.read(files["HAM10000_metadata.csv"])
            md5 = hashlib.md5(metadata, usedforsecurity=False).hexdigest()
            if md5 != metadata_md5:
                raise UserError(
                    f"HAM10000_metadata.csv in Kaggle's archive has md5 {md5}, not {metadata_md5}: the dataset has "
                    f"changed; it was deleted, {_AGAIN}, or give another copy of the data by DATA=<folder>"
                )
            image_ids = pd.read_csv(io.BytesIO(metadata), dtype=str)["image_id"].tolist()
            missing = [image_id for image_id in image_ids if f"{image_id}.jpg" not in files]
            if missing:
                raise UserError(
                    f"Kaggle's archive lacks {len(missing):,} images, the first is {missing[0]}; it was deleted, {_AGAIN}"
                )
            present = ham10000.jpegs(folder)
            for done, image_id in enumerate(image_ids, 1):
                info = files[f"{image_id}.jpg"]
                target = Path(present.get(image_id, folder / "images" / f"{image_id}.jpg"))
                if not _same(target, info):
                    _write_whole(target, members.read(info))  # read() compares the member's CRC
                if done % PROGRESS_STEP == 0:
                    print(f"  unpacked {done:,} of {len(image_ids):,} images", flush=True)
            _write_whole(folder / "HAM10000_metadata.csv", metadata)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        archive.unlink(missing_ok=True)  # here, for one that does not even open as an archive
        raise UserError(f"the downloaded archive is damaged ({error}); it was deleted, {_AGAIN}") from None


def _same(path: Path, info: zipfile.ZipInfo) -> bool:
    """Whether the file already has the content of the archive's member."""
    return path.is_file() and path.stat().st_size == info.file_size and zlib.crc32(path.read_bytes()) == info.CRC


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(data)
    os.replace(aside, path)


def main(command: str, folder: str | None = None) -> int:
    """``download`` or ``check`` for the command line; returns the exit code."""
    path = Path(folder).expanduser() if folder else data_dir()
    try:
        if command == "download":
            download(path)
        else:
            print(check(path))
    except KeyboardInterrupt:
        print(f"error: interrupted; {_AGAIN}, it goes on where it stopped", file=sys.stderr)
        return 130
    return 0
