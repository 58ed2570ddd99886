"""HAM10000: metadata, images in any folder layout, decoded image store, lesion masks, and the download from Kaggle.

Tschandl, Rosendahl, Kittler, Scientific Data 5:180161 (2018). Synthetic data come in the same layout and are read by the
same code. Command line: ``python -m wagf_src.ham10000 download [folder]`` and ``... check [folder]``.
"""

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src.config import CLASSES, UserError, cache_dir, data_dir, digest
from wagf_src.results import file_digest, write_text

METADATA_MD5 = "70bb67f71bd23dde0bd2eda4bdcc98e5"
N_IMAGES = 10_015
COLUMNS = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
KAGGLE_DATASET = "kmader/skin-cancer-mnist-ham10000"
LICENCE = (
    "HAM10000 is licensed CC BY-NC 4.0 (Kaggle lists CC BY-NC-SA 4.0): attribution, no commercial use. Cite: "
    "P. Tschandl, C. Rosendahl, H. Kittler, The HAM10000 dataset, Scientific Data 5:180161 (2018), doi:10.7910/DVN/DBW86T."
)

_ORIGINAL_SIZE = (600, 450)
_HOW_TO_GET = "fetch HAM10000 with `make data`, or give a folder that holds it by DATA=<folder> (HAM10000_DIR)"
_PROGRESS_STEP = 2000


# --- finding files -------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[str]:
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


