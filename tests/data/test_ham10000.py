"""Metadata checks, folder layouts, decoding and the image store; Pillow, NumPy and hashlib are the oracles."""

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data import download, ham10000, store
from wagf_src.errors import UserError
from wagf_src.paths import data_dir

REAL = os.environ.get("HAM10000_DIR")
needs_real_data = pytest.mark.skipif(not REAL, reason="HAM10000_DIR is not set")

IDS = [f"ISIC_{i:07d}" for i in (1, 2, 3, 5, 7, 8, 9)]  # none of them HAM10000's


def picture(seed, width=40, height=30):
    """A smooth coloured picture with a few edges."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).copy()
    pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def metadata_rows():
    rows = [
        [f"HAM_{i // 2:07d}", image_id, CLASSES[i // 2], "histo", "" if i == 2 else f"{30 + i}.0", "unknown", "back"]
        for i, image_id in enumerate(IDS)
    ]
    return pd.DataFrame(rows, columns=ham10000.COLUMNS)


def write_metadata(folder, frame, name="HAM10000_metadata.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / name, index=False)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Seven images in Kaggle's two parts, and a cache folder of its own."""
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    write_metadata(folder, metadata_rows())
    for i, image_id in enumerate(IDS):
        part = folder / f"HAM10000_images_part_{1 + i % 2}"
        part.mkdir(exist_ok=True)
        picture(i).save(part / f"{image_id}.jpg", quality=95)
    return folder


# --- metadata ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["HAM10000_metadata.csv", "HAM10000_metadata", "archive/ham10000/HAM10000_metadata.csv"]
)
def test_metadata_are_found_and_read_in_one_order(tmp_path, place):
    frame = metadata_rows().iloc[::-1].assign(dataset="vidir")  # a column more, as in the newer file of the Dataverse
    write_metadata((tmp_path / place).parent, frame, (tmp_path / place).name)
    loaded = ham10000.load_metadata(tmp_path)
    assert list(loaded.columns) == ham10000.COLUMNS
    assert list(loaded["image_id"]) == IDS
    assert loaded["age"].isna().sum() == 1 and loaded["age"].max() == 36
    assert set(loaded["sex"]) == {"unknown"}


def test_rows_come_in_kaggles_order_whatever_the_files(tmp_path):
    # The first lines of Kaggle's own file, written down from it: neither by name nor by lesion.
    kaggle = [
        "ISIC_0027419",
        "ISIC_0025030",
        "ISIC_0026769",
        "ISIC_0025661",
        "ISIC_0031633",
        "ISIC_0027850",
        "ISIC_0029176",
    ]
    frame = metadata_rows().assign(image_id=kaggle, dx="bkl")
    for shuffled in (frame, frame.iloc[::-1], frame.sort_values("image_id")):
        write_metadata(tmp_path, shuffled)
        assert list(ham10000.load_metadata(tmp_path)["image_id"]) == kaggle
    write_metadata(tmp_path, frame.assign(image_id=[f" {name}.JPG " for name in kaggle]))
    assert list(ham10000.load_metadata(tmp_path)["image_id"]) == kaggle
    names = list(ham10000.kaggle_order())
    assert len(set(names)) == 10_015 and {"ISIC_0024306", "ISIC_0034320"} <= set(names)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_named(tmp_path, separator):
    metadata_rows().to_csv(tmp_path / "HAM10000_metadata.csv", sep=separator, index=False)
    with pytest.raises(UserError, match="separated by (semicolons|tabs): save it with commas"):
        ham10000.load_metadata(tmp_path)


def test_the_table_of_isic_2018_is_recognised(tmp_path):
    pd.DataFrame({"image": IDS, "MEL": 0.0, "NV": 1.0, "BCC": 0.0}).to_csv(
        tmp_path / "HAM10000_metadata.csv", index=False
    )
    with pytest.raises(UserError, match="a table of ISIC 2018"):
        ham10000.load_metadata(tmp_path)


def test_what_the_metadata_say_has_one_digest(tmp_path):
    write_metadata(tmp_path, metadata_rows())
    digest = ham10000.metadata_digest(ham10000.load_metadata(tmp_path))
    whole_years = metadata_rows().iloc[::-1].assign(age=lambda f: f["age"].str.removesuffix(".0"))
    write_metadata(tmp_path, whole_years)
    assert ham10000.metadata_digest(ham10000.load_metadata(tmp_path)) == digest
    write_metadata(tmp_path, metadata_rows().assign(sex="male"))
    assert ham10000.metadata_digest(ham10000.load_metadata(tmp_path)) != digest


