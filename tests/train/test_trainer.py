"""Training through the real code at a tiny size: complete folders, exact resumption, honest selection."""

import dataclasses
import errno
import json
import shutil
import time
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tiny_profiles import END_TO_END, FROZEN

from wagf_src import atomic
from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier
from wagf_src.paths import work_dir
from wagf_src.profile import resolve
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.train import checkpoint, staging, trainer
from wagf_src.train import frozen_features as frozen_features_module
from wagf_src.train.frozen_features import frozen_features

pytestmark = pytest.mark.usefixtures("own_results")


def predictions(folder):
    return Run(folder).predictions()


def test_a_run_folder_is_complete():
    folder = staging.train(FROZEN, "densenet17-wagf-described-seed1")
    run = Run(folder)
    data = dataset.load(FROZEN)
    split = protocol.split(data.metadata, FROZEN)
    frame = run.predictions()
    assert list(frame.columns) == ["image_id", "lesion_id", "dx", *(f"p_{c}" for c in CLASSES)]
    assert frame["image_id"].tolist() == data.metadata["image_id"].iloc[split.test].tolist()
    assert np.allclose(frame[PROBABILITY_COLUMNS].sum(axis=1), 1, atol=1e-4)
    assert run.predictions("validation")["image_id"].tolist() == (
        data.metadata["image_id"].iloc[split.validation["row"]].tolist()
    )
    # 64 px: feature maps of 2 x 2, SaFA described at full size.
    assert run.features()["features"].shape == (len(frame), 2 * 92)
    attention = run.attention()
    assert attention["safa"].shape == (len(frame), 2, 2) and attention["soft_attention"].shape == (len(frame), 2, 2)
    assert attention["safa"].dtype == np.float16
    info = run.info
    accuracy = (frame[PROBABILITY_COLUMNS].to_numpy().argmax(1) == frame["dx"].map(CLASSES.index)).mean()
    assert info["test_metrics"]["accuracy"] == pytest.approx(accuracy)
    assert info["data"]["name"] == "SYNTHETIC" and info["environment"]["backend"] == "tensorflow"
    assert info["data"]["n_test"] == len(split.test) and info["settings"]["epochs"] == 3
    assert info["fold"] is None and run.fold is None and info["weights"] == "none"
    assert info["environment"]["kernels"]["batch_normalization"] == "fused" and 0 < info["peak_memory_mib"] < 20_000
    assert run.weights_file == folder / "model.weights.h5"
    run.check()
    history = run.history()
    assert history["epoch"].tolist() == [1, 2, 3] and history.notna().all(axis=None)
    # Equation 1's weights, measured in training, stay at one half (FINDINGS section 4).
    assert np.allclose(history[["g_w", "g_sa"]], 0.5, atol=1e-5)
    # The epoch is the first with the best validation accuracy, whatever the test says.
    assert info["best_epoch"] == history["val_accuracy"].idxmax() + 1


def test_an_interrupted_run_goes_on_exactly(capsys):
    whole = predictions(staging.train(FROZEN, "densenet17-base-seed0"))
    whole_history = Run(work_dir("tiny") / "densenet17-base-seed0" / "staging").history()
    (work_dir("tiny") / "densenet17-base-seed0" / "state.npz").unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_is_over", lambda deadline, epoch: epoch > 1)
        with pytest.raises(UserError, match="time budget.*after epoch 1 of 3.*goes on"):
            staging.train(FROZEN, "densenet17-base-seed0")
    capsys.readouterr()
    folder = staging.train(FROZEN, "densenet17-base-seed0")
    assert "resumed after epoch 1" in capsys.readouterr().out
    pd.testing.assert_frame_equal(predictions(folder), whole)
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"]
    pd.testing.assert_frame_equal(Run(folder).history()[columns], whole_history[columns])


