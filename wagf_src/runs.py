"""A run on disk: schema, reading, what it rests on. Needs no Keras."""

import json
import pkgutil
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic, paths
from wagf_src.arms import BACKBONES, order_key, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paths import short
from wagf_src.profile import DEFAULTS, FOLDS, Profile, known_profile, resolve

SCHEMA_VERSION = 2


PROBABILITY_COLUMNS = [f"p_{c}" for c in CLASSES]


# One row an image (a file, where copies validate): image_id, lesion_id, dx, p_<class>.
TEST, VALIDATION = "predictions.csv.gz", "validation_predictions.csv.gz"


# Kept by those who trained the run and never committed: large, and no table is computed from them.
MODELS = ("model.weights.h5", "probe.npz")  # of a network, of a probe
WEIGHTS = (*MODELS, "model.json")


# What a committed folder may lack, although its run.json has its digest.
_MAY_BE_LEFT_OUT = ("features.npz", *WEIGHTS)


_REQUIRED_KEYS = {
    "schema_version",
    "run",
    "arm",
    "fold",
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
    "files",
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
        missing = sorted(_REQUIRED_KEYS - set(info if isinstance(info, dict) else ()))
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
    def fold(self) -> int | None:
        """Which part of the images was tested; None where the profile has one test set."""
        return self.info["fold"]

    @cached_property
    def settings(self) -> dict:
        """The settings of the run; one that came later than the run has its default."""
        return DEFAULTS | self.info["settings"]

    @cached_property
    def made_with(self) -> Profile:
        """The profile as it was for this run alone."""
        return Profile(self.info["profile"], "", arms=(self.arm,), **self.info["settings"])

    @property
    def synthetic(self) -> bool:
        return self.info["data"]["name"].startswith("SYNTHETIC")

    def file(self, name: str) -> Path | None:
        """A file of the folder, compared with its digest in run.json; None if the run did not keep one of this name.

        Raises:
            UserError: the file is gone or is not what the run wrote.
        """
        if name not in self.info["files"]:
            return None
        file = self.path / name
        try:
            stat = file.stat()
            digest = _digest(file, stat.st_mtime_ns, stat.st_size)
        except OSError:
            if name in _MAY_BE_LEFT_OUT:
                return None
            raise UserError(f"{self.path.name}/{name} is missing; delete the folder and run again") from None
        if digest != self.info["files"][name]:
            raise UserError(
                f"{self.path.name}/{name} was changed by hand or cut (its digest is not the one in run.json); "
                "delete the folder and run again"
            )
        return file

    def check(self, alone: bool = True) -> None:
        """Compare every file with its digest.

        Args:
            alone: whether the folder may hold nothing else; what a reader puts beside a finished run is the reader's.

        Raises:
            UserError: a file is gone, is not what the run wrote, or is none of the run's.
        """
        for name in self.info["files"]:
            self.file(name)
        if not alone:
            return
        others = sorted(set(file_digests(self.path)) - set(self.info["files"]))
        if others:
            raise UserError(f"{self.path.name}/{others[0]} was not written by the run; move it out of the folder")

    def predictions(self, part: str = "test") -> pd.DataFrame | None:
        """image_id, lesion_id, dx and the seven probabilities p_<class>, one row an image; each row sums to 1.

        Args:
            part: "test", or "validation" (one row a file; None where the run did not keep them).

        Raises:
            UserError: naming run, file and column where the file does not hold one distribution per image.
        """
        frame = self._predictions(TEST if part == "test" else VALIDATION)
        return None if frame is None else frame.copy()

    def _predictions(self, name) -> pd.DataFrame | None:
        file = self.file(name)
        if file is None and name == VALIDATION:
            return None
        try:
            return _read(file or self.path / name, self.info["files"].get(name))
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"{self.path.name}/{name}: {error}; delete the run's folder and run it again") from None

    @property
    def weights_file(self) -> Path | None:
        """The weights that made the predictions (for a probe, its coefficients); None where they were not kept."""
        return next(filter(None, map(self.file, MODELS)), None)

    @property
    def weights_digest(self) -> str | None:
        """SHA-256 of ``weights_file``, whether or not it is still here; None where the run kept none."""
        return next(filter(None, map(self.info["files"].get, MODELS)), None)

    def model(self):
        """The run as a Keras model from pixels (B, S, S, 3), 0 to 255, to probabilities (B, 7).

        Raises:
            UserError: see ``models.kept.read_model``, which also has features and attention maps.
        """
        # By name, as the registry names builders: whoever only reads a run needs no Keras.
        return pkgutil.resolve_name("wagf_src.models.kept:probabilities")(self)

    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.file("history.csv"))

    def _arrays(self, name) -> dict[str, np.ndarray]:
        file = self.file(name)
        if file is None:
            return {}
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def features(self) -> dict[str, np.ndarray]:
        """``features`` (n_test, d) float16, pooled, in the row order of the predictions; empty if not kept."""
        # A network far off its course gives what half precision stores as infinite: the largest value stands for it.
        largest = np.finfo(np.float16).max
        return {name: values.clip(-largest, largest) for name, values in self._arrays("features.npz").items()}

    def attention(self) -> dict[str, np.ndarray]:
        """``safa`` (n_test, h, w) and/or ``soft_attention`` (n_test, H, W), float16; empty for arms without."""
        return self._arrays("attention.npz")


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run folder but run.json itself, by name."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != "." and p.name != "run.json")
    return {p.name: atomic.file_digest(p) for p in files}


