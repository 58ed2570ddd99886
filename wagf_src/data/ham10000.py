"""HAM10000: metadata and images in any folder layout, and what the data are called.

Tschandl, Rosendahl, Kittler, Scientific Data 5:180161 (2018). Synthetic data come in the same layout and are read by
the same code. Command line: ``python -m wagf_src download [folder]`` and ``... check [folder]``.
"""

import csv
import functools
import gzip
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic
from wagf_src.classes import CLASSES
from wagf_src.data import reading
from wagf_src.errors import UserError

METADATA_MD5 = "70bb67f71bd23dde0bd2eda4bdcc98e5"
N_IMAGES = 10_015
LABELS_DIGEST = "a9494595c46662944a06fa23424ec9f06bb20f475068912b0051de19c4b6a18c"  # of Kaggle's metadata
COLUMNS = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
_ORIGINAL_SIZE = (600, 450)
HOW_TO_GET = "fetch HAM10000 with `make data`, or give a folder that holds it by DATA=<folder> (HAM10000_DIR)"


def find_metadata(folder: Path) -> Path:
    """The metadata file, ``HAM10000_metadata.csv`` or the same without its ending, in the folder or below it.

    Raises:
        UserError: no such folder or file.
    """
    folder = _existing(folder)
    for name in ("HAM10000_metadata.csv", "HAM10000_metadata"):
        if (folder / name).is_file():
            return folder / name
    other = None
    for path in reading.files(folder):
        name = os.path.basename(path).lower()
        if name in ("ham10000_metadata.csv", "ham10000_metadata"):
            return Path(path)
        if other is None and name.startswith(("ham10000_metadata", "isic")) and name.endswith((".csv", ".tab", ".tsv")):
            other = f"{os.path.basename(path)} is another table, for `make external` or to be saved under that name"
    raise UserError(f"no HAM10000_metadata.csv in {folder}{f' ({other})' if other else ''}; {HOW_TO_GET}")


def _existing(folder: Path) -> Path:
    folder = Path(folder)
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"{folder} is a link to nowhere ({os.readlink(folder)}); mend it, or {HOW_TO_GET}")
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; {HOW_TO_GET}")
    return folder


@functools.cache
def kaggle_order() -> dict[str, int]:
    """Place of every image of HAM10000 in Kaggle's metadata, in whose row order all random splits are drawn."""
    names = gzip.decompress(Path(__file__).with_name("kaggle_order.txt.gz").read_bytes()).decode().split()
    return {name: place for place, name in enumerate(names)}


def load_metadata(folder: Path) -> pd.DataFrame:
    """Read and check the metadata.

    Returns:
        One row an image, whatever the file's order in Kaggle's order, images that are not HAM10000's behind by name:
        lesion_id, image_id, dx, dx_type, sex, localization (text), age (years, may be NaN). Other columns of the file
        are dropped, blanks around values and an image ending behind image_id too.

    Raises:
        UserError: file missing or not readable, a column missing, an image listed twice, an unknown diagnosis, a lesion
            with two diagnoses, a line cut short.
    """
    path = find_metadata(folder)
    name = f"{path.name} in {path.parent}"
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{name}: not a readable CSV file ({' '.join(str(error).split())}); {HOW_TO_GET}") from None
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise UserError(
            f"{name}: column {missing[0]} is missing; it must have {', '.join(COLUMNS)}{_what_it_may_be(frame)}"
        )
    frame = frame[COLUMNS].apply(lambda column: column.str.strip())
    frame["image_id"] = frame["image_id"].str.replace(r"\.(jpe?g|png)$", "", case=False, regex=True)
    if frame.empty:
        raise UserError(f"{name}: lists no image; {HOW_TO_GET}")

    def refuse(wrong: pd.Series, what):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise UserError(f"{name}, line {row + 2}: {what(frame.iloc[row])}; correct the file, or {HOW_TO_GET}")

    if line := _cut_line(path):
        raise UserError(f"{name}, line {line}: fewer values than columns; the file seems cut, {HOW_TO_GET}")
    refuse((frame["image_id"] == "") | (frame["lesion_id"] == ""), lambda row: "image_id or lesion_id is empty")
    refuse(frame["image_id"].duplicated(), lambda row: f"image {row.image_id} is listed a second time")
    refuse(~frame["dx"].isin(CLASSES), lambda row: f"unknown dx {row.dx!r} (known: {', '.join(CLASSES)})")
    refuse(
        frame["dx"] != frame.groupby("lesion_id")["dx"].transform("first"),
        lambda row: f"lesion {row.lesion_id} has a second diagnosis, {row.dx}",
    )
    age = pd.to_numeric(frame["age"].replace("", "nan"), errors="coerce")
    refuse(age.isna() & ~frame["age"].isin(["", "nan", "NA", "None"]), lambda row: f"age {row.age!r} is not a number")
    frame = frame.assign(age=age.astype(float))
    place = frame["image_id"].map(kaggle_order()).fillna(len(kaggle_order()))
    return frame.assign(place=place).sort_values(["place", "image_id"]).drop(columns="place").reset_index(drop=True)