def spoilt(column, row, value):
    frame = metadata_rows()
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (metadata_rows().drop(columns="dx"), "column dx is missing"),
        (metadata_rows().iloc[:0], "lists no image"),
        (spoilt("image_id", 4, IDS[0]), f"line 6: image {IDS[0]} is listed a second time"),
        (spoilt("dx", 6, "melanoma"), "line 8: unknown dx 'melanoma'"),
        (spoilt("dx", 1, "nv"), "line 3: lesion HAM_0000000 has a second diagnosis, nv"),
        (spoilt("lesion_id", 2, ""), "line 4: image_id or lesion_id is empty"),
        (spoilt("age", 3, "old"), "line 5: age 'old' is not a number"),
    ],
)
def test_bad_metadata_are_refused_in_one_line(tmp_path, frame, says):
    write_metadata(tmp_path, frame)
    with pytest.raises(UserError) as error:
        ham10000.load_metadata(tmp_path)
    assert says in str(error.value) and "HAM10000_metadata.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_cut_short_is_refused(tmp_path):
    """What pandas would fill up with nothing: age 7 for 70, no sex, no place."""
    write_metadata(tmp_path, metadata_rows())
    file = tmp_path / "HAM10000_metadata.csv"
    whole = file.read_bytes().rstrip(b"\n")
    lines = whole.count(b"\n") + 1
    for kept in (whole[: whole.rindex(b",")], whole[: whole.rindex(b"\n") + 12]):
        file.write_bytes(kept)
        with pytest.raises(UserError, match=f"HAM10000_metadata.csv .*, line {lines}: fewer values than columns"):
            ham10000.load_metadata(tmp_path)
    file.write_bytes(whole)
    assert len(ham10000.load_metadata(tmp_path)) == lines - 1


def test_a_table_of_another_layout_is_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "HAM10000_metadata.tab").touch()
    with pytest.raises(UserError, match=r"no HAM10000_metadata.csv in .*\(HAM10000_metadata.tab is another table"):
        ham10000.load_metadata(tmp_path)


def test_a_folder_that_is_a_link_to_nowhere_is_called_so(tmp_path):
    (tmp_path / "ham").symlink_to(tmp_path / "gone")
    for find in (ham10000.load_metadata, lambda folder: ham10000.find_images(folder, IDS)):
        with pytest.raises(UserError, match="ham is a link to nowhere .*gone"):
            find(tmp_path / "ham")


def test_missing_folder_and_file_name_both_ways(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError, match="make data.*DATA="):
            ham10000.load_metadata(folder)
    (tmp_path / "HAM10000_metadata.csv").write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(UserError, match="not a readable CSV"):
        ham10000.load_metadata(tmp_path)


# --- layouts -------------------------------------------------------------------------------------------------


def test_images_are_found_in_any_layout_in_the_order_asked(tmp_path):
    places = ["a/b/c/{}.jpg", "{}.JPG", "HAM10000_images_part_1/{}.jpg", "x/{}.Jpeg", "{}.jpg", "x/{}.jpg", "y/{}.jpg"]
    for image_id, place in zip(IDS, places, strict=True):
        path = tmp_path / place.format(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # Kaggle's archive holds each image twice; hidden files are a Mac's or an unfinished download's.
    (tmp_path / "ham10000_images_part_1").mkdir()
    (tmp_path / "ham10000_images_part_1" / f"{IDS[2]}.jpg").touch()
    (tmp_path / f"._{IDS[0]}.jpg").touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = ham10000.find_images(tmp_path, pd.Series(IDS))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        place.format(image_id) for image_id, place in zip(IDS, places, strict=True)
    ]


def test_missing_images_are_counted_and_the_first_is_named(data):
    with pytest.raises(UserError, match=r"2 of 9 images are missing .* first is ISIC_0000042"):
        ham10000.find_images(data, [*IDS, "ISIC_0000042", "ISIC_0000041"])
    with pytest.raises(UserError, match="no folder"):
        ham10000.find_images(data / "nowhere", IDS)


