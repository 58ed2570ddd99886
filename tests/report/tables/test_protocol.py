"""Tables of the data protocol on a few made-up lesions, against sets, simulation and closed forms."""

import dataclasses
from collections import Counter
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import comb
from sklearn.model_selection import ShuffleSplit, train_test_split

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data.protocol import NEAR_DUPLICATES
from wagf_src.paper import published
from wagf_src.profile import load_profile
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables import TABLES, protocol

TARGET, BATCH = 120, 8


@pytest.fixture(scope="module")
def metadata():
    """20 lesions a class, 60 of nevi; every fourth was photographed three times; the known duplicates are nevi."""
    rows = []
    for c in CLASSES:
        for lesion in range(60 if c == "nv" else 20):
            for _ in range(3 if lesion % 4 == 0 else 1):
                rows.append({"lesion_id": f"HAM_{c}{lesion}", "image_id": f"ISIC_9{len(rows):06}", "dx": c})
    frame = pd.DataFrame(rows)
    singles = frame.index[(frame["dx"] == "nv") & ~frame["lesion_id"].duplicated(keep=False)]
    known = [protocol.NAMED, *(image for pair in NEAR_DUPLICATES for image in pair)]
    frame.loc[singles[: len(known)], "image_id"] = known
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def gather(metadata, **settings):
    settings = {"target_per_class": TARGET, "generator_batch": BATCH, "test_seed": 3} | settings
    gathered = Evidence("frozen", [], {}, TABLES)
    vars(gathered).update(metadata=metadata, settings=dataclasses.replace(load_profile("frozen"), **settings))
    return gathered


@pytest.fixture(scope="module")
def gathered(metadata):
    return gather(metadata)


def drawn(metadata, seed):
    """The rule of the test set in three lines of scikit-learn and pandas."""
    single = metadata.groupby("lesion_id").filter(lambda lesion: len(lesion) == 1)
    _, test = train_test_split(single, test_size=0.2, stratify=single["dx"], random_state=seed)
    return set(test["image_id"])


def test_counts_stand_beside_what_is_stated(gathered, metadata):
    table = gathered.table("protocol_counts").set_index(["quantity", "class"])
    assert table.loc["images", "count"].to_dict() == Counter(metadata["dx"]) | {"total": len(metadata)}
    test = metadata[metadata["image_id"].isin(drawn(metadata, 3))]
    assert table.loc["test images", "count"].drop("total").to_dict() == {c: (test["dx"] == c).sum() for c in CLASSES}
    assert table["paper"].dropna().to_dict() == {
        ("images", "total"): 10015,
        ("test images", "total"): 1103,
        ("images left", "total"): 8912,
        ("augmented files", "total"): 52000,
    }
    assert table.loc["test images", "released_notebooks"].drop("total").to_dict() == published.TEST_SUPPORTS
    n, known = len(metadata), 1 + 2 * len(NEAR_DUPLICATES)
    name = f"{n} images, {n - known} of them not HAM10000's"
    assert table["provenance"].unique().tolist() == [f"{name}: metadata of {n} images; test seed 3"]


