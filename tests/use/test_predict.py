"""Photographs in, a shipped model out: the whole way with a tiny network, and every message a person may get."""

import dataclasses
import errno
import functools
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from fabricate import seal, write_run
from PIL import Image
from scipy.spatial.distance import cdist
from tiny_profiles import END_TO_END

from wagf_src import __main__ as command_line
from wagf_src import atomic, lock, paths
from wagf_src.classes import CLASSES
from wagf_src.data import dataset, ham10000, protocol
from wagf_src.errors import UserError
from wagf_src.models import kept as kept_models
from wagf_src.models.kept import read_model, read_network
from wagf_src.paths import cache_dir
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.stats import decisions
from wagf_src.train import staging
from wagf_src.train.finish import finish_run
from wagf_src.use import companions, external, gradcam, kept, predict, ship
from wagf_src.use.card import CARD, read_card, shipped_run

RULES = ["as trained", "most often right", "fair to every class", "60% of melanomas found"]


@pytest.fixture(scope="module")
def run(own_results):
    profile = dataclasses.replace(END_TO_END, synthetic_lesions=280, validation_fraction=0.4)
    staging.train(profile, "densenet17-base-seed0")
    finish_run(profile, "densenet17-base-seed0", notebook=False)
    return Run(own_results / "tiny" / "runs" / "densenet17-base-seed0")


@pytest.fixture(scope="module")
def shipped(run, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "SHIPPED", tmp_path_factory.mktemp("package") / "shipped")
        assert command_line.main(["ship", f"tiny/{run.name}"]) == 0
        yield ship.shipped()


@pytest.fixture(scope="module")
def asked(run):
    return kept.of_run(run)


@pytest.fixture(scope="module")
def pictures(run):
    """Folder and metadata of the run's test images."""
    settings = dataclasses.replace(END_TO_END, synthetic_lesions=280)
    data = dataset.load(settings)
    rows = protocol.test_rows(data.metadata, settings.test_seed)
    frame = data.metadata.iloc[rows].reset_index(drop=True)
    return ham10000.find_images(data.folder, frame["image_id"]), frame


def test_files_of_the_test_set_give_its_predictions(run, asked, pictures):
    frame, refused, maps = predict.predict(asked, pictures[0])
    assert not refused and not maps
    committed = run.predictions()
    assert [path.stem for path in pictures[0]] == committed["image_id"].tolist()
    p = committed[PROBABILITY_COLUMNS].to_numpy()
    np.testing.assert_allclose(frame[PROBABILITY_COLUMNS], p, atol=2e-5)
    chosen = decisions.choose(run)
    np.testing.assert_allclose(
        frame[[f"calibrated_{c}" for c in CLASSES]], decisions.tempered(p, chosen.temperature), atol=1e-4
    )
    for rule, values in chosen.rules(p).items():
        assert (frame[rule] == np.array(CLASSES)[values.argmax(axis=1)]).mean() > 0.97


def test_the_shipped_model_is_the_run_in_half_the_bytes(run, shipped, pictures):
    files = list(paths.SHIPPED.iterdir())
    assert {file.name for file in files} == {CARD, ship.WEIGHTS, ship.BESIDE}
    assert sum(file.stat().st_size for file in files) < ship.LARGEST
    card = read_card()
    assert shipped_run() == run
    assert shipped.decisions == decisions.choose(run)
    assert (shipped.size, shipped.resize) == (END_TO_END.image_size, END_TO_END.resize)
    assert card["run"] == run.name and card["test_metrics"] == run.info["test_metrics"]
    assert card["licence"] == "trained on SYNTHETIC: what their licence allows", "no word of HAM10000"
    assert ship._licence("HAM10000 (200 x 150 copies)").startswith("trained on HAM10000, CC BY-NC 4.0")
    frame, _, _ = predict.predict(shipped, pictures[0])
    p, committed = frame[PROBABILITY_COLUMNS].to_numpy(), run.predictions()[PROBABILITY_COLUMNS].to_numpy()
    np.testing.assert_allclose(p, committed, atol=0.02)
    assert (p.argmax(axis=1) == committed.argmax(axis=1)).mean() > 0.95


def test_companions_are_the_images_that_trained(run, shipped):
    beside, (data, rows) = shipped.companions, companions.training_images(run)
    assert beside.image_ids.tolist() == data.metadata["image_id"].iloc[rows].tolist()
    assert beside.lesion_ids.tolist() == data.metadata["lesion_id"].iloc[rows].tolist()
    assert [CLASSES[c] for c in beside.classes] == data.metadata["dx"].iloc[rows].tolist()
    test = set(run.predictions()["image_id"])
    assert not test & set(beside.image_ids) and len(rows) + len(test) == len(data.metadata)


def test_a_run_trained_again_has_neighbours_of_its_own(run, asked, tmp_path):
    """By the other network's features, each training image is nearest to itself."""
    again = Run(shutil.copytree(run.path, tmp_path / "again"))
    network, rng = read_network(run), np.random.default_rng(0)
    network.set_weights([rng.permuted(w, axis=-1) if w.ndim > 1 else w for w in network.get_weights()])
    network.save_weights(again.path / "model.weights.h5")
    info = again.info | {"files": again.info["files"]}
    info["files"]["model.weights.h5"] = atomic.file_digest(again.path / "model.weights.h5")
    atomic.write_json(again.path / "run.json", info)
    again = Run(again.path)
    model, (data, rows) = read_model(again), companions.training_images(run)
    features = model.predict(data.images[rows[:64]].astype(np.float32), verbose=0)["features"]
    beside = companions.of_run(again, model)
    found = beside.distances(features).argmin(axis=1)
    assert (found == np.arange(64)).mean() > 0.9
    assert not np.array_equal(beside.places, asked.companions.places)


def test_features_of_training_images_are_made_part_by_part(monkeypatch):
    """Forty images, 32 and 8: each stands where its own colour puts it."""
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, {"features": keras.layers.GlobalAveragePooling2D()(image)})
    pixels = np.random.default_rng(0).integers(256, size=(50, 1, 1, 3)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    frame = pd.DataFrame(
        {"image_id": [f"ISIC_{i}" for i in range(50)], "lesion_id": [f"HAM_{i // 2}" for i in range(50)]}
    )
    frame["dx"] = np.resize(CLASSES, 50)
    data = SimpleNamespace(metadata=frame, images=pixels)
    rows = np.arange(5, 45)
    monkeypatch.setattr(companions, "training_images", lambda run: (data, rows))
    monkeypatch.setattr(companions, "_BATCH", 1)
    beside = companions.make(None, model)
    colours = pixels[rows, 0, 0].astype(np.float32)
    np.testing.assert_allclose(beside.distances(colours), cdist(colours, colours), atol=6)
    assert beside.image_ids.tolist() == frame["image_id"][rows].tolist()
    assert beside.lesion_ids.tolist() == frame["lesion_id"][rows].tolist()
    assert [CLASSES[c] for c in beside.classes] == frame["dx"][rows].tolist()
    np.testing.assert_allclose(beside.colour_mean[:3], colours.mean(axis=0) / 255, rtol=1e-5)


def test_damaged_companions_are_made_again(run, asked):
    expected = asked.companions.arrays()
    content = {file: file.read_bytes() for file in cache_dir().glob("companions-*.npz")}
    for damaged in (lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:200] + bytes(100) + b[300:]):
        for file, whole in content.items():
            file.write_bytes(damaged(whole))
        found = companions.of_run(run, asked.model).arrays()
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
        assert sum(file.read_bytes() == whole for file, whole in content.items()) == 1, "its own file is whole again"
    for file, whole in content.items():
        file.write_bytes(whole)
    assert {file.name for file in cache_dir().glob("*companions*")} == {file.name for file in content}


