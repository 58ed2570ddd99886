"""Run folders without training, with made-up predictions, and other made-up material, for tests of the reports."""

import gzip
import json
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from wagf_src import atomic, paths
from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES
from wagf_src.paper import published
from wagf_src.profile import load_profile
from wagf_src.runs import PROBABILITY_COLUMNS, SCHEMA_VERSION, TEST, VALIDATION, Run, file_digests

COUNTS = {"akiec": 8, "bcc": 10, "bkl": 16, "df": 5, "mel": 15, "nv": 140, "vasc": 6}  # 200 test images
Y = np.repeat(np.arange(7), list(published.TEST_SUPPORTS.values()))  # as many test images as the paper has
LADDER = (
    "mobilenetv2-base",
    "resnet50-base",
    "densenet121-base",
    "densenet121-sa-described",
    "densenet121-sa-gf-described",
    "densenet121-wagf-described",
    "densenet121-sa-released",
    "densenet121-wagf-released",
)
FROZEN = (
    "mobilenetv2-probe",
    "mobilenetv2-base",
    "mobilenetv2-sa-described",
    "mobilenetv2-sa-gf-described",
    "mobilenetv2-wagf-described",
)


def fabricate(
    folder: Path, arms=LADDER, seeds=(0,), counts=None, epochs=6, synthetic=True, skill=None, validation=True
) -> list[Run]:
    """Write ``folder/<arm>-seed<k>`` for every arm and seed, as a training would, and return the runs.

    Args:
        counts: test images per class, COUNTS if None.
        skill: mean lead of the true class's logit, one for all arms or by arm; default grows along the arms.
        validation: also write the predictions of validation files.
    """
    counts = counts or COUNTS
    y = np.repeat(np.arange(7), [counts.get(c, 0) for c in CLASSES])
    y = np.random.default_rng(1).permutation(y)
    runs = []
    for number, arm in enumerate(arms):
        lead = skill[arm] if isinstance(skill, dict) else 2.0 + 0.15 * number if skill is None else skill
        for seed in seeds:
            rng = np.random.default_rng([number, seed])
            path = Path(folder) / f"{arm}-seed{seed}"
            path.mkdir(parents=True)
            test = _predictions(y, lead, np.random.default_rng(7), rng, "ISIC_9")
            atomic.write_csv(path / TEST, test, "%.5g")
            if validation:
                part = _predictions(y[: len(y) // 2], lead + 0.3, np.random.default_rng(8), rng, "ISIC_8")
                atomic.write_csv(path / VALIDATION, part, "%.5g")
            _write_arrays(path, parse_arm(arm), y, lead, rng)
            if parse_arm(arm).modules == "probe":
                made_up_splits(len(y), rng).to_csv(path / "splits.csv", index=False, float_format="%.6g")
            best = _write_history(path, parse_arm(arm), epochs, rng)
            accuracy = float((test[PROBABILITY_COLUMNS].to_numpy().argmax(1) == y).mean())
            info = _info(arm, seed, len(y), epochs, best, accuracy, synthetic)
            (path / "run.json").write_text(json.dumps(info))
            seal(path)
            runs.append(Run(path))
    return runs


def write_run(
    folder, arm, seed, wrong, profile="paper", name="HAM10000", images=10_015, y=Y, fold=None, rows=None, **settings
):
    """A finished run whose ``wrong`` test images (row numbers) are answered with the next class.

    ``rows`` number the images of ``y``, which a fold has some of.
    """
    answer = y.copy()
    answer[wrong] = (answer[wrong] + 1) % 7
    ids = [f"T{i:05d}" for i in (range(len(y)) if rows is None else rows)]
    # Seven rows of probabilities, written once each: pandas would write every number of a thousand rows.
    p = [",".join(map(repr, row)) for row in (0.9 * np.eye(7) + 0.1 / 7).tolist()]
    lines = [",".join(["image_id", "lesion_id", "dx", *PROBABILITY_COLUMNS])]
    lines += [f"{i},HAM,{CLASSES[true]},{p[said]}" for i, true, said in zip(ids, y, answer, strict=True)]
    run = f"{arm}{'' if fold is None else f'-fold{fold}'}-seed{seed}"
    info = {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "arm": arm,
        "fold": fold,
        "seed": seed,
        "profile": profile,
        "settings": load_profile("paper").settings() | settings,
        "data": {"name": name, "images": images, "n_test": len(y)},
        "environment": {"device": "a test"},
        "git": {},
        "wall_seconds": 1,
        "train_images_per_second": {},
        "parameters": {"total": 1, "trainable": 1},
        "best_epoch": 1,
        "test_metrics": {},
        "inputs_digest": "0",
    }
    path = folder / profile / "runs" / run
    path.mkdir(parents=True, exist_ok=True)
    (path / TEST).write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 1, mtime=0))
    (path / "run.json").write_text(json.dumps(info))
    seal(path)