def test_runs_that_share_a_process_are_as_if_alone():
    alone = predictions(staging.train(FROZEN, "densenet17-wagf-described-seed4"))
    together = trainer.Trainer(FROZEN, dataset.load(FROZEN))
    for run in ("densenet17-wagf-described-seed4", "densenet17-wagf-described-lr0.01-seed4"):
        shutil.rmtree(work_dir("tiny") / run, ignore_errors=True)
    other = predictions(staging.train(FROZEN, "densenet17-wagf-described-lr0.01-seed4", together))
    first = together._last
    again = predictions(staging.train(FROZEN, "densenet17-wagf-described-seed4", together))
    assert together._last is first, "one compiled network for seeds and rates of one arm"
    pd.testing.assert_frame_equal(again, alone)
    assert not other.equals(alone)
    staging.train(FROZEN, "densenet17-base-seed4", together)
    assert together._last is not first


def test_frozen_views_are_those_of_the_turned_image(monkeypatch, tmp_path):
    def averages(backbone, size, *_):  # in the backbone's place: mean colour of four quarters
        pixels = keras.Input((size, size, 3))
        return keras.Model(pixels, keras.layers.AveragePooling2D(size // 2)(pixels))

    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(frozen_features_module, "build_backbone", averages)
    turned = dataclasses.replace(FROZEN, augmentation="dihedral", test_views=8)
    data = dataset.load(turned)
    n = len(data.images)
    features = frozen_features(turned, data)
    for view in range(8):
        image = data.images[5].astype(float)
        image = np.rot90(np.fliplr(image) if view >= 4 else image, view % 4)
        quarters = image.reshape(2, 32, 2, 32, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(features[view * n + 5], quarters, rtol=1e-3)

    train = pd.DataFrame({"row": np.arange(n), "copy": 0})
    drawn = trainer.epoch_files(train, data.labels, turned, seed=0, epoch=1)
    assert sorted(drawn["row"]) == list(range(n)) and set(drawn["copy"]) == set(range(8))

    fitted = trainer.Trainer(turned, data)
    folder = staging.train(turned, "densenet17-base-seed0", fitted)
    kernel, bias = (np.array(w) for w in fitted._last.classifier.get_layer("probabilities").weights)
    test = protocol.test_rows(data.metadata, 12)
    logits = features.reshape(8, n, 4, 3)[:, test].astype(float).mean(axis=2) @ kernel + bias
    expected = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)).mean(axis=0)
    found = Run(folder).predictions()[PROBABILITY_COLUMNS]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_smoothed_targets_are_numpys():
    y, p = np.array([0, 6, 4]), np.random.default_rng(0).dirichlet(np.ones(7), size=3)
    target = np.full((3, 7), 0.1 / 7)
    target[np.arange(3), y] += 0.9
    loss = trainer._loss(dataclasses.replace(END_TO_END, label_smoothing=0.1))
    np.testing.assert_allclose(np.asarray(loss(y, p)), -(target * np.log(p)).sum(axis=1), rtol=1e-5)


def test_a_state_of_other_inputs_is_not_taken_up(capsys):
    staging.train(FROZEN, "densenet17-base-seed3")
    capsys.readouterr()
    staging.train(dataclasses.replace(FROZEN, learning_rate=0.002), "densenet17-base-seed3")
    assert "resumed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [lambda d: b"", lambda d: b"not an archive", lambda d: d[:-1024], lambda d: d[:200] + bytes(4096) + d[4296:]],
)
def test_a_damaged_state_is_noticed_and_the_run_starts_afresh(capsys, damage):
    expected = predictions(staging.train(FROZEN, "densenet17-base-seed3"))
    state = work_dir("tiny") / "densenet17-base-seed3" / "state.npz"
    state.write_bytes(damage(state.read_bytes()))
    capsys.readouterr()
    folder = staging.train(FROZEN, "densenet17-base-seed3")
    assert "starts afresh" in capsys.readouterr().out
    pd.testing.assert_frame_equal(predictions(folder), expected)


def test_no_room_for_the_state_is_one_line_and_the_last_one_stays(tmp_path, monkeypatch):
    file = tmp_path / "state.npz"
    file.write_bytes(b"the last one")
    state = checkpoint.TrainingState(file, "digest")
    state.classifier = state.optimizer = SimpleNamespace(variables=[np.zeros(3)])

    def full(aside, **arrays):
        aside.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="state.npz: cannot be written .No space left on device") as error:
        state.save(1.0)
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"] and file.read_bytes() == b"the last one"