@lru_cache(maxsize=4096)
def _digest(file, changed, size):
    """Once per version of the file: every table asks for the same runs."""
    return atomic.file_digest(file)


def put_in_place(staged: Path, target: Path) -> None:
    """Replace a run by one made anew; what the reader put beside the earlier one is beside the new one then.

    Raises:
        UserError: see ``atomic.move_into_place``.
    """
    atomic.move_into_place(staged, target, _by_the_run)


def tidy(folder: Path) -> None:
    """Undo or finish what a killed process was doing in a folder of runs; see ``atomic.tidy``."""
    for ending in ("old", "gone"):
        for left in folder.glob(f".*.{ending}"):
            atomic.tidy(folder / left.name[1 : -len(f".{ending}")], _by_the_run)


def _by_the_run(folder):
    try:
        return {"run.json", *Run(folder).info["files"]}
    except UserError:  # nobody knows what it wrote
        return {"run.json"}


def load_runs(profile: str, required: bool = True) -> list[Run]:
    """All finished runs of a profile as it is now, sorted by name; your own if there are any, else the committed ones.

    Raises:
        UserError: if there is none and ``required``.
    """
    runs = own_runs(profile) or _committed(profile)
    if required and not runs:
        other = left_out(profile)
        raise UserError(
            f"no finished run in results/{profile}/runs"
            + (f" of the profile as it is now ({listed(other)}: of another)" if other else "")
            + f"; make them with `make reproduce PROFILE={profile}`"
        )
    return runs


def own_runs(profile: str) -> list[Run]:
    """The reader's own finished runs of the profile as it is now, sorted by name."""
    return _divided(profile, paths.RESULTS_DIR)[0]


def left_out(profile: str) -> list[Run]:
    """The reader's own finished runs that the profile no longer asks for, or no longer so: shown with no others."""
    return _divided(profile, paths.RESULTS_DIR)[1]


def _committed(profile):
    return _divided(profile, paths.REFERENCE_DIR)[0]


def _divided(profile, root) -> tuple[list[Run], list[Run]]:
    """Finished runs that are of the profile as it is now, and the others; all are where nobody knows the profile.

    Data and code do not matter: a run of earlier ones is out of date, and still of the profile.
    """
    runs = _runs_in(root / profile / "runs")
    wanted = known_profile(profile) if runs else None
    if wanted is None:
        return runs, []
    names = set(wanted.runs())
    current = [run.path.name in names and run.settings == resolve(wanted, run.path.name).settings() for run in runs]
    return [run for run, yes in zip(runs, current) if yes], [run for run, yes in zip(runs, current) if not yes]


def _runs_in(folder):
    return [Run(file.parent) for file in sorted(folder.glob("*/run.json")) if file.parent.name[0] != "."]


def listed(runs: list[Run], most: int = 5) -> str:
    """Names of folders in one line."""
    names = [run.path.name for run in runs]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def complete(runs: list[Run]) -> list[Run]:
    """The runs without folds of an arm and seed of which others lack: only together do they test every image."""
    finished = Counter((run.arm, run.seed) for run in runs if run.fold is not None)
    return [run for run in runs if run.fold is None or finished[run.arm, run.seed] == FOLDS]


def shown_runs(profile: str, required: bool = False) -> list[Run]:
    """What a profile's book shows: your own runs as far as they test every image, else the committed ones.

    Own runs that complete nothing yet, such as a first fold, hide no committed one.

    Raises:
        UserError: if there is none and ``required``.
    """
    runs = complete(load_runs(profile, required)) or complete(_committed(profile))
    if required and not runs:
        raise UserError(
            f"no model of results/{profile}/runs has all its folds yet; `make reproduce PROFILE={profile}` goes on"
        )
    return runs


def find_runs(profile: str, run: str) -> list[Run]:
    """The run of that name, your own before the committed one; empty if there is neither."""
    folders = [root / profile / "runs" / run for root in (paths.RESULTS_DIR, paths.REFERENCE_DIR)]
    return [Run(folder) for folder in folders if (folder / "run.json").is_file()]


def are_committed(runs: list[Run]) -> bool:
    """Whether these are runs that the repository carries, none of them the reader's own."""
    return all(run.path.is_relative_to(paths.REFERENCE_DIR) for run in runs)


def real_profiles() -> dict[str, list[Run]]:
    """Finished runs on real images of every profile that has some, by profile name; own runs go before the reference's.

    Trials and other handfuls of images are left out, and so are folds as long as others of the same arm and seed lack.
    """
    names = sorted(
        {f.parents[2].name for root in (paths.RESULTS_DIR, paths.REFERENCE_DIR) for f in root.glob("*/runs/*/run.json")}
    )
    by_profile = {}
    for name in names:
        by_profile[name] = _conditions(load_runs(name, required=False)) or _conditions(_committed(name))
    return {name: runs for name, runs in by_profile.items() if runs}


