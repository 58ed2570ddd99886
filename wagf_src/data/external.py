"""Test sets of elsewhere, in the layouts that circulate: which image shows what, and what is wrong with the folder.

Four layouts are told apart by themselves: HAM10000's own columns (``image_id``, ``dx``; commas), the same as a ``.tab``
of Harvard Dataverse, the one-hot ground truth of ISIC 2018 task 3 (``image``, ``MEL``, ``NV``, ...), and one sub-folder
a class. Images may lie anywhere below the folder. Tables name an image by its file's name without ending; in
sub-folders, each of which may count its images from 1, an image is named by its path.
"""

import csv
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src.classes import CLASS_NAMES, CLASSES
from wagf_src.data import photograph, reading
from wagf_src.errors import UserError
from wagf_src.paths import typed

# Other names of the seven classes, in lower case, that tables and folders use.
_ALIASES = {name: code for code, name in CLASS_NAMES.items()} | {
    **dict(zip(CLASSES, CLASSES)),
    "ak": "akiec",
    "actinic keratosis": "akiec",
    "actinic keratoses": "akiec",
    "benign keratosis": "bkl",
    "pigmented benign keratosis": "bkl",
    "melanoma": "mel",
    "nevus": "nv",
    "melanocytic nevi": "nv",
    "vascular": "vasc",
    "vascular lesions": "vasc",
}
HASH_SIDE = 16
# Bits of 256. On HAM10000: 98% of copies of other size and 74% of those stored at JPEG quality 50 lie within; of 50
# million pairs of other lesions, 2 do. Crops and turned copies are not found.
ALIKE = 12


@dataclass(frozen=True)
class ExternalSet:
    """A labelled test set of elsewhere.

    Attributes:
        name: of its folder. layout: in words.
        frame: image_id, dx, path; one row an image with a file and one of the seven classes, by image_id. In the layout
            of sub-folders image_id is the path below the folder.
        problems: what was left out and why, in words, with its number.
    """

    name: str
    layout: str
    frame: pd.DataFrame
    problems: dict[str, int] = field(default_factory=dict)


def load(folder: Path) -> ExternalSet:
    """Find labels and images of a folder.

    Raises:
        UserError: no labels, contradictory ones, or no image of the seven classes.
    """
    folder = typed(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; give one with images and their labels by EXTERNAL=<folder>")
    images = _images(folder)
    tables = [Path(path) for path in reading.files(folder) if Path(path).suffix.lower() in (".csv", ".tab", ".tsv", "")]
    labelled = [(path, *parsed) for path in tables if (parsed := _labels(path, folder)) is not None]
    if len(labelled) > 1:
        names = ", ".join(reading.short_path(path, folder) for path, *_ in labelled)
        raise UserError(f"{folder.name}: several tables of labels ({names}); keep one")
    if labelled:
        path, layout, labels = labelled[0]
        where = reading.short_path(path, folder)
        ending = r"\.(jpe?g|png)$"
        labels = labels.assign(image_id=labels["image_id"].str.replace(ending, "", case=False, regex=True))
        named = _by_stem(images)
    else:
        layout, where = "one sub-folder a class", "sub-folders"
        named = {reading.short_path(path, folder): [path] for path in images}
        labels = pd.DataFrame(
            [(name, Path(path).parent.name) for name, (path,) in named.items()], columns=["image_id", "dx"]
        )
        if not any(_code(dx) for dx in labels["dx"]):
            hints = "; ".join(hint for path in tables if (hint := _what_it_may_be(path, folder)))
            raise UserError(
                f"{folder.name}: no labels; a table with the columns image_id and dx, or image, MEL, NV, ... (ISIC "
                f"2018 task 3), or one sub-folder a class is needed{f' ({hints})' if hints else ''}"
            )
    return _checked(folder, layout, where, labels, named)


def _images(folder: Path) -> list[str]:
    """Path of every image below a folder; masks are none."""
    endings, images = set(Image.registered_extensions()), []
    for path in reading.files(folder):
        stem, ending = os.path.splitext(os.path.basename(path))
        if ending.lower() in endings and not stem.lower().endswith("_segmentation"):
            images.append(path)
    return images


def _by_stem(paths: list[str]) -> dict[str, list[str]]:
    """Paths by their file's name without ending, which several may share."""
    by_stem = {}
    for path in paths:
        by_stem.setdefault(Path(path).stem, []).append(path)
    return by_stem


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() in (".tab", ".tsv") else ","


def _labels(path: Path, folder: Path) -> tuple[str, pd.DataFrame] | None:
    """Layout and columns image_id, dx of a table; None for a file that is no table of labels.

    Raises:
        UserError: it is one by its columns, and a line of it is not right.
    """
    separator, where = _separator(path), reading.short_path(path, folder)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=separator)
            head = [name.strip() for name in next((values for values in lines if _says_something(values)), [])]
            one_hot = [name for name in head if name != "image" and name.isupper()]
            if {"image_id", "dx"} <= set(head):
                wanted = ["image_id", "dx"]
            elif "image" in head and {"MEL", "NV"} <= set(one_hot):
                wanted = ["image", *one_hot]
            else:
                return None
            frame = _columns(lines, head, wanted, where)
    except (OSError, UnicodeDecodeError, csv.Error):  # not text, no table
        return None
    if wanted == ["image_id", "dx"]:
        return ("Dataverse's .tab" if separator == "\t" else "HAM10000's columns"), frame.drop(columns="line")
    values = frame[one_hot].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong = ~(np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1))
    if wrong.any():
        line = frame["line"].iloc[int(np.argmax(wrong))]
        raise UserError(f"{where}, line {line}: not exactly one class is 1; correct the file")
    dx = np.array(one_hot)[values.argmax(axis=1)]
    return "one-hot ground truth of ISIC 2018 task 3", pd.DataFrame({"image_id": frame["image"], "dx": dx})


