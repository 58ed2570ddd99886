"""The paper's data protocol (section 3.1), counted on the metadata; no image is read.

Without metadata the committed counts and leakage stand in, and what needs single images has no rows.
"""

import dataclasses
import math

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data import protocol
from wagf_src.data.protocol import NEAR_DUPLICATES
from wagf_src.paper import published
from wagf_src.report.evidence import Evidence

NAMED = "ISIC_0027903"  # the only test image that the released notebooks name
SEEDS = 300  # seeds of the test draw that are tried, from 0
REPEATS = 10  # draws of each 80/20 split, by scikit-learn's splitters with random_state 0

AT_RANDOM, BY_NAME, TEST = "paper: validation, at random", "paper: validation, by file name", "paper: test"
IMAGES, GROUPED, MERGED = "image-level 80/20", "lesion-grouped 80/20", "lesion-grouped 80/20, near-duplicates merged"


def protocol_counts(evidence: Evidence) -> pd.DataFrame | None:
    """Every count by quantity and class (or ``total``), beside what the paper and the released notebooks state."""
    if evidence.metadata is None:
        return _committed(evidence, "protocol_counts")
    totals = {"images": "N_IMAGES", "test images": "N_TEST", "images left": "N_LEFT", "augmented files": "N_AUGMENTED"}
    paper = {(quantity, "total"): getattr(published, name) for quantity, name in totals.items()}
    notebooks = {("test images", c): n for c, n in published.TEST_SUPPORTS.items()} | {
        ("test images", "total"): sum(published.TEST_SUPPORTS.values()),
        ("training files", "total"): published.TRAINING_FILES,
        ("validation files", "total"): published.VALIDATION_FILES,
    }
    counts = protocol.counts(evidence.metadata, evidence.settings)
    for column, stated in (("paper", paper), ("released_notebooks", notebooks)):
        counts[column] = [stated.get(key, np.nan) for key in zip(counts["quantity"], counts["class"])]
    return _stamped(counts, evidence)


def generator(evidence: Evidence) -> pd.DataFrame | None:
    """The augmenting generator's arithmetic, one row a class (``protocol.files_per_class``, step by step)."""
    counts = evidence.table("protocol_counts")
    if counts is None:
        return None
    target, batch = evidence.settings.target_per_class, evidence.settings.generator_batch
    left = counts[counts["quantity"] == "images left"].set_index("class")["count"]
    rows = []
    for c in left.index[left.index.isin(CLASSES) & (left > 0)]:
        n = left[c]
        batches, a_pass = max(0, math.ceil((target - n) / batch)), math.ceil(n / batch)
        passes, rest = divmod(batches, a_pass)
        files = n + passes * n + rest * batch
        held = math.floor(0.3 * files)
        rows.append((c, target, batch, n, batches, a_pass, passes, rest, files, held, files - held))
    columns = ["class", "target", "batch", "images left, n", "batches, b", "batches a pass, p", "whole passes"]
    columns += ["batches over", "files, N", "validation", "training"]
    return pd.DataFrame(rows, columns=columns).assign(provenance=counts["provenance"].iloc[0])


def leakage(evidence: Evidence) -> pd.DataFrame | None:
    """Held-out files with a sibling in training, by way of splitting and class; 80/20 splits are means of REPEATS."""
    metadata = evidence.metadata
    if metadata is None:
        return _committed(evidence, "leakage")
    drawn, named = _split(evidence, "copies"), _split(evidence, "names")
    rest = np.setdiff1d(np.arange(len(metadata)), drawn.test)
    pairs = {
        AT_RANDOM: [(drawn.train["row"], drawn.validation["row"])],
        BY_NAME: [(named.train["row"], named.validation["row"])],
        TEST: [(rest, drawn.test)],
        IMAGES: _image_level(metadata),
    }
    for case, groups in ((GROUPED, metadata["lesion_id"]), (MERGED, protocol.lesion_groups(metadata))):
        pairs[case] = list(GroupShuffleSplit(REPEATS, test_size=0.2, random_state=0).split(metadata, groups=groups))
    parts = []
    for case, grouping in ((AT_RANDOM, "image"), (BY_NAME, "image"), *((case, "lesion") for case in pairs)):
        draws = [protocol.leakage(metadata, *draw, grouping).set_index("class") for draw in pairs[case]]
        mean = sum(draw[["held_out", "with_sibling"]] for draw in draws) / len(draws)
        mean["share"] = mean["with_sibling"] / mean["held_out"].where(mean["held_out"] > 0)
        parts.append(mean.reset_index().assign(protocol=case, grouping=grouping))
    columns = ["protocol", "grouping", "class", "held_out", "with_sibling", "share"]
    return _stamped(pd.concat(parts, ignore_index=True)[columns], evidence)


