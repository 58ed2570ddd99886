"""Golden values: what the code gave at commit eff7a48, before the package was reorganised (tests/golden/README.md).

Whatever moves in the package, these numbers stay: the statistics to 1e-9, tiny trained runs to rounding. All calls of
the package stand in the functions of the first part; the second part only compares.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wagf_src import augmentation, config, dataset, decisions, evaluation, ham10000, protocol, results
from wagf_src.config import CLASSES

GOLDEN = Path(__file__).parent / "golden"
STATISTICS = {
    "frozen": ("mobilenetv2-base", "mobilenetv2-wagf-described"),
    "lite": ("mobilenetv2-base", "mobilenetv2-wagf-described"),
    "reduced": ("densenet121-base-random", "densenet121-wagf-described-random"),
}
# The tiny runs that every test session trains again; WAGF_GOLDEN=all takes every one (many minutes).
TRAINED = {
    "golden-frozen": ("densenet121-base-seed0", "densenet121-wagf-described-seed0", "densenet121-wagf-released-seed0"),
    "golden-copies": ("mobilenetv2-base-seed0",),
}
# What another number of threads may change in arrays (measured: README), and in what run.json and history.csv say.
ROUNDING = {"golden-frozen": 1e-3, "golden-copies": 2e-3, "golden-adam": 5e-3, "golden-adamw": 2e-3}
HISTORY_ROUNDING = 1e-3
if os.environ.get("WAGF_GOLDEN") == "all":
    TRAINED = {path.stem: None for path in sorted((GOLDEN / "profiles").glob("*.yaml"))}
NO_ARMS = (
    "", "vgg16-base", "densenet121", "densenet121-sa", "densenet121-base-described", "densenet121-probe-released",
    "densenet121-sa-described-conv", "densenet121-sa-released-learned", "densenet121-wagf-described-conv-saliency",
    "densenet121-base-lr", "densenet121-base-lr1.2.3", "densenet121-base-lr0.1-random", "Densenet121-base",
)  # fmt: skip


# --- the package's answers -----------------------------------------------------------------------------------


def profile(name):
    return config.load_profile(name)


def profile_names():
    return sorted(path.stem for path in config.PROFILES_DIR.glob("*.yaml"))


def reference_runs(name):
    """Names of a profile's committed runs."""
    return sorted(path.parent.name for path in (config.REFERENCE_DIR / name / "runs").glob("*/run.json"))


def prediction_files():
    """Every committed file of predictions, by profile/run/name."""
    files = sorted(config.REFERENCE_DIR.glob("*/runs/*/*predictions.csv"))
    return {"/".join((file.parts[-4], file.parts[-2], file.name)): file for file in files}


def load_run(name, run, aside):
    """A committed run with its predictions rounded to five significant digits, as they are stored from now on."""
    return results.Run(rounded(config.REFERENCE_DIR / name / "runs" / run, aside / name / run))


def rendered_tables(name):
    """The tables of a profile's own chapters where they were rendered at full precision, by name."""
    return {path.stem: pd.read_csv(path) for path in sorted((config.RESULTS_DIR / name / "tables").glob("*.csv"))}


def arms_now():
    """Everything that the package says of the arms of all profiles and committed runs."""
    lists = {name: list(profile(name).arms) for name in profile_names()}
    for name in ("frozen", "lite", "ours", "reduced"):
        lists[f"reference/{name}"] = sorted({config.split_run(run)[0] for run in reference_runs(name)})
    names = sorted({arm for arms in lists.values() for arm in arms})
    refused = []
    for name in NO_ARMS:
        try:
            config.parse_arm(name)
        except config.UserError:
            refused.append(name)
    parts = ("backbone", "modules", "reading", "fusion", "branch", "weights", "learning_rate")
    parsed = {name: config.parse_arm(name) for name in names}
    return {
        "arms": {
            name: {part: getattr(arm, part) for part in parts} | {"label": evaluation.arm_label(name)}
            for name, arm in parsed.items()
        },
        "order": sorted(names, key=evaluation._place),
        "refused": refused,
        "lists": {
            name: {
                "arms": arms,
                "table1_rows": [list(row) for row in evaluation.table1_rows(arms)],
                "comparisons": [list(row) for row in evaluation.comparisons(arms)],
            }
            for name, arms in lists.items()
        },
        "runs": {name: profile(name).runs() for name in profile_names()},
    }


