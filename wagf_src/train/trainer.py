"""Training one run: an arm of a profile with a seed, from the data to a finished folder; interrupted, it resumes.

Everything is ``keras.ops``, so the same code trains on TensorFlow, JAX and torch (KERAS_BACKEND).
"""

import os
import platform
import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from wagf_src import atomic
from wagf_src.arms import parse_arm, split_run
from wagf_src.classes import CLASSES
from wagf_src.data import augmentation, dataset, protocol
from wagf_src.digests import inputs_digest
from wagf_src.errors import UserError
from wagf_src.machine import git_state, processor
from wagf_src.models.classifier import build_head, build_model, explain, gradient_weights, parameter_counts, with_inputs
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.paths import work_dir
from wagf_src.profile import Profile, resolve
from wagf_src.runs import PROBABILITY_COLUMNS, SCHEMA_VERSION, TEST, VALIDATION, file_digests, read_predictions
from wagf_src.stats import metrics
from wagf_src.train.checkpoint import SAVE_SECONDS, TrainingState
from wagf_src.train.frozen_features import frozen_features
from wagf_src.train.probe import fit_probe


def train(profile: Profile, run: str) -> Path:
    """Train one run and return its staging folder, complete but for the executed notebook.

    Args:
        profile: see ``profile.load_profile``.
        run: ``<arm>-seed<k>``.

    Returns:
        ``results/<profile>/.work/<run>/staging`` with run.json, history.csv, predictions.csv.gz,
        validation_predictions.csv.gz, features.npz and, for arms with attention, attention.npz (for the probe, splits.csv:
        see ``split_experiment``). ``make`` moves it to ``results/<profile>/runs/<run>`` with the executed notebook.

    Raises:
        UserError: data, weights or names are wrong, the loss is not finite, or the time budget is used up (then the
            state is saved and the same command goes on from there).
    """
    started = time.perf_counter()
    arm_name, seed = split_run(run)
    arm = parse_arm(arm_name)
    profile = resolve(profile, run)
    keras.config.set_dtype_policy(profile.precision)
    keras.utils.set_random_seed(seed)
    data = dataset.load(profile)
    files = protocol.split(data.metadata, profile)
    run_digest = inputs_digest(profile, run, data)
    work = work_dir(profile.name) / run
    work.mkdir(parents=True, exist_ok=True)

    if arm.modules == "probe":
        outcome = fit_probe(frozen_features(profile, data), data, files)
    else:
        outcome = _fit_network(arm, profile, seed, data, files, work / "state.npz", run_digest, started)

    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    test = outcome["test"]
    _write_predictions(staging / TEST, data.metadata, files.test, test["probabilities"])
    _write_predictions(
        staging / VALIDATION, data.metadata, files.validation["row"].to_numpy(), outcome["validation"]["probabilities"]
    )
    atomic.write_csv(staging / "history.csv", outcome["history"])
    np.savez_compressed(staging / "features.npz", features=test["features"].astype(np.float16))
    attention = {k: test[k].astype(np.float16) for k in ("safa", "soft_attention") if k in test}
    if attention:
        np.savez_compressed(staging / "attention.npz", **attention)
    if "splits" in outcome:
        atomic.write_csv(staging / "splits.csv", outcome["splits"])
    frame = read_predictions(staging / TEST)
    y, p = protocol.labels(frame), frame[PROBABILITY_COLUMNS].to_numpy()
    atomic.write_json(
        staging / "run.json",
        {
            "schema_version": SCHEMA_VERSION,
            "run": run,
            "arm": arm_name,
            "fold": None,
            "seed": seed,
            "profile": profile.name,
            "settings": profile.settings(),
            "data": {
                "name": data.name,
                "images": len(data.metadata),
                "metadata_md5": data.metadata_md5,
                "image_digest": data.image_digest,
                "test_id_digest": protocol.id_digest(data.metadata["image_id"].to_numpy()[files.test]),
                "n_train": len(files.train),
                "n_validation": len(files.validation),
                "n_test": len(files.test),
            },
            "environment": environment(profile),
            "git": git_state(),
            "wall_seconds": round(outcome["earlier_seconds"] + time.perf_counter() - started, 1),
            "train_images_per_second": outcome["images_per_second"],
            "predict_milliseconds_per_image": outcome["predict_milliseconds"],
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "parameters": outcome["parameters"],
            "best_epoch": outcome["best_epoch"],
            "test_metrics": metrics.metrics(y, p),
            "inputs_digest": run_digest,
            "files": file_digests(staging),
        },
    )
    return staging