def siblings(evidence: Evidence) -> pd.DataFrame:
    """What leakage needs single images for, by class and in ``total``.

    ``most_photographs`` of one lesion; the share of held-out images with a sibling under an image-level 80/20 split,
    ``expected`` over all draws and ``lowest`` and ``highest`` of those drawn; ``photographs_trained``, the photographs
    (not copies) that train where validation takes files by name.

    A held-out image of a lesion with m of the n photographs has no sibling in training if the other m - 1 are among
    the k held out too: the product over j < m of (k - j) / (n - j).
    """
    columns = ["class", "most_photographs", "expected", "lowest", "highest", "photographs_trained"]
    metadata = evidence.metadata
    if metadata is None:
        return _stamped(pd.DataFrame(columns=columns), evidence)
    draws = _image_level(metadata)
    n, k = len(metadata), len(draws[0][1])
    groups, dx = pd.Series(protocol.lesion_groups(metadata)), metadata["dx"]
    size = groups.groupby(groups).transform("size")
    expected = 1 - size.map(lambda m: math.prod((k - j) / (n - j) for j in range(1, m)))
    drawn = pd.concat([protocol.leakage(metadata, *draw).set_index("class")["share"] for draw in draws], axis=1)
    most = metadata["lesion_id"].map(metadata["lesion_id"].value_counts())
    train = _split(evidence, "names").train
    trained = dx.iloc[train.loc[train["copy"] == 0, "row"]]
    rows = [
        (c, most[mask].max(), expected[mask].mean(), drawn.loc[c].min(), drawn.loc[c].max(), trained.isin(names).sum())
        for c, names in [*((c, [c]) for c in CLASSES), ("total", CLASSES)]
        if (mask := dx.isin(names)).any()
    ]
    return _stamped(pd.DataFrame(rows, columns=columns), evidence)


def test_seeds(evidence: Evidence) -> pd.DataFrame:
    """One row a seed of the test draw: whether it holds the named image, how many near-duplicates it divides or holds.

    Seeds 0 to SEEDS - 1 and the profile's own; no rows where the named image is not at hand.
    """
    metadata, rows = evidence.metadata, []
    if metadata is not None and NAMED in set(metadata["image_id"]):
        ids = metadata["image_id"].to_numpy()
        for seed in sorted({*range(SEEDS), evidence.settings.test_seed}):
            drawn = set(ids[protocol.test_rows(metadata, seed)])
            inside = [(a in drawn) + (b in drawn) for a, b in NEAR_DUPLICATES]
            digest = protocol.id_digest(drawn)[:16]
            used = seed == evidence.settings.test_seed
            rows.append((seed, used, NAMED in drawn, len(drawn), inside.count(1), inside.count(2), digest))
    columns = ["seed", "used", "holds_named", "n_test", "pairs_divided", "pairs_inside", "id_digest"]
    return _stamped(pd.DataFrame(rows, columns=columns), evidence)


def near_duplicates(evidence: Evidence) -> pd.DataFrame:
    """The known pairs of near-duplicates with different lesion ids, and on which side each image is."""
    metadata, rows = evidence.metadata, []
    if metadata is not None and {image for pair in NEAR_DUPLICATES for image in pair} <= set(metadata["image_id"]):
        dx = metadata.set_index("image_id")["dx"]
        drawn = set(metadata["image_id"].iloc[protocol.test_rows(metadata, evidence.settings.test_seed)])
        side = {image: "test" if image in drawn else "rest" for image in dx.index}
        rows = [(a, side[a], b, side[b], " / ".join(dict.fromkeys((dx[a], dx[b])))) for a, b in NEAR_DUPLICATES]
    return _stamped(pd.DataFrame(rows, columns=["image", "set", "near-duplicate", "its set", "class"]), evidence)


def _stamped(frame, evidence):
    if evidence.metadata is None:
        return frame.assign(provenance="no metadata")
    name, images = evidence.data_name, len(evidence.metadata)
    return frame.assign(provenance=f"{name}: metadata of {images:,} images; test seed {evidence.settings.test_seed}")


def _committed(evidence, name):
    folders = (paths.REFERENCE_DIR / evidence.profile / "tables", paths.REFERENCE_DIR / "protocol")
    files = [folder / f"{name}.csv" for folder in folders]
    return next((pd.read_csv(file) for file in files if file.is_file()), None)


def _as_the_paper(evidence, validation):
    """The profile's seed and generator with the paper's augmentation, 30% of its files for validation."""
    paper = {"augmentation": "offline", "validation": validation, "validation_fraction": 0.3, "train": "end_to_end"}
    return dataclasses.replace(evidence.settings, arms=("densenet121-base",), **paper)


def _image_level(metadata):
    return list(ShuffleSplit(REPEATS, test_size=0.2, random_state=0).split(metadata))


def _split(evidence, validation):
    return protocol.split(evidence.metadata, _as_the_paper(evidence, validation))