def _short(path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def find_metadata(folder: Path) -> Path:
    """The metadata file, ``HAM10000_metadata.csv`` or the same without its ending, in the folder or below it.

    Raises:
        UserError: no such folder or file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; {_HOW_TO_GET}")
    for name in ("HAM10000_metadata.csv", "HAM10000_metadata"):
        if (folder / name).is_file():
            return folder / name
    for path in _files(folder):
        if os.path.basename(path).lower() in ("ham10000_metadata.csv", "ham10000_metadata"):
            return Path(path)
    raise UserError(f"no HAM10000_metadata.csv in {folder}; {_HOW_TO_GET}")


def load_metadata(folder: Path) -> pd.DataFrame:
    """Read and check the metadata.

    Returns:
        One row an image, in file order: lesion_id, image_id, dx, dx_type, sex, localization (text), age (years, may be
        NaN). Other columns of the file are dropped.

    Raises:
        UserError: file missing or not readable, a column missing, an image listed twice, an unknown diagnosis, a lesion
            with two diagnoses.
    """
    path = find_metadata(folder)
    name = f"{path.name} in {path.parent}"
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{name}: not a readable CSV file ({' '.join(str(error).split())}); {_HOW_TO_GET}") from None
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise UserError(f"{name}: column {missing[0]} is missing; it must have {', '.join(COLUMNS)}")
    frame = frame[COLUMNS]
    if frame.empty:
        raise UserError(f"{name}: lists no image; {_HOW_TO_GET}")

    def refuse(wrong: pd.Series, what):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise UserError(f"{name}, line {row + 2}: {what(frame.iloc[row])}; correct the file, or {_HOW_TO_GET}")

    refuse((frame["image_id"] == "") | (frame["lesion_id"] == ""), lambda row: "image_id or lesion_id is empty")
    refuse(frame["image_id"].duplicated(), lambda row: f"image {row.image_id} is listed a second time")
    refuse(~frame["dx"].isin(CLASSES), lambda row: f"unknown dx {row.dx!r} (known: {', '.join(CLASSES)})")
    refuse(
        frame["dx"] != frame.groupby("lesion_id")["dx"].transform("first"),
        lambda row: f"lesion {row.lesion_id} has a second diagnosis, {row.dx}",
    )
    age = pd.to_numeric(frame["age"].replace("", "nan"), errors="coerce")
    refuse(age.isna() & ~frame["age"].isin(["", "nan"]), lambda row: f"age {row.age!r} is not a number")
    return frame.assign(age=age.astype(float))


def _jpegs(folder: Path) -> dict[str, str]:
    """Path of every JPEG below the folder by its name without ending; of two of one name, the first found."""
    found = {}
    for path in _files(folder):
        stem, ending = os.path.splitext(os.path.basename(path))
        if ending.lower() in (".jpg", ".jpeg"):
            found.setdefault(stem, path)
    return found


def _pick(found: dict[str, str], image_ids: Iterable[str], what: str, folder: Path) -> list[Path]:
    image_ids = list(image_ids)
    missing = [image_id for image_id in image_ids if image_id not in found]
    if missing:
        raise UserError(
            f"{len(missing):,} of {len(image_ids):,} {what} are missing in {folder}, the first is {missing[0]}; "
            + _HOW_TO_GET
        )
    return [Path(found[image_id]) for image_id in image_ids]


def find_images(folder: Path, image_ids: Iterable[str]) -> list[Path]:
    """Paths of ``<image_id>.jpg``, in the order asked for, wherever they are below the folder.

    Kaggle's archive splits them into two parts and holds both twice (HAM10000_images_part_1, ham10000_images_part_1):
    any one copy is enough.

    Raises:
        UserError: folder or images missing, with their number and the first one's name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; {_HOW_TO_GET}")
    return _pick(_jpegs(folder), image_ids, "images", folder)


def find_masks(folder: Path, image_ids: Iterable[str]) -> list[Path] | None:
    """Paths of the lesion masks, in the order asked for; None if the folder holds no masks.

    A mask is ``<image_id>_segmentation.png``, or ``<image_id>.png`` in a folder with "mask" or "segmentation" in its name.

    Raises:
        UserError: some of the masks asked for are missing.
    """
    folder, found = Path(folder), {}
    for path in _files(folder):
        stem, ending = os.path.splitext(os.path.basename(path))
        place = os.path.dirname(_short(path, folder)).lower()
        if ending.lower() != ".png":
            continue
        if stem.lower().endswith("_segmentation"):
            found.setdefault(stem[: -len("_segmentation")], path)
        elif "mask" in place or "segmentation" in place:
            found.setdefault(stem, path)
    return _pick(found, image_ids, "lesion masks", folder) if found else None


def dataset_name(folder: Path, paths: list[Path]) -> str:
    """What the data are called in every result: SYNTHETIC, HAM10000, or HAM10000 (W x H copies) for resized files.

    Args:
        folder: the data folder; one with a file SYNTHETIC.txt holds synthetic data.
        paths: of the images; the first one's size tells originals from copies.
    """
    if (Path(folder) / "SYNTHETIC.txt").is_file():
        return "SYNTHETIC"
    (width, height) = next(_in_parallel(_size, paths[:1], folder, "read"))
    return "HAM10000" if (width, height) == _ORIGINAL_SIZE else f"HAM10000 ({width} x {height} copies)"


# --- decoding ------------------------------------------------------------------------------------------------


def _in_parallel(function: Callable, paths: list[Path], folder: Path, verb: str) -> Iterator:
    """``function(path)`` for every path, in order, in threads (Pillow decodes without the GIL), with progress lines."""

    def one(path):
        try:
            return function(path)
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
            reason = "file cannot be identified" if isinstance(error, Image.UnidentifiedImageError) else error
            raise UserError(
                f"{_short(path, folder)} in {folder}: not a readable image ({reason}); "
                "put an intact copy in its place, or run `make data`, which replaces damaged images"
            ) from None

    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 16))
    try:
        for done, result in enumerate(pool.map(one, paths), 1):
            if done % _PROGRESS_STEP == 0:
                print(f"  {verb} {done:,} of {len(paths):,} images", flush=True)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _decode_fully(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


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
    paths = find_images(folder, image_ids)
    key = digest([_source_digest(image_ids, paths), size, resize])[:16]
    store = cache_dir() / f"images-{size}-{resize}-{key}.npy"
    note = store.with_suffix(".sha256")
    images = _open_store(store, note)
    if images is None:
        store.parent.mkdir(parents=True, exist_ok=True)
        print(f"decoding {len(paths):,} images to {size} x {size} pixels, once", flush=True)
        write_text(note, _write_store(store, paths, folder, size, resize) + "\n")
        images = _open_store(store, note)
    return images, note.read_text(encoding="utf-8").strip()


def _source_digest(image_ids: list[str], paths: list[Path]) -> str:
    """Tells whether any source file was replaced, without reading it."""
    stats = [os.stat(path) for path in paths]
    return digest([[image_id, s.st_size, s.st_mtime_ns] for image_id, s in zip(image_ids, stats, strict=True)])


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
            decoded = _in_parallel(lambda path: _decode_square(path, size, resize), paths, folder, "decoded")
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
    paths = find_masks(folder, image_ids)
    if paths is None:
        return None

    def decode(path):
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX)) > 127

    masks = list(_in_parallel(decode, paths, folder, "decoded masks of"))
    return np.stack(masks) if masks else np.zeros((0, size, size), bool)