def real_metadata():
    return ham10000.load_metadata(config.data_dir())


def synthetic_metadata():
    """280 lesions, as the demo has them."""
    return dataset.load_metadata(profile("demo"))


def protocol_now(metadata):
    """Digests of everything that is drawn from the metadata."""
    from wagf_src import training

    y = protocol.labels(metadata)
    handful = protocol.handful(metadata, config.TRIAL_IMAGES_PER_CLASS)
    answers = {
        "images": len(metadata),
        "labels": digest(y),
        "single_image_rows": digest(protocol.single_image_rows(metadata)),
        # Which number a group has does not matter, which images it holds does.
        "lesion_groups": digest(pd.factorize(np.asarray(protocol.lesion_groups(metadata)))[0]),
        "handful": digest(np.flatnonzero(metadata["image_id"].isin(handful["image_id"]))),
        "files_per_class": [protocol.files_per_class(n, 8000, 50) for n in (1, 49, 50, 51, 300, 1000, 6000, 9000)],
        "split": {},
        "epochs": {},
        "affine": {},
    }
    for name in ("frozen", "lite", "reduced", "released", "demo"):
        files = protocol.split(metadata, profile(name))
        answers["split"][name] = {
            "train": files_digest(files.train),
            "validation": files_digest(files.validation),
            "test": digest(files.test),
            "n": [len(files.train), len(files.validation), len(files.test)],
            "test_ids": protocol.id_digest(metadata["image_id"].to_numpy()[files.test]),
        }
    for name in ("lite", "frozen", "ours", "released", "reduced"):
        train = protocol.split(metadata, profile(name)).train
        for seed in (0, 1):
            for epoch in (1, 2):
                drawn = training.epoch_files(train, y, profile(name), seed, epoch)
                answers["epochs"][f"{name}, seed {seed}, epoch {epoch}"] = [len(drawn), files_digest(drawn)]
    rows, copies = np.repeat(np.arange(12), 6), np.tile([0, 1, 2, 3, 500, 123_456], 12)
    for name, seed in (("lite", 1000), ("released", 12), ("demo", 12)):
        maps = augmentation.affine_parameters(rows, copies, seed, profile(name))
        answers["affine"][f"{name}, seed {seed}"] = maps_digest(maps)
    answers["affine"]["dihedral, 160 px"] = maps_digest(augmentation.dihedral_parameters(np.arange(8), 160))
    return answers


def statistics_now(name, base, full, aside):
    """Metrics, decisions, intervals and comparisons of two arms of a profile's committed runs."""
    answers = {"runs": {}, "arms": {}}
    runs = {arm: [] for arm in (base, full)}
    for run_name in reference_runs(name):
        arm, _ = config.split_run(run_name)
        if arm in runs:
            run = load_run(name, run_name, aside)
            runs[arm].append(run)
            answers["runs"][run_name] = run_statistics(run)
    for arm, of_arm in runs.items():
        answers["arms"][arm] = {
            "interval": {metric: evaluation.interval(of_arm, metric) for metric in evaluation.METRICS},
            "coverage_interval": {str(c): evaluation.coverage_interval(of_arm, c) for c in (0.5, 0.8)},
            "correct": int(evaluation.correct(of_arm).sum()),
        }
    answers["paired_difference"] = {
        metric: evaluation.paired_difference(runs[full], runs[base], metric) for metric in evaluation.METRICS
    }
    answers["mcnemar"] = evaluation.mcnemar(evaluation.correct(runs[full]), evaluation.correct(runs[base]))
    return plain(answers)