def test_no_room_for_the_run_folder_is_one_line(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "write_csv", full)
    with pytest.raises(UserError, match="densenet17-probe-seed1: .*No space left on device"):
        staging.train(FROZEN, "densenet17-probe-seed1")
    assert not (work_dir("tiny") / "densenet17-probe-seed1" / "staging").exists()


def test_a_fold_tests_its_part_and_nothing_of_it_is_learned():
    folds = dataclasses.replace(FROZEN, test="lesion-folds", epochs=1)
    folder = staging.train(folds, "densenet17-base-fold3-seed0")
    run, data = Run(folder), dataset.load(folds)
    assert (run.fold, run.seed, run.arm) == (3, 0, "densenet17-base")
    tested = data.metadata.iloc[protocol.test_parts(data.metadata, folds)[3]]
    assert run.predictions()["image_id"].tolist() == tested["image_id"].tolist()
    assert not set(run.predictions()["lesion_id"]) & set(run.predictions("validation")["lesion_id"])
    with pytest.raises(UserError, match="names a fold from 0 to 4"):
        staging.train(folds, "densenet17-base-seed0")


def test_a_random_start_has_features_of_its_own(monkeypatch, tmp_path):
    """A frozen backbone's weights are its features: a run with other ones shares no network and reads no other's."""
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))

    def constant(backbone, size, weights, *_):
        pixels = keras.Input((size, size, 3))
        pooled = keras.layers.AveragePooling2D(size // 2)(pixels)
        return keras.Model(pixels, keras.layers.Rescaling(0.0, 1.0 if weights == "none" else 2.0)(pooled))

    monkeypatch.setattr(frozen_features_module, "build_backbone", constant)
    monkeypatch.setattr(frozen_features_module, "weights_name", lambda backbone, weights: weights)
    profile = dataclasses.replace(FROZEN, weights="imagenet", epochs=1)
    fitted = trainer.Trainer(profile, dataset.load(profile))
    runs = ("densenet17-base-seed0", "densenet17-base-random-seed0", "densenet17-probe-random-seed0")
    features = [fitted.fit(run, tmp_path / run, "") for run in runs]
    assert [np.unique(result.test["features"]).tolist() for result in features] == [[2.0], [1.0], [1.0]]


def test_networks_of_one_profile_share_the_images():
    fitted = trainer.Trainer(FROZEN, dataset.load(FROZEN))
    networks = [fitted._network(parse_arm(arm), FROZEN, 0, 1) for arm in ("densenet17-base", "densenet17-sa-described")]
    arrays = [layer for n in networks for layer in n.trainer.layers if layer.name == "features_on_device"]
    assert len(arrays) == 2 and arrays[0] is arrays[1]


def test_the_dtype_policy_is_given_back():
    before = keras.config.dtype_policy()
    half = dataclasses.replace(END_TO_END, arms=("densenet17-base",), precision="mixed_bfloat16")
    staging.train(half, "densenet17-base-seed8")
    assert keras.config.dtype_policy() == before


def test_the_weights_kept_are_those_that_predict():
    folder = staging.train(FROZEN, "densenet17-wagf-described-seed7")
    model = keras.models.model_from_json((folder / "model.json").read_text())
    model.load_weights(folder / "model.weights.h5")
    data = dataset.load(FROZEN)
    test = protocol.test_rows(data.metadata, 12)
    outputs = model.predict(np.asarray(frozen_features(FROZEN, data)[test], np.float32), batch_size=128, verbose=0)
    found = Run(folder).predictions()[PROBABILITY_COLUMNS].to_numpy()
    np.testing.assert_allclose(outputs["probabilities"], found, atol=2e-5)


def test_probe_is_scikit_learns():
    folder = staging.train(FROZEN, "densenet17-probe-seed0")
    data = dataset.load(FROZEN)
    test = protocol.test_rows(data.metadata, 12)
    pooled = np.asarray(frozen_features(FROZEN, data), np.float32).mean(axis=(1, 2))
    rest = np.setdiff1d(np.arange(len(data.metadata)), test)
    scale = StandardScaler().fit(pooled[rest])
    probe = LogisticRegression(C=0.01, max_iter=2000).fit(scale.transform(pooled[rest]), data.metadata["dx"].iloc[rest])
    assert list(probe.classes_) == list(CLASSES)
    expected = probe.predict_proba(scale.transform(pooled[test]))
    assert Run(folder).weights_file == folder / "probe.npz"
    with np.load(folder / "probe.npz") as kept:
        logits = (pooled[test] - kept["mean"]) / kept["scale"] @ kept["coefficients"].T + kept["intercept"]
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), expected, atol=2e-4)
    assert np.allclose(predictions(folder)[PROBABILITY_COLUMNS], expected, atol=2e-4)