@pytest.mark.parametrize(
    "place", ["masks/{}.png", "{}_segmentation.png", "HAM10000_segmentations/x/{}_Segmentation.PNG"]
)
def test_masks(data, place):
    assert ham10000.find_masks(data, IDS) is None
    assert store.load_masks(data, IDS, 8) is None
    (data / "figure.png").touch()  # any other picture is no mask
    assert ham10000.find_masks(data, IDS) is None
    full = np.random.default_rng(0).random((len(IDS), 24, 32)) < 0.5
    for image_id, mask in zip(IDS, full, strict=True):
        path = data / place.format(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    loaded = store.load_masks(data, IDS[::-1], 8)
    share = full[::-1].reshape(len(IDS), 8, 3, 8, 4).mean(axis=(2, 4))  # of the 3 x 4 pixels under each of the 8 x 8
    assert loaded.shape == (7, 8, 8) and loaded.dtype == bool
    clear = np.abs(share - 0.5) > 0.01
    assert clear.mean() > 0.7
    assert (loaded == (share > 0.5))[clear].all()
    path.unlink()
    with pytest.raises(UserError, match="1 of 7 lesion masks are missing"):
        ham10000.find_masks(data, IDS)


# --- image store ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resize", "method"), [("antialias", Image.Resampling.BILINEAR), ("nearest", Image.Resampling.NEAREST)]
)
def test_store_equals_pillow_and_is_made_once(data, monkeypatch, resize, method):
    metadata = ham10000.load_metadata(data)
    images, digest, _ = store.image_store(data, metadata, 32, resize)
    expected = []
    for image_id in IDS:
        with Image.open(next(data.rglob(f"{image_id}.jpg"))) as image:
            expected.append(np.asarray(image.resize((32, 32), method)))
    expected = np.stack(expected)
    np.testing.assert_array_equal(images, expected)
    assert images.dtype == np.uint8 and not images.flags.writeable
    assert digest == hashlib.sha256(expected.tobytes()).hexdigest()

    monkeypatch.setattr(Image, "open", lambda *args: pytest.fail("decoded a second time"))
    again, same, _ = store.image_store(data, metadata, 32, resize)
    assert same == digest and isinstance(again, np.memmap)
    np.testing.assert_array_equal(again, expected)


def test_store_depends_on_images_order_size_and_method(data):
    metadata = ham10000.load_metadata(data)
    _, digest, _ = store.image_store(data, metadata, 16)
    reversed_images, other, _ = store.image_store(data, metadata.iloc[::-1], 16)
    assert other != digest and len({digest, store.image_store(data, metadata, 16, "nearest")[1]}) == 2
    picture(99).save(next(data.rglob(f"{IDS[0]}.jpg")))
    replaced, new, _ = store.image_store(data, metadata, 16)
    assert new != digest
    np.testing.assert_array_equal(replaced[1:], reversed_images[::-1][1:])
    assert (replaced[0] != reversed_images[-1]).any()
    with pytest.raises(UserError, match="antialias or nearest"):
        store.image_store(data, metadata, 16, "area")


def test_cut_short_store_is_made_again(data, tmp_path):
    metadata = ham10000.load_metadata(data)
    images, digest, _ = store.image_store(data, metadata, 16)
    expected = np.array(images)
    (file,) = (tmp_path / "cache").glob("*.npy")
    del images
    file.write_bytes(file.read_bytes()[:1000])
    images, again, _ = store.image_store(data, metadata, 16)
    assert again == digest
    np.testing.assert_array_equal(images, expected)


def test_antialias_averages_what_nearest_would_alias(data):
    board = np.indices((120, 160)).sum(axis=0) % 2 * 255
    for image_id in IDS:
        Image.fromarray(board.astype(np.uint8)).save(next(data.rglob(f"{image_id}.jpg")), quality=100)  # grey, too
    metadata = ham10000.load_metadata(data)
    smooth, _, _ = store.image_store(data, metadata, 32, "antialias")
    assert smooth.shape == (7, 32, 32, 3)
    assert abs(smooth.mean() - 127.5) < 2 and smooth.std() < 5
    aliased, _, _ = store.image_store(data, metadata, 32, "nearest")
    assert aliased.std() > 100


