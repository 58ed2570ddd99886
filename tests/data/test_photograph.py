"""Odd images: handled, with a word on how, or refused in one line."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from wagf_src.data import photograph, store, synthetic
from wagf_src.errors import UserError

DEPTHS = [
    ("pgm", 257, None),
    ("16", 257, None),
    ("16", 16, "^a.tiff: its 16 bits hold no value above [234],"),
    ("16", 1, "^a.tiff: its 16 bits hold no value above 2"),
    ("32", 1, "^a.tiff: pixels are numbers of 32 bits"),
    ("32", 257, "^a.tiff: pixels are numbers of 32 bits"),
]


@pytest.fixture(scope="module")
def picture():
    """A lesion's picture, 200 x 150, whose corners differ."""
    rng = np.random.default_rng(3)
    return Image.fromarray(synthetic.photograph(synthetic.make_lesion("mel", rng), rng)[0])


def saved(picture, path, **options):
    picture.save(path, **options)
    return path


def test_a_plain_jpeg_is_read_as_in_training(picture, tmp_path):
    path = saved(picture.resize((600, 450)), tmp_path / "a.jpg", quality=90)
    for resize in ("antialias", "nearest"):
        found = photograph.read(path, 128, resize)
        np.testing.assert_array_equal(found.pixels, store._decode_square(path, 128, resize)[1])
        assert found.size == (600, 450) and found.notes == ()


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "ppm"])
def test_exact_formats_give_the_same_pixels(picture, tmp_path, ending):
    found = photograph.read(saved(picture, tmp_path / f"a.{ending}"), 64)
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(found.pixels, expected)


@pytest.mark.parametrize("orientation,turn", [(3, 2), (6, 3), (8, 1)])  # quarter turns to the left that make it upright
def test_exif_turns(picture, tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = photograph.read(saved(picture, tmp_path / "a.png", exif=exif), 64)
    upright = Image.fromarray(np.rot90(np.asarray(picture), turn))
    np.testing.assert_array_equal(found.pixels, np.asarray(upright.resize((64, 64), Image.Resampling.BILINEAR)))
    assert found.size == upright.size and found.notes == ("turned upright as its EXIF says",)


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_turns_nothing_is_not_said_to(picture, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = photograph.read(saved(picture, tmp_path / "a.png", exif=exif), 64)
    np.testing.assert_array_equal(found.pixels, np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR)))
    assert found.notes == ()


@pytest.mark.parametrize("bits, scale, refused", DEPTHS)
def test_deep_grey_is_read_where_its_range_is_known(picture, tmp_path, bits, scale, refused):
    """Values of 0-255 or 0-4,095 would be black or nearly so as 16 bits, and answered all the same."""
    grey = np.asarray(picture.convert("L"))
    name = "a.pgm" if bits == "pgm" else "a.tiff"
    kind = {"pgm": np.uint16, "16": np.uint16, "32": np.int32}[bits]
    saved(Image.fromarray((grey.astype(float) * scale).astype(kind)), tmp_path / name)
    if refused:
        with pytest.raises(UserError, match=refused) as error:
            photograph.read(tmp_path / name, 64)
        assert "\n" not in str(error.value) and "save it with 8" in str(error.value)
    else:
        found = photograph.read(tmp_path / name, 64)
        expected = np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(found.pixels[..., 0] - expected).max() <= 1 and "16 bits reduced to 8" in found.notes


def test_a_deep_picture_that_is_turned_is_read(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    found = photograph.read(saved(deep, tmp_path / "a.png", exif=exif), 64)
    assert found.notes[:2] == ("turned upright as its EXIF says", "16 bits reduced to 8")


def test_frames_depth_colour_and_transparency(picture, tmp_path):
    plain = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)

    def read(image, name, **options):
        found = photograph.read(saved(image, tmp_path / name, **options), 64)
        return found.pixels.astype(int), " ".join(found.notes)

    black = Image.new("RGB", picture.size)
    pixels, note = read(picture, "pages.tiff", save_all=True, append_images=[black])
    assert np.abs(pixels - plain).max() == 0 and note == "the first of 2 frames"
    pixels, note = read(picture, "moving.gif", save_all=True, append_images=[black])
    assert np.abs(pixels - plain).mean() < 6 and "the first of 2 frames" in note
    pixels, note = read(picture, "moving.webp", save_all=True, append_images=[black], lossless=True)
    assert np.abs(pixels - plain).max() == 0 and "the first of 2 frames" in note

    grey = picture.convert("L")
    for image, name in ((grey, "grey.png"), (grey.convert("LA"), "grey_alpha.png")):
        pixels, note = read(image, name)
        assert np.ptp(pixels, axis=-1).max() == 0 and "without colour" in note and "white" not in note
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for name in ("deep.png", "deep.tiff"):
        pixels, note = read(deep, name)
        assert np.abs(pixels[..., 0] - np.asarray(grey.resize((64, 64), Image.Resampling.BILINEAR))).max() <= 1
        assert "16 bits reduced to 8" in note

    seen_through = picture.copy()
    seen_through.putalpha(0)
    pixels, note = read(seen_through, "empty.png")
    assert (pixels == 255).all() and "transparent parts shown on white" in note
    opaque = picture.convert("RGBA")
    pixels, note = read(opaque, "opaque.png")
    assert np.abs(pixels - plain).max() == 0 and note == ""
    pixels, note = read(picture.convert("P"), "palette.png")
    assert np.abs(pixels - plain).mean() < 30 and note == ""
    pixels, note = read(picture.convert("CMYK"), "print.jpg")
    assert np.abs(pixels - plain).mean() < 6 and note == ""


