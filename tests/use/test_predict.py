"""Photographs in, a shipped model out: the whole way with a tiny network, and every message a person may get."""

import dataclasses
import shutil
import threading
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from tiny_profiles import END_TO_END

from wagf_src import __main__ as command_line
from wagf_src import atomic, lock, paths
from wagf_src.classes import CLASSES
from wagf_src.data import dataset, ham10000, protocol
from wagf_src.errors import UserError
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
    assert card["run"] == run.name and card["test_metrics"] == run.info["test_metrics"]
    frame, _, _ = predict.predict(shipped, pictures[0])
    p, committed = frame[PROBABILITY_COLUMNS].to_numpy(), run.predictions()[PROBABILITY_COLUMNS].to_numpy()
    np.testing.assert_allclose(p, committed, atol=0.02)
    assert (p.argmax(axis=1) == committed.argmax(axis=1)).mean() > 0.95


def test_companions_are_the_images_that_trained(run, shipped):
    beside, (data, rows) = shipped.companions, companions.training_images(run)
    assert beside.image_ids.tolist() == data.metadata["image_id"].iloc[rows].tolist()
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


def test_the_run_keeps_its_grad_cam(run, own_results, capsys):
    profile = dataclasses.replace(END_TO_END, synthetic_lesions=280, validation_fraction=0.4)
    gradcam.main(profile)
    assert "Grad-CAM of densenet17-base-seed0" in capsys.readouterr().out
    with np.load(own_results / "tiny" / "gradcam" / f"{run.name}.npz") as arrays:
        maps = arrays["grad_cam"]
    assert maps.shape == (run.info["data"]["n_test"], 1, 1) and maps.max() == 1 and maps.min() >= 0
    gradcam.main(profile)
    assert "Grad-CAM of" not in capsys.readouterr().out, "of the same weights it stays"
