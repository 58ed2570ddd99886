"""Test sets of elsewhere: every layout gives the same labels; what is wrong is counted or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from wagf_src.classes import CLASS_NAMES, CLASSES
from wagf_src.data import external, synthetic
from wagf_src.errors import UserError

LABELS = {f"EXT_{number:03d}": CLASSES[number % 7] for number in range(14)}
ISIC = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]  # the official order of columns


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    return {
        name: Image.fromarray(synthetic.photograph(synthetic.make_lesion(dx, rng), rng)[0])
        for name, dx in LABELS.items()
    }


def with_images(folder, pictures, where=lambda name: "images", ending="jpg"):
    for name, picture in pictures.items():
        place = folder / where(name)
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{name}.{ending}")
    return folder


def ham_columns(folder, pictures):
    frame = pd.DataFrame({"image_id": LABELS.keys(), "dx": LABELS.values()})
    frame.insert(0, "lesion_id", "HAM_1")
    with_images(folder, pictures).joinpath("labels.csv").write_text(frame.assign(age="45.0").to_csv(index=False))


def dataverse(folder, pictures):
    """As Dataverse exports it: tabs, text in quotes."""
    lines = ["lesion_id\timage_id\tdx\tdx_type\tage\tsex\tlocalization\tdataset"]
    lines += [f'"HAM_1"\t"{name}"\t"{dx}"\t"histo"\t45.0\t"male"\t"back"\t"rosendahl"' for name, dx in LABELS.items()]
    with_images(folder, pictures).joinpath("ISIC2018_Task3_Test_GroundTruth.tab").write_text("\n".join(lines) + "\n")


def one_hot(folder, pictures):
    lines = ["image," + ",".join(ISIC)]
    lines += [f"{name}," + ",".join("1.0" if c.lower() == dx else "0.0" for c in ISIC) for name, dx in LABELS.items()]
    with_images(folder, pictures, ending="png").joinpath("GroundTruth.csv").write_text("\n".join(lines) + "\n")


def sub_folders(folder, pictures):
    spelling = {"mel": "Melanoma", "nv": "NV", "bkl": "pigmented benign keratosis", "df": CLASS_NAMES["df"]}
    with_images(folder, pictures, lambda name: spelling.get(LABELS[name], LABELS[name]))


@pytest.mark.parametrize("layout", [ham_columns, dataverse, one_hot, sub_folders])
def test_every_layout_gives_the_same(layout, pictures, tmp_path):
    layout(tmp_path, pictures)
    found = external.load(tmp_path)
    ids = found.frame["image_id"]
    if layout is sub_folders:
        assert all(tmp_path / name == Path(path) for name, path in zip(ids, found.frame["path"]))
        ids = ids.map(lambda name: Path(name).stem)
    assert dict(zip(ids, found.frame["dx"])) == LABELS
    assert found.problems == {} and found.name == tmp_path.name
    words = {ham_columns: "HAM10000", dataverse: ".tab", one_hot: "ISIC 2018", sub_folders: "sub-folder"}[layout]
    assert words in found.layout
    seen, pixels = external.read(found, 64, "antialias")
    assert pixels.shape == (14, 64, 64, 3) and seen.problems == {}
    first = np.asarray(pictures[ids[0]].resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(pixels[0] - first).mean() < 5  # JPEG


def test_sub_folders_may_each_count_from_one(pictures, tmp_path):
    picture, classes = pictures["EXT_000"], ("akiec", "mel", "nv", "vasc")
    for dx in classes:
        (tmp_path / dx).mkdir()
        for number in range(1, 6):
            picture.save(tmp_path / dx / f"{number:03d}.png")
    picture.save(tmp_path / "mel" / "001.jpg")  # a sixth melanoma, of another kind of file
    found = external.load(tmp_path)
    assert found.frame["dx"].value_counts().to_dict() == {dx: 5 for dx in classes} | {"mel": 6}
    assert found.problems == {} and found.frame["image_id"].is_unique and found.frame["path"].is_unique
    assert (found.frame["path"].map(lambda path: Path(path).parent.name) == found.frame["dx"]).all()


def test_a_table_does_not_choose_between_files_of_one_name(pictures, tmp_path):
    ham_columns(tmp_path, pictures)
    for name in ("EXT_001", "EXT_002", "STRAY"):
        (tmp_path / "more").mkdir(exist_ok=True)
        pictures["EXT_000"].save(tmp_path / "more" / f"{name}.png")
        pictures["EXT_000"].save(tmp_path / f"{name}.bmp")
    found = external.load(tmp_path)
    assert set(found.frame["image_id"]) == set(LABELS) - {"EXT_001", "EXT_002"}
    assert found.problems == {"listed with several image files of that name": 2, "image files without a label": 2}


def test_what_is_wrong_is_counted(pictures, tmp_path):
    ham_columns(tmp_path, pictures)
    table = tmp_path / "labels.csv"
    text = table.read_text() + "HAM_2,EXT_900.jpg,nv,45.0\nHAM_2,EXT_901,scc,\nHAM_2,EXT_902,scc,\n"
    table.write_text(text + text.splitlines()[1] + "\n")  # a line that is there twice, alike
    (tmp_path / "images" / "EXT_003.jpg").write_bytes(b"cut")
    pictures["EXT_000"].save(tmp_path / "images" / "STRAY.jpg")
    pictures["EXT_000"].convert("L").save(tmp_path / "images" / "EXT_000_segmentation.png")
    found = external.load(tmp_path)
    expected = {"of unknown class 'scc'": 2, "listed without an image file": 1, "image files without a label": 1}
    assert found.problems == expected
    seen, pixels = external.read(found, 32, "nearest")
    assert seen.problems == expected | {"unreadable": 1} and len(pixels) == len(seen.frame) == 13
    assert "EXT_003" not in set(seen.frame["image_id"])


def test_what_cannot_be_right_is_refused(pictures, tmp_path):
    one_hot(tmp_path / "hot", pictures)
    table = tmp_path / "hot" / "GroundTruth.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], lines[3].replace("0.0", "1.0", 1), *lines[4:]]))
    with pytest.raises(UserError, match="GroundTruth.csv, line 4: not exactly one class"):
        external.load(tmp_path / "hot")
    ham_columns(tmp_path / "two", pictures)
    with (tmp_path / "two" / "labels.csv").open("a") as file:
        file.write("HAM_1,EXT_000,mel,45.0\n")
    with pytest.raises(UserError, match="EXT_000 has two labels"):
        external.load(tmp_path / "two")
    one_hot(tmp_path / "two", pictures)
    with pytest.raises(UserError, match="several tables of labels"):
        external.load(tmp_path / "two")
    with_images(tmp_path / "none", pictures)
    with pytest.raises(UserError, match="no labels"):
        external.load(tmp_path / "none")
    with pytest.raises(UserError, match="no folder"):
        external.load(tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "labels.csv").write_text("image_id,dx\nA,nv\nB,scc\n")
    with pytest.raises(UserError, match="no image of the seven classes.*1 of unknown class 'scc'; 1 listed without"):
        external.load(tmp_path / "bare")


GOOD = "image_id,dx\nEXT_000,akiec\nEXT_001,bcc\n"


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.csv", GOOD.replace(",", ";").encode(), r"a.csv are separated by semicolons: save it with commas\)$"),
        ("a.csv", GOOD.replace(",", "\t").encode(), "separated by tabs: save it with commas"),
        ("a.tab", GOOD.encode(), "separated by commas: save it with tabs"),
        ("a.csv", b"image;MEL;NV\nEXT_000;1;0\n", "separated by semicolons"),
        ("a.csv", GOOD.encode("utf-16"), "a.csv is stored as UTF-16: save it as UTF-8"),
        ("deep/a.csv", (GOOD + "EXT_002,ä\n").encode("latin-1"), "deep/a.csv is no UTF-8 text"),
        ("a.csv", b"Image_ID,DX\nEXT_000,nv\n", "called Image_ID, DX: call them image_id, dx"),
        ("a.csv", b"image,mel,nv\nEXT_000,1,0\n", "called image, mel, nv: call them image, MEL, NV"),
        ("a.csv", b"isic_id,diagnosis,a,b,c,d\n", "a.csv has the columns isic_id, diagnosis, a, b, c, ..."),
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"PK\x03\x04\x00\x00", "a.csv is no text"),
        ("HAM10000_metadata", GOOD.replace(",", ";").encode(), "HAM10000_metadata are separated by semicolons"),
        ("README", b"words about it", "sub-folder a class is needed$"),
        ("a.csv", (GOOD + "EXT_002,nv,mel\n").encode(), "^a.csv, line 4: 3 values below 2 names of columns"),
        ("a.csv", GOOD.replace("EXT", "0,EXT").encode(), "^a.csv, line 2: 3 values below 2 names of columns"),
        ("a.csv", (GOOD + "EXT_002\n").encode(), "^a.csv, line 4: 1 values below 2 names of columns"),
        ("a.csv", b"image_id,dx,dx\nEXT_000,nv,mel\n", "^a.csv: two columns are called dx"),
        ("a.csv", b'image,MEL,NV\n\n"EXT\n0",1,0\nEXT_001,0,0\n', "^a.csv, line 5: not exactly one class is 1"),
    ],
)
def test_what_is_wrong_with_a_table_that_is_there_is_said(tmp_path, name, content, said):
    (tmp_path / "deep").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "EXT_000.png")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        external.load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_table_of_a_spreadsheet_is_read(tmp_path):
    """A byte-order mark, two characters at a line's end, commas behind the last column, empty lines, blanks."""
    for name in ("NA", "null"):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf\r\nimage_id , dx\r\n NA,nv,\r\n\r\n,,\r\n \r\nnull, mel ,\r\n")
    found = external.load(tmp_path)
    assert dict(zip(found.frame["image_id"], found.frame["dx"])) == {"NA": "nv", "null": "mel"} and not found.problems


