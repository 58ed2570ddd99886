"""Bad inputs, hundreds of them: each is handled, or one line and exit code 2; no traceback, nothing written.

Profiles and metadata tables come from hypothesis, always the same ones; the damaged images are made here.
"""

import io
import json
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from wagf_src.__main__ import in_one_line
from wagf_src.classes import CLASSES
from wagf_src.data import ham10000, store
from wagf_src.profile import Profile, load_profile

EXAMPLES = 150
always_the_same = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def refused(work, capsys) -> str | None:
    """The line in which a piece of work is refused; None if it is not. Anything but one line fails the test."""
    capsys.readouterr()
    code, said = in_one_line(work), capsys.readouterr()
    if code == 0:
        return None
    assert code == 2 and said.err.startswith("error: ") and len(said.err.splitlines()) == 1, said.err
    assert len(said.err) > len("error: x\n")
    return said.err


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


# --- profiles ---

KEYS = sorted(set(Profile.__dataclass_fields__) - {"name"})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["0160", "1:30", "1e-3", "off", "~", "=", "2026-01-01", "0x20", "1_000", "densenet121-base"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2)
)
VALID = {"description": "x", "data": "synthetic", "synthetic_lesions": 70, "image_size": 64, "arms": ["resnet50-base"]}


def load(folder, content: bytes, capsys) -> None:
    (folder / "mine.yaml").write_bytes(content)
    found = []
    line = refused(lambda: found.append(load_profile(str(folder / "mine.yaml"))), capsys)
    if line is None:
        found[0].runs(), found[0].settings()
    else:
        assert "mine" in line
    assert files(folder) == {"mine.yaml"}


@always_the_same
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
def test_profiles_with_any_values(tmp_path, capsys, record_property, values):
    record_property("cases", 1)
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in {**VALID, **values}.items())
    load(tmp_path, text.encode("utf-8", "surrogatepass"), capsys)


@always_the_same
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))))
def test_profiles_of_any_bytes(tmp_path, capsys, record_property, content):
    record_property("cases", 2)
    load(tmp_path, b"description: x\n" + content, capsys)
    load(tmp_path, content, capsys)


# --- metadata ---

IDS = [f"ISIC_{i:07d}" for i in range(7)]
TABLE = pd.DataFrame(
    [[f"HAM_{i}", image, CLASSES[i], "histo", "50.0", "male", "back"] for i, image in enumerate(IDS)],
    columns=ham10000.COLUMNS,
).to_csv(index=False)


@always_the_same
@given(st.data())
def test_metadata_with_anything_somewhere(tmp_path, capsys, record_property, data):
    """A piece of the table replaced by any text: a cut, a second heading, quotes, separators, other encodings."""
    record_property("cases", 1)
    start = data.draw(st.integers(0, len(TABLE)))
    end = data.draw(st.integers(start, min(len(TABLE), start + 60)))
    piece = data.draw(st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(['"', ",", "\n", ";", "\0"]))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    file = tmp_path / "HAM10000_metadata.csv"
    file.write_bytes((TABLE[:start] + piece + TABLE[end:]).encode(encoding, "surrogatepass"))
    found = []
    line = refused(lambda: found.append(ham10000.load_metadata(tmp_path)), capsys)
    if line is None:
        (frame,) = found
        assert list(frame.columns) == ham10000.COLUMNS and frame["image_id"].is_unique and len(frame)
        assert set(frame["dx"]) <= set(CLASSES) and (frame.groupby("lesion_id")["dx"].nunique() == 1).all()
    else:
        assert "HAM10000_metadata.csv" in line
    assert files(tmp_path) == {file.name}


# --- images ---


def encoded(kind, mode="RGB", **options) -> bytes:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
    out = io.BytesIO()
    (pixels if mode == "RGB" else pixels.convert(mode)).save(out, kind, **options)
    return out.getvalue()


def sixteen_bits() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40)).save(out, "PNG")
    return out.getvalue()


def rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", exif=exif)


