"""Training one run: an arm of a profile with a seed, from the data to a finished folder; interrupted, it resumes.

Everything is ``keras.ops``, so the same code trains on TensorFlow, JAX and torch (KERAS_BACKEND).
"""

import json
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

from wagf_src import dataset, evaluation, models, pipeline, protocol, results, split_experiment
from wagf_src.augmentation import AffineTransform, DeviceArray, affine_parameters, dihedral_parameters
from wagf_src.config import CLASSES, Profile, UserError, cache_dir, digest, parse_arm, resolve, split_run

SAVE_SECONDS = 60.0  # state for resuming is written at most this often


def train(profile: Profile, run: str) -> Path:
    """Train one run and return its staging folder, complete but for the executed notebook.

    Args:
        profile: see ``config.load_profile``.
        run: ``<arm>-seed<k>``.

    Returns:
        ``results/<profile>/.work/<run>/staging`` with run.json, history.csv, predictions.csv,
        validation_predictions.csv, features.npz and, for arms with attention, attention.npz (for the probe, splits.csv:
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
    inputs_digest = pipeline.inputs_digest(profile, run, data)
    work = pipeline.work_dir(profile.name) / run
    work.mkdir(parents=True, exist_ok=True)

    if arm.modules == "probe":
        outcome = _fit_probe(frozen_features(profile, data), data, files)
    else:
        outcome = _fit_network(arm, profile, seed, data, files, work / "state.npz", inputs_digest, started)

    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    test = outcome["test"]
    _write_predictions(staging / "predictions.csv", data.metadata, files.test, test["probabilities"])
    _write_predictions(
        staging / "validation_predictions.csv",
        data.metadata,
        files.validation["row"].to_numpy(),
        outcome["validation"]["probabilities"],
    )
    results.write_csv(staging / "history.csv", outcome["history"])
    np.savez_compressed(staging / "features.npz", features=test["features"].astype(np.float16))
    attention = {k: test[k].astype(np.float16) for k in ("safa", "soft_attention") if k in test}
    if attention:
        np.savez_compressed(staging / "attention.npz", **attention)
    if "splits" in outcome:
        results.write_csv(staging / "splits.csv", outcome["splits"])
    y, p = evaluation.truth_and_probabilities(results.Run(staging))
    results.write_json(
        staging / "run.json",
        {
            "schema_version": results.SCHEMA_VERSION,
            "run": run,
            "arm": arm_name,
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
            "git": results.git_state(),
            "wall_seconds": round(outcome["earlier_seconds"] + time.perf_counter() - started, 1),
            "train_images_per_second": outcome["images_per_second"],
            "predict_milliseconds_per_image": outcome["predict_milliseconds"],
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "parameters": outcome["parameters"],
            "best_epoch": outcome["best_epoch"],
            "test_metrics": evaluation.metrics(y, p),
            "inputs_digest": inputs_digest,
        },
    )
    return staging


# --- networks ------------------------------------------------------------------------------------------------


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
    key = digest([shared, arm.backbone, arm.modules, arm.reading, arm.fusion, arm.branch, data.image_digest])
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
    trainer = models.with_inputs(classifier, inputs, pixels)
    reader = models.with_inputs(models.explain(classifier), inputs, pixels)
    trainer.compile(optimizer=_optimizer(profile, steps), loss=_loss(profile), metrics=["accuracy"])
    trainer.optimizer.build(trainer.trainable_variables)
    _last_network = (key, _Network(classifier, trainer, reader))
    return _last_network[1]


def _classifier(arm, profile, shape):
    if profile.train == "frozen":
        return models.build_head(arm, shape)
    return models.build_model(
        arm, profile.image_size, profile.weights, profile.preprocessing, profile.batch_norm_momentum
    )


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
            maps = affine_parameters(rows, copies, copy_seed, profile)
            x["map"] = dihedral_parameters(np.full(len(rows), view), profile.image_size) if view else maps
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
    state = _State(state_file, inputs_digest, classifier, trainer.optimizer)
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
            "val_loss": evaluation.log_loss(y_validation, p_validation),
            "val_accuracy": float((p_validation.argmax(1) == y_validation).mean()),
            "val_batch_f1": evaluation.batch_f1(y_validation, p_validation),
            "test_loss": evaluation.log_loss(y_test, p_test),
            "test_accuracy": float((p_test.argmax(1) == y_test).mean()),
            "seconds": seconds,
            "images": len(rows),
            "learning_rate": _rate(trainer.optimizer),
        }
        weights = models.gradient_weights(classifier)
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
        "parameters": models.parameter_counts(classifier),
        "earlier_seconds": state.earlier_seconds,
        "images_per_second": {
            "compute": round(sum(r["images"] for r in steady) / sum(r["seconds"] for r in steady), 2) if steady else None,
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


class _State:
    """What a run needs to go on after an interruption: weights, optimizer, best weights, history; one file."""

    def __init__(self, file: Path, inputs_digest: str, classifier, optimizer):
        self.file, self.inputs_digest = file, inputs_digest
        self.classifier, self.optimizer = classifier, optimizer
        self.history: list[dict] = []
        self.best_score, self.best_epoch, self.best = -np.inf, 0, None
        self.earlier_seconds = 0.0

    def _variables(self):
        return self.classifier.variables + self.optimizer.variables

    def keep_if_best(self, score: float, epoch: int) -> None:
        if score > self.best_score:  # of equal epochs the first
            self.best_score, self.best_epoch = score, epoch
            self.best = [np.array(v) for v in self.classifier.variables]

    def restore_best(self) -> None:
        for variable, value in zip(self.classifier.variables, self.best, strict=True):
            variable.assign(value)

    def save(self, seconds: float) -> None:
        arrays = {f"v{i}": np.array(v) for i, v in enumerate(self._variables())}
        arrays |= {f"b{i}": v for i, v in enumerate(self.best or [])}
        about = {
            "inputs_digest": self.inputs_digest,
            "history": self.history,
            "best": [float(self.best_score), self.best_epoch],
            "seconds": self.earlier_seconds + seconds,
        }
        aside = self.file.with_suffix(".tmp.npz")
        np.savez(aside, about=np.array(json.dumps(about)), **arrays)
        os.replace(aside, self.file)

    def load(self) -> None:
        """Take up an earlier state if it belongs to the same inputs; otherwise start afresh."""
        if not self.file.is_file():
            return
        try:
            with np.load(self.file, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                if about["inputs_digest"] != self.inputs_digest:
                    return
                values = [saved[f"v{i}"] for i in range(len(self._variables()))]
                self.best = [saved[f"b{i}"] for i in range(len(self.classifier.variables))]
        except (OSError, KeyError, ValueError):
            print(f"{self.file.name} cannot be read; the run starts afresh", flush=True)
            return
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self.history = about["history"]
        self.best_score, self.best_epoch = about["best"]
        self.earlier_seconds = about["seconds"]
        print(f"resumed after epoch {len(self.history)}", flush=True)


# --- frozen features -----------------------------------------------------------------------------------------


def frozen_features(profile: Profile, data: dataset.Dataset) -> np.ndarray:
    """Feature maps of all images from the frozen backbone, computed once and kept: (n, H, W, C) float16.

    With ``augmentation: dihedral``, (8 n, H, W, C): view v of image i (``augmentation.dihedral_parameters``) at v n + i.
    """
    backbone = parse_arm(profile.arms[0]).backbone
    weights = models.weights_name(backbone, profile.weights)
    views = 8 if profile.augmentation == "dihedral" else 1
    key = f"{backbone}-{profile.image_size}-{profile.preprocessing}-{data.image_digest[:12]}-{weights}-{views}"
    file = cache_dir() / f"features-{key}.npy"
    if not file.is_file():
        model = models.build_backbone(backbone, profile.image_size, profile.weights, profile.preprocessing)
        n = len(data.images)
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f"{file.stem}.{os.getpid()}.tmp.npy")
        store = np.lib.format.open_memmap(aside, "w+", np.float16, (views * n, *model.output_shape[1:]))
        for view in range(views):
            for start in range(0, n, 2048):
                images = data.images[start : start + 2048]
                images = np.rot90(images[:, :, ::-1] if view >= 4 else images, view % 4, axes=(1, 2))
                part = model.predict(images.astype(np.float32), batch_size=64, verbose=0)
                store[view * n + start : view * n + start + len(part)] = part
            print(f"frozen features: {n} images{f', view {view + 1} of {views}' if views > 1 else ''}", flush=True)
        store.flush()
        os.replace(aside, file)
    return np.load(file, mmap_mode="r")


@split_experiment.one_thread
def _fit_probe(features: np.ndarray, data: dataset.Dataset, files: protocol.Split) -> dict:
    """Logistic regression on standardised average-pooled features; nothing is chosen, so validation trains too."""
    started = time.perf_counter()
    y = data.labels
    pooled = features[: len(y)].mean(axis=(1, 2), dtype=np.float32)  # of the photographs, not of their other views
    rows = np.unique(np.concatenate([files.train["row"], files.validation["row"]]))
    probe = split_experiment.probe()
    probe.fit(pooled[rows], y[rows])
    seconds = time.perf_counter() - started

    def read(at):
        at = np.asarray(at)
        probabilities = np.zeros((len(at), len(CLASSES)), np.float32)
        probabilities[:, probe.classes_] = probe.predict_proba(pooled[at])
        return {"probabilities": probabilities, "features": pooled[at]}

    clock = time.perf_counter()
    test = read(files.test)
    predict_seconds = time.perf_counter() - clock
    fitted = read(rows)
    history = {
        "epoch": 1,
        "loss": evaluation.log_loss(y[rows], fitted["probabilities"]),
        "accuracy": float((fitted["probabilities"].argmax(1) == y[rows]).mean()),
        "test_loss": evaluation.log_loss(y[files.test], test["probabilities"]),
        "test_accuracy": float((test["probabilities"].argmax(1) == y[files.test]).mean()),
        "seconds": seconds,
        "images": len(rows),
    }
    coefficients = probe[-1].coef_.size + probe[-1].intercept_.size
    return {
        "test": test,
        "validation": read(files.validation["row"]),
        "history": pd.DataFrame([history]),
        "best_epoch": 1,
        "parameters": {"total": coefficients, "trainable": coefficients},
        "earlier_seconds": 0.0,
        "images_per_second": {"compute": None, "total": round(len(rows) / seconds, 2)},
        "predict_milliseconds": round(1000 * predict_seconds / len(files.test), 3),
        "splits": split_experiment.run(pooled, data.metadata),
    }


# --- provenance ----------------------------------------------------------------------------------------------


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
        "backend_version": __import__({"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}[backend]).__version__,
        "device": device,
        "cpu": results.processor(),
        "precision": profile.precision,
    }


def _write_predictions(path: Path, metadata: pd.DataFrame, rows: np.ndarray, probabilities: np.ndarray) -> None:
    frame = metadata.iloc[rows][["image_id", "lesion_id", "dx"]].reset_index(drop=True)
    frame[results.PROBABILITY_COLUMNS] = probabilities
    results.write_csv(path, frame)
