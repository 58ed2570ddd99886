"""The paper's data protocol, recovered to the image: test split, augmentation arithmetic, validation, leakage.

Paper, section 3.1: 1,103 of 10,015 images for testing, the other 8,912 augmented to 52,000 files, of which 70% train
and 30% validate. Everything is computed from the metadata; no image is read here.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedKFold, train_test_split

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.profile import FOLDS, Profile

TEST_FRACTION = 0.2  # of the lesions that were photographed once, stratified by diagnosis


# Pairs of nearly identical images that carry different lesion ids (Abhishek et al., Scientific Data 12:196, 2025).
NEAR_DUPLICATES = tuple(
    tuple(f"ISIC_{number}" for number in pair.split("-"))
    for pair in (
        "0033481-0033421 0033556-0032634 0029152-0033173 0029036-0027027 0027820-0028209 0027689-0032647 "
        "0030906-0024879 0033391-0034186 0025226-0030074 0026087-0025664 0024736-0029748 0024770-0027811 "
        "0027162-0029061 0024602-0032283 0029625-0024629 0030000-0031392 0024437-0031299 0033374-0033417"
    ).split()
)


def labels(metadata: pd.DataFrame) -> np.ndarray:
    """Class numbers (n,), in the order of ``CLASSES``."""
    return metadata["dx"].map({name: number for number, name in enumerate(CLASSES)}).to_numpy(np.int64)


def single_image_rows(metadata: pd.DataFrame) -> np.ndarray:
    """Row numbers of the images whose lesion was photographed once: the pool of the test set."""
    return np.flatnonzero(~metadata["lesion_id"].duplicated(keep=False).to_numpy())


def test_rows(metadata: pd.DataFrame, seed: int) -> np.ndarray:
    """Row numbers of the test images, ascending: 20% of the single-image lesions, stratified by diagnosis.

    With HAM10000 these are 1,103 images for every seed. The authors' seed was not published.
    """
    pool = single_image_rows(metadata)
    try:
        _, test = train_test_split(
            pool, test_size=TEST_FRACTION, stratify=metadata["dx"].to_numpy()[pool], random_state=seed
        )
    except ValueError as error:
        raise UserError(f"metadata: too few single-image lesions for a stratified test split ({error})") from None
    return np.sort(test)


def lesion_groups(metadata: pd.DataFrame) -> np.ndarray:
    """Group number per image (n,): one lesion, with the known near-duplicate lesions merged."""
    lesions, names = pd.factorize(metadata["lesion_id"])
    row = {image: number for number, image in enumerate(metadata["image_id"])}
    pairs = [(lesions[row[a]], lesions[row[b]]) for a, b in NEAR_DUPLICATES if a in row and b in row]
    links = np.array(pairs, int).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(links)), links.T), shape=(len(names), len(names)))
    return connected_components(graph, directed=False)[1][lesions]


def test_parts(metadata: pd.DataFrame, profile: Profile) -> list[np.ndarray]:
    """Row numbers of the test images of every fold, ascending; one part only where the profile has one test set.

    ``paper-folds``: the lesions photographed once, by diagnosis, in five parts, the first the test set of ``paper``.
    ``lesion-folds``: all images, lesion by lesion (near-duplicates merged), stratified by diagnosis.
    """
    if profile.test == "paper":
        return [test_rows(metadata, profile.test_seed)]
    dx = metadata["dx"].to_numpy()
    if profile.test == "paper-folds":
        first = test_rows(metadata, profile.test_seed)
        units = np.setdiff1d(single_image_rows(metadata), first)
        rest = _stratified_parts(units, dx[units], FOLDS - 1, profile.test_seed)
        return [first, *(np.sort(part) for part in rest)]
    groups = lesion_groups(metadata)
    lesions, photograph = np.unique(groups, return_index=True)
    parts = _stratified_parts(lesions, dx[photograph], FOLDS, profile.test_seed)
    return [np.flatnonzero(np.isin(groups, part)) for part in parts]


def _stratified_parts(units: np.ndarray, dx: np.ndarray, parts: int, seed: int) -> list[np.ndarray]:
    if pd.Series(dx).value_counts().min() < parts:
        raise UserError(
            f"metadata: a class has fewer lesions than there are folds ({parts}); use more images, or test: paper"
        )
    folds = StratifiedKFold(parts, shuffle=True, random_state=seed)
    return [units[members] for _, members in folds.split(units, dx)]


def files_per_class(originals: int, target: int, batch: int) -> int:
    """Files of a class after the offline augmentation, originals included.

    The generator runs ceil((target - originals) / batch) batches over the class again and again; one pass over the
    class is ceil(originals / batch) batches, the last of which is short.
    """
    batches = max(0, math.ceil((target - originals) / batch))
    passes, rest = divmod(batches, math.ceil(originals / batch))
    return originals + passes * originals + rest * batch


@dataclass(frozen=True)
class Split:
    """Which image goes where. Row numbers refer to the metadata.

    ``train`` and ``validation`` are DataFrames with the columns ``row`` (of the metadata) and ``copy``
    (0 is the photograph itself, k > 0 its k-th virtual copy); ``test`` holds row numbers.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: np.ndarray