def run_statistics(run):
    y, p = evaluation.truth_and_probabilities(run)
    y_validation, p_validation = evaluation.validation_predictions(run)
    frequencies = np.bincount(y_validation, minlength=len(CLASSES)) / len(y_validation)
    strengths = {
        metric: decisions.best_strength(y_validation, p_validation, frequencies, metric)
        for metric in ("accuracy", "f1_macro", "balanced_accuracy")
    }
    thresholds = {str(s): evaluation.melanoma_threshold(y_validation, p_validation, s) for s in (0.8, 0.9, 0.95)}
    factors = {str(s): decisions.melanoma_factor(y_validation, p_validation, s) for s in (0.8, 0.9)}
    answers = {
        "metrics": evaluation.metrics(y, p),
        "validation_metrics": evaluation.metrics(y_validation, p_validation),
        "per_class": evaluation.per_class(y, p).to_numpy().tolist(),
        "averages": evaluation.averages(y, p).iloc[:, 1:].to_numpy().tolist(),
        "batch_f1": evaluation.batch_f1(y, p),
        "best_strength": strengths,
        "corrected": {
            m: evaluation.metrics(y, decisions.corrected(p, frequencies, s))[m] for m, s in strengths.items()
        },
        "melanoma_threshold": thresholds,
        "melanoma_rates": {s: evaluation.melanoma_rates(y, p, t) for s, t in thresholds.items()},
        "melanoma_factor": factors,
        "favoured": {s: evaluation.metrics(y, decisions.favour_melanoma(p, f)) for s, f in factors.items()},
        "coverage_accuracy": evaluation.coverage_accuracy(y, p)[1][[0, 99, 499, -1]].tolist(),
    }
    features = run.features()
    if features:
        answers["separability"] = evaluation.separability(features["features"].astype(np.float32), y)
    return answers


def trained_profile(name):
    return config.load_profile(str(GOLDEN / "profiles" / f"{name}.yaml"))


def trained_runs(name):
    return trained_profile(name).runs()


def prepare_training(settings):
    """The data of a tiny profile, with what ``train.ipynb`` switches on before it trains."""
    import keras

    from wagf_src import fast, training

    data = dataset.load(settings)
    fast.enable()
    if settings.train == "frozen":
        # The backbone's random weights are those of seed 0, drawn once for all runs.
        keras.utils.set_random_seed(0)
        training.frozen_features(settings, data)
    return data


def initial_weights(settings, data, run):
    """Number and sum of absolute values of a run's weights before training; None for the probe, which has none."""
    import keras

    from wagf_src import models, training

    arm, seed = config.parse_arm(config.split_run(run)[0]), config.split_run(run)[1]
    if arm.modules == "probe":
        return None
    keras.utils.set_random_seed(seed)
    if settings.train == "frozen":
        network = models.build_head(arm, training.frozen_features(settings, data).shape[1:])
    else:
        momentum = settings.batch_norm_momentum
        network = models.build_model(arm, settings.image_size, settings.weights, settings.preprocessing, momentum)
    return [len(network.weights), float(sum(np.abs(w.numpy()).sum(dtype=float) for w in network.weights))]


def train_now(name, run):
    """A tiny run, trained here: what run.json and history.csv say, and arrays of single precision."""
    from wagf_src import training

    settings = trained_profile(name)
    data = prepare_training(settings)
    answers = {"images": data.image_digest, "initial": initial_weights(settings, data, run)}
    finished = results.Run(training.train(settings, run))
    arrays = finished.features() | finished.attention()
    answers |= {
        "history": finished.history().drop(columns="seconds").to_dict("list"),
        "parameters": finished.info["parameters"],
        "best_epoch": finished.info["best_epoch"],
        "n": [finished.info["data"][part] for part in ("n_train", "n_validation", "n_test")],
        "metrics": finished.info["test_metrics"],
        "shapes": {key: list(array.shape) for key, array in arrays.items()},
    }
    # One number an image of features and maps: enough to see that they are the same, and small.
    arrays = {key: array.reshape(len(array), -1).mean(axis=1, dtype=np.float32) for key, array in arrays.items()}
    columns = results.PROBABILITY_COLUMNS
    arrays["test"] = finished.predictions()[columns].to_numpy(np.float32)
    arrays["validation"] = pd.read_csv(finished.path / "validation_predictions.csv")[columns].to_numpy(np.float32)
    return plain(answers), arrays


# --- comparing -----------------------------------------------------------------------------------------------


def golden(name):
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def rounded(folder, target):
    """A copy of a run folder whose predictions have five significant digits; a second rounding changes nothing."""
    if not target.is_dir():
        target.mkdir(parents=True)
        for file in folder.iterdir():
            if file.name.endswith("predictions.csv"):
                (target / file.name).write_text(rounded_text(file))
            elif file.suffix in (".json", ".csv", ".npz"):
                shutil.copy(file, target)
    return target


def rounded_text(file):
    frame = pd.read_csv(file, dtype={"image_id": str})
    return frame.to_csv(index=False, float_format="%.5g", lineterminator="\n")


def digest(values):
    return hashlib.sha256(np.asarray(values).astype("<i8").tobytes()).hexdigest()


def files_digest(files):
    return [digest(files["row"]), digest(files["copy"])]


