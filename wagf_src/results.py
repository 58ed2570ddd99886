"""Run folders, tables and figures: reading, atomic writing, provenance.

A run folder holds run.json, history.csv, predictions.csv, features.npz, attention.npz (arms with attention) and the
executed train.ipynb. Every table is recomputed from these files; nothing here needs TensorFlow.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src.config import CLASSES, REFERENCE_DIR, RESULTS_DIR, ROOT, UserError

SCHEMA_VERSION = 1
PROBABILITY_COLUMNS = [f"p_{c}" for c in CLASSES]
_REQUIRED_KEYS = {
    "schema_version", "run", "arm", "seed", "profile", "settings", "data", "environment", "git", "wall_seconds",
    "train_images_per_second", "parameters", "best_epoch", "test_metrics", "inputs_digest",
}  # fmt: skip


# --- writing -------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def write_json(path: Path, value) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame, float_format="%.6g") -> None:
    write_text(path, frame.to_csv(index=False, float_format=float_format, lineterminator="\n"))


def write_table(frame: pd.DataFrame, name: str, profile: str, provenance: str) -> pd.DataFrame:
    """Write ``results/<profile>/tables/<name>.csv`` with what it rests on in a last column, ``provenance``."""
    frame = frame.assign(provenance=provenance)
    write_csv(RESULTS_DIR / profile / "tables" / f"{name}.csv", frame)
    return frame


def save_figure(figure, name: str, profile: str) -> Path:
    """Save a Matplotlib figure as ``results/<profile>/figures/<name>.png``, without dates, so that it is reproducible."""
    path = RESULTS_DIR / profile / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp.png")
    figure.savefig(aside, dpi=144, bbox_inches="tight", metadata={"Software": None})
    os.replace(aside, path)
    return path


def move_into_place(source: Path, target: Path) -> None:
    """Replace folder ``target`` by the finished folder ``source`` (same file system)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(source, target)
    shutil.rmtree(old, ignore_errors=True)


# --- reading -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One finished run folder."""

    path: Path

    @cached_property
    def info(self) -> dict:
        """run.json, checked against the schema."""
        file = self.path / "run.json"
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{_short(file)}: cannot be read ({error}); delete the folder and run again") from None
        missing = sorted(_REQUIRED_KEYS - set(info))
        if missing or info["schema_version"] != SCHEMA_VERSION:
            raise UserError(
                f"{_short(file)}: not a run of schema {SCHEMA_VERSION} (missing: {', '.join(missing) or 'nothing'}); "
                "delete the folder and run again"
            )
        return info

    @property
    def name(self) -> str:
        return self.info["run"]

    @property
    def arm(self) -> str:
        return self.info["arm"]

    @property
    def seed(self) -> int:
        return self.info["seed"]

    @property
    def synthetic(self) -> bool:
        return self.info["data"]["name"].startswith("SYNTHETIC")

    def predictions(self) -> pd.DataFrame:
        """image_id, lesion_id, dx and the seven probabilities p_<class>, one row a test image."""
        return pd.read_csv(self.path / "predictions.csv", dtype={"image_id": str, "lesion_id": str})

    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.path / "history.csv")

    def _arrays(self, name) -> dict[str, np.ndarray]:
        file = self.path / name
        if not file.is_file():
            return {}
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def features(self) -> dict[str, np.ndarray]:
        """``features`` (n_test, d) float16, pooled, in the row order of predictions.csv; empty if they were not kept."""
        # What a network far off its course gives beyond half precision was stored as infinite: the largest value stands for it.
        largest = np.finfo(np.float16).max
        return {name: values.clip(-largest, largest) for name, values in self._arrays("features.npz").items()}

    def attention(self) -> dict[str, np.ndarray]:
        """``safa`` (n_test, h, w) and/or ``soft_attention`` (n_test, H, W), float16; empty for arms without."""
        return self._arrays("attention.npz")


def runs_dir(profile: str) -> Path:
    """Where the finished runs of a profile are: your own, else those that the repository carries."""
    own = RESULTS_DIR / profile / "runs"
    if any(own.glob("*/run.json")):
        return own
    return REFERENCE_DIR / profile / "runs"


def load_runs(profile: str, required: bool = True) -> list[Run]:
    """All finished runs of a profile, sorted by name; your own if there are any, else the committed reference.

    Raises:
        UserError: if there is none and ``required``.
    """
    runs = [Run(file.parent) for file in sorted(runs_dir(profile).glob("*/run.json")) if file.parent.name[0] != "."]
    if required and not runs:
        raise UserError(
            f"no finished run in results/{profile}/runs; make them with `make reproduce PROFILE={profile}`"
        )
    return runs


def real_profiles() -> dict[str, list[Run]]:
    """Finished runs on real images of every profile that has some, by profile name; own runs go before the reference's.

    Trials and other handfuls of images are left out.
    """
    names = sorted({f.parents[2].name for root in (RESULTS_DIR, REFERENCE_DIR) for f in root.glob("*/runs/*/run.json")})
    found = {}
    for name in names:
        runs = [r for r in load_runs(name) if not r.synthetic and r.info["settings"].get("max_images_per_class") is None]
        if runs:
            found[name] = runs
    return found


def provenance(runs: list[Run]) -> str:
    """One line that says what results rest on: data, image size, initialisation, training, device.

    It begins with SYNTHETIC where the data are not real.
    """
    if not runs:
        return "no runs"

    def each(pick, join=" / "):
        return join.join(dict.fromkeys(str(pick(run.info)) for run in runs))

    def weights(info):
        if info["arm"].endswith("-probe"):
            return "ImageNet weights"
        return {"imagenet": "ImageNet weights", "none": "random initialisation"}[info["settings"]["weights"]]

    def training(info):
        settings = info["settings"]
        how = "frozen backbone" if settings["train"] == "frozen" else "end to end"
        return how + f", {settings['epochs']} epoch{'s' if settings['epochs'] != 1 else ''}"

    seeds = len({run.seed for run in runs})
    parts = [
        each(lambda i: i["data"]["name"]),
        each(lambda i: f"{i['settings']['image_size']} px"),
        each(lambda i: {"densenet121": "DenseNet-121", "resnet50": "ResNet-50", "mobilenetv2": "MobileNetV2"}[i["arm"].split("-")[0]]),
        each(weights),
        each(training),
        f"{seeds} seed{'s' if seeds != 1 else ''}",
        each(lambda i: i["environment"]["device"]),
    ]
    return "; ".join(parts)


# --- provenance of a run -------------------------------------------------------------------------------------


def git_state() -> dict:
    """Commit and whether the tracked files differ from it; both None outside a git checkout."""

    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def processor() -> str:
    """The processor's name, for run.json."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _short(path: Path) -> str:
    """A path as the reader sees it: inside the repository, without the machine's part."""
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return path.as_posix()