def split(metadata: pd.DataFrame, profile: Profile, fold: int | None = None) -> Split:
    """Test, training and validation files as the profile says.

    ``validation: copies`` is the paper's: the files of every class (photographs and copies) are divided at random,
    after augmentation, so that copies of one photograph stand on both sides. ``training`` validates on the training
    files themselves, as the released notebook of the proposed model does. ``lesions`` draws lesions, stratified by
    diagnosis, and keeps all images of a lesion (near-duplicates included) on one side. ``names`` takes the first files
    of every class by name, as Keras's ``flow_from_directory`` with ``validation_split`` does (:func:`by_name`).
    Which 30% the authors' loader took is not recorded; page Plans says how the two are told apart.

    Args:
        metadata: one row an image.
        profile: see :class:`~wagf_src.profile.Profile`.
        fold: which part is tested, where the profile has folds. What is not tested is for training and validation, but
            for near-duplicates of tested lesions, which the paper's one test set does not know of.

    Raises:
        UserError: no such fold, or too few images of a class for a stratified draw.
    """
    if fold not in ([None] if profile.test == "paper" else range(FOLDS)):
        allowed = "no fold" if profile.test == "paper" else f"a fold from 0 to {FOLDS - 1}"
        raise UserError(
            f"profile {profile.name} has test: {profile.test}: a run of it names {allowed}, not {fold}, as in "
            f"{profile.runs()[0]}"
        )
    test = test_parts(metadata, profile)[fold or 0]
    rest = np.setdiff1d(np.arange(len(metadata)), test)
    groups = lesion_groups(metadata)
    if fold is not None:
        rest = rest[~np.isin(groups[rest], groups[test])]
    if profile.validation == "lesions":
        groups = groups[rest]
        lesions, first = np.unique(groups, return_index=True)
        try:
            _, chosen = train_test_split(
                lesions,
                test_size=profile.validation_fraction,
                stratify=metadata["dx"].to_numpy()[rest][first],
                random_state=profile.test_seed,
            )
        except ValueError as error:
            raise UserError(
                f"metadata: too few lesions of a class for a stratified validation split ({error}); use more images, "
                "or another validation_fraction"
            ) from None
        held = np.isin(groups, chosen)
        return Split(_originals(rest[~held]), _originals(rest[held]), test)
    files = virtual_files(metadata, rest, profile) if profile.augmentation == "offline" else _originals(rest)
    if profile.validation == "training":
        return Split(files, files, test)
    order = by_name(metadata, files) if profile.validation == "names" else np.arange(len(files))
    rng = np.random.default_rng([profile.test_seed, 1])
    dx = metadata["dx"].to_numpy()[files["row"]]
    chosen = np.zeros(len(files), bool)
    for name in CLASSES:
        members = order[dx[order] == name]
        if profile.validation == "copies":
            members = rng.permutation(members)
        chosen[members[: math.floor(profile.validation_fraction * len(members))]] = True
    return Split(files[~chosen].reset_index(drop=True), files[chosen].reset_index(drop=True), test)


def virtual_files(metadata: pd.DataFrame, rows: np.ndarray, profile: Profile) -> pd.DataFrame:
    """The paper's augmented folder as a list: columns ``row`` and ``copy``, nothing on disk.

    Each pass of the generator takes every image of the class once, in a new order; the last pass is cut off.
    """
    dx = metadata["dx"].to_numpy()
    parts = []
    for number, name in enumerate(CLASSES):
        members = rows[dx[rows] == name]
        if not len(members):
            continue
        rng = np.random.default_rng([profile.test_seed, 2, number])
        wanted = files_per_class(len(members), profile.target_per_class, profile.generator_batch)
        passes = [members]
        while sum(map(len, passes)) < wanted:
            passes.append(rng.permutation(members))
        order = np.concatenate(passes)[:wanted]
        copy = np.concatenate([np.full(len(p), k) for k, p in enumerate(passes)])[:wanted]
        parts.append(pd.DataFrame({"row": order, "copy": copy}))
    return pd.concat(parts, ignore_index=True)