@dataclass(frozen=True)
class _Network:
    """One arm, compiled: what trains (``trainer``), what predicts (``reader``), and what they share (``classifier``).

    The classifier takes pixels, or the frozen backbone's features; in front of it stand the look-up by number and, for
    pixels, the affine map.
    """

    classifier: keras.Model
    trainer: keras.Model
    reader: keras.Model


_last_network: tuple[str, _Network] | None = None


def _network(arm, profile, seed, data, steps) -> _Network:
    """The network of a run in its initial state.

    Runs that differ in seed, initial weights or (constant) learning rate only, one after the other in one process,
    share one compiled network; its weights and optimizer are set back to what a new one would have.
    """
    global _last_network
    shared = {**profile.settings(), "weights": None, "checkpoint": None, "steps": steps}
    if profile.schedule == "constant":
        shared["learning_rate"] = None
    key = atomic.digest([shared, arm.backbone, arm.modules, arm.reading, arm.fusion, arm.branch, data.image_digest])
    keras.utils.set_random_seed(seed)
    if _last_network is not None and _last_network[0] == key:
        network = _last_network[1]
        initial = _classifier(arm, profile, network.classifier.input_shape[1:])
        for variable, value in zip(network.classifier.variables, initial.variables, strict=True):
            variable.assign(value)
        optimizer = network.trainer.optimizer
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        if profile.schedule == "constant":
            optimizer.learning_rate = profile.learning_rate
        return network

    if profile.train == "frozen":
        device_array = DeviceArray(frozen_features(profile, data), name="features_on_device")
    else:
        device_array = DeviceArray(data.images, name="images_on_device")
    classifier = _classifier(arm, profile, device_array.array.shape[1:])
    number = keras.Input((), dtype="int32", name="number")
    inputs, pixels = {"number": number}, device_array(number)
    if profile.augmentation in ("offline", "online"):
        inputs["map"] = keras.Input((8,), name="map")
        pixels = AffineTransform(name="affine")([pixels, inputs["map"]])
    trainer = with_inputs(classifier, inputs, pixels)
    reader = with_inputs(explain(classifier), inputs, pixels)
    trainer.compile(optimizer=_optimizer(profile, steps), loss=_loss(profile), metrics=["accuracy"])
    trainer.optimizer.build(trainer.trainable_variables)
    _last_network = (key, _Network(classifier, trainer, reader))
    return _last_network[1]


def _classifier(arm, profile, shape):
    if profile.train == "frozen":
        return build_head(arm, shape)
    return build_model(arm, profile.image_size, profile.weights, profile.preprocessing, profile.batch_norm_momentum)


def _loss(profile):
    """Cross-entropy (section 3.1) of whole-number labels, with smoothed targets where the profile says so."""
    if not profile.label_smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed_cross_entropy(y, p):
        targets = keras.ops.one_hot(keras.ops.reshape(keras.ops.cast(y, "int32"), (-1,)), len(CLASSES))
        return keras.losses.categorical_crossentropy(targets, p, label_smoothing=profile.label_smoothing)

    return smoothed_cross_entropy