@pytest.mark.parametrize("size", [64, 96, 128, 160, 256])
def test_large_sources_come_out_as_if_decoded_in_full(data, size):
    """Originals (600 x 450) are decoded at a fraction of their size where that is enough; it must not be seen."""
    for i, image_id in enumerate(IDS):
        picture(i, 600, 450).save(next(data.rglob(f"{image_id}.jpg")), quality=95)
    images, _, _ = store.image_store(data, ham10000.load_metadata(data), size)
    for image_id, image in zip(IDS, images, strict=True):
        with Image.open(next(data.rglob(f"{image_id}.jpg"))) as full:
            expected = np.asarray(full.resize((size, size), Image.Resampling.BILINEAR), float)
        error = np.sqrt(np.mean((image - expected) ** 2))
        assert error < 2.0  # of 255: 42 dB and better


@pytest.mark.parametrize("damage", [b"", b"no image at all", None])
def test_damaged_image_is_named_and_nothing_is_left(data, tmp_path, damage):
    path = next(data.rglob(f"{IDS[4]}.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    metadata = ham10000.load_metadata(data)
    with pytest.raises(UserError) as error:
        store.image_store(data, metadata, 32)
    assert f"HAM10000_images_part_1/{IDS[4]}.jpg" in str(error.value) and "\n" not in str(error.value)
    assert not list((tmp_path / "cache").iterdir())
    path.write_bytes(whole)
    images, _, _ = store.image_store(data, metadata, 32)
    assert len(images) == 7


# --- names and checks ----------------------------------------------------------------------------------------


def test_only_ham10000_is_called_so(data):
    metadata = ham10000.load_metadata(data)
    assert ham10000.dataset_name(data, metadata, (40, 30)) == "7 images, 7 of them not HAM10000's (40 x 30 copies)"
    names = list(ham10000.kaggle_order())
    some = metadata.assign(image_id=names[:7])
    assert ham10000.dataset_name(data, some, (600, 450)) == "HAM10000, 7 of 10,015 images"
    relabelled = pd.DataFrame({"image_id": names, "lesion_id": names, "dx": "nv"})
    assert ham10000.dataset_name(data, relabelled, (600, 450)) == "HAM10000's images under other labels"
    assert ham10000.dataset_name(data, relabelled, (40, 30)).endswith(" under other labels (40 x 30 copies)")
    assert ham10000.metadata_name(data, metadata) == "7 images, 7 of them not HAM10000's"
    assert ham10000.metadata_name(data, relabelled) == "HAM10000's images under other labels"
    (data / "SYNTHETIC.txt").touch()
    assert ham10000.dataset_name(data, metadata, (40, 30)) == ham10000.metadata_name(data, metadata) == "SYNTHETIC"


def test_originals_and_copies_are_not_mixed(data, tmp_path):
    picture(3, 80, 60).save(next(data.rglob(f"{IDS[3]}.jpg")))
    with pytest.raises(UserError, match=f"{IDS[3]}.jpg .* is 80 x 60 pixels, but the first image is 40 x 30"):
        store.image_store(data, ham10000.load_metadata(data), 16)
    assert not list((tmp_path / "cache").iterdir())


def test_a_link_to_nowhere_is_one_line(data):
    path = next(data.rglob(f"{IDS[3]}.jpg"))
    path.unlink()
    path.symlink_to("nowhere.jpg")
    with pytest.raises(UserError, match=f"{IDS[3]}.jpg: a link to a file that is not there"):
        store.image_store(data, ham10000.load_metadata(data), 16)


def test_images_of_another_kind_are_named(data):
    for path in list(data.rglob("*.jpg")):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    with pytest.raises(UserError, match=f"{IDS[0]}.png, but only JPEG is read"):
        ham10000.find_images(data, IDS)


@pytest.mark.parametrize("over", [0, 255])
def test_a_mask_may_lie_in_the_transparency_of_an_even_picture(data, over):
    rng = np.random.default_rng(0)
    (data / "masks").mkdir()
    lesions = [rng.random((30, 40)) < 0.3 for _ in IDS]
    for image_id, lesion in zip(IDS, lesions, strict=True):
        coded = np.dstack([np.full((30, 40, 3), over, np.uint8), 255 * lesion.astype(np.uint8)])
        Image.fromarray(coded).save(data / "masks" / f"{image_id}_segmentation.png")
    np.testing.assert_array_equal(store.load_masks(data, IDS, 30).mean(), np.mean([_squared(m) for m in lesions]))


def _squared(mask):
    return np.asarray(Image.fromarray(255 * mask.astype(np.uint8)).resize((30, 30), Image.Resampling.BOX)) > 127


@pytest.mark.parametrize("low_high", [(0, 255), (0, 1), (0, 128), (0, 2)])
def test_masks_in_any_two_values(data, low_high):
    rng = np.random.default_rng(0)
    lesions = [rng.random((30, 40)) < 0.3 for _ in IDS[:-1]] + [np.zeros((30, 40), bool)]
    (data / "masks").mkdir()
    for image_id, lesion in zip(IDS, lesions, strict=True):
        coded = np.where(lesion, low_high[1], low_high[0]).astype(np.uint8)
        Image.fromarray(coded).save(data / "masks" / f"{image_id}_segmentation.png")
    expected = [
        np.asarray(Image.fromarray(255 * lesion.astype(np.uint8)).resize((8, 8), Image.Resampling.BOX)) > 127
        for lesion in lesions
    ]
    np.testing.assert_array_equal(store.load_masks(data, IDS, 8), expected)
    assert not expected[-1].any() and expected[0].any()


def test_check(data):
    md5 = hashlib.md5((data / "HAM10000_metadata.csv").read_bytes()).hexdigest()
    said = download.check(data, md5, 7)
    assert "7 images of 4 lesions" in said and "40 x 30" in said and md5 in said
    with pytest.raises(UserError, match=ham10000.METADATA_MD5):
        download.check(data)
    with pytest.raises(UserError, match="lists 7 images, not 10,015"):
        download.check(data, md5)
    path = next(data.rglob(f"{IDS[3]}.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(UserError, match=f"{IDS[3]}.jpg .* not a readable image"):
        download.check(data, md5, 7)
    picture(3, 44, 30).save(path)
    with pytest.raises(UserError, match=f"{IDS[3]}.jpg .* is 44 x 30 pixels, but the first image is 40 x 30"):
        download.check(data, md5, 7)


def test_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path / "nowhere"))  # DATA= is the default folder
    command = [sys.executable, "-m", "wagf_src", "check"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: no folder") and "nowhere" in done.stderr and done.stderr.count("\n") == 1
    monkeypatch.setattr(download, "download", lambda folder: print(f"to {folder.name}"))
    assert download.main("download", str(tmp_path / "here")) == 0
    assert capsys.readouterr().out == "to here\n"

    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "download", interrupted)
    assert download.main("download") == 130
    assert capsys.readouterr().err.startswith("error: interrupted")


def test_importing_needs_no_tensorflow():
    code = "import sys, wagf_src.data.download, wagf_src.data.dataset\n"
    code += "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'kaggle')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, check=False).returncode == 0


# --- the real data, where they are ---------------------------------------------------------------------------


@needs_real_data
def test_real_metadata_and_files():
    folder = data_dir()
    assert hashlib.md5(ham10000.find_metadata(folder).read_bytes()).hexdigest() == ham10000.METADATA_MD5
    metadata = ham10000.load_metadata(folder)
    assert len(metadata) == 10_015 and metadata["lesion_id"].nunique() == 7_470 and metadata["age"].isna().sum() == 57
    assert metadata["dx"].value_counts().to_dict() == {
        "nv": 6705,
        "mel": 1113,
        "bkl": 1099,
        "bcc": 514,
        "akiec": 327,
        "vasc": 142,
        "df": 115,
    }
    paths = ham10000.find_images(folder, metadata["image_id"])
    assert len(set(paths)) == 10_015
    # The released data hold two pairs of byte-identical files.
    of = dict(zip(metadata["image_id"], paths, strict=True))
    assert of["ISIC_0024366"].read_bytes() == of["ISIC_0029861"].read_bytes()


@needs_real_data
def test_real_images_decode_as_pillow_does(tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    folder = data_dir()
    metadata = ham10000.load_metadata(folder).iloc[::500]
    images, _, _ = store.image_store(folder, metadata, 128)
    assert len(images) == 21
    for image, path in zip(images, ham10000.find_images(folder, metadata["image_id"]), strict=True):
        with Image.open(io.BytesIO(path.read_bytes())) as full:
            expected = np.asarray(full.resize((128, 128), Image.Resampling.BILINEAR), float)
        assert np.sqrt(np.mean((image - expected) ** 2)) < 2.0