def huge(side: int) -> bytes:
    """A PNG that says it has so many pixels a side, and holds none."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


JPEG, PROGRESSIVE, PNG = encoded("JPEG", quality=95), encoded("JPEG", progressive=True), encoded("PNG")
AS_STORED = {  # read like any other: what they show has one meaning
    "grey": encoded("JPEG", "L"),
    "cmyk": encoded("JPEG", "CMYK"),
    "progressive": PROGRESSIVE,
    **{f"exif orientation {n}, which turns nothing": rotated(n) for n in (0, 1, 9)},
    "png named jpg": PNG,
    "transparent": encoded("PNG", "RGBA"),
    "palette": encoded("PNG", "P"),
    "black and white": encoded("PNG", "1"),
    "animated": encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (40, 30))]),
    "tiff": encoded("TIFF"),
    "webp": encoded("WEBP"),
    "bmp": encoded("BMP"),
    "bytes behind the end": JPEG + b"more",
}
REFUSED = {
    "empty": b"",
    "zeroed": bytes(len(JPEG)),
    "a text": b"this is no picture\n",
    "a page": b"<!DOCTYPE html><title>404</title>",
    "a pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "16 bits": sixteen_bits(),
    **{f"exif orientation {n}": rotated(n) for n in range(2, 9)},  # predictions turn it
    "floating point": encoded("TIFF", "F"),
    "huge": huge(60_000),
    "too huge": huge(2**31 - 1),
    "no pixels": huge(0),
    "other size": encoded("JPEG")[:0]
    + (lambda out: Image.new("RGB", (41, 30)).save(out, "JPEG") or out.getvalue())(io.BytesIO()),
}
CUT = {
    f"{name} cut at {at}": content[:at]
    for name, content in {"jpeg": JPEG, "progressive": PROGRESSIVE, "png": PNG}.items()
    for at in np.linspace(0, len(content) - 1, 60).astype(int)
}


def flipped(content: bytes, seed: int) -> bytes:
    damaged = bytearray(content)
    for at in np.random.default_rng(seed).integers(len(content), size=4):
        damaged[at] ^= 0xFF
    return bytes(damaged)


FLIPPED = {f"flipped, {seed}": flipped((JPEG, PROGRESSIVE, PNG)[seed % 3], seed) for seed in range(90)}


@pytest.fixture
def decode(tmp_path, monkeypatch, capsys):
    """Decodes seven images, one of them as given; returns the line in which that is refused, or None."""
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # Pillow's own limit, whoever changed it
    folder = tmp_path / "data"
    folder.mkdir()
    metadata = pd.DataFrame({"image_id": IDS})
    for image_id in IDS:
        (folder / f"{image_id}.jpg").write_bytes(JPEG)

    def go(content):
        (folder / f"{IDS[3]}.jpg").write_bytes(content)
        found = []
        line = refused(lambda: found.append(store.image_store(folder, metadata, 32)), capsys)
        if line is None:
            (images, digest, size), *_ = found
            assert images.shape == (7, 32, 32, 3) and size == [40, 30]
            assert (images[2] == images[4]).all()
        else:
            assert IDS[3] in line and not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
        for file in (tmp_path / "cache").glob("*"):
            file.unlink()
        return line

    return go


@pytest.mark.parametrize("name", AS_STORED)
def test_other_kinds_of_images_are_read_as_pillow_reads_them(decode, name):
    assert decode(AS_STORED[name]) is None


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_image_is_refused(decode, name):
    assert decode(REFUSED[name]) is not None


def test_an_image_or_mask_to_be_turned_says_how(decode, tmp_path, capsys):
    line = decode(rotated(6))
    assert "to be turned" in line and "mogrify -auto-orient" in line and "intact" not in line
    (tmp_path / "data" / f"{IDS[0]}_segmentation.png").write_bytes(rotated(6))
    assert "mogrify -auto-orient" in refused(lambda: store.load_masks(tmp_path / "data", IDS[:1], 32), capsys)
    (tmp_path / "data" / f"{IDS[0]}_segmentation.png").write_bytes(rotated(1))
    assert store.load_masks(tmp_path / "data", IDS[:1], 32).shape == (1, 32, 32)


def test_images_cut_anywhere(decode, record_property):
    lines = {name: decode(content) for name, content in CUT.items()}
    record_property("cases", len(lines))
    # All but the marker at the end may be missing and all pixels there.
    assert [name for name, line in lines.items() if line is None] == [] or all(
        len(CUT[name]) > 0.97 * max(len(c) for c in (JPEG, PROGRESSIVE, PNG) if c.startswith(CUT[name][:20]))
        for name, line in lines.items()
        if line is None
    )


def test_images_with_flipped_bytes(decode, record_property):
    lines = [decode(content) for content in FLIPPED.values()]
    record_property("cases", len(lines))
    assert any(lines) and not all(lines)  # what decodes cannot be told from a photograph


def test_there_are_enough_cases():
    assert len(AS_STORED) + len(REFUSED) + len(CUT) + len(FLIPPED) + 4 * EXAMPLES >= 300