def divide(runs, folder, folds=5):
    """Each run's test images dealt out to ``folds`` run folders under ``folder``, as if that many had been trained.

    Whatever is of all folds together must then be what it was of the whole run. Returns the runs of the folds.
    """
    divided = []
    for run in runs:
        for fold in range(folds):
            path = Path(folder) / f"{run.arm}-fold{fold}-seed{run.seed}"
            shutil.copytree(run.path, path)
            frame = run.predictions()
            part = np.arange(len(frame)) % folds == fold
            atomic.write_csv(path / TEST, frame[part], "%.5g")
            for name in ("features.npz", "attention.npz"):
                if (path / name).is_file():
                    with np.load(path / name) as arrays:
                        np.savez_compressed(path / name, **{key: arrays[key][part] for key in arrays.files})
            data = run.info["data"] | {"n_test": int(part.sum())}
            (path / "run.json").write_text(json.dumps(run.info | {"run": path.name, "fold": fold, "data": data}))
            seal(path)
            divided.append(Run(path))
    return divided


def write_ladder(folder, mistakes, seeds=(0, 1), **options):
    """Runs of several arms, {arm: number of mistakes}; fewer mistakes are a subset of more, up to ten a seed."""
    order = np.random.default_rng(0).permutation(len(Y))
    for arm, number in mistakes.items():
        for seed in seeds:
            own = np.random.default_rng([number, seed]).permutation(len(Y))[:10]
            write_run(folder, arm, seed, np.union1d(order[: number - 10], own), **options)


def seal(path: Path) -> None:
    """Take what a folder holds now for what its run wrote: digests of all files in run.json."""
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**info, "files": file_digests(path)}))


def _predictions(y, lead, shared, rng, prefix):
    # Some images are hard for every arm; the rest of the noise is the run's own.
    logits = 1.2 * shared.normal(size=(len(y), 7)) + 0.7 * rng.normal(size=(len(y), 7)) + 1.0 * (np.arange(7) == 5)
    logits[np.arange(len(y)), y] += lead
    p = np.exp(1.3 * logits)
    frame = pd.DataFrame(
        {
            "image_id": [f"{prefix}{i:06d}" for i in range(len(y))],
            "lesion_id": [f"HAM_9{i:06d}" for i in range(len(y))],
            "dx": np.array(CLASSES)[y],
        }
    )
    frame[PROBABILITY_COLUMNS] = p / p.sum(axis=1, keepdims=True)
    return frame


def made_up_splits(n=200, rng=None, repeats=10) -> pd.DataFrame:
    """The leakage experiment as the linear probe's run keeps it (``split_experiment.run``), with made-up scores.

    Leakage gives the memorising classifier 0.1 and the linear one 0.02, but nothing on lesions photographed once, which
    are 0.08 easier.
    """
    rng = rng or np.random.default_rng(0)
    rows = []
    for classifier, level, gain in (("logistic", 0.75, 0.02), ("nearest", 0.65, 0.1)):
        for split, subset in (
            *((s, t) for s in ("image", "lesion") for t in ("all", "single", "multiple")),
            ("paper", "all"),
        ):
            mean = level + (0.08 if split == "paper" or subset == "single" else gain if split == "image" else 0)
            for repeat, accuracy in enumerate(mean + 0.01 * rng.normal(size=repeats)):
                row = {
                    "classifier": classifier,
                    "split": split,
                    "repeat": repeat,
                    "subset": subset,
                    "n_train": 4 * n,
                    "n_test": n,
                }
                row |= {"correct": round(accuracy * n), "accuracy": accuracy, "balanced_accuracy": accuracy - 0.2}
                rows.append(
                    row | {"melanoma_sensitivity": accuracy - 0.3, "sibling_share": 0.4 if split == "image" else 0.0}
                )
    return pd.DataFrame(rows)


def _write_arrays(path, arm, y, lead, rng):
    centres = np.random.default_rng(3).normal(size=(7, 32))
    features = 0.5 * lead * centres[y] + rng.normal(size=(len(y), 32))
    np.savez_compressed(path / "features.npz", features=features.astype(np.float16))
    attention = {}
    if arm.modules in ("sa", "sa-gf", "wagf"):
        attention["soft_attention"] = rng.dirichlet(np.ones(16), len(y)).reshape(-1, 4, 4)
    if arm.modules == "wagf":
        attention["safa"] = rng.random((len(y), 2, 2))
    if attention:
        np.savez_compressed(path / "attention.npz", **{k: v.astype(np.float16) for k, v in attention.items()})