def test_nearest_lesions_are_scipys():
    """The small numbers keep the neighbours of the exact features, and each image is its own nearest."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(400, 80)) * 0.9 ** np.arange(80) + 3).astype(np.float32)
    pixels = rng.integers(256, size=(400, 4, 4, 3)).astype(np.uint8)
    lesions = np.array([f"HAM_{i // 2}" for i in range(400)])
    ids = np.array([f"ISIC_{i}" for i in range(400)])
    beside = companions.built(features, pixels, ids, lesions, np.zeros(400, np.uint8))
    distances, exact = beside.distances(features[:60]), cdist(features[:60], features)
    assert np.corrcoef(distances.ravel(), exact.ravel())[0, 1] > 0.99
    for row, line in enumerate(distances):
        near = beside.nearest(line, 5)
        assert near[0] == row and len(set(lesions[near])) == 5 and (np.diff(line[near]) >= 0).all()
        other = np.flatnonzero(lesions != lesions[row])
        assert exact[row, near[1]] < 1.15 * exact[row, other].min()
    others = np.where(lesions[:, None] == lesions, np.inf, cdist(features, features)).min(axis=1)
    assert beside.farthest == pytest.approx(np.quantile(others, companions.UNUSUAL), rel=0.1)
    assert (beside.colour_distance(pixels) <= beside.colour_limit).mean() == pytest.approx(
        companions.UNUSUAL, abs=0.003
    )


def test_colours_by_hand():
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    picture[0, :2, :, 0] = 255
    # 4 of the 12 vertical pairs differ, in one of three channels; none of the horizontal ones.
    grain = np.log(4 / 12 / 3 / 2 + 1 / 255)
    np.testing.assert_allclose(companions.colours(picture), [[0.5, 0, 0, 0.5, 0, 0, grain]], rtol=1e-6)


def test_noise_of_skins_own_colours_is_told_by_its_grain():
    """Pixels of a photograph in random order have all its colours."""
    rng = np.random.default_rng(0)
    at = np.linspace(0, 1, 40)
    spots = [np.hypot(at[:, None] - x, at - y) < r for x, y, r in rng.uniform(0.3, 0.7, (200, 3))]
    skin = np.array([np.where(spot[..., None], [120, 70, 60], [200, 150, 130]) for spot in spots])
    skin = np.clip(skin + rng.normal(0, 4, skin.shape) + rng.normal(0, 12, (200, 1, 1, 3)), 0, 255).astype(np.uint8)
    shuffled = rng.permuted(skin[:20].reshape(20, -1, 3), axis=1).reshape(20, 40, 40, 3)
    usual = companions.usual_colours(skin)

    def distances(pixels, numbers):
        off = (companions.colours(pixels) - usual["colour_mean"])[:, :numbers]
        inverse = np.linalg.inv(np.linalg.inv(usual["colour_inverse"])[:numbers, :numbers])
        return np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off)) / usual["colour_limit"]

    assert (distances(shuffled, 6) < 1).all() and (distances(shuffled, 7) > 1).all()


def test_what_is_no_dermoscopic_photograph_is_warned_of(shipped, pictures, tmp_path):
    frame, _, _ = predict.predict(shipped, pictures[0])
    assert (~frame["warning"].str.contains("colours")).mean() > 0.8, "test images of the same kind pass"
    rng = np.random.default_rng(0)
    odd = {
        "black": np.zeros((300, 400, 3)),
        "noise": rng.integers(256, size=(300, 400, 3)),
        "grass": np.broadcast_to([20, 180, 30], (300, 400, 3)),
        "page": np.where(rng.random((300, 400, 1)) < 0.1, 0, 255) * np.ones(3),
    }
    for name, pixels in odd.items():
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.open(pictures[0][0]).resize((400, 60)).save(tmp_path / "strip.png")
    frame, _, _ = predict.predict(shipped, sorted(tmp_path.glob("*.png")))
    said = dict(zip((path.split("/")[-1] for path in frame["image"]), frame["warning"]))
    assert all("may be no dermoscopic photograph: colours and grain" in said[f"{name}.png"] for name in odd), said
    assert "400 x 60 pixels is another frame than 4:3" in said["strip.png"]


def test_the_command_line_says_it_all(run, asked, shipped, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ship, "shipped", lambda: shipped)  # loaded once
    monkeypatch.setattr(predict, "of_run", lambda found: asked if found == run else None)
    one = str(pictures[0][0])
    assert command_line.main(["predict", one, "--maps", str(tmp_path / "maps")]) == 0
    out = capsys.readouterr().out
    for words in ("shipped, tiny/", "melanoma", "calibrated", *RULES, "nearest training lesions: ", kept.RESEARCH):
        assert words in out
    assert "no attention map" in out and not (tmp_path / "maps").exists()
    table, many = tmp_path / "new" / "out.csv", tmp_path / "many"
    many.mkdir()
    for path in pictures[0][:6]:
        shutil.copy(path, many)
    (many / "letter.jpg").write_text("no picture")
    (many / "notes.txt").write_text("words")
    assert command_line.main(["predict", str(many), "--run", f"tiny/{run.name}", "--out", str(table)]) == 1
    said = capsys.readouterr()
    assert "refused: letter.jpg: no image" in said.err and "1 other files left alone" in said.out
    assert len(pd.read_csv(table)) == 6 and list(pd.read_csv(table).columns)[17:21] == RULES
    before = table.read_bytes()
    assert command_line.main(["predict", one, "--out", str(table)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err and table.read_bytes() == before
    assert command_line.main(["predict", str(many / "letter.jpg")]) == 2
    assert command_line.main(["predict", one, "--run", "tiny/none"]) == 2
    assert f"tiny/{run.name}" in capsys.readouterr().err


def test_maps_are_printed_and_drawn(pictures, tmp_path, capsys):
    line = {"image": "a.jpg", "width": 4, "height": 3, "note": "", "warning": "", "nearest": ""}
    line |= {f"{kind}_{c}": 1 / 7 for kind in ("p", "calibrated") for c in CLASSES}
    order = ["image", "width", "height", *PROBABILITY_COLUMNS, *(f"calibrated_{c}" for c in CLASSES)]
    line = {name: line[name] for name in order} | {"as trained": "nv", "nearest": "", "note": "", "warning": ""}
    text = predict.block(line, {"safa": np.array([[1.0, 3.0]])})
    assert "0.50 1.50" in text and "as trained: nv" in text
    frame = pd.DataFrame({"image": [str(pictures[0][0])]})
    predict._write_maps(tmp_path / "maps", pictures[0][:1], frame, {"safa": np.array([[[0.0, 1.0]]])})
    (picture,) = (tmp_path / "maps").iterdir()
    assert Image.open(picture).size == (400, 300) and "1 pictures" in capsys.readouterr().out


def test_maps_lie_on_the_photograph_as_the_model_saw_it(tmp_path):
    """Half of the map's colour (viridis: hot is (253, 231, 37), cold (68, 1, 84)) and half of the photograph's."""
    upright = np.zeros((96, 64, 3), np.uint8)
    upright[:48], upright[48:] = (255, 0, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right by a quarter
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
    Image.fromarray(np.full((64, 64), 200 * 257, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    shown = {
        "turned.jpg": ((255, 0, 0), (0, 0, 255)),
        "deep.png": ((200, 200, 200),) * 2,
        "clear.png": ((255, 255, 255),) * 2,
    }
    frame = pd.DataFrame({"image": [str(tmp_path / name) for name in shown]})
    hot_above = np.repeat([[[1.0, 1.0], [0.0, 0.0]]], len(shown), axis=0)
    predict._write_maps(tmp_path / "maps", list(shown), frame, {"safa": hot_above})
    for number, (name, (above, below)) in enumerate(shown.items()):
        (file,) = (tmp_path / "maps").glob(f"{number:04d}-{name[:-4]}-safa.png")
        pixels = np.asarray(Image.open(file)).astype(float)
        for rows, colour, heat in ((pixels[:30], above, (253, 231, 37)), (pixels[-30:], below, (68, 1, 84))):
            np.testing.assert_allclose(rows.mean(axis=(0, 1)), np.add(colour, heat) / 2, atol=15, err_msg=name)


# A network that is a formula: every answer below is worked out again from a photograph's one colour.
SHARES = [0.07, 0.07, 0.5, 0.07, 0.07, 0.2, 0.02]
LESIONS = ["HAM_1", "HAM_2", "HAM_2", "HAM_3", "HAM_4", "HAM_5", "HAM_6"]
PLACES = np.array([[0, -50], [10, -35], [11, -36], [20, 0], [30, 10], [40, 40], [50, 20]], np.int8)


class Formula:
    """Melanoma's probability grows with red; pooled features are the mean colours; the map is red beside blue."""

    def predict(self, pixels, verbose=0, batch_size=None):
        assert pixels.dtype == np.float32 and pixels.shape[1:] == (32, 32, 3)
        means = pixels.mean(axis=(1, 2))
        p = np.array([by_hand(red)[0] for red in means[:, 0]])
        return {"probabilities": p, "features": means, "safa": means[:, None, [0, 2]]}