def check(folder: Path, metadata_md5: str = METADATA_MD5, n_images: int = N_IMAGES) -> str:
    """Check a folder completely: the metadata's md5, every image there, all of one size, every image decodes.

    Returns:
        One line that says what was found.

    Raises:
        UserError: at the first thing that is wrong.
    """
    folder = Path(folder)
    file = find_metadata(folder)
    found = file_digest(file, "md5")
    if found != metadata_md5:
        raise UserError(f"{file.name} in {folder} has md5 {found}, but Kaggle's has {metadata_md5}; {_HOW_TO_GET}")
    metadata = load_metadata(folder)
    if len(metadata) != n_images:
        raise UserError(f"{file.name} in {folder} lists {len(metadata):,} images, not {n_images:,}; {_HOW_TO_GET}")
    paths = find_images(folder, metadata["image_id"])
    sizes = list(_in_parallel(_decode_fully, paths, folder, "checked"))
    for path, size in zip(paths, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{_short(path, folder)} in {folder} is {size[0]} x {size[1]} pixels, but the first image is "
                f"{sizes[0][0]} x {sizes[0][1]}; do not mix originals and copies"
            )
    return (
        f"{dataset_name(folder, paths)}: {len(paths):,} images of {metadata['lesion_id'].nunique():,} lesions, "
        f"{sizes[0][0]} x {sizes[0][1]} pixels, all there and decoded; metadata md5 {found}"
    )


# --- download ------------------------------------------------------------------------------------------------

_AGAIN = "run the same command again"


def download(folder: Path | None = None, metadata_md5: str = METADATA_MD5, n_images: int = N_IMAGES) -> None:
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
            write_text(checked, state)
        print(f"{summary}\nnothing to do")
        return

    archive = folder / ".download" / f"{KAGGLE_DATASET.split('/')[1]}.zip"
    try:
        if not zipfile.is_zipfile(archive):  # a partial archive has no directory at its end, so it is none
            _fetch(archive)
        _unpack(archive, folder, metadata_md5)
        print("checking all images")
        summary = check(folder, metadata_md5, n_images)
        write_text(checked, _quick_state(folder, metadata_md5, n_images))
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
        metadata = load_metadata(folder)
        paths = find_images(folder, metadata["image_id"])
    except UserError:
        return None
    if len(paths) != n_images or file_digest(find_metadata(folder), "md5") != metadata_md5:
        return None
    return f"{metadata_md5} {_source_digest(list(metadata['image_id']), paths)}\n"


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
            present = _jpegs(folder)
            for done, image_id in enumerate(image_ids, 1):
                info = files[f"{image_id}.jpg"]
                target = Path(present.get(image_id, folder / "images" / f"{image_id}.jpg"))
                if not _same(target, info):
                    _write_whole(target, members.read(info))  # read() compares the member's CRC
                if done % _PROGRESS_STEP == 0:
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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src.ham10000", description="Fetch or check HAM10000.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("download", help="fetch it from Kaggle, unless it is there").add_argument("folder", nargs="?")
    commands.add_parser("check", help="check a folder completely").add_argument("folder", nargs="?")
    options = parser.parse_args(arguments)
    folder = Path(options.folder).expanduser() if options.folder else data_dir()
    try:
        if options.command == "download":
            download(folder)
        else:
            print(check(folder))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"error: interrupted; {_AGAIN}, it goes on where it stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # progress shows at once, in a log file too
    sys.exit(main())