def _write_history(path, arm, epochs, rng):
    """Write history.csv and return the best epoch."""
    if arm.modules == "probe":
        frame = pd.DataFrame([{"epoch": 1, "loss": 0.3, "accuracy": 0.9, "test_loss": 0.5, "test_accuracy": 0.8}])
        frame.assign(seconds=2.0, images=500).to_csv(path / "history.csv", index=False)
        return 1
    epoch = np.arange(1, epochs + 1)
    frame = pd.DataFrame({"epoch": epoch})
    for prefix, floor, noise in (("", 0.2, 0.01), ("val_", 0.4, 0.1), ("test_", 0.5, 0.05)):
        frame[f"{prefix}loss"] = floor + np.exp(-epoch / 3) + noise * rng.random(epochs)
        frame[f"{prefix}accuracy"] = 0.9 - 0.3 * np.exp(-epoch / 3) - floor / 4 + noise * (rng.random(epochs) - 0.5)
    frame["val_batch_f1"] = frame["val_accuracy"] + 0.01
    frame["seconds"], frame["images"], frame["learning_rate"] = 3.0, 500, 0.001
    if arm.fusion:
        frame["g_w"] = frame["g_sa"] = 0.5
    frame.to_csv(path / "history.csv", index=False, float_format="%.6g")
    return int(epoch[frame["val_accuracy"].argmax()])


def _info(arm, seed, n, epochs, best, accuracy, synthetic):
    return {
        "schema_version": SCHEMA_VERSION,
        "run": f"{arm}-seed{seed}",
        "arm": arm,
        "fold": None,
        "seed": seed,
        "profile": "fabricated",
        "settings": {
            "data": "synthetic" if synthetic else "ham10000",
            "image_size": 64,
            "weights": "none",
            "train": "end_to_end",
            "epochs": epochs,
            "learning_rate": 0.001,
            "checkpoint": "best_accuracy",
            "validation": "lesions",
        },
        "data": {
            "name": "SYNTHETIC" if synthetic else "HAM10000",
            "images": 10 * n,
            "metadata_md5": "0" * 32,
            "image_digest": "0" * 64,
            "test_id_digest": "0" * 64,
            "n_test": n,
            "n_train": 6 * n,
            "n_validation": n // 2,
        },
        "environment": {
            "python": "3.11.0",
            "keras": "3.15.0",
            "backend": "tensorflow",
            "backend_version": "2.21.0",
            "device": "CPU, 2 cores",
            "precision": "float32",
            "cpu": "fabricated",
        },
        "git": {"commit": None, "dirty": None},
        "wall_seconds": 40.0 + seed,
        "train_images_per_second": {"compute": 100.0, "total": 80.0},
        "parameters": {"total": 1_234_567, "trainable": 1_200_000},
        "best_epoch": best,
        "test_metrics": {"accuracy": accuracy},
        "inputs_digest": "0" * 64,
    }


def random_predictions(n=300, rng=None):
    """True classes (n,), each of the seven among them, and probabilities (n, 7) with ties, as real scores have."""
    rng = rng or np.random.default_rng(5)
    y = np.r_[np.arange(7), rng.choice(7, n - 7, p=[0.04, 0.06, 0.1, 0.02, 0.1, 0.65, 0.03])]
    logits = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, np.round(p, 2) / np.round(p, 2).sum(axis=1, keepdims=True)


def discs(rng, n, side):
    """Lesion masks (n, side, side): discs of various sizes near the middle."""
    y, x = np.mgrid[:side, :side] + 0.5
    centres, radii = side * rng.uniform(0.35, 0.65, (n, 2)), side * rng.uniform(0.1, 0.35, n)
    return np.stack([np.hypot(y - c[0], x - c[1]) < r for c, r in zip(centres, radii)])


def write_table(frame: pd.DataFrame, name: str, profile: str, provenance: str) -> None:
    """A table where a profile's book has it, with what it rests on in a last column."""
    atomic.write_csv(paths.RESULTS_DIR / profile / "tables" / f"{name}.csv", frame.assign(provenance=provenance))


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of these cells, after one with the parameter ``profile``; the same bytes for the same cells."""
    parameters = nbformat.v4.new_code_cell('profile = "none"', metadata={"tags": ["parameters"]}, id="parameters")
    codes = [nbformat.v4.new_code_cell(cell, id=f"cell{n}") for n, cell in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters, *codes], metadata=kernel), path)
    return path