def test_refused_in_one_line(picture, tmp_path, monkeypatch):
    whole = saved(picture, tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "letter.jpg").write_text("Dear doctor")
    saved(picture.resize((20, 15)), tmp_path / "tiny.png")
    saved(picture.convert("F"), tmp_path / "broken.tiff")
    expected = {
        "cut.jpg": "cannot be read",
        "empty.jpg": "no image of a kind",
        "letter.jpg": "no image of a kind",
        "tiny.png": "20 x 15 pixels; at least 32",
        "broken.tiff": "8 or 16 bits",
        "absent.jpg": "no such file",
        ".": "cannot be read|no such file",
    }
    for name, words in expected.items():
        with pytest.raises(UserError, match=words) as error:
            photograph.read(tmp_path / name, 64)
        assert "\n" not in str(error.value)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="more than .* million pixels"):
        photograph.read(tmp_path / "whole.jpg", 64)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to decode image:\nMissing item"),  # AVIF
        KeyError("L;16"),  # IM
        IndexError("pop from an empty deque"),  # GIF
        struct.error("unpack requires a buffer of 8 bytes"),  # EXIF
        AttributeError("no attribute 'istack'"),  # SPIDER
        TypeError("Missing dimensions"),  # TIFF
        ArithmeticError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("step", ["open", "getexif", "load"])
def test_whatever_a_decoder_raises_is_one_line(picture, tmp_path, monkeypatch, error, step):
    path = saved(picture, tmp_path / "a.png")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(*((Image, "open") if step == "open" else (PngImagePlugin.PngImageFile, step)), fails)
    with pytest.raises(UserError, match="^a.png: cannot be read .*; give an intact copy$") as said:
        photograph.read(path, 64)
    reason = str(error.args[0]).split("\n")[0] if error.args else "ArithmeticError"
    assert reason in str(said.value) and "\n" not in str(said.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_is_no_fault_of_the_file_goes_on(picture, tmp_path, monkeypatch, error):
    path = saved(picture, tmp_path / "a.png")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(Image, "open", fails)
    with pytest.raises(error):
        photograph.read(path, 64)


def test_a_file_whose_second_page_is_nothing(picture, tmp_path):
    """Pillow's TypeError: the first page names a second one, which has no entries."""
    content = io.BytesIO()
    picture.save(content, "TIFF")
    tiff = bytearray(content.getvalue())
    (start,) = struct.unpack_from("<I", tiff, 4)
    (entries,) = struct.unpack_from("<H", tiff, start)
    struct.pack_into("<I", tiff, start + 2 + 12 * entries, len(tiff))
    (tmp_path / "a.tiff").write_bytes(bytes(tiff) + bytes(6))
    with pytest.raises(UserError, match="^a.tiff: cannot be read .*; give an intact copy$"):
        photograph.read(tmp_path / "a.tiff", 64)


def test_files_of_folders_and_names(picture, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    one = saved(picture, tmp_path / "in" / "b.JPG", format="JPEG")
    two = saved(picture, tmp_path / "in" / "deep" / "a.webp")
    (tmp_path / "in" / "notes.txt").write_text("words")
    (tmp_path / "in" / ".hidden.png").write_bytes(b"")
    found, others = photograph.files([tmp_path / "in", two])
    assert [p.name for p in found] == ["b.JPG", "a.webp"] and others == 1
    assert photograph.files([two, one]) == ([two, one], 0)
    for given, words in ((["absent"], "no such file"), ([], "no image files"), ([tmp_path / "x"], "no image files")):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=re.compile(words)):
            photograph.files(given)