def test_copies_are_found_and_others_are_not(pictures):
    def squares(images):
        return np.stack([np.asarray(x.resize((128, 128), Image.Resampling.BILINEAR)) for x in images])

    originals, ids = squares(pictures.values()), np.array(list(pictures))
    larger = squares([x.resize((600, 450), Image.Resampling.BICUBIC) for x in pictures.values()])
    assert external.duplicates(larger, originals, ids) == list(ids)
    brighter = squares([x.point(lambda v: min(255, v + 10)) for x in pictures.values()])
    assert np.mean(np.array(external.duplicates(brighter, originals, ids)) == ids) > 0.9
    rng = np.random.default_rng(77)
    others = squares(
        [Image.fromarray(synthetic.photograph(synthetic.make_lesion(dx, rng), rng)[0]) for dx in LABELS.values()]
    )
    assert external.duplicates(others, originals, ids) == [""] * 14


@pytest.mark.parametrize(
    "dx, spellings",
    [
        ("akiec", ["AKIEC", "ak", "Actinic keratosis", "actinic_keratoses"]),
        ("bcc", ["bcc", "Basal cell carcinoma", "basal_cell_carcinoma"]),
        ("bkl", ["BKL", "benign keratosis", "pigmented_benign_keratosis"]),
        ("df", ["df", "Dermatofibroma"]),
        ("mel", ["MEL", "melanoma"]),
        ("nv", ["nv", "Nevus", "melanocytic nevi"]),
        ("vasc", ["VASC", "vascular", "Vascular_Lesions"]),
    ],
)
def test_a_class_goes_by_several_names(dx, spellings):
    assert [external._code(name) for name in spellings] == [dx] * len(spellings)


