"""The paper's protocol to the image. The expected numbers are the paper's and those printed in the released
notebooks."""

import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data import ham10000, protocol
from wagf_src.data.protocol import NEAR_DUPLICATES
from wagf_src.errors import UserError
from wagf_src.profile import Profile

IMAGES = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
SINGLE = {"akiec": 151, "bcc": 175, "bkl": 440, "df": 39, "mel": 230, "nv": 4415, "vasc": 64}
TEST = {"akiec": 30, "bcc": 35, "bkl": 88, "df": 8, "mel": 46, "nv": 883, "vasc": 13}
FILES = {"akiec": 7972, "bcc": 7714, "bkl": 7777, "df": 5771, "mel": 7819, "nv": 8022, "vasc": 6937}


def profile(**changes):
    values = {
        "name": "test",
        "description": "",
        "data": "ham10000",
        "image_size": 64,
        "arms": ("mobilenetv2-base",),
        "augmentation": "offline",
        "validation": "copies",
        "validation_fraction": 0.3,
    }
    return Profile(**{**values, **changes})


@pytest.fixture(scope="module")
def metadata():
    """HAM10000's own when it is at hand, else a stand-in with its numbers of images and of single-image lesions."""
    if os.environ.get("HAM10000_DIR"):
        return ham10000.load_metadata(os.environ["HAM10000_DIR"])
    rows, lesion = [], 0
    for dx, images in IMAGES.items():
        for k in range(images):
            # The first ones alone, the others in pairs (one of three where the number is odd).
            lesion += k < SINGLE[dx] or ((k - SINGLE[dx]) % 2 == 0 and k < images - 1)
            rows.append((f"HAM_{lesion:07}", f"ISIC_{len(rows):07}", dx))
    frame = pd.DataFrame(rows, columns=["lesion_id", "image_id", "dx"])
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def test_counts_to_the_image(metadata):
    table = protocol.counts(metadata, profile()).set_index(["quantity", "class"])["count"]
    totals = {
        "images": 10015,
        "single-image lesions": 5514,
        "test images": 1103,
        "images left": 8912,
        "augmented files": 52012,
        "training files": 36411,
        "validation files": 15601,
    }
    assert {q: table[q, "total"] for q in totals} == totals
    for quantity, expected in (
        ("images", IMAGES),
        ("single-image lesions", SINGLE),
        ("test images", TEST),
        ("augmented files", FILES),
    ):
        assert {c: table[quantity, c] for c in CLASSES} == expected, quantity


def test_the_list_of_files_is_the_count(metadata):
    """The virtual folder itself, counted file by file, not through the formula."""
    split = protocol.split(metadata, profile())
    assert (len(split.train), len(split.validation), len(split.test)) == (36411, 15601, 1103)
    files = pd.concat([split.train, split.validation])
    assert not files.duplicated().any()
    assert not set(files["row"]) & set(split.test)
    dx = metadata["dx"].to_numpy()[files["row"]]
    assert pd.Series(dx).value_counts().to_dict() == FILES
    # Every photograph is there once as itself, and copies are spread evenly: no image has two more than another of its
    # class.
    assert (files["copy"] == 0).sum() == 8912
    per_image = files.groupby("row").size()
    for c in CLASSES:
        sizes = per_image[metadata["dx"].to_numpy()[per_image.index] == c]
        # A pass's last batch is short, so a cut-off pass ends with whole batches of 50: never more than one pass apart.
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("seed", [0, 12, 101])
def test_test_set_for_any_seed(metadata, seed):
    rows = protocol.test_rows(metadata, seed)
    dx = metadata["dx"].to_numpy()[rows]
    assert pd.Series(dx).value_counts().to_dict() == TEST
    lesions = metadata["lesion_id"].to_numpy()
    assert not np.isin(lesions[rows], np.delete(lesions, rows)).any()
    assert (rows == protocol.test_rows(metadata, seed)).all()
    assert (rows != protocol.test_rows(metadata, seed + 1)).any()


def test_files_per_class_by_hand():
    # 10 originals, batches of 4: a pass is 3 batches (4 + 4 + 2). (30 - 10) / 4 = 5 batches: one pass and 8 more.
    assert protocol.files_per_class(10, 30, 4) == 10 + 10 + 8
    assert protocol.files_per_class(10, 10, 4) == 10
    assert protocol.files_per_class(40, 10, 4) == 40