def by_name(metadata: pd.DataFrame, files: pd.DataFrame) -> np.ndarray:
    """Positions of the augmented files (n,) in the order of their names, class by class.

    Keras's generator saves a copy as ``_<index>_<hash>``: the index is the photograph's place among the sorted file
    names of its class, the hash a random number below ten million. ``_`` sorts after the ``ISIC_`` of photographs, and
    indices sort as texts: 0, 1000, 1001, ..., 100, ..., 10, ..., 1. That the authors' copies kept these names is an
    assumption. The hashes are lost; the number of the copy stands for them, which changes nothing but which copies of
    one photograph a class, the one at the cut, are on either side.

    Args:
        files: columns ``row`` and ``copy``, as :func:`virtual_files` gives them.
    """
    image, dx = metadata["image_id"].to_numpy()[files["row"]], metadata["dx"].to_numpy()[files["row"]]
    names = pd.DataFrame({"dx": dx, "image": image, "copy": files["copy"].to_numpy()})
    index = names.groupby("dx")["image"].transform(lambda ids: pd.factorize(ids, sort=True)[0])
    names["name"] = names["image"].where(names["copy"] == 0, "_" + index.astype(str) + "_")
    return names.sort_values(["dx", "name", "copy"], kind="stable").index.to_numpy()


def _originals(rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "copy": np.zeros(len(rows), np.int64)})


def counts(metadata: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Every count of the paper's protocol, by class: columns ``quantity``, ``class`` (or ``total``), ``count``.

    The paper's own protocol (offline copies, 30% of the files) is counted whatever the profile trains with; the
    profile gives the target per class and the generator's batch.
    """
    dx = metadata["dx"].to_numpy()
    single = single_image_rows(metadata)
    test = test_rows(metadata, profile.test_seed)
    rest = np.setdiff1d(np.arange(len(metadata)), test)
    augmented = {
        name: files_per_class(n, profile.target_per_class, profile.generator_batch)
        for name in CLASSES
        if (n := int((dx[rest] == name).sum()))
    }
    validation = {name: math.floor(0.3 * n) for name, n in augmented.items()}
    by_class = {
        "images": pd.Series(dx).value_counts(),
        "lesions": metadata.groupby("dx")["lesion_id"].nunique(),
        "single-image lesions": pd.Series(dx[single]).value_counts(),
        "test images": pd.Series(dx[test]).value_counts(),
        "images left": pd.Series(dx[rest]).value_counts(),
        "augmented files": pd.Series(augmented),
        "validation files": pd.Series(validation),
        "training files": pd.Series({name: augmented[name] - validation[name] for name in augmented}),
    }
    rows = []
    for quantity, values in by_class.items():
        rows += [(quantity, name, int(values.get(name, 0))) for name in CLASSES]
        rows.append((quantity, "total", int(values.sum())))
    return pd.DataFrame(rows, columns=["quantity", "class", "count"])


def leakage(metadata: pd.DataFrame, train: np.ndarray, held_out: np.ndarray, grouping: str = "lesion") -> pd.DataFrame:
    """How many held-out files have a sibling in training: columns ``class``, ``held_out``, ``with_sibling``, ``share``.

    Args:
        train, held_out: row numbers of the metadata, one per file (rows may repeat: copies).
        grouping: ``"lesion"`` (another photograph of the lesion, near-duplicates included, or a copy of the same
            photograph) or ``"image"`` (a copy of the same photograph).
    """
    groups = lesion_groups(metadata) if grouping == "lesion" else np.arange(len(metadata))
    leaks = np.isin(groups[held_out], groups[train])
    dx = metadata["dx"].to_numpy()[held_out]
    rows = [(name, int((dx == name).sum()), int(leaks[dx == name].sum())) for name in CLASSES]
    rows.append(("total", len(held_out), int(leaks.sum())))
    frame = pd.DataFrame(rows, columns=["class", "held_out", "with_sibling"])
    return frame.assign(share=frame["with_sibling"] / frame["held_out"].where(frame["held_out"] > 0))


def subsample(metadata: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """A few images of every class for a rehearsal: three quarters single-image lesions, the rest of other lesions."""
    single = np.zeros(len(metadata), bool)
    single[single_image_rows(metadata)] = True
    keep = []
    for name in CLASSES:
        of_class = (metadata["dx"] == name).to_numpy()
        alone = np.flatnonzero(of_class & single)[: per_class * 3 // 4]
        keep += [alone, np.flatnonzero(of_class & ~single)[: per_class - len(alone)]]
    return metadata.iloc[np.sort(np.concatenate(keep))].reset_index(drop=True)


def id_digest(image_ids) -> str:
    """SHA-256 of the sorted image ids, one a line: names a set of images whatever its order."""
    return hashlib.sha256("".join(f"{i}\n" for i in sorted(image_ids)).encode()).hexdigest()
