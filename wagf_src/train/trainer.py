"""Fitting one run: an arm of a profile with a seed, on the data; interrupted, it resumes.

Everything is ``keras.ops``, so the same code trains on TensorFlow and JAX (KERAS_BACKEND).
"""

import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from wagf_src import atomic
from wagf_src.arms import BACKBONES, METHODS, Arm, parse_arm, split_run
from wagf_src.classes import CLASSES
from wagf_src.data import augmentation, protocol
from wagf_src.data.dataset import Dataset
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_head, build_model, explain, gradient_weights, parameter_counts, with_inputs
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.profile import Profile, resolve
from wagf_src.stats import metrics
from wagf_src.train import split_experiment
from wagf_src.train.batches import batches
from wagf_src.train.checkpoint import SAVE_SECONDS, TrainingState
from wagf_src.train.first_step import build_training_state
from wagf_src.train.frozen_features import frozen_features
from wagf_src.train.optimizers import FlatAdam

PREDICT_BATCH = 128


@dataclass(frozen=True)
class FitResult:
    """What a fit gives; the run folder is written from it.

    Attributes:
        test, validation: outputs by name, one row a file: ``probabilities`` (n, 7), ``features`` (n, d), and the maps
            ``safa`` (n, h, w) and ``soft_attention`` (n, H, W) of arms that have them.
        history: a row an epoch.
        best_epoch: the epoch that the validation files chose, from 1.
        parameters: ``total`` and ``trainable``.
        images_per_second: ``total``, and ``compute`` without the first epoch, which compiles (None for one epoch).
        predict_milliseconds: per test image.
        earlier_seconds: of earlier processes, if the fit was resumed.
        save_weights: writes what predicts into a folder.
        tables: further tables of the run, by file name.
    """

    test: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    history: pd.DataFrame
    best_epoch: int
    parameters: dict[str, int]
    images_per_second: dict[str, float | None]
    predict_milliseconds: float
    save_weights: Callable[[Path], None]
    earlier_seconds: float = 0.0
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class _Network:
    """One arm, compiled: what trains (``trainer``), what predicts (``reader``), and what they share (``classifier``).

    The classifier takes pixels, or the frozen backbone's features; in front of it stand the look-up by number and, for
    pixels, the affine map.
    """

    key: str
    classifier: keras.Model
    trainer: keras.Model
    reader: keras.Model