def _fit_network(arm, profile, seed, data, files, state_file, inputs_digest, started) -> dict:
    y = data.labels
    steps = -(-len(epoch_files(files.train, y, profile, seed, 0)) // profile.batch_size)
    network = _network(arm, profile, seed, data, steps)
    classifier, trainer = network.classifier, network.trainer

    def feed(rows, copies, copy_seed, view=0):
        """Inputs for files (row, copy), or, with ``view`` > 0, for that flip or quarter turn of the photographs."""
        rows, copies = np.asarray(rows), np.asarray(copies)
        if profile.augmentation == "dihedral":
            return {"number": ((view or copies) * len(y) + rows).astype(np.int32)}
        x = {"number": rows.astype(np.int32)}
        if profile.augmentation in ("offline", "online"):
            maps = augmentation.affine_parameters(rows, copies, copy_seed, profile)
            x["map"] = augmentation.dihedral_parameters(np.full(len(rows), view), profile.image_size) if view else maps
        return x

    def read(rows, copies, views=1):
        """Outputs by name; probabilities and features are means over the views, attention maps are of the photograph."""
        seen = []
        for view in range(views):
            outputs = network.reader.predict(feed(rows, copies, profile.test_seed, view), batch_size=128, verbose=0)
            seen.append({k: np.asarray(v, np.float32) for k, v in outputs.items()})
        return seen[0] | {k: np.mean([s[k] for s in seen], axis=0) for k in ("probabilities", "features")}

    def read_validation(views=1):
        return read(files.validation["row"], files.validation["copy"], views)

    def read_test(views=1):
        return read(files.test, np.zeros_like(files.test), views)

    y_validation, y_test = y[files.validation["row"]], y[files.test]
    state = TrainingState(state_file, inputs_digest, classifier, trainer.optimizer)
    state.load()
    saved = time.perf_counter()
    for epoch in range(len(state.history) + 1, profile.epochs + 1):
        _check_budget(profile, epoch, started, state)
        drawn = epoch_files(files.train, y, profile, seed, epoch)
        rows, copies = drawn["row"].to_numpy(), drawn["copy"].to_numpy()
        # Offline copies are one folder for all runs; online copies are new for every epoch and seed.
        x = feed(rows, copies, profile.test_seed if profile.augmentation == "offline" else 1000 + seed)
        clock = time.perf_counter()
        log = trainer.fit(x, y[rows], batch_size=profile.batch_size, shuffle=False, verbose=0).history
        seconds = time.perf_counter() - clock
        if not np.isfinite(log["loss"][-1]):
            raise UserError(f"{arm.name}, seed {seed}: the loss is not finite in epoch {epoch}; lower learning_rate")
        p_validation, p_test = read_validation()["probabilities"], read_test()["probabilities"]
        row = {
            "epoch": epoch,
            "loss": log["loss"][-1],
            "accuracy": log["accuracy"][-1],
            "val_loss": metrics.log_loss(y_validation, p_validation),
            "val_accuracy": float((p_validation.argmax(1) == y_validation).mean()),
            "val_batch_f1": metrics.batch_f1(y_validation, p_validation),
            "test_loss": metrics.log_loss(y_test, p_test),
            "test_accuracy": float((p_test.argmax(1) == y_test).mean()),
            "seconds": seconds,
            "images": len(rows),
            "learning_rate": _rate(trainer.optimizer),
        }
        weights = gradient_weights(classifier)
        if weights is not None:
            row["g_w"], row["g_sa"] = weights
        state.history.append(row)
        # The validation files choose the epoch; the test curve is drawn, never consulted.
        score = {"best_accuracy": row["val_accuracy"], "best_batch_f1": row["val_batch_f1"], "last": epoch}
        state.keep_if_best(score[profile.checkpoint], epoch)
        print(
            f"epoch {epoch}/{profile.epochs}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  "
            f"validation {row['val_accuracy']:.4f}  test {row['test_accuracy']:.4f}  {seconds:.1f} s",
            flush=True,
        )
        if time.perf_counter() - saved > SAVE_SECONDS or epoch == profile.epochs:
            state.save(time.perf_counter() - started)
            saved = time.perf_counter()

    state.restore_best()
    clock = time.perf_counter()
    test = read_test(profile.test_views)
    predict_seconds = time.perf_counter() - clock
    steady = state.history[1:]  # the first epoch holds the compilation
    images, total = sum(r["images"] for r in state.history), sum(r["seconds"] for r in state.history)
    return {
        "test": test,
        "validation": read_validation(profile.test_views),
        "history": pd.DataFrame(state.history),
        "best_epoch": state.best_epoch,
        "parameters": parameter_counts(classifier),
        "earlier_seconds": state.earlier_seconds,
        "images_per_second": {
            "compute": round(sum(r["images"] for r in steady) / sum(r["seconds"] for r in steady), 2)
            if steady
            else None,
            "total": round(images / total, 2),
        },
        "predict_milliseconds": round(1000 * predict_seconds / len(files.test), 3),
    }


def epoch_files(train: pd.DataFrame, y: np.ndarray, profile: Profile, seed: int, epoch: int) -> pd.DataFrame:
    """The files of one epoch in training order: columns ``row`` and ``copy``.

    Depends on (seed, epoch) alone, so a resumed run sees the same batches. Online, class c is drawn with weight
    n_c ** balance, each image of a class once before any comes again, and every draw is a new copy. Dihedral, every
    image comes once an epoch, as one of its eight views.
    """
    rng = np.random.default_rng([seed, epoch, 3])
    if profile.augmentation != "online":
        drawn = train.iloc[rng.permutation(len(train))]
        return drawn.assign(copy=rng.integers(8, size=len(drawn))) if profile.augmentation == "dihedral" else drawn
    rows = train["row"].to_numpy()
    wanted = profile.images_per_epoch or len(rows)
    members = [rows[y[rows] == number] for number in range(len(CLASSES))]
    weights = np.array([len(m) ** profile.balance if len(m) else 0.0 for m in members])
    quota = np.floor(np.cumsum(weights) / weights.sum() * wanted + 0.5).astype(int)
    drawn = []
    for of_class, n in zip(members, np.diff(quota, prepend=0), strict=True):
        if n:
            passes = [rng.permutation(of_class) for _ in range(-(-n // len(of_class)))]
            drawn.append(np.concatenate(passes)[:n])
    drawn = rng.permutation(np.concatenate(drawn))
    return pd.DataFrame({"row": drawn, "copy": 1 + epoch * wanted + np.arange(len(drawn))})


def _optimizer(profile: Profile, steps: int):
    rate = profile.learning_rate
    if profile.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps * profile.epochs)
    if profile.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=profile.weight_decay)
        # Decay is for kernels; biases and normalisation are left alone.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
    return keras.optimizers.Adam(rate)


def _rate(optimizer) -> float:
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _check_budget(profile, epoch, started, state) -> None:
    if profile.time_budget_seconds is not None and time.perf_counter() - started > profile.time_budget_seconds:
        state.save(time.perf_counter() - started)
        raise UserError(
            f"time budget of {profile.time_budget_seconds:g} s used up after epoch {epoch - 1} of {profile.epochs}; "
            "everything is saved, and the same command goes on from there"
        )


def environment(profile: Profile) -> dict:
    """Versions and device of this process, for run.json."""
    backend = keras.backend.backend()
    device = keras.distribution.list_devices()[0].split(":")[0].upper()
    if device == "CPU":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        device = f"CPU, {cores} cores"
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": __import__(
            {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}[backend]
        ).__version__,
        "device": device,
        "cpu": processor(),
        "precision": profile.precision,
    }


def _write_predictions(path: Path, metadata: pd.DataFrame, rows: np.ndarray, probabilities: np.ndarray) -> None:
    frame = metadata.iloc[rows][["image_id", "lesion_id", "dx"]].reset_index(drop=True)
    frame[PROBABILITY_COLUMNS] = probabilities
    atomic.write_csv(path, frame, "%.5g")