def test_a_loss_that_is_not_finite_stops_the_run():
    wild = dataclasses.replace(FROZEN, learning_rate=3e38)
    with pytest.raises(UserError, match="loss is not finite in epoch"):
        staging.train(wild, "densenet17-base-seed9")
    assert not (work_dir("tiny") / "densenet17-base-seed9" / "staging").exists()


def test_epochs_draw_what_the_profile_says():
    y = np.repeat(np.arange(7), [10, 20, 30, 5, 40, 400, 8])
    train = pd.DataFrame({"row": np.arange(len(y)), "copy": 0})
    alike = dataclasses.replace(END_TO_END, images_per_epoch=700, balance=0.0)
    drawn = trainer.epoch_files(train, y, alike, seed=0, epoch=1)
    assert np.bincount(y[drawn["row"]]).tolist() == [100] * 7
    # Within a class, no image comes again before all have come.
    times = drawn.groupby("row").size()
    for number in range(7):
        of_class = times.reindex(np.flatnonzero(y == number), fill_value=0)
        assert of_class.max() - of_class.min() <= 1
    natural = dataclasses.replace(END_TO_END, images_per_epoch=None, balance=1.0)
    drawn = trainer.epoch_files(train, y, natural, seed=0, epoch=1)
    assert sorted(drawn["row"]) == list(range(len(y)))
    # New copies for every epoch, the same ones for the same epoch.
    other = trainer.epoch_files(train, y, natural, seed=0, epoch=2)
    assert not set(zip(drawn["row"], drawn["copy"])) & set(zip(other["row"], other["copy"]))
    assert drawn.equals(trainer.epoch_files(train, y, natural, seed=0, epoch=1))
    # Offline, every file of the folder once an epoch.
    offline = dataclasses.replace(END_TO_END, augmentation="offline", validation="copies")
    assert sorted(trainer.epoch_files(train, y, offline, 0, 1)["row"]) == list(range(len(y)))


def test_no_weights_is_one_clear_line(monkeypatch, tmp_path):
    (tmp_path / "MobileNetV2_notop.h5").write_bytes(b"not a weights file")
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(UserError, match="MobileNetV2_notop.h5") as error:
        staging.train(dataclasses.replace(END_TO_END, weights="imagenet"), "mobilenetv2-base-seed5")
    assert "\n" not in str(error.value)


def test_run_json_is_plain_json():
    folder = work_dir("tiny") / "densenet17-probe-seed0" / "staging"
    info = json.loads((folder / "run.json").read_text())
    assert info["parameters"] == {"total": 92 * 7 + 7, "trainable": 92 * 7 + 7}
    assert info["settings"] == json.loads(json.dumps(resolve(FROZEN, info["run"]).settings()))


def test_predictions_are_those_of_the_epoch_kept(monkeypatch):
    """Three epochs of which the first is kept predict as one epoch does."""
    once = predictions(staging.train(dataclasses.replace(FROZEN, epochs=1), "densenet17-base-seed11"))
    keep = checkpoint.TrainingState.keep_if_best
    monkeypatch.setattr(
        checkpoint.TrainingState, "keep_if_best", lambda self, *a: keep(self, *a) if a[1] == 1 else None
    )
    folder = staging.train(FROZEN, "densenet17-base-seed11")
    assert Run(folder).info["best_epoch"] == 1 and len(Run(folder).history()) == 3
    pd.testing.assert_frame_equal(predictions(folder), once)