def maps_digest(maps):
    """The sum of the absolute values, which says how far off it is, and the digest."""
    return [float(np.abs(maps).sum(dtype=float)), hashlib.sha256(maps.astype("<f4").tobytes()).hexdigest()]


def plain(value):
    """Containers and numbers as JSON has them; not a number is None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value


def differences(now, then, tolerance, where=""):
    """Every leaf that differs, as text; numbers may differ by ``tolerance``, absolute up to 1, relative above."""
    if isinstance(then, dict) and isinstance(now, dict) and now.keys() == then.keys():
        return [line for key in then for line in differences(now[key], then[key], tolerance, f"{where}/{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        pairs = enumerate(zip(now, then, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, tolerance, f"{where}/{i}")]
    if type(then) in (int, float) and type(now) in (int, float):
        same = abs(now - then) <= tolerance * max(1, abs(then))
    else:
        same = now == then
    return [] if same else [f"{where}: {now!r:.200}, golden {then!r:.200}"]


@pytest.fixture(scope="module")
def aside(tmp_path_factory):
    return tmp_path_factory.mktemp("rounded")


def test_arms_keep_their_parts_labels_order_rows_and_comparisons():
    now, then = plain(arms_now()), golden("arms.json")
    assert now["arms"].keys() == then["arms"].keys()
    assert not differences(now, then, 0)


def test_the_protocol_draws_the_same_from_the_real_metadata():
    if not os.environ.get("HAM10000_DIR"):
        pytest.skip("needs HAM10000_DIR")
    assert not differences(plain(protocol_now(real_metadata())), golden("protocol.json")["ham10000"], 1e-6)


def test_the_protocol_draws_the_same_from_synthetic_metadata(own_results):
    assert not differences(plain(protocol_now(synthetic_metadata())), golden("protocol.json")["synthetic-280"], 1e-6)


def test_committed_predictions_round_to_the_same_text():
    texts = {name: hashlib.sha256(rounded_text(file).encode()).hexdigest() for name, file in prediction_files().items()}
    assert texts == golden("rounded.json")


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_of_committed_runs(name, aside):
    now, then = statistics_now(name, *STATISTICS[name], aside), golden("statistics.json")[name]
    assert now["runs"].keys() == then["runs"].keys()
    # The old code multiplies these in single precision, and the processor's kernel decides the eighth digit.
    single = re.compile("/(interval|paired_difference)/(brier|ece|log_loss)/|/separability/")
    assert not [line for line in differences(now, then, 1e-9) if not single.search(line)]
    assert not differences(now, then, 1e-6)


def test_tables():
    """Of the tables of the chapters, all cells; two tables tell of the processor's own convolution (README)."""
    now = rendered_tables("frozen")
    if not now:
        pytest.skip("the chapters of profile frozen are not rendered (tests/golden/README.md)")
    then = {path.name.split(".")[0]: pd.read_csv(path) for path in sorted((GOLDEN / "tables").glob("*.csv.gz"))}
    assert now.keys() == then.keys()
    wrong = []
    for name in then.keys() - {"soft_attention_builds", "soft_attention_sizes"}:
        assert list(now[name]) == list(then[name]), name
        wrong += differences(*(plain(t[name].astype(object).to_dict("list")) for t in (now, then)), 1e-9, name)
    assert not wrong


def trained_cases():
    return [f"{name}/{run}" for name, runs in TRAINED.items() for run in runs or trained_runs(name)]


@pytest.mark.parametrize("case", trained_cases())
def test_a_tiny_run_trained_again(case, own_results):
    name, run = case.split("/")
    then = golden("runs.json")[name][run]
    now, arrays = train_now(name, run)
    rounding = ROUNDING[name]
    # What differs here explains all that follows: other images, or other initial weights.
    assert now["images"] == then["images"]
    assert not differences(now["initial"], then["initial"], 1e-9)
    assert not differences(now, then, HISTORY_ROUNDING)
    with np.load(GOLDEN / "runs.npz") as kept:
        names = [key.split("/")[-1] for key in kept if key.startswith(f"{case}/")]
        assert sorted(names) == sorted(arrays)
        for key in names:
            then_array = kept[f"{case}/{key}"]
            assert arrays[key].shape == then_array.shape
            assert np.abs(arrays[key] - then_array).max() <= rounding * max(1, np.abs(then_array).max()), key
