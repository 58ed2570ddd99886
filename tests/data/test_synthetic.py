"""The synthetic data: its layout, its reproducibility, and whether its classes differ as they are said to.

The measures used here (flipped masks, CIE Lab colours, logistic regression) know nothing of how the pictures are made.
"""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wagf_src.classes import CLASSES
from wagf_src.data import synthetic
from wagf_src.errors import UserError

LESIONS, SEED = 150, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.generate(tmp_path_factory.mktemp("synthetic") / "data", LESIONS, SEED)


@pytest.fixture(scope="module")
def metadata(folder):
    return pd.read_csv(folder / "HAM10000_metadata.csv")


@pytest.fixture(scope="module")
def pictures(folder, metadata):
    """[(image (150, 200, 3), mask (150, 200))] in the order of the metadata, as anyone would read them."""
    return [
        (np.asarray(Image.open(folder / f"images/{i}.jpg")), np.asarray(Image.open(folder / f"masks/{i}.png")))
        for i in metadata.image_id
    ]


@pytest.fixture(scope="module")
def measures(metadata, pictures):
    """One row an image: shape of the mask, colour inside it relative to the skin around."""
    return pd.DataFrame([_measure(*picture) for picture in pictures], index=metadata.index)


_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")


def _measure(image, mask):
    points = np.argwhere(mask)
    centre = points.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((points - centre).T))
    overlaps = []
    for axis in (0, 1):  # flip the lesion about each principal axis: which share of it falls outside itself?
        flipped = (points - centre) @ axes
        flipped[:, axis] *= -1
        y, x = np.rint(flipped @ axes.T + centre).astype(int).T
        inside = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
        overlaps.append(mask[y[inside], x[inside]].sum() / len(points))
    perimeter = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(image), _LAB)).astype(float)
    lab[..., 1:] -= 256 * (lab[..., 1:] > 127)  # a* and b* are signed
    around = ~mask & (image.sum(axis=-1) > 150)
    lesion = lab[mask] - np.median(lab[around], axis=0)
    row = {
        "area": mask.mean(),
        "asymmetry": 1 - np.mean(overlaps),
        "border": perimeter**2 / mask.sum(),
        "elongation": np.sqrt(variances[1] / variances[0]),
    }
    quantiles = np.percentile(lesion, (5, 25, 75, 95), axis=0)
    for c, name in enumerate("Lab"):
        row |= {f"{name}_mean": lesion[:, c].mean(), f"{name}_spread": lesion[:, c].std()}
        row |= {f"{name}_quantile{k}": value for k, value in enumerate(quantiles[:, c])}
    return row


def _files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- layout ---


def test_metadata_has_the_layout_of_ham10000(metadata):
    assert list(metadata) == ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    assert metadata.image_id.is_unique
    assert metadata.image_id.map(lambda i: bool(re.fullmatch(r"ISIC_9\d{6}", i))).all()
    assert metadata.lesion_id.map(lambda i: bool(re.fullmatch(r"HAM_9\d{6}", i))).all()
    assert metadata.lesion_id.nunique() == LESIONS
    assert (metadata.groupby("lesion_id")[["dx", "sex", "localization"]].nunique() == 1).all(axis=None)
    assert set(metadata.dx_type) <= {"histo", "follow_up", "consensus", "confocal"}
    assert set(metadata.sex) <= {"male", "female", "unknown"}
    assert metadata.age.isna().any() and metadata.age.isna().mean() < 0.1
    assert ((metadata.age % 5 == 0) | metadata.age.isna()).all()
    assert metadata.age.dropna().between(5, 85).all()


def test_class_mix_is_mild_and_a_quarter_of_the_lesions_is_photographed_again(metadata):
    lesions = metadata.groupby("lesion_id").agg(dx=("dx", "first"), images=("image_id", "size"))
    shares = lesions.dx.value_counts(normalize=True)
    assert set(shares.index) == set(CLASSES)
    assert shares.idxmax() == "nv" and 0.35 < shares["nv"] < 0.45
    assert shares.min() > 0.05
    assert lesions.images.between(1, 4).all()
    assert 0.2 < (lesions.images > 1).mean() < 0.3


def test_420_lesions_leave_every_class_12_photographed_once():
    single = {name: 0 for name in CLASSES}
    for index, (dx, rank) in enumerate(synthetic._sequence(420)):
        rows = synthetic._records(np.random.default_rng([0, index]), index, dx, rank, 0)
        single[dx] += len(rows) == 1
    assert min(single.values()) >= 12


def test_every_image_has_its_mask_and_nothing_else_is_there(folder, metadata):
    names = set(metadata.image_id)
    expected = {f"images/{i}.jpg" for i in names} | {f"masks/{i}.png" for i in names}
    assert set(_files(folder)) == expected | {"HAM10000_metadata.csv", "SYNTHETIC.txt"}