def _says_something(values: list[str]) -> bool:
    return any(value.strip() for value in values)  # spreadsheets leave lines of mere separators


def _columns(lines, head: list[str], wanted: list[str], where: str) -> pd.DataFrame:
    """The wanted columns of what is left of a table, stripped, and the line in which each row ends."""
    twice = next((name for name in wanted if head.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{where}: two columns are called {twice}; keep the right one")
    places, rows = [head.index(name) for name in wanted], []
    for values in lines:
        if not _says_something(values):
            continue
        # Anything else than nothing behind the last column would put values below another column's name.
        if len(values) < len(head) or _says_something(values[len(head) :]):
            raise UserError(
                f"{where}, line {lines.line_num}: {len(values)} values below {len(head)} names of columns; "
                "correct the file"
            )
        rows.append([*(values[place].strip() for place in places), lines.line_num])
    return pd.DataFrame(rows, columns=[*wanted, "line"])


def _what_it_may_be(path: Path, folder: Path) -> str:
    """What keeps a table from being taken for one of labels; nothing for a file without ending that seems to be none.

    Of the first line, since lines below the right names are judged by ``_columns``.
    """
    where, separator = reading.short_path(path, folder), _separator(path)
    try:
        with path.open("rb") as file:
            start = file.read(2**16)
    except OSError as error:
        return f"{where} cannot be read, {error.strerror}"
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if wide else "utf-8-sig", "replace").lstrip()
    head = text.splitlines()[0] if text else ""
    delimiter = max(",;\t|", key=head.count)
    names = [name.strip(' "') for name in head.split(delimiter)]
    known = {name.lower(): name for name in names}
    layouts = (["image_id", "dx"], ["image", "MEL", "NV"])
    wanted = next((layout for layout in layouts if {name.lower() for name in layout} <= set(known)), None)
    if wanted is None:
        if not path.suffix:
            return ""
        if not all(name.isprintable() and "\ufffd" not in name for name in names) or not head:
            return f"{where} is {'no text' if head else 'empty'}"
        return f"{where} has the columns {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
    if wide:
        return f"{where} is stored as UTF-16: save it as UTF-8"
    if delimiter != separator:
        plurals = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
        return f"the columns of {where} are separated by {plurals[delimiter]}: save it with {plurals[separator]}"
    if any(known[name.lower()] != name for name in wanted):
        called = ", ".join(known[name.lower()] for name in wanted)
        return f"the columns of {where} are called {called}: call them {', '.join(wanted)}"
    return f"{where} is no UTF-8 text: save it as that"


def _code(name: str) -> str | None:
    return _ALIASES.get(name.strip().lower().replace("_", " "))


def _checked(folder, layout, where, labels, images) -> ExternalSet:
    """``images``: the files (a list) that each name may mean."""
    labels = labels[labels["image_id"] != ""].drop_duplicates()
    twice = labels["image_id"].duplicated()
    if twice.any():
        raise UserError(f"{where}: image {labels['image_id'][twice].iloc[0]} has two labels; correct the file")
    problems = {}
    code = labels["dx"].map(_code)
    for name, count in sorted(Counter(labels["dx"][code.isna()]).items()):
        problems[f"of unknown class {name!r}"] = count
    known = labels.assign(dx=code)[code.notna()]
    candidates = [images.get(name, []) for name in known["image_id"]]
    files = np.array([len(paths) for paths in candidates], int)
    if (files == 0).any():
        problems["listed without an image file"] = int((files == 0).sum())
    if (files > 1).any():  # which of them is meant, nobody here knows
        problems["listed with several image files of that name"] = int((files > 1).sum())
    unlisted = sum(len(images[name]) for name in set(images) - set(labels["image_id"]))
    if unlisted:
        problems["image files without a label"] = unlisted
    frame = known[files == 1].assign(path=[paths[0] for paths in candidates if len(paths) == 1])
    frame = frame.sort_values("image_id").reset_index(drop=True)
    if frame.empty:
        summary = "; ".join(f"{count:,} {what}" for what, count in problems.items())
        raise UserError(f"{folder.name}: no image of the seven classes with a file ({summary or 'nothing listed'})")
    return ExternalSet(folder.resolve().name, layout, frame, problems)


def read(images: ExternalSet, size: int, resize: str) -> tuple[ExternalSet, np.ndarray]:
    """The images as a model takes them, (n, S, S, 3) uint8; unreadable ones leave the set and are counted.

    Raises:
        UserError: none can be read.
    """
    pixels, kept = [], []
    for row, path in enumerate(images.frame["path"]):
        try:
            pixels.append(photograph.read(Path(path), size, resize).pixels)
            kept.append(row)
        except UserError:
            continue
        if len(kept) % reading.PROGRESS_STEP == 0:
            print(f"  read {len(kept):,} of {len(images.frame):,} images", flush=True)
    if not kept:
        raise UserError(f"{images.name}: none of {len(images.frame):,} images can be read")
    problems, lost = dict(images.problems), len(images.frame) - len(kept)
    if lost:
        problems["unreadable"] = lost
    frame = images.frame.iloc[kept].reset_index(drop=True)
    return ExternalSet(images.name, images.layout, frame, problems), np.stack(pixels)


def hashes(pixels: np.ndarray) -> np.ndarray:
    """Gradient hash: whether each cell of a 16 x 17 grey copy is lighter than its left neighbour; (n, 256) bool."""
    side = (HASH_SIDE + 1, HASH_SIDE)
    grey = [Image.fromarray(x).convert("L").resize(side, Image.Resampling.BOX) for x in pixels]
    grey = np.array([np.asarray(x, int) for x in grey]).reshape(-1, HASH_SIDE, HASH_SIDE + 1)
    return (grey[:, :, 1:] > grey[:, :, :-1]).reshape(len(grey), -1)


def duplicates(pixels: np.ndarray, others: np.ndarray, other_ids: np.ndarray) -> list[str]:
    """For each image the id of the one among the others that it is a copy of (``ALIKE``), or "".

    Args:
        pixels: (n, S, S, 3) uint8. others: (m, S, S, 3) uint8 of the same side. other_ids: (m,).
    """
    mine, theirs, originals = hashes(pixels).astype(np.float32), hashes(others).astype(np.float32), []
    for start in range(0, len(mine), 1024):
        part = mine[start : start + 1024]
        bits = part.sum(axis=1)[:, None] + theirs.sum(axis=1) - 2 * part @ theirs.T
        nearest = bits.argmin(axis=1)
        alike = bits[np.arange(len(part)), nearest] <= ALIKE
        originals += [str(other_ids[i]) if same else "" for i, same in zip(nearest, alike)]
    return originals