def test_names_in_a_table_may_carry_their_files_ending(tmp_path):
    for name in ("a.b", "c"):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image_id,dx\na.b.PNG,nv\nc.jpeg,mel\n")
    found = external.load(tmp_path)
    assert dict(zip(found.frame["image_id"], found.frame["dx"])) == {"a.b": "nv", "c": "mel"} and not found.problems


def test_pixels_stay_with_their_label_where_others_are_unreadable(tmp_path):
    for name, red in zip("abcd", (10, 20, 30, 40)):
        Image.new("RGB", (40, 40), (red, 0, 0)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image_id,dx\nd,bcc\nb,mel\nc,df\na,nv\n")
    (tmp_path / "b.png").write_bytes(b"cut")
    seen, pixels = external.read(external.load(tmp_path), 32, "nearest")
    assert list(zip(seen.frame["image_id"], seen.frame["dx"])) == [("a", "nv"), ("c", "df"), ("d", "bcc")]
    assert pixels[:, 0, 0, 0].tolist() == [10, 30, 40]


def test_a_hash_says_which_cells_are_lighter_than_their_left_neighbour():
    grey = np.random.default_rng(0).integers(9, size=(3, 16, 17), dtype=np.uint8)
    expected = [[row[x + 1] > row[x] for row in image for x in range(16)] for image in grey.tolist()]
    assert external.hashes(grey[..., None].repeat(3, axis=-1)).tolist() == expected


def test_twelve_bits_of_256_apart_are_a_copy_and_thirteen_none(monkeypatch):
    """Of several copies the nearest, also behind the first thousand images."""
    monkeypatch.setattr(external, "hashes", lambda bits: bits)
    others = np.random.default_rng(0).random((4, 256)) < 0.5
    others[3] = others[2]
    others[3, :5] ^= True
    images = np.repeat(~others[:1], 1030, axis=0)
    for number, (of, bits) in {0: (0, 12), 1: (0, 13), 2: (3, 1), 1027: (1, 0), 1028: (2, 12), 1029: (2, 13)}.items():
        images[number] = others[of]
        images[number, -bits or 256 :] ^= True
    found = external.duplicates(images, others, np.array(list("abcd")))
    assert {number: name for number, name in enumerate(found) if name} == {0: "a", 2: "d", 1027: "b", 1028: "c"}