def test_images_and_masks_decode(folder, pictures, metadata):
    first = metadata.image_id[0]
    assert Image.open(folder / f"masks/{first}.png").mode == "1"
    assert Image.open(folder / f"images/{first}.jpg").format == "JPEG"
    for image, mask in pictures:
        assert image.shape == (150, 200, 3) and image.dtype == np.uint8
        assert mask.shape == (150, 200) and mask.dtype == bool
        assert 0.005 < mask.mean() < 0.75
        assert image.std() > 5


def test_the_lesion_is_where_the_mask_says(pictures):
    """Inside its mask a picture differs from the skin's median colour, in a shifted mask much less."""
    ratios = []
    for image, mask in pictures:
        difference = np.abs(image.astype(float) - np.median(image.reshape(-1, 3), axis=0)).sum(axis=-1)[:, 20:-20]
        here, elsewhere = mask[:, 20:-20], np.roll(mask, 70, axis=1)[:, 20:-20]
        ratios.append(difference[here].mean() / difference[elsewhere & ~here].mean())
    assert np.median(ratios) > 2.5
    assert np.mean(np.array(ratios) > 1) > 0.9


def test_marker_names_what_it_is(folder):
    text = (folder / "SYNTHETIC.txt").read_text()
    assert text.startswith("SYNTHETIC")
    for fact in (f"seed {SEED}", f"lesions {LESIONS}", f"generator version {synthetic.VERSION}"):
        assert fact in text.splitlines()


# --- reproducibility ---


def test_same_seed_same_files_other_seed_others(tmp_path):
    one, same, other = (synthetic.generate(tmp_path / n, 8, s) for n, s in (("a", 3), ("b", 3), ("c", 5)))
    assert _files(one) == _files(same)
    first = "images/ISIC_9000000.jpg"
    assert _files(one)[first] != _files(other)[first]


def test_more_lesions_leave_the_first_as_they_are(tmp_path, folder):
    few, many = _files(synthetic.generate(tmp_path / "few", 12, SEED)), _files(folder)
    for name in set(few) - {"SYNTHETIC.txt", "HAM10000_metadata.csv"}:
        assert few[name] == many[name], name
    assert many["HAM10000_metadata.csv"].startswith(few["HAM10000_metadata.csv"])


def test_global_random_state_plays_no_part():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    images = [synthetic.photograph(synthetic.make_lesion("bcc", r), r)[0] for r in map(np.random.default_rng, (7, 7))]
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_photographs_of_one_lesion_differ_but_show_the_same_shape():
    """Area and axis ratio vary much less between views of a lesion than between lesions."""
    shapes = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        lesion = synthetic.make_lesion("nv", rng)
        views = [synthetic.photograph(lesion, rng) for _ in range(3)]
        assert not np.array_equal(views[0][0], views[1][0])
        assert not np.array_equal(views[0][1], views[1][1])
        shapes.append([(np.log(m["area"]), np.log(m["elongation"])) for m in (_measure(*view) for view in views)])
    shapes = np.array(shapes)  # lesion, view, measure
    within, between = shapes.std(axis=1).mean(axis=0), shapes.mean(axis=1).std(axis=0)
    assert (within < 0.5 * between).all(), (within, between)


# --- whole or not at all ---


def test_second_call_does_nothing(tmp_path, monkeypatch):
    folder = synthetic.generate(tmp_path / "data", 5)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    monkeypatch.setattr(synthetic, "make_lesion", lambda *_: pytest.fail("drawn again"))
    assert synthetic.generate(tmp_path / "data", 5) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps


@pytest.mark.parametrize("change", ["lesions", "seed", "version", "lost image", "emptied table", "bytes for a marker"])
def test_anything_else_is_drawn_anew(tmp_path, monkeypatch, change):
    folder = synthetic.generate(tmp_path / "data", 5)
    if change == "version":
        monkeypatch.setattr(synthetic, "VERSION", 999)
    if change == "lost image":
        (folder / "images" / "ISIC_9000001.jpg").unlink()
    if change == "emptied table":
        (folder / "HAM10000_metadata.csv").write_text("")
    if change == "bytes for a marker":
        (folder / synthetic.MARKER).write_bytes(b"\xff\xfe")
    lesions, seed = {"lesions": (6, 0), "seed": (5, 1)}.get(change, (5, 0))
    synthetic.generate(folder, lesions, seed)
    assert _files(folder) == _files(synthetic.generate(tmp_path / "fresh", lesions, seed))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "fresh"]


def test_no_place_to_write_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written .*WAGF_CACHE_DIR"):
        synthetic.generate(tmp_path / "file" / "data", 5)


