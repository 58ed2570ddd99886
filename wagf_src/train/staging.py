"""A run folder from a fit, complete but for the executed notebook."""

import os
import platform
import shutil
import time
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

from wagf_src import atomic, lock
from wagf_src.arms import BACKBONES, METHODS, PAPER_BACKBONE, parse_arm, split_run
from wagf_src.code_digest import code_digest
from wagf_src.data import dataset, protocol
from wagf_src.digests import TRAINING_CODE, inputs_digest
from wagf_src.errors import UserError
from wagf_src.machine import PeakMemory, git_state, has_onednn, processor
from wagf_src.models.weights import weights_name
from wagf_src.paths import work_dir
from wagf_src.profile import Profile, resolve
from wagf_src.runs import PROBABILITY_COLUMNS, SCHEMA_VERSION, TEST, VALIDATION, file_digests, read_predictions
from wagf_src.stats import metrics
from wagf_src.train.accelerator import check_device
from wagf_src.train.trainer import FitResult, Trainer

# Of the modules as this process has them: a long sweep goes on with these, whatever happens to the files meanwhile.
_ARMS = [*(f"{name}-base" for name in BACKBONES), *(f"{PAPER_BACKBONE}-base-{name}" for name in METHODS)]
_COMPUTES = (*TRAINING_CODE, "train/split_experiment", *dict.fromkeys(c for arm in _ARMS for c in parse_arm(arm).code))
_CODE, _GIT = code_digest(_COMPUTES), git_state()

ORPHAN_SECONDS = 60.0  # a kernel whose parent was killed ends within a second, or after what it is computing


def train(profile: Profile, run: str, trainer: Trainer | None = None) -> Path:
    """Train one run and return its staging folder.

    Args:
        profile: see ``profile.load_profile``.
        run: ``<arm>[-fold<f>]-seed<k>``.
        trainer: one that trained other runs of the profile, whose network may be shared; None makes a new one.

    Returns:
        ``results/<profile>/.work/<run>/staging`` with all files of a run folder (``book/reproduce.md``) but the
        executed notebook.

    Raises:
        UserError: see :meth:`Trainer.fit` and ``check_device``; or another process trains this run, or the code has
            changed on disk since this process began, so that the run would be taken for one of the code that stands
            there now.
    """
    check_device()
    # The process that started this one may be gone, killed, and the next one be here already.
    with lock.held(profile.name, f"{run}.training", ORPHAN_SECONDS):
        return _train(profile, run, trainer)


def _train(profile, run, trainer) -> Path:
    if code_digest(_COMPUTES) != _CODE:
        raise UserError(
            f"{run}: the code of training was changed on disk after this process had begun; start the command again, "
            "and it trains with the code as it is now"
        )
    started = time.perf_counter()
    memory = PeakMemory()
    resolved = resolve(profile, run)
    trainer = trainer or Trainer(profile, dataset.load(profile))
    where = environment(resolved)
    print(f"device {where['device']}, {where['backend']} {where['backend_version']}", flush=True)
    digest = inputs_digest(resolved, run, trainer.data)
    work = work_dir(profile.name) / run
    work.mkdir(parents=True, exist_ok=True)
    deadline = None if profile.time_budget_seconds is None else started + profile.time_budget_seconds
    result = trainer.fit(run, work / "state.npz", digest, deadline)
    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        _write(staging, result, resolved, run, trainer.data, digest, started, memory)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise UserError(
            f"{run}: its folder cannot be written ({error.strerror or error}); make room or access"
        ) from None
    return staging


def _write(staging, result: FitResult, profile, run, data, digest, started, memory) -> None:
    arm, fold, seed = split_run(run)
    files = protocol.split(data.metadata, profile, fold)
    rows = {TEST: files.test, VALIDATION: files.validation["row"].to_numpy()}
    for name, outputs in ((TEST, result.test), (VALIDATION, result.validation)):
        frame = data.metadata.iloc[rows[name]][["image_id", "lesion_id", "dx"]].reset_index(drop=True)
        frame[PROBABILITY_COLUMNS] = outputs["probabilities"]
        atomic.write_csv(staging / name, frame, "%.5g")
    atomic.write_csv(staging / "history.csv", result.history)
    largest = np.finfo(np.float16).max  # a network far off its course gives features beyond half precision
    features = result.test["features"].clip(-largest, largest).astype(np.float16)
    np.savez_compressed(staging / "features.npz", features=features)
    maps = {k: result.test[k].astype(np.float16) for k in ("safa", "soft_attention") if k in result.test}
    if maps:
        np.savez_compressed(staging / "attention.npz", **maps)
    for name, table in result.tables.items():
        atomic.write_csv(staging / name, table)
    result.save_weights(staging)
    frame = read_predictions(staging / TEST)
    info = {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "arm": arm,
        "fold": fold,
        "seed": seed,
        "profile": profile.name,
        "settings": profile.settings(),
        "data": {
            "name": data.name,
            "images": len(data.metadata),
            "metadata_md5": data.metadata_md5,
            "metadata_digest": data.metadata_digest,
            "image_digest": data.image_digest,
            "mask_digest": data.further_digest(BACKBONES[parse_arm(arm).backbone].channels),
            "test_id_digest": protocol.id_digest(data.metadata["image_id"].to_numpy()[files.test]),
            "n_train": len(files.train),
            "n_validation": len(files.validation),
            "n_test": len(files.test),
        },
        "weights": weights_name(arm.split("-")[0], profile.weights),
        "environment": environment(profile),
        "git": _GIT,
        "wall_seconds": round(result.earlier_seconds + time.perf_counter() - started, 1),
        "train_images_per_second": result.images_per_second,
        "predict_milliseconds_per_image": result.predict_milliseconds,
        "peak_memory_mib": memory.mebibytes(),
        "parameters": result.parameters,
        "best_epoch": result.best_epoch,
        "test_metrics": metrics.metrics(protocol.labels(frame), frame[PROBABILITY_COLUMNS].to_numpy()),
        "inputs_digest": digest,
        "files": file_digests(staging),
    }
    atomic.write_json(staging / "run.json", info)


def _card(backend: str) -> str:
    """What the first accelerator calls itself, and how it multiplies float32 where that was asked for."""
    if backend == "jax":
        import jax

        precision = jax.config.jax_default_matmul_precision
        return jax.devices()[0].device_kind + (f", float32 products {precision}" if precision else "")
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return details.get("device_name", "unnamed")


def environment(profile: Profile) -> dict:
    """Versions, device and kernels of this process, for run.json."""
    backend = keras.backend.backend()
    device = keras.distribution.list_devices()[0].split(":")[0].upper()
    if device == "CPU":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        device = f"CPU, {cores} cores"
    else:
        device = f"{device}, {_card(backend)}"
    fused = backend == "tensorflow" and profile.precision == "float32"
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": import_module(backend).__version__,
        "device": device,
        "cpu": processor(),
        "precision": profile.precision,
        "kernels": {
            "batch_normalization": "fused" if fused else "keras",
            "onednn": backend == "tensorflow" and has_onednn(),
        },
    }