class Trainer:
    """Fits the runs of a profile, one after the other.

    Runs that follow each other and differ only in seed, fold, initial weights or (constant) learning rate share one
    compiled network; on a frozen backbone, initial weights make another.

    Args:
        profile: see ``profile.load_profile``.
        data: its data.
    """

    def __init__(self, profile: Profile, data: Dataset):
        self.profile, self.data = profile, data
        self._last: _Network | None = None
        self._on_device: tuple[str, DeviceArray] | None = None

    def fit(self, run: str, state_file: Path, inputs_digest: str, deadline: float | None = None) -> FitResult:
        """Fit one run.

        Args:
            run: ``<arm>[-fold<f>]-seed<k>``.
            state_file: where the state for resuming is kept; taken up if it belongs to the same inputs.
            inputs_digest: of everything that the run's numbers depend on.
            deadline: of ``time.perf_counter()``; a fit stops between two epochs when it is past.

        Raises:
            UserError: data or weights are wrong, the loss is not finite, or the deadline has passed (then the state is
                saved and the same call goes on from there).
        """
        name, fold, seed = split_run(run)
        arm, profile = parse_arm(name), resolve(self.profile, run)
        files = protocol.split(self.data.metadata, profile, fold)
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(profile.precision)
        try:
            keras.utils.set_random_seed(seed)
            if not arm.is_network:
                return self._fit_probe(profile, files, fold)
            state = TrainingState(state_file, inputs_digest)
            return self._fit_network(arm, profile, seed, files, state, deadline)
        finally:
            keras.config.set_dtype_policy(policy)

    # --- networks ---

    def _network(self, arm: Arm, profile: Profile, seed: int, steps: int) -> _Network:
        """The network of a run in its initial state: if it fits, the last one, set back to what a new one has."""
        shared = {**profile.settings(), "checkpoint": None, "steps": steps}
        if profile.train != "frozen":  # else another start means other features
            shared["weights"] = None
        if profile.schedule == "constant":
            shared["learning_rate"] = shared["steps"] = None
        key = atomic.digest([shared, *map(str, arm.network_key)])
        keras.utils.set_random_seed(seed)
        if self._last is not None and self._last.key == key:
            initial = _classifier(arm, profile, self._last.classifier.input_shape[1:])
            for variable, value in zip(self._last.classifier.variables, initial.variables, strict=True):
                variable.assign(value)
            optimizer = self._last.trainer.optimizer
            for variable in optimizer.variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
            if profile.schedule == "constant":
                optimizer.learning_rate = profile.learning_rate
            return self._last
        self._last = None  # before the next one takes memory
        device_array = self._array(profile, arm)
        classifier = _classifier(arm, profile, device_array.array.shape[1:])
        number = keras.Input((), dtype="int32", name="number")
        inputs, pixels = {"number": number}, device_array(number)
        if profile.augmentation in ("offline", "online"):
            inputs["map"] = keras.Input((8,), name="map")
            pixels = AffineTransform(name="affine")([pixels, inputs["map"]])
        build_trainer = pkgutil.resolve_name(METHODS[arm.method].builder) if arm.method else with_inputs
        trainer = build_trainer(classifier, inputs, pixels)
        reader = with_inputs(explain(classifier), inputs, pixels)
        trainer.compile(optimizer=_optimizer(profile, steps), loss=_loss(profile), metrics=["accuracy"])
        build_training_state(trainer)
        self._last = _Network(key, classifier, trainer, reader)
        return self._last

    def _array(self, profile: Profile, arm: Arm) -> DeviceArray:
        """The images (with their masks), or the frozen backbone's features, on the device: once for all networks."""
        frozen = profile.train == "frozen"
        channels = BACKBONES[arm.backbone].channels
        key = profile.weights if frozen else f"images, {channels} channels"
        if self._on_device is None or self._on_device[0] != key:
            self._on_device = None
            array = frozen_features(profile, self.data) if frozen else self.data.channels(channels)
            self._on_device = key, DeviceArray(array, name="features_on_device" if frozen else "images_on_device")
        return self._on_device[1]

    def _inputs(self, profile: Profile, rows, copies, copy_seed: int, view: int = 0) -> dict[str, np.ndarray]:
        """Inputs for files (row, copy), or, with ``view`` > 0, for that flip or quarter turn of the photographs."""
        rows, copies = np.asarray(rows), np.asarray(copies)
        if profile.augmentation == "dihedral":
            return {"number": ((view or copies) * len(self.data.metadata) + rows).astype(np.int32)}
        x = {"number": rows.astype(np.int32)}
        if profile.augmentation in ("offline", "online"):
            turned = augmentation.dihedral_parameters(np.full(len(rows), view), profile.image_size)
            x["map"] = turned if view else augmentation.affine_parameters(rows, copies, copy_seed, profile)
        return x

    def _fit_network(self, arm, profile, seed, files, state: TrainingState, deadline) -> FitResult:
        y = self.data.labels
        steps = -(-len(epoch_files(files.train, y, profile, seed, 0)) // profile.batch_size)
        network = self._network(arm, profile, seed, steps)
        classifier, trainer = network.classifier, network.trainer

        def predict(rows, copies, views=1):
            """Outputs by name; probabilities and features are means over the views, maps are of the photograph."""
            seen = []
            for view in range(views):
                x = self._inputs(profile, rows, copies, profile.test_seed, view)
                outputs = network.reader.predict(**batches(x, None, PREDICT_BATCH), verbose=0)
                seen.append({k: np.asarray(v, np.float32) for k, v in outputs.items()})
            return seen[0] | {k: np.mean([s[k] for s in seen], axis=0) for k in ("probabilities", "features")}

        def predict_validation(views=1):
            return predict(files.validation["row"], files.validation["copy"], views)

        def predict_test(views=1):
            return predict(files.test, np.zeros_like(files.test), views)

        y_validation, y_test = y[files.validation["row"]], y[files.test]
        counts = np.bincount(y[files.train["row"]], minlength=len(CLASSES))
        state.load(classifier, trainer.optimizer)
        started = saved = time.perf_counter()
        for epoch in range(len(state.history) + 1, profile.epochs + 1):
            if _is_over(deadline, epoch):
                if state.history:
                    state.save(time.perf_counter() - started)
                raise UserError(
                    f"the time budget is used up after epoch {epoch - 1} of {profile.epochs}; everything is saved, and "
                    "the same command goes on from there"
                )
            drawn = epoch_files(files.train, y, profile, seed, epoch)
            rows, copies = drawn["row"].to_numpy(), drawn["copy"].to_numpy()
            # Offline copies are one folder for all runs; online copies are new for every epoch and seed.
            copy_seed = profile.test_seed if profile.augmentation == "offline" else 1000 + seed
            x = self._inputs(profile, rows, copies, copy_seed)
            trainer.begin_epoch(epoch, profile.epochs, counts, state.history)
            clock = time.perf_counter()
            log = trainer.fit(**batches(x, y[rows], profile.batch_size), shuffle=False, verbose=0).history
            seconds = time.perf_counter() - clock
            if not np.isfinite(log["loss"][-1]):
                raise UserError(
                    f"{arm.name}, seed {seed}: the loss is not finite in epoch {epoch}; lower learning_rate"
                )
            p_validation, p_test = predict_validation()["probabilities"], predict_test()["probabilities"]
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
                "learning_rate": float(keras.ops.convert_to_numpy(trainer.optimizer.learning_rate)),
            }
            weights = gradient_weights(classifier)
            if weights is not None:
                row["g_w"], row["g_sa"] = weights
            state.history.append(row)
            # The validation files choose the epoch; the test curve is drawn, never consulted.
            score = {"best_accuracy": row["val_accuracy"], "best_batch_f1": row["val_batch_f1"], "last": epoch}
            state.keep_if_best(score[profile.checkpoint], epoch)
            print(_progress(row, profile.epochs, state.history), flush=True)
            if time.perf_counter() - saved > SAVE_SECONDS or epoch == profile.epochs:
                state.save(time.perf_counter() - started)
                saved = time.perf_counter()

        state.restore_best()
        clock = time.perf_counter()
        test = predict_test(profile.test_views)
        predict_seconds = time.perf_counter() - clock
        steady = state.history[1:]  # the first epoch holds the compilation
        return FitResult(
            test=test,
            validation=predict_validation(profile.test_views),
            history=pd.DataFrame(state.history),
            best_epoch=state.best_epoch,
            parameters=parameter_counts(classifier),
            images_per_second={"compute": _rate(steady), "total": _rate(state.history)},
            predict_milliseconds=round(1000 * predict_seconds / len(files.test), 3),
            save_weights=lambda folder: _save_network(classifier, folder),
            earlier_seconds=state.earlier_seconds,
        )

    # --- linear probe ---

    def _fit_probe(self, profile: Profile, files: protocol.Split, fold: int | None) -> FitResult:
        """Logistic regression on standardised average-pooled features; nothing is chosen, so validation trains too."""
        started = time.perf_counter()
        y = self.data.labels
        # Of the photographs, not of their other views.
        pooled = frozen_features(profile, self.data)[: len(y)].mean(axis=(1, 2), dtype=np.float32)
        rows = np.unique(np.concatenate([files.train["row"], files.validation["row"]]))
        probe = split_experiment.one_thread(split_experiment.probe().fit)(pooled[rows], y[rows])
        seconds = time.perf_counter() - started

        def predict(at):
            at = np.asarray(at)
            probabilities = np.zeros((len(at), len(CLASSES)), np.float32)
            probabilities[:, probe.classes_] = probe.predict_proba(pooled[at])
            return {"probabilities": probabilities, "features": pooled[at]}

        clock = time.perf_counter()
        test = predict(files.test)
        predict_seconds = time.perf_counter() - clock
        fitted = predict(rows)["probabilities"]
        history = {
            "epoch": 1,
            "loss": metrics.log_loss(y[rows], fitted),
            "accuracy": float((fitted.argmax(1) == y[rows]).mean()),
            "test_loss": metrics.log_loss(y[files.test], test["probabilities"]),
            "test_accuracy": float((test["probabilities"].argmax(1) == y[files.test]).mean()),
            "seconds": seconds,
            "images": len(rows),
        }
        scaler, regression = probe[0], probe[-1]
        coefficients = regression.coef_.size + regression.intercept_.size
        return FitResult(
            test=test,
            validation=predict(files.validation["row"]),
            history=pd.DataFrame([history]),
            best_epoch=1,
            parameters={"total": coefficients, "trainable": coefficients},
            images_per_second={"compute": None, "total": round(len(rows) / seconds, 2)},
            predict_milliseconds=round(1000 * predict_seconds / len(files.test), 3),
            save_weights=lambda folder: np.savez(
                folder / "probe.npz",
                mean=scaler.mean_,
                scale=scaler.scale_,
                coefficients=regression.coef_,
                intercept=regression.intercept_,
                classes=regression.classes_,
            ),
            # With the first fold only: the experiment draws splits of its own.
            tables={} if fold else {"splits.csv": split_experiment.run(pooled, self.data.metadata)},
        )


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