def by_hand(red):
    """Probabilities, and the same with their logits doubled."""
    p = np.array([0.05, 0.1, 0.15, 0.2, 0.1 + red / 1000, 0.3, 0.1])
    p /= p.sum()
    return p, p**2 / (p**2).sum()


@pytest.fixture
def formula():
    beside = companions.Companions(
        image_ids=np.array([f"ISIC_{i}" for i in range(7)]),
        lesion_ids=np.array(LESIONS),
        classes=np.array([6, 5, 4, 3, 2, 1, 0], np.uint8),
        mean=np.array([100, 90, 80], np.float32),
        axes=np.array([[0, 1], [1, 0], [0, 0]], np.float16),
        step=np.float32(2),
        places=PLACES,
        farthest=np.float32(50),
        colour_mean=np.zeros(7, np.float32),
        colour_inverse=np.diag([4, 0, 0, 0, 0, 0, 0]).astype(np.float32),
        colour_limit=np.float32(0.5),
    )
    chosen = decisions.Decisions(temperature=0.5, shares=SHARES, often=-1.0, fair=1.0, melanoma_factor=4.0)
    return kept.Kept("formula", "a formula", Formula(), 32, "nearest", chosen, beside)


def photographs(folder, reds):
    """One a colour, named so that their order is another than that of their names."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{97 * red % 251:03d}.png" for red in reds]
    for file, red in zip(files, reds):
        Image.new("RGB", (40, 32), (red, 90 + red // 2, 7)).save(file)
    return files


def test_seventy_photographs_are_seventy_rows_in_their_order(formula, tmp_path, capsys):
    reds = np.arange(3, 213, 3)
    files = photographs(tmp_path, reds)
    for place in (66, 10):
        files.insert(place, tmp_path / f"cut{place}.png")
        files[place].write_bytes(b"cut")
    frame, refused, maps = predict.predict(formula, files)
    assert [line.split(":")[0] for line in refused] == ["cut10.png", "cut66.png"]
    assert frame["image"].tolist() == [file.as_posix() for file in files if file.stem[:3] != "cut"]
    assert (frame["width"] == 40).all() and (frame["height"] == 32).all() and (frame["note"] == "").all()
    p, calibrated = (np.array(values) for values in zip(*map(by_hand, reds)))
    np.testing.assert_allclose(frame[["p_akiec", "p_bcc", "p_bkl", "p_df", "p_mel", "p_nv", "p_vasc"]], p, rtol=1e-5)
    np.testing.assert_allclose(frame[[f"calibrated_{c}" for c in CLASSES]], calibrated, rtol=1e-5)
    np.testing.assert_array_equal(maps["safa"], [[[red, 7]] for red in reds])
    assert capsys.readouterr().err == "  64 of 72 images\n  72 of 72 images\n"


@pytest.mark.parametrize("resize, red", [("nearest", 210), ("antialias", 70)])
def test_a_photograph_is_made_small_as_the_training_images_were(resize, red, formula, tmp_path):
    """Of every three columns only the middle one is red: one pixel of nine, or the mean of them all."""
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, 1::3, 0] = 210
    Image.fromarray(stripes).save(tmp_path / "a.png")
    _, _, maps = predict.predict(dataclasses.replace(formula, resize=resize), [tmp_path / "a.png"])
    assert maps["safa"][0, 0, 0] == pytest.approx(red, abs=2)


def test_each_rule_decides_by_the_probabilities_as_they_come(formula, tmp_path):
    """Four rules, four answers to one photograph; of the calibrated ones, melanoma's fourfold would not be enough."""
    frame, _, _ = predict.predict(formula, photographs(tmp_path, [10, 240]))
    assert by_hand(10)[1][4] * 4 < by_hand(10)[1][5]
    assert frame[RULES].to_numpy().tolist() == [["nv", "bkl", "vasc", "mel"], ["mel", "bkl", "vasc", "mel"]]