def _cut_line(path: Path) -> int | None:
    """The first line with fewer values than the head has columns: pandas would fill them up with nothing."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        columns = len(next(lines))
        return next((lines.line_num for values in lines if values and len(values) < columns), None)


def _what_it_may_be(frame: pd.DataFrame) -> str:
    """A hint for tables of other kinds that circulate under this name."""
    heads = [str(column) for column in frame.columns]
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if any(separator in head for head in heads):
            return f" (its columns are separated by {word}: save it with commas)"
    if {"MEL", "NV", "BCC"} <= set(heads):
        return " (this is a table of ISIC 2018 with a column for each class)"
    return ""


def labels_digest(metadata: pd.DataFrame) -> str:
    """Digest of which image shows which lesion with which diagnosis, in whatever order."""
    rows = metadata[["image_id", "lesion_id", "dx"]].sort_values("image_id")
    return atomic.digest(rows.to_numpy().tolist())


def metadata_digest(metadata: pd.DataFrame) -> str:
    """Digest of all that the metadata say, in whatever row order, columns and number format."""
    rows = metadata[COLUMNS].sort_values("image_id").astype({"age": str})
    return atomic.digest(rows.to_numpy().tolist())


def jpegs(folder: Path) -> dict[str, str]:
    """Path of every JPEG below the folder by its name without ending; of two of one name, the first found."""
    by_stem = {}
    for path in reading.files(folder):
        stem, ending = os.path.splitext(os.path.basename(path))
        if ending.lower() in (".jpg", ".jpeg"):
            by_stem.setdefault(stem, path)
    return by_stem


def _pick(by_id: dict[str, str], image_ids: Iterable[str], what: str, folder: Path) -> list[Path]:
    image_ids = list(image_ids)
    missing = [image_id for image_id in image_ids if image_id not in by_id]
    if missing:
        other = next((p for p in reading.files(folder) if Path(p).stem == missing[0]), None)
        hint = other and f"it is there as {Path(other).name}, but only JPEG is read for photographs and PNG for masks; "
        raise UserError(
            f"{len(missing):,} of {len(image_ids):,} {what} are missing in {folder}, the first is {missing[0]}; "
            f"{hint or ''}{HOW_TO_GET}"
        )
    return [Path(by_id[image_id]) for image_id in image_ids]


def find_images(folder: Path, image_ids: Iterable[str]) -> list[Path]:
    """Paths of ``<image_id>.jpg``, in the order asked for, wherever they are below the folder.

    Kaggle's archive splits them into two parts and holds both twice (HAM10000_images_part_1, ham10000_images_part_1):
    any one copy is enough.

    Raises:
        UserError: folder or images missing, with their number and the first one's name.
    """
    folder = _existing(folder)
    return _pick(jpegs(folder), image_ids, "images", folder)


def find_masks(folder: Path, image_ids: Iterable[str]) -> list[Path] | None:
    """Paths of the lesion masks, in the order asked for; None if the folder holds no masks.

    A mask is ``<image_id>_segmentation.png``, or ``<image_id>.png`` in a folder with "mask" or "segmentation" in its
    name.

    Raises:
        UserError: some of the masks asked for are missing.
    """
    folder, masks = Path(folder), {}
    for path in reading.files(folder):
        stem, ending = os.path.splitext(os.path.basename(path))
        place = os.path.dirname(reading.short_path(path, folder)).lower()
        if ending.lower() != ".png":
            continue
        if stem.lower().endswith("_segmentation"):
            masks.setdefault(stem[: -len("_segmentation")], path)
        elif "mask" in place or "segmentation" in place:
            masks.setdefault(stem, path)
    return _pick(masks, image_ids, "lesion masks", folder) if masks else None


def dataset_name(folder: Path, metadata: pd.DataFrame, source_size: tuple[int, int]) -> str:
    """What the data are called in every result; only HAM10000 itself, whole and with its own labels, is called that
    alone.

    Args:
        folder: the data folder; one with a file SYNTHETIC.txt holds synthetic data.
        metadata: of all images in use.
        source_size: (width, height) of the image files, which tells originals from copies.
    """
    name, size = metadata_name(folder, metadata), tuple(source_size)
    return name if name == "SYNTHETIC" or size == _ORIGINAL_SIZE else f"{name} ({size[0]} x {size[1]} copies)"


def metadata_name(folder: Path, metadata: pd.DataFrame) -> str:
    """The same by the metadata alone, which do not tell originals from copies."""
    if (Path(folder) / "SYNTHETIC.txt").is_file():
        return "SYNTHETIC"
    known = metadata["image_id"].isin(kaggle_order().keys())
    if not known.all():
        return f"{len(metadata):,} images, {(~known).sum():,} of them not HAM10000's"
    if len(metadata) < N_IMAGES:
        return f"HAM10000, {len(metadata):,} of {N_IMAGES:,} images"
    return "HAM10000" if labels_digest(metadata) == LABELS_DIGEST else "HAM10000's images under other labels"
