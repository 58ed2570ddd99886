"""Profiles: everything a run may vary, typed and validated."""

import dataclasses
import math
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wagf_src import paths, plain_yaml
from wagf_src.arms import METHODS, parse_arm, split_run
from wagf_src.errors import UserError

FOLDS = 5
TRIAL_SUFFIX = "-trial"
TRIAL_IMAGES_PER_CLASS = 24


@dataclass(frozen=True)
class Profile:
    """One way of running the study: data, split, training and arms.

    Every field is a key of ``notebooks/profiles/<name>.yaml``, except ``name``, which is the file's own.
    """

    name: str
    description: str

    # Data
    data: Literal["synthetic", "ham10000"]
    image_size: int  # square side in pixels
    resize: Literal["antialias", "nearest"] = "antialias"  # "nearest" is the released loaders' default
    synthetic_lesions: int | None = None
    max_images_per_class: int | None = None  # a handful of images for rehearsals; None takes all

    # Split
    test: Literal["paper", "paper-folds", "lesion-folds"] = "paper"  # one test set, or every image tested in a fold
    test_seed: int = 12
    validation: Literal["copies", "names", "lesions", "training"] = "lesions"
    validation_fraction: float = 0.15

    # Virtual copies (wagf_src.data.augmentation)
    augmentation: Literal["offline", "online", "dihedral", "none"] = "online"  # dihedral: the square's eight views
    target_per_class: int = 8000  # offline: files aimed at per class
    generator_batch: int = 50  # offline: images per batch of the augmenting generator
    images_per_epoch: int | None = None  # online: copies drawn per epoch; None takes as many as there are images
    balance: float = 1.0  # online: class c is drawn with weight n_c ** balance (1 as found, 0 all alike)
    rotation_degrees: float = 180.0
    shift: float = 0.1
    zoom: float = 0.1
    flip: bool = True

    # Model
    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    weights: Literal["imagenet", "none"] = "imagenet"
    train: Literal["end_to_end", "frozen"] = "end_to_end"
    preprocessing: Literal["imagenet", "rescale"] = "imagenet"  # "rescale" is 1/255, as released
    batch_norm_momentum: float | None = None  # None keeps each backbone's own

    # Optimisation
    epochs: int = 25
    batch_size: int = 64
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    checkpoint: Literal["best_accuracy", "best_batch_f1", "last"] = "best_accuracy"
    test_views: int = 1  # 8: predictions are averaged over flips and quarter turns of the image
    time_budget_seconds: float | None = None  # a run stops cleanly between epochs after this long, and resumes later

    def __post_init__(self):
        _check_values(self)

    @property
    def synthetic(self) -> bool:
        return self.data == "synthetic"

    def runs(self) -> list[str]:
        """Names of all run folders of this profile, ``<arm>[-fold<f>]-seed<k>``: seed by seed, then arm by arm.

        A probe has no randomness, hence only the first seed.
        """
        return [
            f"{arm}{fold}-seed{seed}"
            for seed in self.seeds
            for arm in self.arms
            for fold in ([""] if self.test == "paper" else [f"-fold{number}" for number in range(FOLDS)])
            if seed == self.seeds[0] or parse_arm(arm).is_network
        ]

    def settings(self) -> dict:
        """What a single run depends on: every field but the names and the lists of arms and seeds."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in _NO_SETTINGS}


_NO_SETTINGS = ("name", "description", "arms", "seeds", "time_budget_seconds")
# What a run has whose settings were written before there was one.
DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Profile)
    if field.default is not dataclasses.MISSING and field.name not in _NO_SETTINGS
}

# What a number must satisfy: a test and how to say it.
_POSITIVE = (lambda v: v > 0, "greater than 0")
_NOT_NEGATIVE = (lambda v: v >= 0, "0 or more")
_SEED = (lambda v: 0 <= v < 2**32, "a whole number from 0 to 4294967295")
_UNIT = (lambda v: 0 < v < 1, "between 0 and 1, exclusive")


_RANGES = {
    "image_size": (lambda v: 32 <= v <= 4096, "from 32 (every backbone divides the side by 32) to 4096"),
    "synthetic_lesions": (lambda v: v >= 70, "70 or more (fewer leave classes without a test image)"),
    "max_images_per_class": (lambda v: v >= 10, "10 or more (training, validation and test each need some)"),
    "test_seed": _SEED,
    "validation_fraction": _UNIT,
    "target_per_class": _POSITIVE,
    "generator_batch": _POSITIVE,
    "images_per_epoch": _POSITIVE,
    "balance": (lambda v: 0 <= v <= 1, "between 0 and 1"),
    "rotation_degrees": (lambda v: 0 <= v <= 180, "between 0 and 180"),
    "shift": (lambda v: 0 <= v < 0.5, "between 0 and 0.5"),
    "zoom": (lambda v: 0 <= v < 0.5, "between 0 and 0.5"),
    "batch_norm_momentum": _UNIT,
    "epochs": _POSITIVE,
    "batch_size": _POSITIVE,
    "learning_rate": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "label_smoothing": (lambda v: 0 <= v < 1, "0 or more, below 1"),
    "test_views": (lambda v: v in (1, 8), "1 or 8"),
    "time_budget_seconds": _POSITIVE,
}


def _check_values(profile: Profile) -> None:
    def wrong(key, allowed):
        raise UserError(f"profile {profile.name}: {key} is {getattr(profile, key)!r}, but must be {allowed}")

    for key, (holds, allowed) in _RANGES.items():
        value = getattr(profile, key)
        if value is not None and not holds(value):
            wrong(key, allowed)
    if not profile.arms:
        wrong("arms", "a list of at least one arm")
    for key in ("arms", "seeds"):
        values = getattr(profile, key)
        if not values or len(set(values)) != len(values):
            wrong(key, "a list without repetitions, of at least one item")
    if not all(map(_SEED[0], profile.seeds)):
        wrong("seeds", "a list of whole numbers from 0 to 4294967295")
    try:
        arms = [parse_arm(arm) for arm in profile.arms]
    except UserError as error:
        raise UserError(f"profile {profile.name}: arms: {error}") from None
    if profile.synthetic != (profile.synthetic_lesions is not None):
        wrong("synthetic_lesions", "given if, and only if, data is synthetic")
    if profile.validation in ("copies", "names") and profile.augmentation != "offline":
        wrong("validation", "lesions or training, unless augmentation is offline (only then are there copies to split)")
    if profile.validation == "lesions" and profile.augmentation == "offline":
        wrong("validation", "copies, names or training when augmentation is offline (as in the paper)")
    if profile.train == "frozen" and profile.augmentation not in ("dihedral", "none"):
        wrong("augmentation", "dihedral or none when train is frozen (features are computed once)")
    if profile.train != "frozen" and profile.augmentation == "dihedral":
        wrong("augmentation", "online, offline or none, unless train is frozen")
    if profile.test_views > 1 and profile.augmentation not in ("online", "dihedral"):
        wrong("test_views", "1 unless augmentation is online or dihedral")
    if profile.label_smoothing and any(arm.fusion for arm in arms):
        wrong("label_smoothing", "0 for arms with fusion (Equation 1's gradient is that of the plain cross-entropy)")
    if profile.label_smoothing and any(arm.method and METHODS[arm.method].own_loss for arm in arms):
        wrong("label_smoothing", "0 for arms whose method has a loss of its own, which smooths as it does")
    drawing = [arm.name for arm in arms if arm.method and "train/methods/draws" in METHODS[arm.method].code]
    if drawing and profile.augmentation != "online":
        wrong("augmentation", f"online for {drawing[0]}, whose method draws from the map of each new copy")
    if profile.train == "frozen" and profile.precision != "float32":
        wrong("precision", "float32 when train is frozen (features are computed once, for every precision)")
    if profile.train == "frozen" and len({arm.backbone for arm in arms}) > 1:
        wrong("arms", "of one backbone when train is frozen")
    if profile.train != "frozen" and not all(arm.is_network for arm in arms):
        wrong("arms", "without a probe, unless train is frozen")


def load_profile(name: str) -> Profile:
    """Load and check a profile.

    Args:
        name: a file of ``notebooks/profiles`` without its ending, or the path of a YAML file of your own (which may
            start from another profile by ``extends: <name>``). With ``-trial`` appended to a name, the same
            profile on a handful of images: one epoch, one seed.

    Raises:
        UserError: naming file, key and what is allowed.
    """
    if name.endswith((".yaml", ".yml")):
        path, trial = paths.typed(name), False
        label = path.stem
    else:
        trial = name.endswith(TRIAL_SUFFIX)
        label = name.removesuffix(TRIAL_SUFFIX)
        path = paths.PROFILES_DIR / f"{label}.yaml"
    if not path.is_file() or "/" in label:
        known = ", ".join(p.stem for p in paths.visible(paths.PROFILES_DIR.glob("*.yaml")))
        raise UserError(
            f"no profile {name!r}; known: {known} (each also with {TRIAL_SUFFIX}), or the path of a .yaml file"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", label) or label in ("reference", "bench"):
        raise UserError(f"profile {path.name}: a profile's name has letters, digits, dots, dashes; rename the file")
    if label.endswith(TRIAL_SUFFIX):
        raise UserError(
            f"profile {path.name}: a name that ends in {TRIAL_SUFFIX} is that of another's trial; rename the file"
        )
    if (paths.PROFILES_DIR / f"{label}.yaml").is_file() and path.resolve().parent != paths.PROFILES_DIR.resolve():
        raise UserError(
            f"profile {path.name}: notebooks/profiles has one of that name, and both would fill results/{label}; "
            "rename yours"
        )
    values = _read_yaml(path)
    profile = _build(label, path.name, values)
    if trial:
        about = f"Trial of {label} on a handful of images: shows that the command works, says nothing else. "
        profile = dataclasses.replace(
            profile,
            name=name,
            description=about + profile.description,
            epochs=1,
            seeds=profile.seeds[:1],
            images_per_epoch=None,
            target_per_class=min(profile.target_per_class, 2 * TRIAL_IMAGES_PER_CLASS),
            generator_batch=min(profile.generator_batch, TRIAL_IMAGES_PER_CLASS // 2),
            max_images_per_class=TRIAL_IMAGES_PER_CLASS,
            batch_size=min(profile.batch_size, 16),
        )
    return profile


def candidates() -> list[Profile]:
    """What is tried for the model of our own: judged on validation images, and no condition of the book."""
    return [load_profile(str(file)) for file in paths.visible((paths.PROFILES_DIR / "tried").glob("*.yaml"))]


def resolve(profile: Profile, run: str) -> Profile:
    """The profile of one run: an arm may carry its own weights (``-random``) and learning rate (``-lr<rate>``)."""
    arm = parse_arm(split_run(run)[0])
    return dataclasses.replace(
        profile, weights=arm.weights or profile.weights, learning_rate=arm.learning_rate or profile.learning_rate
    )


def _read_yaml(path: Path, descendants: tuple[Path, ...] = ()) -> dict:
    """A profile's keys, those of the profiles that it extends filled in."""
    values = plain_yaml.read(path)
    parent = values.pop("extends", None)
    if parent is None:
        return values
    parent_path = paths.PROFILES_DIR / f"{parent}.yaml"
    if not parent_path.is_file() or parent_path.resolve() in (path.resolve(), *descendants):
        raise UserError(
            f"profile {path.name}: extends: {parent!r} must be another profile of notebooks/profiles that does not "
            "extend this one"
        )
    return {**_read_yaml(parent_path, (*descendants, path.resolve())), **values}