def test_lesion_validation_has_no_sibling_in_training(metadata):
    split = protocol.split(metadata, profile(augmentation="none", validation="lesions", validation_fraction=0.15))
    assert len(split.train) + len(split.validation) == 8912
    assert 0.12 < len(split.validation) / 8912 < 0.18
    lesions = metadata["lesion_id"].to_numpy()
    assert not set(lesions[split.validation["row"]]) & set(lesions[split.train["row"]])
    assert set(metadata["dx"].to_numpy()[split.validation["row"]]) == set(CLASSES)


def test_validating_on_the_training_folder(metadata):
    split = protocol.split(metadata, profile(validation="training"))
    assert split.train.equals(split.validation) and len(split.train) == 52012


def test_the_first_files_by_name_validate(metadata):
    """The counts of FINDINGS 8, and where each kind of file goes, looked at file by file."""
    split = protocol.split(metadata, profile(validation="names"))
    assert (len(split.train), len(split.validation), len(split.test)) == (36411, 15601, 1103)
    files = pd.concat([split.train, split.validation])
    assert sorted(map(tuple, files.to_numpy())) == sorted(
        map(tuple, pd.concat([(c := protocol.split(metadata, profile())).train, c.validation]).to_numpy())
    )
    ids, dx = metadata["image_id"], metadata["dx"]
    for name in CLASSES:
        held, trained = (f[dx.iloc[f["row"]].to_numpy() == name] for f in (split.validation, split.train))
        assert len(held) == int(0.3 * FILES[name])
        photographs = sorted(ids.iloc[files["row"]][dx.iloc[files["row"]].to_numpy() == name].unique())
        if name == "nv":  # photographs only, the first 2,406 by name
            assert held["copy"].max() == 0 and len(held) == 2406
            assert sorted(ids.iloc[held["row"]]) == photographs[:2406]
            continue
        assert (trained["copy"] > 0).all()  # every photograph validates
        places = {image: str(k) for k, image in enumerate(photographs)}
        indices = [{places[ids.iloc[row]] for row in f.loc[f["copy"] > 0, "row"]} for f in (held, trained)]
        assert len(indices[0] & indices[1]) <= 1  # one photograph at the cut
        ordered = sorted(f"{k}_" for k in range(len(photographs)))
        assert {f"{k}_" for k in indices[0]} == set(ordered[: len(indices[0])])
        assert ordered[0] == "0_" and "1000_" not in ordered or ordered.index("1000_") < ordered.index("1_")