def test_methods_are_told_the_epoch_and_the_classes_that_train(monkeypatch):
    told = []
    monkeypatch.setattr(Classifier, "begin_epoch", lambda self, *given: told.append((*given[:3], len(given[3]))))
    staging.train(FROZEN, "densenet17-base-seed12")
    data = dataset.load(FROZEN)
    trained = data.metadata["dx"].iloc[protocol.split(data.metadata, FROZEN).train["row"]].value_counts()
    assert [(epoch, epochs, before) for epoch, epochs, _, before in told] == [(1, 3, 0), (2, 3, 1), (3, 3, 2)]
    assert all(counts.tolist() == [trained[c] for c in CLASSES] for _, _, counts, _ in told)


def test_online_copies_are_new_for_every_seed(monkeypatch):
    """Two seeds train on other maps of the same photographs; those who validate are photographs as they are."""
    asked, real = [], trainer.augmentation.affine_parameters
    monkeypatch.setattr(trainer.augmentation, "affine_parameters", lambda *a: (asked.append(a), real(*a))[1])
    profile = dataclasses.replace(END_TO_END, arms=("densenet17-base",))
    for seed in (0, 1):
        staging.train(profile, f"densenet17-base-seed{seed}")
    seeds = [copy_seed for _, copies, copy_seed, _ in asked if np.max(copies) > 0]
    assert len(seeds) == len(set(seeds)) == 2


class Stub:
    """In a network's place, of which one number is the epoch: it answers right where ``right[epoch]`` is true."""

    def __init__(self, y, right, confidence):
        self.y, self.right, self.confidence = y, right, confidence
        self.variables = [keras.Variable(0.0)]
        self.optimizer = SimpleNamespace(variables=[keras.Variable(0.0)], learning_rate=keras.Variable(0.001))
        self.classifier = self.trainer = self.reader = self
        self.asked = []

    def begin_epoch(self, *_):
        pass

    def fit(self, x, y, shuffle, verbose):
        for variable in (*self.variables, *self.optimizer.variables):
            variable.assign(variable + 1)
        epoch = int(self.variables[0])
        return SimpleNamespace(history={"loss": [9.0, 1 / epoch], "accuracy": [0.0, epoch / 10]})

    def predict(self, x, y, verbose):
        epoch, rows = int(self.variables[0]), x["number"] % len(self.y)
        self.asked.append(x["number"])
        answer = np.where(self.right[epoch][rows], self.y[rows], (self.y[rows] + 1) % 7)
        sure = self.confidence[epoch]
        p = np.full((len(rows), 7), (1 - sure) / 6)
        p[np.arange(len(rows)), answer] = sure
        return {"probabilities": p, "features": x["number"][:, None] / 1.0}


@pytest.fixture
def stub(monkeypatch):
    """The validation files are best at the second epoch of four (and as good at the third), the test at the last."""
    data = dataset.load(FROZEN)
    files = protocol.split(data.metadata, FROZEN)
    right = {epoch: np.zeros(len(data.labels), bool) for epoch in range(1, 5)}
    for epoch, (validation, test) in enumerate([(10, 5), (20, 3), (20, 7), (5, 15)], 1):
        right[epoch][files.validation["row"].to_numpy()[:validation]] = True
        right[epoch][files.test[:test]] = True
    # Below one half no probability rounds to 1, so by the released F1 the first epoch is the best.
    made = Stub(data.labels, right, {1: 0.9, 2: 0.4, 3: 0.4, 4: 0.9})
    monkeypatch.setattr(trainer.Trainer, "_network", lambda *given: (setattr(made, "steps", given[-1]), made)[1])
    monkeypatch.setattr(trainer, "batches", lambda x, y, size: {"x": x, "y": y})
    monkeypatch.setattr(trainer, "gradient_weights", lambda classifier: (0.25, 0.75))
    monkeypatch.setattr(trainer, "parameter_counts", lambda classifier: {})
    made.data, made.files, made.counts = data, files, (len(files.validation), len(files.test))
    return made