def test_neighbours_and_their_distance_by_hand(formula, tmp_path):
    """The five nearest of six lesions, the nearest first; one of a lesion's two images, the nearer."""
    reds = [0, 40, 90, 160, 250]
    frame, _, _ = predict.predict(formula, photographs(tmp_path, reds))
    for red, nearest, distance in zip(reds, frame["nearest"], frame["distance"]):
        away = {i: np.hypot(red // 2 - 2.0 * a, red - 100 - 2.0 * b) for i, (a, b) in enumerate(PLACES.tolist())}
        of_lesions = {}
        for i in sorted(away, key=away.get):
            of_lesions.setdefault(LESIONS[i], i)
        said = [f"ISIC_{i} {'vasc nv mel df bkl bcc akiec'.split()[i]}" for i in list(of_lesions.values())[:5]]
        assert nearest == "; ".join(said) and distance == pytest.approx(min(away.values()))


def test_warnings_are_of_their_own_photograph(formula, tmp_path):
    """Colours: twice red as a part of 255, over the limit of 0.5; to the model: the distance over the farthest, 50."""
    reds = [60, 240, 66, 0]
    frame, _, _ = predict.predict(formula, photographs(tmp_path, reds))
    for red, distance, warning in zip(reds, frame["distance"], frame["warning"]):
        colour, far = 2 * red / 255 / 0.5, distance / 50
        assert (f"colours and grain {colour:.1f} times" in warning) == (colour > 1), red
        assert (f"to the model {far:.1f} times" in warning) == (far > 1), red
    assert frame["warning"].ne("").tolist() == [False, True, True, False]
    assert "training images' as is usual and to the model" in frame["warning"][1]
    alone, _, _ = predict.predict(dataclasses.replace(formula, companions=None), photographs(tmp_path, reds))
    assert (alone["nearest"] == "").all() and alone["distance"].isna().all() and (alone["warning"] == "").all()


@pytest.mark.parametrize(
    "size, said",
    [((319, 150), ""), ((321, 150), "frame"), ((251, 300), ""), ((249, 300), "frame")]
    + [((100, 75), ""), ((100, 74), "less than the 100"), ((75, 90), ""), ((74, 88), "less than the 100")],
)
def test_limits_of_frame_and_size(size, said):
    """From 4:3 / 1.6 = 250:300 to 4:3 x 1.6 = 320:150, and three quarters of the side that the model looks at."""
    found = predict._of_shape(predict.Photograph(None, None, size), 100)
    assert len(found) == bool(said) and said in "".join(found)


def test_limits_of_likeness():
    assert predict._of_likeness(1.0, 1.0) == []
    (far,), (odd,) = predict._of_likeness(1.06, 1.0), predict._of_likeness(1.0, 1.06)
    assert "to the model 1.1 times" in far and "colours" not in far
    assert "colours and grain 1.1 times" in odd and "to the model" not in odd


def test_a_block_says_each_number_once_and_in_its_column(formula, tmp_path):
    Image.new("RGBA", (400, 40), (40, 110, 7, 254)).save(tmp_path / "a.png")
    frame, _, maps = predict.predict(formula, [tmp_path / "a.png"])
    (line,) = frame.to_dict("records")
    rows = predict.block(line, {"safa": np.array([[1.0, 2.0], [4.0, 1.0]])}).splitlines()
    p, calibrated = (dict(zip(CLASSES, values)) for values in by_hand(40 + 1))
    table = [row.split() for row in rows if row.split() and row.split()[0] in CLASSES]
    assert [row[0] for row in table] == ["nv", "df", "bkl", "mel", "bcc", "vasc", "akiec"]
    for name, *_, raw, cal in table:
        assert (raw, cal) == (f"{p[name]:.1%}", f"{calibrated[name]:.1%}")
    assert rows[1] == f"{(tmp_path / 'a.png').as_posix()} (400 x 40 pixels)"
    assert rows[2] == "  note: transparent parts shown on white" and rows[3].startswith("  WARNING: 400 x 40 pixels")
    assert rows[-5] == f"  decision: {'; '.join(f'{rule}: {line[rule]}' for rule in RULES)}"
    assert rows[-4] == f"  nearest training lesions: {line['nearest']}" and line["nearest"]
    assert rows[-3:] == ["  safa, relative to an even map (1.00), row by row:", "    0.50 1.00", "    2.00 0.50"]
    plain = predict.block(line | {"note": "", "warning": "", "nearest": ""}, {})
    assert not [word for word in ("note", "WARNING", "nearest", "even map") if word in plain]


def test_one_line_has_the_calibrated_share_and_every_remark():
    line = {"image": "a.jpg", "note": "", "warning": ""}
    line |= {f"p_{c}": 0.9 if c == "df" else 0.1 / 6 for c in CLASSES}
    line |= {f"calibrated_{c}": 0.64 if c == "mel" else 0.06 for c in CLASSES}
    assert predict.one_line(line) == "a.jpg: mel 64%"
    assert predict.one_line(line | {"warning": "odd"}) == "a.jpg: mel 64%  (WARNING: odd)"
    assert predict.one_line(line | {"warning": "odd", "note": "turned"}) == "a.jpg: mel 64%  (turned; WARNING: odd)"


def test_three_photographs_are_shown_whole_and_four_as_lines(formula, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ship, "shipped", lambda: formula)
    reds = [10, 120, 250, 60]
    files = [str(file) for file in photographs(tmp_path, reds)]
    assert predict.main(files[:3]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert len(blocks) == 1 + 3 + 1
    for file, red, said in zip(files[:3], reds, blocks[1:]):
        even = [f"{2 * value / (red + 7):.2f}" for value in (red, 7)]
        assert said.lstrip().startswith(file) and f"    {' '.join(even)}" in said
    assert predict.main(files) == 0
    lines = capsys.readouterr().out.splitlines()[1:5]
    for file, red, line in zip(files, reds, lines):
        best = "mel" if red > 200 else "nv"
        assert line.startswith(f"{file}: {best} {by_hand(red)[1].max():.0%}")


def test_refused_files_leave_a_table_of_the_others_and_their_maps(formula, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ship, "shipped", lambda: formula)
    files = photographs(tmp_path / "in", [240, 0])
    cut = tmp_path / "in" / "cut.png"
    cut.write_bytes(b"cut")
    out, maps = tmp_path / "out.csv", tmp_path / "maps"
    assert predict.main([str(cut), *map(str, files)], out=str(out), maps=str(maps)) == 1
    frame, _, _ = predict.predict(formula, files)
    pd.testing.assert_frame_equal(pd.read_csv(out, keep_default_na=False), frame, rtol=1e-5)
    assert sorted(file.name for file in maps.iterdir()) == [f"{n:04d}-{f.stem}-safa.png" for n, f in enumerate(files)]
    for n, (hot, file) in enumerate(zip((0, -1), files)):  # red beside blue: 240 beside 7, 0 beside 7
        over = np.asarray(Image.open(maps / f"{n:04d}-{file.stem}-safa.png")).astype(float)
        under = np.asarray(Image.open(file).resize((400, 300))).astype(float)
        np.testing.assert_allclose((2 * over - under)[:, [hot, -1 - hot]].mean(axis=0), VIRIDIS, atol=30)
    assert "written" in capsys.readouterr().out
    with pytest.raises(UserError, match="none of 1 images could be read"):
        predict.main([str(cut)], out=str(tmp_path / "none.csv"), maps=str(tmp_path / "none"))
    assert not (tmp_path / "none.csv").exists() and not (tmp_path / "none").exists()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that is not the folder one works in; nothing may be called ``~`` there."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert not (tmp_path / "here" / "~").exists()


def test_what_make_and_quotes_keep_from_the_shell_is_written_home(formula, home, monkeypatch):
    """OUT=~/a.csv MAPS=~/maps; what is there already is noticed there too."""
    monkeypatch.setattr(ship, "shipped", lambda: formula)
    photographs(home, [240])
    assert predict.main(["~"], out="~/a.csv", maps="~/maps") == 0
    assert len(pd.read_csv(home / "a.csv")) == 1 and len(list((home / "maps").iterdir())) == 1
    for taken in ({"out": "~/a.csv"}, {"maps": "~/maps"}):
        with pytest.raises(UserError, match="is there already"):
            predict.main(["~"], **taken)


@pytest.mark.parametrize("many", [False, True], ids=["block", "lines"])
def test_no_name_of_a_file_splits_or_breaks_a_line(many, formula, tmp_path, monkeypatch):
    """Line ends, a bell, bytes that are no UTF-8, on a terminal that refuses what it cannot show."""
    monkeypatch.setattr(ship, "shipped", lambda: formula)
    name, shown = os.fsdecode(b"a\nb\x07\xe4.png"), r"a\nb\x07\udce4.png"
    (picture,) = photographs(tmp_path, [240])
    odd, cut = picture.rename(tmp_path / name), tmp_path / f"cut {name}"
    cut.write_bytes(b"cut")
    others = photographs(tmp_path / "more", range(10, 18)) if many else []
    said = {}
    for stream in ("stdout", "stderr"):
        said[stream] = io.BytesIO()
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(said[stream], "utf-8", "strict", write_through=True))
    assert predict.main([str(odd), str(cut), *map(str, others)], out=str(tmp_path / "a.csv")) == 1
    lines = said["stdout"].getvalue().decode().splitlines()
    assert [line for line in lines if shown in line] == [
        line for line in lines if line.startswith(str(tmp_path / shown))
    ]
    assert said["stderr"].getvalue().decode().startswith(f"refused: cut {shown}: ")
    assert len(said["stderr"].getvalue().splitlines()) == 1
    assert r"\udce4" in pd.read_csv(tmp_path / "a.csv")["image"][0]


VIRIDIS = [(253, 231, 37), (68, 1, 84)]  # hot, cold


@pytest.mark.parametrize("taken", ["out", "maps"])
def test_what_is_there_already_is_kept_and_no_model_is_asked(taken, formula, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "shipped", lambda: pytest.fail("nothing may be asked"))
    folder = tmp_path / "there"
    folder.mkdir()
    other = {"out": "maps", "maps": "out"}[taken]
    with pytest.raises(UserError, match="there is there already, and nothing is overwritten"):
        predict.main([str(photographs(tmp_path, [1])[0])], **{taken: str(folder), other: str(tmp_path / "new" / other)})
    assert not list(folder.iterdir()) and not (tmp_path / "new").exists()


def test_a_run_that_is_named_is_asked_and_no_other(formula, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ship, "shipped", lambda: formula)
    monkeypatch.setattr(predict, "find_run", lambda name: f"the run {name}")
    monkeypatch.setattr(
        predict, "of_run", lambda run: dataclasses.replace(formula, title=run, companions=None, missing="no images")
    )
    file = str(photographs(tmp_path, [200])[0])
    predict.main([file], run="tiny/a")
    named = capsys.readouterr().out
    assert "Model: the run tiny/a\nNo training lesions to compare with: no images\n" in named
    predict.main([file])
    default = capsys.readouterr().out
    assert "Model: a formula" in default and "No training lesions" not in default
    assert "WARNING" in default and "WARNING" not in named


def made_up(root, arm="mobilenetv2-base", seed=0, profile="tiny", fold=None, wrong=(), weights=True, **settings):
    """A finished run of 21 test images, three a class, and a file in the place of its weights."""
    write_run(root, arm, seed, list(wrong), profile=profile, y=np.repeat(np.arange(7), 3), fold=fold, **settings)
    name = f"{arm}-seed{seed}" if fold is None else f"{arm}-fold{fold}-seed{seed}"
    path = root / profile / "runs" / name
    if weights:
        (path / "probe.npz").write_bytes(b"weights")
        seal(path)
    return Run(path)


def test_a_run_is_found_by_its_name_or_folder_and_your_own_first(results_dir, tmp_path):
    committed = made_up(results_dir / "reference", wrong=[1])
    assert kept.find_run(f"tiny/{committed.name}") == committed == kept.find_run(str(committed.path))
    own = made_up(results_dir)
    other = made_up(results_dir, seed=1, profile="other")
    made_up(results_dir, seed=2, weights=False)
    shutil.copytree(own.path, own.path.with_name(".aside"))
    assert kept.find_run(f"tiny/{own.name}") == own != committed
    assert kept.runs_with_weights() == [other, own] and kept.runs_with_weights("tiny") == [own]
    with pytest.raises(UserError, match=f"no run 'x'; .*here: other/{other.name}, tiny/{own.name}$"):
        kept.find_run("x")


def test_a_mistyped_run_is_what_is_said_whatever_is_damaged_elsewhere(results_dir):
    """Weights that were cut, and a run.json, of runs that nobody asked for."""
    cut, broken = made_up(results_dir), made_up(results_dir, seed=1)
    made_up(results_dir, seed=2, weights=False)
    (cut.path / "probe.npz").write_bytes(b"cut")
    (broken.path / "run.json").write_text("{")
    with pytest.raises(UserError, match=f"^no run 'tiny/tpyo'; .*here: tiny/{cut.path.name}, tiny/{broken.path.name}$"):
        kept.find_run("tiny/tpyo")
    with pytest.raises(UserError, match="was changed by hand or cut"):
        kept.runs_with_weights()


def test_a_run_is_asked_as_it_was_trained(results_dir, monkeypatch):
    run = made_up(results_dir, image_size=48, resize="nearest")

    def not_at_hand(run, model):
        raise UserError("no images")

    monkeypatch.setattr(kept, "read_model", lambda run: f"network of {run.name}")
    monkeypatch.setattr(kept, "choose", lambda run: f"choice of {run.name}")
    monkeypatch.setattr(companions, "of_run", lambda run, model: f"beside the {model}")
    found = kept.of_run(run)
    network = f"network of {run.name}"
    assert (found.model, found.decisions, found.companions) == (
        network,
        f"choice of {run.name}",
        f"beside the {network}",
    )
    assert (found.size, found.resize, found.missing) == (48, "nearest", "")
    assert found.title.startswith(f"MobileNetV2, {run.name}: HAM10000; 48 px;")
    assert kept.of_run(run, neighbours=False).companions is None
    monkeypatch.setattr(companions, "of_run", not_at_hand)
    found = kept.of_run(run)
    assert found.companions is None and found.missing == "no images"
    with pytest.raises(UserError, match="lesion's mask too"):
        kept.of_run(made_up(results_dir, "twopath-base-random"))


def test_images_that_trained_a_fold_are_none_of_its_test(results_dir, monkeypatch):
    """Each image is tested in one of the five folds, and is missing among what trained there and nowhere else."""
    frame = pd.DataFrame({"image_id": [f"ISIC_{i}" for i in range(140)], "lesion_id": [f"HAM_{i}" for i in range(140)]})
    frame["dx"] = np.tile(CLASSES, 20)
    frame["dx_type"] = "histo"
    data = SimpleNamespace(metadata=frame, image_digest="images", name="HAM10000", folder=results_dir)
    monkeypatch.setattr(dataset, "load", lambda profile: data)
    settings = END_TO_END.settings() | {"test": "folds"}
    missing = []
    for fold in range(5):
        run = made_up(results_dir, fold=fold, **settings)
        run.info["data"]["image_digest"] = "images"
        found, rows = companions.training_images(run)
        assert found is data and (np.diff(rows) > 0).all()
        missing += np.setdiff1d(np.arange(140), rows).tolist()
    assert sorted(missing) == list(range(140))
    run.info["data"]["image_digest"] = "others"
    with pytest.raises(UserError, match="trained on other images than HAM10000"):
        companions.training_images(run)


def test_the_shipped_run_is_yours_or_the_committed_one(results_dir, monkeypatch):
    """Other runs of that profile, or one of its name from other inputs, stand in the way of neither."""
    monkeypatch.setattr(paths, "SHIPPED", results_dir / "shipped")
    atomic.write_json(paths.SHIPPED / CARD, {"profile": "tiny", "run": "mobilenetv2-base-seed0", "inputs_digest": "0"})
    assert shipped_run() is None
    committed = made_up(results_dir / "reference")
    made_up(results_dir / "reference", seed=1)
    assert shipped_run() == committed
    made_up(results_dir, seed=1)
    assert shipped_run() == committed
    own = made_up(results_dir)
    assert shipped_run() == own
    atomic.write_json(own.path / "run.json", own.info | {"inputs_digest": "1"})
    assert shipped_run() == committed
    atomic.write_json(paths.SHIPPED / CARD, {"profile": "tiny", "run": committed.name, "inputs_digest": "2"})
    assert shipped_run() is None


def test_shipping_refuses_what_it_cannot_ship(run, shipped, tmp_path, monkeypatch):
    frozen = Run(shutil.copytree(run.path, tmp_path / "frozen"))
    frozen.info["settings"]["train"] = "frozen"
    with pytest.raises(UserError, match="ImageNet weights that are not ours"):
        ship.ship(frozen, tmp_path / "x")
    monkeypatch.setattr(ship, "LARGEST", 1000)
    with pytest.raises(UserError, match="ship a smaller network"):
        ship.ship(run, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(UserError, match="no model is shipped"):
        ship.shipped(tmp_path / "x")
    cut = shutil.copytree(paths.SHIPPED, tmp_path / "cut")
    (cut / ship.WEIGHTS).write_bytes(b"cut")
    with pytest.raises(UserError, match="weights.npz: missing or changed"):
        ship.shipped(cut)


def test_another_test_set_is_opened_and_recorded(run, shipped, pictures, own_results, tmp_path, monkeypatch, capsys):
    """On the run's own test images, stored anew: the scores are its own, and nothing is a copy of a training image."""
    monkeypatch.setattr(ship, "shipped", lambda: shipped)
    folder = tmp_path / "elsewhere"
    files, frame = pictures
    for path, dx in zip(files, frame["dx"]):
        (folder / dx).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / dx)
    data, rows = companions.training_images(run)
    twin = ham10000.find_images(data.folder, data.metadata["image_id"].iloc[rows[:1]])[0]
    shutil.copy(twin, folder / "nv" / "twin.jpg")
    (folder / "nv" / "cut.jpg").write_bytes(b"cut")
    external.main("tiny", str(folder))
    place = own_results / "tiny" / "external"
    scores = pd.read_csv(place / "elsewhere" / "external.csv").set_index(["model", "subset", "metric"])
    for model in (run.name, "shipped"):
        own = scores.loc[(model, "own test set", "accuracy"), "value"]
        assert own == pytest.approx(run.info["test_metrics"]["accuracy"], abs=1e-6)
    clean = scores.loc[(run.name, external.CLEAN, "accuracy")]
    assert clean["n"] == len(files) and clean["value"] == pytest.approx(run.info["test_metrics"]["accuracy"], abs=0.03)
    predictions = pd.read_csv(place / "elsewhere" / "external_predictions.csv.gz", keep_default_na=False)
    assert len(predictions) == 2 * (len(files) + 1)
    copies = predictions[predictions["copy_of"] != ""]
    assert set(copies["image_id"]) == {"nv/twin.jpg"} and set(copies["copy_of"]) == {data.metadata["image_id"][rows[0]]}
    problems = pd.read_csv(place / "elsewhere" / "problems.csv")
    assert dict(zip(problems["problem"], problems["images"])) == {"unreadable": 1, "copies of training images": 1}
    external.main("tiny", str(folder))
    opened = pd.read_csv(place / "opened.csv")
    assert len(opened) == 2 and opened["models"].tolist() == [f"{run.name} shipped"] * 2
    assert opened["labels_digest"].nunique() == 1 and opened["images"].eq(len(files) + 2).all()


@pytest.fixture
def sets(run, pictures, tmp_path, monkeypatch):
    """Two sets in folders of one name, other images in each, and an empty place for results with one model."""
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path / "results")
    monkeypatch.setattr(external, "runs_with_weights", lambda profile: [run])
    monkeypatch.setattr(external, "is_shipped", lambda: False)
    files, frame = pictures
    for number, (path, dx) in enumerate(zip(files[:24], frame["dx"])):
        folder = tmp_path / "ab"[number % 2] / "test" / dx
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    return [str(tmp_path / place / "test") for place in "ab"]


def test_a_set_of_the_same_name_replaces_no_results(sets, tmp_path):
    place = tmp_path / "results" / "tiny" / "external"
    external.main("tiny", sets[0])

    def written():
        return {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}

    before = written()
    assert len(before) == 4
    with pytest.raises(UserError, match="external/test: holds results of a set of that name with other labels") as said:
        external.main("tiny", sets[1])
    assert written() == before and "\n" not in str(said.value)
    external.main("tiny", sets[0])
    (place / "test").rename(place / "of a")
    external.main("tiny", sets[1])
    digests = pd.read_csv(place / "opened.csv", dtype=str)["labels_digest"].tolist()
    assert digests[0] == digests[1] != digests[2]
    with pytest.raises(UserError, match="with other labels"):
        external.main("tiny", sets[0])


def test_the_record_is_only_added_to(sets, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(external, "_write", lambda *_: None)
    record = tmp_path / "results" / "tiny" / "external" / "opened.csv"
    external.main("tiny", sets[0])
    first = record.read_text()
    # Digests that are numbers to pandas, and no commit.
    odd = "2026-01-01 00:00:00 UTC,NA,a,1,0012345678901234,m,\n2026-01-02 00:00:00 UTC,b,a,1,1234567890123e45,m,\n"
    record.write_text(first + odd)
    external.main("tiny", sets[1])
    assert record.read_text().startswith(first + odd) and record.read_text().count("\n") == 5
    whole = record.read_bytes()
    for damaged in (
        b"",
        b"\xff\xfe\x00\x01",
        b"opened,set\n1,2\n",
        whole[:40],
        whole[:-60],
        whole + b"a,b,c,d,e,f,g,h,i\n",
    ):
        record.write_bytes(damaged)
        with pytest.raises(UserError, match="external/opened.csv: cannot be read") as said:
            external.main("tiny", sets[1])
        assert record.read_bytes() == damaged and "\n" not in str(said.value)
    record.write_bytes(whole)
    with lock.held("tiny", "external"):
        other = threading.Thread(target=external.main, args=("tiny", sets[1]))
        other.start()
        said, deadline = "", time.monotonic() + 60
        while "waiting for it" not in said and time.monotonic() < deadline:
            time.sleep(0.05)
            said += capsys.readouterr().out
        assert "another process works on external" in said and record.read_bytes() == whole
    other.join(60)
    assert record.read_bytes().startswith(whole) and record.read_text().count("\n") == 6


class Tints:
    """Answers with the class that red stands for, 30 a class, and with the next one above a limit."""

    def __init__(self, side, limit):
        self.side, self.limit = side, limit

    def predict(self, pixels, verbose=0, batch_size=None):
        assert pixels.shape[1:] == (self.side, self.side, 3) and pixels.dtype == np.float32
        answer = np.round(pixels[..., 0].mean(axis=(1, 2)) / 30).astype(int)
        answer += answer > self.limit
        return {"probabilities": 0.8 * np.eye(7)[answer % 7] + 0.2 / 7}


@pytest.fixture
def two_models(results_dir, tmp_path, monkeypatch):
    """Three photographs a class; two runs, of 32 and 48 pixels a side, that answer 21 and 15 of them rightly, and the
    shipped model, 18. Photograph 4 trained the first run, 5 was its test image, 6 trained the second."""
    rng, folder = np.random.default_rng(0), tmp_path / "elsewhere"
    pixels = rng.integers(256, size=(21, 48, 48, 3)).astype(np.uint8)
    pixels[..., 0] = 30 * np.repeat(np.arange(7), 3)[:, None, None]
    for number, picture in enumerate(pixels):
        (folder / CLASSES[number // 3]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / CLASSES[number // 3] / f"{number:02d}.png")
    small, large = (
        made_up(results_dir, seed=seed, wrong=range(wrong), image_size=side, resize=resize)
        for seed, wrong, side, resize in ((0, 2, 32, "nearest"), (1, 6, 48, "antialias"))
    )
    trained = {small: [3, 4], large: [6]}

    def training_images(run):
        side = (run.info["settings"]["image_size"],) * 2
        images = np.array([np.asarray(Image.fromarray(x).resize(side, Image.Resampling.NEAREST)) for x in pixels])
        return SimpleNamespace(metadata=pd.DataFrame({"image_id": [f"T{i}" for i in range(21)]}), images=images), (
            np.array(trained[run])
        )

    def of_run(run, neighbours):
        assert not neighbours
        settings = run.info["settings"]
        model = Tints(settings["image_size"], {small: 9, large: 4}[run])
        return kept.Kept(run.name, "", model, settings["image_size"], settings["resize"], None, None)

    monkeypatch.setattr(companions, "training_images", training_images)
    monkeypatch.setattr(external, "of_run", of_run)
    monkeypatch.setattr(external, "is_shipped", lambda: True)
    monkeypatch.setattr(ship, "shipped", lambda: kept.Kept("s", "", Tints(40, 5), 40, "nearest", None, None))
    monkeypatch.setattr(external, "shipped_run", lambda: None)
    made_up(results_dir, seed=2, profile="other")
    return folder, small, large


def test_each_model_is_scored_by_its_own_images_and_beside_its_own_test(two_models, results_dir):
    folder, small, large = two_models
    (folder / "nv" / "cut.png").write_bytes(b"cut")
    external.main("tiny", str(folder))
    place = results_dir / "tiny" / "external" / "elsewhere"
    table = pd.read_csv(place / "external.csv").set_index(["model", "subset", "metric"])
    assert (table["set"] == "elsewhere").all()
    for name, n, right, copies, own in (
        (small.name, 21, 21, 2, 19),
        (large.name, 21, 15, 1, 15),
        ("shipped", 21, 18, 0, 0),
    ):
        lines = table.loc[name]
        expected = {("all images", "accuracy"): (n, right / n)}
        if copies:
            # Every copy is of a class that is answered rightly.
            expected[external.CLEAN, "accuracy"] = (n - copies, (right - copies) / (n - copies))
            expected["own test set", "accuracy"] = (21, own / 21)
            expected["difference", "accuracy"] = (21, (right - own) / 21)
        for key, (count, value) in expected.items():
            found = tuple(lines.loc[key, ["n", "value"]])
            assert found == (count, pytest.approx(value, abs=1e-5)), (name, key)
        wrong_classes = {small.name: (), large.name: ("nv", "vasc"), "shipped": ("vasc",)}[name]
        for dx in CLASSES:
            line = lines.loc["all images", f"recall_{dx}"]
            assert (line["n"], line["value"]) == (3, dx not in wrong_classes), (name, dx)
        assert ("own test set" in lines.index.get_level_values(0)) == bool(copies)
    frame = pd.read_csv(place / "external_predictions.csv.gz", keep_default_na=False)
    assert frame["model"].tolist() == [small.name] * 21 + [large.name] * 21 + ["shipped"] * 21
    ids = sorted(f"{CLASSES[i // 3]}/{i:02d}.png" for i in range(21))
    assert frame["image_id"].tolist() == ids * 3
    assert frame["dx"].tolist() == [name.split("/")[0] for name in ids] * 3
    p = frame[["p_akiec", "p_bcc", "p_bkl", "p_df", "p_mel", "p_nv", "p_vasc"]].to_numpy()
    answers = [[(c + (c > limit)) % 7 for c in np.repeat(np.arange(7), 3)] for limit in (9, 4, 5)]
    np.testing.assert_allclose(p, np.vstack([0.8 * np.eye(7)[a] + 0.2 / 7 for a in answers]), rtol=1e-4)
    copies = frame[frame["copy_of"] != ""]
    assert copies[["model", "image_id", "copy_of"]].to_numpy().tolist() == [
        [small.name, "bcc/03.png", "T3"],
        [small.name, "bcc/04.png", "T4"],
        [large.name, "bkl/06.png", "T6"],
    ]
    problems = pd.read_csv(place / "problems.csv", keep_default_na=False)
    assert problems[["model", "problem", "images"]].to_numpy().tolist() == [
        ["", "unreadable", 1],
        [small.name, "copies of training images", 2],
        [large.name, "copies of training images", 1],
        ["shipped", "not compared with the training images, which are not at hand", 21],
    ]
    assert problems["set"].eq("elsewhere").all() and problems["layout"].eq("one sub-folder a class").all()


WRITTEN = ("external.csv", "external_predictions.csv.gz", "problems.csv")


def test_each_file_says_whose_weights_it_is_of(two_models, results_dir):
    folder, small, large = two_models
    external.main("tiny", str(folder))
    digests = {run.name: hashlib.sha256((run.path / "probe.npz").read_bytes()).hexdigest() for run in (small, large)}
    digests |= {"shipped": json.loads((paths.SHIPPED / "model.json").read_text())["files"]["weights.npz"]}
    for name in WRITTEN:
        frame = pd.read_csv(results_dir / "tiny" / "external" / "elsewhere" / name, keep_default_na=False)
        assert dict(zip(frame["model"], frame["weights"])) == digests


@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_leaves_all_results_as_they_were(name, two_models, results_dir, monkeypatch):
    """Whichever of the three files there is no room for."""
    folder, small, _ = two_models
    external.main("tiny", str(folder))
    place = results_dir / "tiny" / "external" / "elsewhere"
    before, make = {file.name: file.read_bytes() for file in place.iterdir()}, tempfile.mkstemp
    (small.path / "probe.npz").write_bytes(b"trained again")
    seal(small.path)
    asked = kept.Kept(small.name, "", Tints(32, 3), 32, "nearest", None, None)
    monkeypatch.setattr(external, "of_run", lambda run, neighbours: asked)
    monkeypatch.setattr(external, "_copies", lambda run, pixels: ([""] * len(pixels), {"a note": len(pixels)}))
    images, models = external.external.load(folder), {small.name: Run(small.path)}

    def full(*, prefix, **options):
        if prefix == f".{name}.":
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(prefix=prefix, **options)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(OSError, match="No space"):
        external._write(place, images, models)
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    monkeypatch.setattr(tempfile, "mkstemp", make)
    external._write(place, images, models)
    after = {file.name: file.read_bytes() for file in place.iterdir()}
    assert after.keys() == before.keys() and all(after[file] != before[file] for file in before)


def test_an_opening_is_recorded_before_anything_is_predicted(two_models, results_dir, monkeypatch):
    folder, small, large = two_models

    def stopped(*_):
        raise RuntimeError("stopped")

    monkeypatch.setattr(external, "git_state", lambda: {"commit": "0123abc"})
    monkeypatch.setattr(external, "_write", stopped)
    with pytest.raises(RuntimeError, match="stopped"):
        external.main("tiny", str(folder))
    (line,) = pd.read_csv(results_dir / "tiny" / "external" / "opened.csv", dtype=str).to_dict("records")
    said = pd.Timestamp(line.pop("opened").removesuffix(" UTC"), tz="UTC")
    assert abs(said - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=5) and len(line.pop("labels_digest")) == 16
    assert line == {
        "set": "elsewhere",
        "layout": "one sub-folder a class",
        "images": "21",
        "models": f"{small.name} {large.name} shipped",
        "commit": "0123abc",
    }
    monkeypatch.setattr(external, "is_shipped", lambda: False)
    with pytest.raises(UserError, match="no model: results/none/runs"):
        external.main("none", str(folder))
    assert not (results_dir / "none").exists()


@pytest.mark.parametrize("ids, dx, another", [("ab", "nm", False), ("ab", "mn", True), ("ac", "nm", True)])
def test_a_set_is_told_by_its_images_and_by_their_labels(ids, dx, another, results_dir):
    """After a set of another name in between, too."""
    place = results_dir / "tiny" / "external"

    def opened(name, ids, dx):
        frame = pd.DataFrame({"image_id": list(ids), "dx": [{"n": "nv", "m": "mel"}[c] for c in dx], "path": ""})
        external._record(place, external.ExternalSet(name, "a layout", frame), ["a"])

    opened("set", "ab", "nm")
    atomic.write_text(place / "set" / "external.csv", "results\n")
    opened("between", "xy", "nn")
    if another:
        with pytest.raises(UserError, match="with other labels"):
            opened("set", ids, dx)
    else:
        opened("set", ids, dx)
    assert len(pd.read_csv(place / "opened.csv")) == 3 - another


def test_the_run_keeps_its_grad_cam(run, own_results, capsys):
    profile = dataclasses.replace(END_TO_END, synthetic_lesions=280, validation_fraction=0.4)
    gradcam.main(profile)
    assert "Grad-CAM of densenet17-base-seed0" in capsys.readouterr().out
    with np.load(own_results / "tiny" / "gradcam" / f"{run.name}.npz") as arrays:
        maps = arrays["grad_cam"]
    assert maps.shape == (run.info["data"]["n_test"], 1, 1) and maps.max() == 1 and maps.min() >= 0
    gradcam.main(profile)
    assert "Grad-CAM of" not in capsys.readouterr().out, "of the same weights it stays"


@pytest.fixture
def explained(run, own_results):
    """The run's file of maps, and its profile."""
    profile = dataclasses.replace(END_TO_END, synthetic_lesions=280, validation_fraction=0.4)
    gradcam.main(profile)
    return own_results / "tiny" / "gradcam" / f"{run.name}.npz", profile


def content(file):
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_maps_are_of_the_run_s_settings_whatever_the_profile_says_now(explained):
    file, profile = explained
    before = content(file)
    file.unlink()
    changed = {"synthetic_lesions": 140, "image_size": 64, "resize": "nearest", "preprocessing": "rescale"}
    gradcam.main(dataclasses.replace(profile, **changed, validation_fraction=0.2, test_seed=1))
    after = content(file)
    np.testing.assert_array_equal(before["grad_cam"], after["grad_cam"])
    assert before.keys() == {"grad_cam", "weights", "made_by"} and before["made_by"] == after["made_by"]


@pytest.mark.parametrize("changed", ["weights", "made_by", None])
def test_maps_of_other_weights_inputs_or_code_are_made_again(changed, explained, capsys):
    file, profile = explained
    before = content(file)
    other = before | {changed: np.array("other")} if changed else {k: v for k, v in before.items() if k != "made_by"}
    np.savez_compressed(file, **other)
    capsys.readouterr()
    gradcam.main(profile)
    assert "Grad-CAM of" in capsys.readouterr().out
    assert {k: v.tolist() for k, v in content(file).items()} == {k: v.tolist() for k, v in before.items()}


@pytest.mark.parametrize("name", ["test_id_digest", "image_digest", "mask_digest"])
def test_maps_are_of_the_images_that_were_tested(name, run):
    data = dataset.load(run.made_with)
    assert len(gradcam.of_run(run, data)) == run.info["data"]["n_test"]
    other = Run(run.path)
    other.info["data"][name] = "other"
    with pytest.raises(UserError, match="was tested on other images than those at hand; give them by DATA="):
        gradcam.of_run(other, data)


def test_a_full_disk_leaves_no_half_file_of_maps(explained, monkeypatch):
    file, profile = explained
    file.unlink()

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        gradcam.main(profile)
    assert not list(file.parent.iterdir())


def test_one_process_at_a_time_computes_maps(explained, monkeypatch):
    _, profile = explained
    held = lock.held
    monkeypatch.setattr(lock, "held", functools.partial(held, seconds=0))
    with held("tiny", "gradcam"), pytest.raises(UserError, match="another process works on gradcam"):
        gradcam.main(profile)


@pytest.mark.parametrize(
    "start, here, fits",
    [("none", "none", True), ("keras", "file b", True), ("file a", "keras", True), ("file a", "file b", False)],
)
def test_a_frozen_backbone_stands_on_the_weights_it_began_with(start, here, fits, results_dir, monkeypatch):
    run = made_up(results_dir)
    run.info["weights"] = start
    monkeypatch.setattr(kept_models, "weights_name", lambda *_: here)
    if fits:
        kept_models.check_start(run)
    else:
        with pytest.raises(UserError, match="stands on the ImageNet weights file a, and WAGF_WEIGHTS_DIR holds file b"):
            kept_models.check_start(run)