def _interrupt_third(monkeypatch):
    photograph, calls = synthetic.photograph, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return photograph(*args)

    monkeypatch.setattr(synthetic, "photograph", interrupted)


def test_interrupted_leaves_nothing(tmp_path, monkeypatch):
    _interrupt_third(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        synthetic.generate(tmp_path / "data", 6)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_leaves_the_old_set(tmp_path, monkeypatch):
    before = _files(synthetic.generate(tmp_path / "data", 4))
    _interrupt_third(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        synthetic.generate(tmp_path / "data", 6)
    assert _files(tmp_path / "data") == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_foreign_data_are_never_overwritten(tmp_path, folder):
    foreign = tmp_path / "real"
    shutil.copytree(folder / "masks", foreign / "masks")
    before = _files(foreign)
    with pytest.raises(UserError, match="something else"):
        synthetic.generate(foreign, 5)
    assert _files(foreign) == before


@pytest.mark.parametrize("lesions, seed", [(0, 0), (10**6, 0), (5, -1), (5, 2**32)])
def test_out_of_range_is_refused(tmp_path, lesions, seed):
    with pytest.raises(UserError, match="must be from"):
        synthetic.generate(tmp_path / "data", lesions, seed)
    assert list(tmp_path.iterdir()) == []


def test_unknown_class_is_refused():
    with pytest.raises(UserError, match="must be one of akiec"):
        synthetic.make_lesion("scar", np.random.default_rng(0))


# --- what the classes look like ---


@pytest.fixture(scope="module")
def means(measures, metadata):
    return measures.groupby(metadata.dx).mean()


def test_melanomas_are_larger_less_symmetric_and_more_irregular_than_nevi(means):
    assert means.asymmetry["mel"] > 1.5 * means.asymmetry["nv"]
    assert means.border["mel"] > 1.1 * means.border["nv"]
    assert means.area["mel"] > 1.3 * means.area["nv"]


def test_melanomas_have_the_most_colours(means):
    assert means.L_spread["mel"] > 1.1 * means.L_spread["nv"]
    assert means.a_spread["mel"] > 1.3 * means.a_spread["nv"]
    assert means.b_spread.idxmax() == "mel"


def test_dermatofibromas_are_small_with_a_white_centre(metadata, pictures, means):
    assert means.area["mel"] > 2 * means.area["df"]
    assert means.area["df"] < means.area["nv"]

    def centre_minus_rim(image, mask):
        y, x = np.indices(mask.shape)
        cy, cx = np.argwhere(mask).mean(axis=0)
        distance = np.hypot(y - cy, x - cx) / np.sqrt(mask.sum() / np.pi)
        light = image.mean(axis=-1)
        return light[mask & (distance < 0.35)].mean() - light[mask & (distance > 0.6)].mean()

    contrast = pd.Series([centre_minus_rim(*p) for p in pictures]).groupby(metadata.dx).mean()
    assert contrast.idxmax() == "df" and contrast["df"] > 10
    assert contrast["nv"] < 0


def test_vascular_lesions_are_the_reddest_and_the_only_purple(means):
    assert means.a_mean.idxmax() == "vasc"
    assert means.b_mean.idxmin() == "vasc" and means.b_mean["vasc"] < 0


def test_pigmented_lesions_are_the_darkest_keratoses_and_carcinomas_pale(means):
    dark, pale = means.L_mean[["mel", "nv", "bkl"]], means.L_mean[["akiec", "bcc", "df"]]
    assert dark.max() < pale.min()


def test_classes_can_be_learned_but_not_without_error(measures, metadata):
    """Linear on shape and colour, folds grouped by lesion: well above always answering nv, well below perfect."""
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = cross_val_predict(model, measures, metadata.dx, groups=metadata.lesion_id, cv=folds)
    accuracy = (predicted == metadata.dx).mean()
    majority = (metadata.dx == "nv").mean()
    assert majority + 0.15 < accuracy < 0.93, accuracy
    confused = pd.crosstab(metadata.dx, predicted).reindex(index=CLASSES, columns=CLASSES, fill_value=0)
    assert confused.loc["mel", "nv"] + confused.loc["nv", "mel"] > 0, "melanomas and nevi must overlap"


def test_photographs_do_not_give_the_class_away(metadata, pictures):
    """Skin, light and clutter are drawn whatever the class: the image's rim must say nothing about it."""
    border = [np.r_[i[:8].reshape(-1, 3), i[-8:].reshape(-1, 3)] for i, _ in pictures]
    rim = np.array([np.r_[b.mean(axis=0), b.std(axis=0)] for b in border])
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = cross_val_predict(model, rim, metadata.dx, groups=metadata.lesion_id, cv=folds)
    assert (predicted == metadata.dx).mean() < (metadata.dx == "nv").mean() + 0.06
