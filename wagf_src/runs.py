"""A run on disk: schema, reading, what it rests on. Needs no Keras."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.arms import BACKBONES, order_key, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paths import short

SCHEMA_VERSION = 1


PROBABILITY_COLUMNS = [f"p_{c}" for c in CLASSES]


_REQUIRED_KEYS = {
    "schema_version",
    "run",
    "arm",
    "seed",
    "profile",
    "settings",
    "data",
    "environment",
    "git",
    "wall_seconds",
    "train_images_per_second",
    "parameters",
    "best_epoch",
    "test_metrics",
    "inputs_digest",
}


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
            raise UserError(f"{short(file)}: cannot be read ({error}); delete the folder and run again") from None
        missing = sorted(_REQUIRED_KEYS - set(info))
        if missing or info["schema_version"] != SCHEMA_VERSION:
            raise UserError(
                f"{short(file)}: not a run of schema {SCHEMA_VERSION} (missing: {', '.join(missing) or 'nothing'}); "
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
    own = paths.RESULTS_DIR / profile / "runs"
    if any(own.glob("*/run.json")):
        return own
    return paths.REFERENCE_DIR / profile / "runs"


def load_runs(profile: str, required: bool = True) -> list[Run]:
    """All finished runs of a profile, sorted by name; your own if there are any, else the committed reference.

    Raises:
        UserError: if there is none and ``required``.
    """
    runs = [Run(file.parent) for file in sorted(runs_dir(profile).glob("*/run.json")) if file.parent.name[0] != "."]
    if required and not runs:
        raise UserError(f"no finished run in results/{profile}/runs; make them with `make reproduce PROFILE={profile}`")
    return runs


def real_profiles() -> dict[str, list[Run]]:
    """Finished runs on real images of every profile that has some, by profile name; own runs go before the reference's.

    Trials and other handfuls of images are left out.
    """
    names = sorted(
        {f.parents[2].name for root in (paths.RESULTS_DIR, paths.REFERENCE_DIR) for f in root.glob("*/runs/*/run.json")}
    )
    found = {}
    for name in names:
        runs = [
            r for r in load_runs(name) if not r.synthetic and r.info["settings"].get("max_images_per_class") is None
        ]
        if runs:
            found[name] = runs
    return found


def provenance_line(runs: list[Run]) -> str:
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
        each(lambda i: BACKBONES[parse_arm(i["arm"]).backbone].title),
        each(weights),
        each(training),
        f"{seeds} seed{'s' if seeds != 1 else ''}",
        each(lambda i: i["environment"]["device"]),
    ]
    return "; ".join(parts)


def truth_and_probabilities(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """True classes (n,) and probabilities (n, 7) of the test images, in the row order of predictions.csv.

    Raises:
        UserError: naming run and column where the file is missing or does not hold one distribution per image.
    """
    frame = checked_predictions(run)
    return _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def validation_predictions(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """The same for the validation images, or None where the run did not keep them (validation_predictions.csv)."""
    if not (run.path / "validation_predictions.csv").is_file():
        return None
    frame = checked_predictions(run, "validation_predictions.csv")
    return _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def _truth(frame):
    return frame["dx"].map(CLASSES.index).to_numpy()


def checked_predictions(run, name="predictions.csv", read=None):
    path = run.path / name
    try:
        return (read or _read)(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise UserError(f"{run.path.name}/{name}: {error}; delete the run's folder and run it again") from None


@lru_cache(maxsize=512)
def _read(path, changed):
    """Read and check once per version of the file: every metric of every table starts here."""
    frame = pd.read_csv(path, dtype={"image_id": str, "lesion_id": str})
    missing = [c for c in ("image_id", "dx", *PROBABILITY_COLUMNS) if c not in frame]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    if not len(frame):
        raise ValueError("no rows")
    # Validation files may be copies of one image; test images stand once.
    if path.name == "predictions.csv" and frame["image_id"].duplicated().any():
        raise ValueError(f"image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} is there twice")
    unknown = set(frame["dx"]) - set(CLASSES)
    if unknown:
        raise ValueError(f"dx holds {min(map(str, unknown))!r}, not one of {', '.join(CLASSES)}")
    p = frame[PROBABILITY_COLUMNS].to_numpy(float)
    total = p.sum(axis=1)
    # Half-precision runs and six printed digits leave sums a little off 1; anything further is no distribution.
    wrong = ~(np.isfinite(total) & (p >= 0).all(axis=1) & (abs(total - 1) < 0.01))
    if wrong.any():
        raise ValueError(f"the probabilities of {frame['image_id'][wrong].iloc[0]} are not a distribution")
    frame[PROBABILITY_COLUMNS] = p / total[:, None]
    return frame


@lru_cache(maxsize=512)
def sorted_predictions(path, changed):
    """Image ids, true classes and probabilities in the order of the ids, in which runs are compared."""
    frame = _read(path, changed).sort_values("image_id")
    return frame["image_id"].to_numpy(str), _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def by_arm(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs of each arm, sorted by seed; arms in the order of Table 1 (backbones, then the ladder, then variants)."""
    arms: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda r: r.seed):
        arms.setdefault(run.arm, []).append(run)
    return {arm: arms[arm] for arm in sorted(arms, key=order_key)}


def of_arm(runs: list[Run], arm: str) -> list[Run]:
    """The runs of one arm, sorted by seed; empty if there are none."""
    return by_arm(runs).get(arm, [])