def test_generator_is_its_simulation(gathered):
    """Batches over the photographs, pass after pass, the last batch of a pass short, until the target is met."""
    names = (
        "index name target batch images_left batches batches_a_pass whole_passes batches_over files validation training"
    )
    for values in gathered.table("generator").itertuples():
        row = SimpleNamespace(**dict(zip(names.split(), values)))
        sizes = [len(part) for part in np.array_split(np.arange(row.images_left), range(BATCH, row.images_left, BATCH))]
        supply, files = cycle(sizes), row.images_left
        for _ in range(-(-(TARGET - row.images_left) // BATCH)):
            files += next(supply)
        assert (row.files, row.validation, row.training) == (files, int(0.3 * files), files - int(0.3 * files)), row
        assert row.batches == row.whole_passes * len(sizes) + row.batches_over and row.batches_a_pass == len(sizes)


def test_leakage_by_sets(gathered, metadata):
    table = gathered.table("leakage").set_index(["protocol", "grouping", "class"]).sort_index()
    assert table.loc[(protocol.AT_RANDOM, "image")].index.tolist() == sorted([*CLASSES, "total"])
    partner = dict(NEAR_DUPLICATES) | {b: a for a, b in NEAR_DUPLICATES}
    test = drawn(metadata, 3)
    # Test lesions were photographed once: only a near-duplicate outside can be a sibling.
    leaking = sum(image in partner and partner[image] not in test for image in test)
    assert table.loc[(protocol.TEST, "lesion", "total"), "with_sibling"] == leaking > 0
    # Grouped by the published ids, only near-duplicates are divided; merged, nothing is.
    grouped = table["share"].xs((protocol.GROUPED, "lesion"))
    assert grouped[grouped > 0].index.tolist() == ["nv", "total"]
    assert table.loc[(protocol.MERGED, "lesion"), "with_sibling"].eq(0).all()
    shares, lesion = (
        [],
        metadata["lesion_id"].replace(
            {
                metadata.set_index("image_id")["lesion_id"][b]: metadata.set_index("image_id")["lesion_id"][a]
                for a, b in NEAR_DUPLICATES
            }
        ),
    )
    for train, held in ShuffleSplit(10, test_size=0.2, random_state=0).split(metadata):
        shares.append(np.mean([group in set(lesion[train]) for group in lesion[held]]))
    assert table.loc[(protocol.IMAGES, "lesion", "total"), "share"] == pytest.approx(np.mean(shares))
    siblings = gathered.table("siblings").set_index("class").loc["total"]
    assert (siblings["lowest"], siblings["highest"]) == pytest.approx((min(shares), max(shares)))


def test_expected_leakage_is_hypergeometric(gathered, metadata):
    """Of n images k are held out; a held-out image of a lesion with m has no sibling left in C(n - m, k - m) draws."""
    n, k = len(metadata), -(-len(metadata) // 5)
    alone = {m: comb(n - m, k - m, exact=True) / comb(n - 1, k - 1, exact=True) for m in (1, 3)}
    table = gathered.table("siblings").set_index("class")
    share = 1 - np.mean([alone[m] for lesion in range(20) for m in ([3] * 3 if lesion % 4 == 0 else [1])])
    assert table.loc["df", "expected"] == pytest.approx(share)
    assert table["most_photographs"].eq(3).all()


def test_by_file_name_photographs_come_first(gathered):
    """``ISIC_`` sorts before ``_``: as many photographs validate as there is room for, the others train."""
    table, left = gathered.table("siblings").set_index("class"), gathered.table("generator").set_index("class")
    expected = (left["images left, n"] - left["validation"]).clip(lower=0)
    assert table["photographs_trained"].drop("total").to_dict() == expected.to_dict()
    assert expected["df"] == 0 < expected["nv"]


def test_seeds_and_near_duplicates_by_hand(gathered, metadata):
    table = gathered.table("test_seeds").set_index("seed")
    assert table.index.tolist() == list(range(protocol.SEEDS)) and table.index[table["used"]].tolist() == [3]
    for seed in (0, 3, 299):
        test = drawn(metadata, seed)
        inside = [len({a, b} & test) for a, b in NEAR_DUPLICATES]
        row = table.loc[seed, ["holds_named", "n_test", "pairs_divided", "pairs_inside"]].tolist()
        assert row == [protocol.NAMED in test, len(test), inside.count(1), inside.count(2)]
    pairs, test = gathered.table("near_duplicates"), drawn(metadata, 3)
    assert list(zip(pairs["image"], pairs["near-duplicate"])) == list(NEAR_DUPLICATES)
    assert pairs["set"].eq("test").tolist() == [a in test for a, _ in NEAR_DUPLICATES]
    assert pairs["class"].eq("nv").all()
    assert gather(metadata, test_seed=400).table("test_seeds")["seed"].iloc[-1] == 400


def test_without_metadata_committed_tables_stand_in(monkeypatch, tmp_path):
    gathered = gather(None)
    for name in ("protocol_counts", "leakage"):
        expected = pd.read_csv(paths.REFERENCE_DIR / "frozen" / "tables" / f"{name}.csv")
        pd.testing.assert_frame_equal(gathered.table(name), expected)
    assert gathered.table("generator")["provenance"].iloc[0].startswith("HAM10000")
    assert not any(len(gathered.table(name)) for name in ("siblings", "test_seeds", "near_duplicates"))
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path)
    gathered = gather(None)
    assert gathered.table("protocol_counts") is gathered.table("leakage") is gathered.table("generator") is None