def _conditions(runs):
    """Of these, what can stand as a condition of the book."""
    return [run for run in complete(runs) if not run.synthetic and run.settings["max_images_per_class"] is None]


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

    seeds, folds = n_seeds(runs), n_folds(runs)
    parts = [
        each(lambda i: i["data"]["name"]),
        each(lambda i: f"{i['settings']['image_size']} px"),
        each(lambda i: BACKBONES[parse_arm(i["arm"]).backbone].title),
        each(weights),
        each(training),
        f"{seeds} seed{'s' if seeds != 1 else ''}",
        *([f"{n_images(runs):,} test images in {folds} folds"] if folds > 1 else []),
        each(lambda i: i["environment"]["device"]),
    ]
    return "; ".join(parts)


def n_folds(runs: list[Run]) -> int:
    """1 for one test set."""
    return len({run.fold for run in runs})


def n_seeds(runs: list[Run]) -> int:
    return len({run.seed for run in runs})


def n_images(runs: list[Run]) -> int:
    """Images that an arm of these runs is tested on, all folds together."""
    return sum({run.fold: run.info["data"]["n_test"] for run in runs}.values())


def by_seed(runs: list[Run]) -> list[list[Run]]:
    """Runs of one arm by seed; those of one seed are its folds, in their order, or one run."""
    ordered = sorted(runs, key=lambda run: (run.seed, run.fold or 0))
    return [[run for run in ordered if run.seed == seed] for seed in dict.fromkeys(run.seed for run in ordered)]


def tested(runs: list[Run]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of one arm: ``truth_and_probabilities`` of each seed, its folds one after the other."""
    parts = [[truth_and_probabilities(run) for run in folds] for folds in by_seed(runs)]
    return [tuple(np.concatenate(arrays) for arrays in zip(*folds)) for folds in parts]


def truth_and_probabilities(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """True classes (n,) and probabilities (n, 7) of the test images, in the row order of the predictions.

    Raises:
        UserError: see :meth:`Run.predictions`.
    """
    frame = run._predictions(TEST)
    return _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def validation_predictions(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """The same for the validation files, or None where the run did not keep them."""
    frame = run._predictions(VALIDATION)
    return None if frame is None else (_truth(frame), frame[PROBABILITY_COLUMNS].to_numpy())


def sorted_predictions(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image ids (n,), true classes (n,) and probabilities (n, 7), ordered by id: how runs are compared."""
    run._predictions(TEST)  # checks
    return _sorted(run.path / TEST, run.info["files"][TEST])


@lru_cache(maxsize=1024)
def _sorted(path, digest):
    frame = _read(path, digest).sort_values("image_id")
    return frame["image_id"].to_numpy(str), _truth(frame), frame[PROBABILITY_COLUMNS].to_numpy()


def _truth(frame):
    return frame["dx"].map(CLASSES.index).to_numpy()


@lru_cache(maxsize=1024)
def _read(path, digest):
    """Once per version of the file: every metric of every table starts here."""
    return read_predictions(path)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read and check a file of predictions; each row of probabilities is brought to the sum 1.

    Raises:
        ValueError: it does not hold one distribution per image.
    """
    # An image may be called NA or null: as a missing value it would end a training that is finished.
    as_text = {"dtype": {"image_id": str, "lesion_id": str, "dx": str}, "keep_default_na": False}
    frame = pd.read_csv(path, **as_text, na_values={column: [""] for column in PROBABILITY_COLUMNS})
    missing = [c for c in ("image_id", "dx", *PROBABILITY_COLUMNS) if c not in frame]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    if not len(frame):
        raise ValueError("no rows")
    # Validation files may be copies of one image; test images stand once.
    if path.name == TEST and frame["image_id"].duplicated().any():
        raise ValueError(f"image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} is there twice")
    unknown = set(frame["dx"]) - set(CLASSES)
    if unknown:
        raise ValueError(f"dx holds {min(map(str, unknown))!r}, not one of {', '.join(CLASSES)}")
    p = frame[PROBABILITY_COLUMNS].to_numpy(float)
    total = p.sum(axis=1)
    # Half-precision runs and five printed digits leave sums a little off 1; anything further is no distribution.
    wrong = ~(np.isfinite(total) & (p >= 0).all(axis=1) & (abs(total - 1) < 0.01))
    if wrong.any():
        raise ValueError(f"the probabilities of {frame['image_id'][wrong].iloc[0]} are not a distribution")
    frame[PROBABILITY_COLUMNS] = p / total[:, None]
    return frame


def by_arm(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs of each arm, sorted by seed; arms in the order of Table 1 (backbones, then the ladder, then variants)."""
    arms: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda r: r.seed):
        arms.setdefault(run.arm, []).append(run)
    return {arm: arms[arm] for arm in sorted(arms, key=order_key)}


def of_arm(runs: list[Run], arm: str) -> list[Run]:
    """The runs of one arm, sorted by seed; empty if there are none."""
    return by_arm(runs).get(arm, [])