def _classifier(arm: Arm, profile: Profile, shape) -> keras.Model:
    if profile.train == "frozen":
        return build_head(arm, shape)
    return build_model(arm, profile.image_size, profile.weights, profile.preprocessing, profile.batch_norm_momentum)


def _save_network(classifier: keras.Model, folder: Path) -> None:
    classifier.save_weights(folder / "model.weights.h5")
    atomic.write_text(folder / "model.json", classifier.to_json())


def _loss(profile: Profile):
    """Cross-entropy (section 3.1) of whole-number labels, with smoothed targets where the profile says so."""
    if not profile.label_smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed_cross_entropy(y, p):
        targets = keras.ops.one_hot(keras.ops.reshape(keras.ops.cast(y, "int32"), (-1,)), len(CLASSES))
        return keras.losses.categorical_crossentropy(targets, p, label_smoothing=profile.label_smoothing)

    return smoothed_cross_entropy


def _optimizer(profile: Profile, steps: int) -> FlatAdam:
    rate = profile.learning_rate
    if profile.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps * profile.epochs)
    # Decay is for kernels; biases and normalisation are left alone.
    return FlatAdam(rate, weight_decay=profile.weight_decay if profile.optimizer == "adamw" else None)


def _is_over(deadline: float | None, epoch: int) -> bool:
    """Whether there is no time left for an epoch."""
    return deadline is not None and time.perf_counter() > deadline


def _rate(epochs: list[dict]) -> float | None:
    """Images a second over these epochs."""
    return round(sum(r["images"] for r in epochs) / sum(r["seconds"] for r in epochs), 2) if epochs else None


def _progress(row: dict, epochs: int, history: list[dict]) -> str:
    left = (epochs - row["epoch"]) * row["seconds"]
    return (
        f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  "
        f"validation {row['val_accuracy']:.4f}  test {row['test_accuracy']:.4f}  {row['seconds']:.1f} s, "
        f"{_rate([row]):.0f} images/s" + (f", about {left / 60:.1f} min left" if left else "")
    )