def _build(name: str, file: str, values: dict) -> Profile:
    hints = typing.get_type_hints(Profile)
    hints.pop("name")
    unknown = [key for key in values if key not in hints]
    if unknown:
        raise UserError(f"profile {file}: unknown key {unknown[0]!r}; allowed: {', '.join(hints)}")
    required = {f.name for f in dataclasses.fields(Profile) if f.default is dataclasses.MISSING} - {"name"}
    missing = sorted(required - set(values))
    if missing:
        raise UserError(f"profile {file}: missing key {missing[0]!r}")
    checked = {key: _typed(file, key, value, hints[key]) for key, value in values.items()}
    return Profile(name=name, **checked)


def _typed(file: str, key: str, value, hint):
    """Check one value against its annotation; lists become tuples, whole numbers pass as decimals, no more bends."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
        origin = typing.get_origin(hint)
    if origin is Literal:
        allowed = typing.get_args(hint)
        if not isinstance(value, str) or value not in allowed:
            raise UserError(f"profile {file}: {key} is {value!r}, but must be one of {', '.join(allowed)}")
        return value
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list):
            raise UserError(f"profile {file}: {key} is {value!r}, but must be a list of {item.__name__}")
        return tuple(_typed(file, key, v, item) for v in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        tip = f"; write {value.lstrip('0')}" if isinstance(value, str) and re.fullmatch("0+[1-9][0-9]*", value) else ""
        raise UserError(
            f"profile {file}: {key} is {value!r} ({type(value).__name__}), but must be {hint.__name__}{tip}"
        )
    return value