def fit(stub, folder, **changes):
    profile = dataclasses.replace(FROZEN, epochs=4, **changes)
    return trainer.Trainer(profile, stub.data).fit("mobilenetv2-base-seed0", folder / "state.npz", "digest")


@pytest.mark.parametrize(("rule", "epoch"), [("best_accuracy", 2), ("best_batch_f1", 1), ("last", 4)])
def test_the_validation_files_choose_the_epoch_by_the_profiles_rule(stub, tmp_path, rule, epoch):
    result = fit(stub, tmp_path, checkpoint=rule)
    assert result.best_epoch == epoch
    for outputs, rows in ((result.test, stub.files.test), (result.validation, stub.files.validation["row"].to_numpy())):
        right = outputs["probabilities"].argmax(axis=1) == stub.y[rows]
        assert right.tolist() == stub.right[epoch][rows].tolist(), "predictions are of the epoch that was chosen"


def test_the_history_says_of_each_set_what_the_set_gave(stub, tmp_path):
    result, (n_validation, n_test) = fit(stub, tmp_path), stub.counts
    history = result.history
    assert history["val_accuracy"].tolist() == [n / n_validation for n in (10, 20, 20, 5)]
    assert history["test_accuracy"].tolist() == [n / n_test for n in (5, 3, 7, 15)]
    sure, other = np.array([0.9, 0.4, 0.4, 0.9]), np.array([0.1, 0.6, 0.6, 0.1]) / 6
    for name, column in (("val", "val_accuracy"), ("test", "test_accuracy")):
        share = history[column].to_numpy()
        wanted = -share * np.log(sure) - (1 - share) * np.log(other)
        np.testing.assert_allclose(history[f"{name}_loss"], wanted, rtol=1e-5)
    assert n_validation <= 64, "one batch"
    np.testing.assert_allclose(history["val_batch_f1"], [10 / n_validation, 0, 0, 5 / n_validation], rtol=1e-6)
    assert history["loss"].tolist() == [1, 1 / 2, 1 / 3, 1 / 4] and history["accuracy"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert set(history["images"]) == {len(stub.files.train)} and set(history["g_w"]) == {0.25}
    rates = (
        history["images"].sum() / history["seconds"].sum(),
        history["images"][1:].sum() / history["seconds"][1:].sum(),
    )
    found = result.images_per_second
    assert (found["total"], found["compute"]) == pytest.approx(rates, abs=0.01)
    assert stub.steps == np.ceil(len(stub.files.train) / 16), "of an epoch, which a schedule is laid over"


def test_what_was_best_before_an_interruption_is_still_known_after_it(stub, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_is_over", lambda deadline, epoch: epoch > 2)
        with pytest.raises(UserError, match="after epoch 2 of 4"):
            fit(stub, tmp_path)
    for variable in (*stub.variables, *stub.optimizer.variables):
        variable.assign(77.0)  # a new process
    result = fit(stub, tmp_path)
    assert "resumed after epoch 2" in capsys.readouterr().out
    assert result.history["epoch"].tolist() == [1, 2, 3, 4] and float(stub.optimizer.variables[0]) == 4
    assert result.best_epoch == 2 and int(stub.variables[0]) == 2 and result.earlier_seconds > 0


def test_test_views_are_averaged_and_those_of_validation_too(stub, tmp_path):
    result, n = fit(stub, tmp_path, augmentation="dihedral", test_views=8), len(stub.y)
    rows = stub.files.test
    np.testing.assert_allclose(result.test["features"][:, 0], rows + n * 3.5, rtol=1e-6)  # the mean of views 0 to 7
    rows = stub.files.validation["row"].to_numpy()
    np.testing.assert_allclose(result.validation["features"][:, 0], rows + n * 3.5, rtol=1e-6)


def a_state(file, digest="digest", width=2):
    state = checkpoint.TrainingState(file, digest)
    classifier = SimpleNamespace(variables=[keras.Variable(np.full(width, 3.0))])
    optimizer = SimpleNamespace(variables=[keras.Variable(5.0)])
    return state, classifier, optimizer


def test_a_state_comes_back_as_it_was_saved(tmp_path):
    state, classifier, optimizer = a_state(tmp_path / "state.npz")
    state.load(classifier, optimizer)
    state.keep_if_best(0.5, 1)
    classifier.variables[0].assign([7.0, 8.0])
    state.keep_if_best(0.5, 2)  # of equal epochs the first
    state.history = [{"epoch": 1}, {"epoch": 2}]
    state.earlier_seconds = 10.0
    state.save(2.5)
    again, classifier, optimizer = a_state(tmp_path / "state.npz")
    optimizer.variables[0].assign(0.0)
    again.load(classifier, optimizer)
    assert np.array(classifier.variables[0]).tolist() == [7, 8] and float(optimizer.variables[0]) == 5
    assert (again.best_score, again.best_epoch, again.earlier_seconds) == (0.5, 1, 12.5)
    assert again.history == state.history
    again.keep_if_best(0.4, 3)
    again.restore_best()
    assert again.best_epoch == 1 and np.array(classifier.variables[0]).tolist() == [3, 3]


@pytest.mark.parametrize("other", [{"digest": "another"}, {"width": 3}])
def test_a_state_of_another_digest_or_network_leaves_everything_as_it_is(tmp_path, other):
    state, *network = a_state(tmp_path / "state.npz")
    state.load(*network)
    state.keep_if_best(0.5, 1)
    state.save(2.5)
    again, classifier, optimizer = a_state(tmp_path / "state.npz", **other)
    for variable in (*classifier.variables, *optimizer.variables):
        variable.assign(np.zeros(variable.shape))
    again.load(classifier, optimizer)
    assert not np.array(classifier.variables[0]).any() and not float(optimizer.variables[0])
    assert (again.best_epoch, again.earlier_seconds, again.history) == (0, 0.0, [])


def test_the_rate_falls_along_a_cosine_over_all_epochs():
    profile = dataclasses.replace(END_TO_END, epochs=4, learning_rate=0.01)
    schedule = trainer._optimizer(profile, steps=5)._learning_rate
    wanted = [0.01 * (1 + np.cos(np.pi * step / 20)) / 2 for step in (0, 5, 10, 20)]
    np.testing.assert_allclose([float(schedule(step)) for step in (0, 5, 10, 20)], wanted, atol=1e-8)
    constant = dataclasses.replace(profile, schedule="constant", optimizer="adam")
    assert float(trainer._optimizer(constant, steps=5).learning_rate) == pytest.approx(0.01)
    assert trainer._optimizer(profile, 5).weight_decay == 1e-4 and trainer._optimizer(constant, 5).weight_decay is None


def test_a_line_of_progress_by_hand():
    row = {"epoch": 2, "loss": 1.5, "accuracy": 0.25, "val_accuracy": 0.5, "test_accuracy": 0.75}
    row |= {"seconds": 30.0, "images": 600}
    assert trainer._progress(row, 6, []) == (
        "epoch 2/6  loss 1.5000  accuracy 0.2500  validation 0.5000  test 0.7500  30.0 s, 20 images/s, "
        "about 2.0 min left"
    )
    assert "left" not in trainer._progress(row | {"epoch": 6}, 6, [])


def test_draws_follow_the_seed_the_epoch_and_the_root_of_the_counts():
    y = np.repeat(np.arange(7), [10, 20, 30, 5, 40, 400, 8])
    train = pd.DataFrame({"row": np.arange(len(y)), "copy": 0})
    root = dataclasses.replace(END_TO_END, images_per_epoch=1000, balance=0.5)
    counts = np.bincount(y[trainer.epoch_files(train, y, root, 0, 1)["row"]])
    wanted = 1000 * np.sqrt(np.bincount(y)) / np.sqrt(np.bincount(y)).sum()
    assert abs(counts - wanted).max() <= 1 and counts.sum() == 1000
    plain = dataclasses.replace(END_TO_END, augmentation="none")
    orders = [trainer.epoch_files(train, y, plain, *at)["row"].tolist() for at in ((0, 1), (0, 2), (1, 1))]
    assert len({tuple(order) for order in orders}) == 3, "another order in every epoch and for every seed"
    first, second = (trainer.epoch_files(train, y, root, 0, epoch)["copy"] for epoch in (2, 3))
    assert first.tolist() == list(range(2001, 3001)) and not set(first) & set(second)


def test_time_is_over_when_the_deadline_has_passed():
    now = time.perf_counter()
    assert trainer._is_over(now - 1, 1) and not trainer._is_over(now + 60, 1) and not trainer._is_over(None, 1)


def test_a_staged_folder_holds_what_the_fit_gave(tmp_path):
    """Of the test set and of the validation files each its own rows, numbers and maps."""
    profile = dataclasses.replace(FROZEN, test="lesion-folds", seeds=(7,))
    data, run = dataset.load(profile), "mobilenetv2-wagf-described-fold3-seed7"
    files = protocol.split(data.metadata, profile, 3)
    validation = files.validation["row"].to_numpy()
    rng = np.random.default_rng(0)

    def outputs(n, level):
        p = rng.dirichlet(np.ones(7), n)
        return {"probabilities": p, "features": np.full((n, 2), level), "safa": np.ones((n, 2, 2)) * level / 1e9}

    test, held = outputs(len(files.test), 1e9), outputs(len(validation), 2.0)
    test["soft_attention"] = np.full((len(files.test), 1, 1), 3.0)
    result = trainer.FitResult(
        test,
        held,
        pd.DataFrame({"epoch": [1, 2]}),
        1,
        {"total": 8, "trainable": 7},
        {"total": 5.0, "compute": 6.0},
        4.5,
        lambda folder: None,
        earlier_seconds=1000.0,
        tables={"more.csv": pd.DataFrame({"a": [1]})},
    )
    resolved = resolve(profile, run)
    memory = SimpleNamespace(mebibytes=lambda: 123)
    staging._write(tmp_path, result, resolved, run, data, "digest", time.perf_counter() - 10, memory)
    found, ids = Run(tmp_path), data.metadata["image_id"].to_numpy()
    for part, rows, given in (("test", files.test, test), ("validation", validation, held)):
        frame = found.predictions(part)
        assert frame["image_id"].tolist() == ids[rows].tolist()
        np.testing.assert_allclose(frame[PROBABILITY_COLUMNS], given["probabilities"], atol=1e-4)
    assert set(found.features()["features"].ravel()) == {65504.0}, "the largest number of half precision"
    maps = found.attention()
    assert set(maps["safa"].ravel()) == {1.0} and set(maps["soft_attention"].ravel()) == {3.0}
    info, counted = found.info, found.info["data"]
    assert (counted["n_train"], counted["n_validation"], counted["n_test"]) == (
        len(files.train),
        len(validation),
        len(files.test),
    )
    assert counted["test_id_digest"] == protocol.id_digest(ids[files.test])
    assert (info["fold"], info["seed"], info["best_epoch"], info["peak_memory_mib"]) == (3, 7, 1, 123)
    assert 1010 <= info["wall_seconds"] < 1070 and info["predict_milliseconds_per_image"] == 4.5
    right = test["probabilities"].argmax(axis=1) == data.labels[files.test]
    assert info["test_metrics"]["accuracy"] == pytest.approx(right.mean())
    assert info["git"] == staging._GIT and info["inputs_digest"] == "digest"
    assert {"more.csv", "history.csv"} < set(info["files"])


@pytest.mark.parametrize(("precision", "kernels"), [("float32", "fused"), ("mixed_bfloat16", "keras")])
def test_the_one_kernel_of_batch_normalisation_is_that_of_float32(precision, kernels):
    where = staging.environment(dataclasses.replace(END_TO_END, precision=precision))
    assert where["kernels"]["batch_normalization"] == kernels and where["precision"] == precision


def test_code_changed_under_a_process_trains_nothing(monkeypatch):
    monkeypatch.setattr(staging, "_CODE", "another")
    with pytest.raises(UserError, match="code of training was changed on disk"):
        staging.train(FROZEN, "densenet17-base-seed20")