def test_keras_own_loader_takes_the_same_files(tmp_path):
    """Copies made by Keras's own generator, the 30% by its own loader: numbers of files and names, not our arithmetic.

    The hashes are Keras's, so of one photograph a class other copies may be on either side.
    """
    generator = pytest.importorskip("keras").src.legacy.preprocessing.image.ImageDataGenerator
    rng = np.random.default_rng(0)
    sizes = {name: 130 if name == "nv" else 13 + 5 * k for k, name in enumerate(CLASSES)}
    rows = [
        (f"L{n}", f"ISIC_{n:07}", dx)
        for n, dx in enumerate(rng.permutation(np.repeat(list(sizes), list(sizes.values()))))
    ]
    frame = pd.DataFrame(rows, columns=["lesion_id", "image_id", "dx"])
    split = protocol.split(frame, settings := profile(validation="names", target_per_class=90, generator_batch=8))
    rest = frame.drop(index=split.test)
    blank = Image.new("RGB", (2, 2))
    for name, of_class in rest.groupby("dx"):
        originals, folder = tmp_path / "originals" / name / "x", tmp_path / "files" / name
        originals.mkdir(parents=True), folder.mkdir(parents=True)
        for image in of_class["image_id"]:
            blank.save(originals / f"{image}.jpg"), blank.save(folder / f"{image}.jpg")
        flow = generator().flow_from_directory(
            originals.parent, target_size=(2, 2), batch_size=8, save_to_dir=folder, save_format="jpg"
        )
        for _ in range(max(0, -(-(settings.target_per_class - len(of_class)) // 8))):
            next(flow)
    loader = generator(validation_split=0.3)
    places = {c: sorted(of_class["image_id"]) for c, of_class in rest.groupby("dx")}

    def by_image(files):
        dx, image = frame["dx"].iloc[files["row"]], frame["image_id"].iloc[files["row"]]
        return Counter(zip(dx, image, files["copy"].to_numpy() > 0))

    for subset, ours in (("validation", split.validation), ("training", split.train)):
        names = loader.flow_from_directory(tmp_path / "files", target_size=(2, 2), subset=subset).filenames
        kerass = Counter()
        for name in names:
            c, stem = name.removesuffix(".jpg").split("/")
            copied = stem.startswith("_")
            kerass[c, places[c][int(stem.split("_")[1])] if copied else stem, copied] += 1
        # The generator shuffles anew, so how many copies a photograph has may differ by one.
        for c in CLASSES:
            mine = {k: n for k, n in by_image(ours).items() if k[0] == c}
            its = {k: n for k, n in kerass.items() if k[0] == c}
            assert sum(mine.values()) == sum(its.values()), (subset, c)
            assert {k for k in mine if not k[2]} == {k for k in its if not k[2]}, (subset, c)
            assert len(set(mine) ^ set(its)) <= 3, (subset, c)


def test_near_duplicates_are_one_group():
    (a, b), (c, d) = NEAR_DUPLICATES[:2]
    frame = pd.DataFrame(
        {"image_id": [a, b, c, d, "ISIC_0000001", "ISIC_0000002"], "lesion_id": ["L1", "L2", "L3", "L1", "L5", "L5"]}
    )
    groups = protocol.lesion_groups(frame)
    # L1 = L2 by the first pair, L3 = L1 by the second.
    assert len(set(groups[:4])) == 1 and groups[4] == groups[5] != groups[0]
    assert len(NEAR_DUPLICATES) == 18


# --- folds ---

FOLDED = {"validation": "lesions", "validation_fraction": 0.15, "augmentation": "none"}


def by_class(metadata, rows):
    return metadata["dx"].iloc[rows].value_counts().to_dict()


@pytest.mark.parametrize(
    ("test", "sizes", "counts"), [("paper-folds", {1102, 1103}, SINGLE), ("lesion-folds", range(1950, 2060), IMAGES)]
)
def test_every_image_of_the_pool_is_tested_once(metadata, test, sizes, counts):
    parts = protocol.test_parts(metadata, profile(test=test, **FOLDED))
    assert len(parts) == 5 and all(len(part) in sizes for part in parts)
    union = np.concatenate(parts)
    assert len(np.unique(union)) == len(union) == sum(counts.values())
    assert by_class(metadata, union) == counts
    for part in parts:  # stratified: a fifth of every class, to one lesion; lesions have several images each
        for dx, n in by_class(metadata, part).items():
            assert abs(n - counts[dx] / 5) <= (1 if test == "paper-folds" else 0.25 * counts[dx] / 5 + 4), dx


def test_the_first_fold_is_the_papers_test_set(metadata):
    ids = metadata["image_id"].to_numpy()
    parts = protocol.test_parts(metadata, profile(test="paper-folds", **FOLDED))
    (only,) = protocol.test_parts(metadata, profile())
    assert parts[0].tolist() == only.tolist() == protocol.test_rows(metadata, 12).tolist()
    assert by_class(metadata, parts[0]) == TEST
    if os.environ.get("HAM10000_DIR"):
        committed = pd.read_csv(paths.REFERENCE_DIR / "protocol" / "test_ids_seed12.csv")["image_id"]
        assert protocol.id_digest(ids[parts[0]]) == protocol.id_digest(committed)


@pytest.mark.parametrize("test", ["paper-folds", "lesion-folds"])
def test_no_lesion_stands_on_both_sides_of_a_fold(metadata, test):
    """Lesion ids, and the 18 published pairs of near-duplicates, each looked up on its own."""
    lesion, row = metadata["lesion_id"].to_numpy(), {image: n for n, image in enumerate(metadata["image_id"])}
    settings = profile(test=test, **FOLDED)
    for fold, part in enumerate(protocol.test_parts(metadata, settings)):
        split = protocol.split(metadata, settings, fold)
        assert split.test.tolist() == part.tolist()
        sides = np.full(len(metadata), "left out", dtype=object)
        sides[split.test], sides[split.train["row"]], sides[split.validation["row"]] = "test", "train", "validation"
        assert (pd.Series(sides).groupby(lesion).nunique() == 1).all()
        for pair in NEAR_DUPLICATES:
            if set(pair) <= set(row):
                assert len({sides[row[image]] for image in pair} - {"left out"}) == 1, pair
        # Nothing else is left out: at most one lesion a pair.
        assert set(lesion[sides == "left out"]) <= {
            lesion[row[i]] for pair in NEAR_DUPLICATES for i in pair if i in row
        }
        assert (sides == "left out").sum() <= (36 if test == "paper-folds" else 0)


@pytest.mark.parametrize("test", ["paper-folds", "lesion-folds"])
@pytest.mark.parametrize("seed", [0, 12])
def test_near_duplicates_of_a_made_up_table_stay_together(test, seed):
    """Every known pair is there, as lesions photographed once, thrice and with each other's class."""
    rows = [(f"P{n}", image, CLASSES[n % 7]) for n, pair in enumerate(NEAR_DUPLICATES) for image in pair[:1]]
    rows += [(f"Q{n}", image, CLASSES[(n + n % 2) % 7]) for n, pair in enumerate(NEAR_DUPLICATES) for image in pair[1:]]
    rows += [(f"Q{n}", f"ISIC_9{n:03}{k}", CLASSES[(n + n % 2) % 7]) for n in range(0, 18, 3) for k in range(2)]
    rows += [(f"S{n}", f"ISIC_8{n:04}", CLASSES[n % 7]) for n in range(350)]
    frame = pd.DataFrame(rows, columns=["lesion_id", "image_id", "dx"]).sample(frac=1, random_state=seed)
    frame = frame.reset_index(drop=True)
    settings = profile(test=test, test_seed=seed, **FOLDED)
    tested = []
    for fold in range(5):
        split = protocol.split(frame, settings, fold)
        learned = set(frame["image_id"].iloc[split.train["row"]]) | set(frame["image_id"].iloc[split.validation["row"]])
        asked = set(frame["image_id"].iloc[split.test])
        assert not any((a in asked and b in learned) or (b in asked and a in learned) for a, b in NEAR_DUPLICATES)
        assert not set(frame["lesion_id"][frame["image_id"].isin(asked)]) & set(
            frame["lesion_id"][frame["image_id"].isin(learned)]
        )
        tested += asked
    single = frame["image_id"][~frame["lesion_id"].duplicated(keep=False)]
    assert sorted(tested) == sorted(frame["image_id"] if test == "lesion-folds" else single)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_near_duplicates_do_not_train_and_validate(seed):
    """Every known pair is there, as two lesions of one class; validation by lesions takes both of them or none."""
    rows = [(f"P{n}{k}", image, "nv") for n, pair in enumerate(NEAR_DUPLICATES) for k, image in enumerate(pair)]
    rows += [(f"S{n}", f"ISIC_8{n:04}", CLASSES[n % 7]) for n in range(350)]
    frame = pd.DataFrame(rows, columns=["lesion_id", "image_id", "dx"]).sample(frac=1, random_state=seed)
    frame = frame.reset_index(drop=True)
    split = protocol.split(frame, profile(test_seed=seed, **{**FOLDED, "validation_fraction": 0.4}))
    trained, held = (set(frame["image_id"].iloc[files["row"]]) for files in (split.train, split.validation))
    both = [pair for pair in NEAR_DUPLICATES if set(pair) <= trained | held]
    assert len(both) > 5 and sum(set(pair) <= held for pair in both) > 0
    assert all(set(pair) <= trained or set(pair) <= held for pair in both)


@pytest.mark.parametrize(("test", "fold"), [("paper", 0), ("paper-folds", None), ("lesion-folds", 5)])
def test_a_fold_that_the_profile_does_not_have_is_one_line(metadata, test, fold):
    with pytest.raises(UserError, match=f"test: {test}: .* not {fold}, as in mobilenetv2-base-"):
        protocol.split(metadata, profile(test=test), fold)


def test_folds_of_a_made_up_class_that_is_too_small_are_one_line():
    rows = [(f"L{n}", f"I{n}", dx) for n, dx in enumerate(["nv"] * 50 + ["df"] * 4)]
    frame = pd.DataFrame(rows, columns=["lesion_id", "image_id", "dx"])
    with pytest.raises(UserError, match="fewer lesions than there are folds"):
        protocol.test_parts(frame, profile(test="lesion-folds"))


def test_leakage_by_hand():
    frame = pd.DataFrame(
        {
            "image_id": list("abcdef"),
            "lesion_id": ["1", "1", "2", "3", "4", "4"],
            "dx": ["mel", "mel", "mel", "nv", "nv", "nv"],
        }
    )
    found = protocol.leakage(frame, train=np.array([0, 3, 4]), held_out=np.array([1, 2, 3, 5])).set_index("class")
    assert found.loc["mel", ["held_out", "with_sibling"]].tolist() == [2, 1]
    assert found.loc["nv", ["held_out", "with_sibling"]].tolist() == [2, 2]
    by_image = protocol.leakage(frame, np.array([0, 3, 4]), np.array([1, 2, 3, 5]), "image").set_index("class")
    assert by_image.loc["total", "with_sibling"] == 1


def test_the_papers_validation_leaks(metadata):
    split = protocol.split(metadata, profile())
    table = protocol.leakage(metadata, split.train["row"].to_numpy(), split.validation["row"].to_numpy()).set_index(
        "class"
    )
    # Every minority photograph has dozens of copies on either side.
    assert (table.loc[["akiec", "bcc", "bkl", "df", "mel", "vasc"], "share"] > 0.99).all()
    assert table.loc["nv", "share"] < 0.8


def test_near_half_of_an_image_level_test_set_has_a_sibling(metadata):
    """38.5% over ten random 80/20 splits of the real metadata (FINDINGS); the stand-in has another lesion structure."""
    if not os.environ.get("HAM10000_DIR"):
        pytest.skip("needs the real metadata (HAM10000_DIR)")
    shares = []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(metadata))
        share = protocol.leakage(metadata, order[2003:], order[:2003]).set_index("class")["share"]
        shares.append((share["total"], share["mel"]))
    total, melanoma = np.mean(shares, axis=0)
    assert total == pytest.approx(0.385, abs=0.01) and melanoma == pytest.approx(0.685, abs=0.03)
    # Exactly, without a draw: of a group of m, all others are held out too (hypergeometric), or there is a sibling.
    groups = protocol.lesion_groups(metadata)
    others = np.bincount(groups)[groups] - 1
    sibling = 1 - stats.hypergeom(len(metadata) - 1, 2002, others).pmf(others)
    assert np.std(shares, axis=0)[0] < 0.02 and total == pytest.approx(sibling.mean(), abs=0.01)
    assert sibling.mean() == pytest.approx(0.389, abs=0.001)
    assert sibling[metadata["dx"] == "mel"].mean() == pytest.approx(0.683, abs=0.001)
    assert melanoma == pytest.approx(0.683, abs=0.03)


def test_subsample_keeps_every_class_and_both_kinds_of_lesion(metadata):
    few = protocol.subsample(metadata, 24)
    assert few["dx"].value_counts().to_dict() == dict.fromkeys(CLASSES, 24)
    assert 0 < len(protocol.single_image_rows(few)) < len(few)
    protocol.test_rows(few, 12)


def test_committed_test_ids_are_the_split():
    """The committed list is what the code draws from the real metadata; or else, its own digest and supports."""
    ids = pd.read_csv(paths.REFERENCE_DIR / "protocol" / "test_ids_seed12.csv")
    assert ids["dx"].value_counts().to_dict() == TEST and "ISIC_0027903" in set(ids["image_id"])
    digest = protocol.id_digest(ids["image_id"])
    assert digest in (paths.REFERENCE_DIR / "protocol" / "README.md").read_text()
    if os.environ.get("HAM10000_DIR"):
        real = ham10000.load_metadata(os.environ["HAM10000_DIR"])
        assert digest == protocol.id_digest(real["image_id"].to_numpy()[protocol.test_rows(real, 12)])
