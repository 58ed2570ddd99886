"""Under which conditions runs were made: how near to the paper's, and what keeps them from deciding a claim."""

import re

from wagf_src import paths
from wagf_src.arms import BACKBONES, PAPER_BACKBONE, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.paper import published
from wagf_src.runs import Run, by_arm, n_folds, n_images, n_seeds
from wagf_src.stats import bootstrap

# One run of each arm cannot tell a module from luck; two are the fewest that show training noise at all.
MIN_SEEDS = 2

# What the paper states (section 3.1), and ImageNet weights and offline copies, which its code uses.
STATED = {
    "image_size": 256,
    "train": "end_to_end",
    "weights": "imagenet",
    "augmentation": "offline",
    "epochs": 25,
    "batch_size": 64,
    "optimizer": "adam",
    "learning_rate": 0.01,
}

# Settings that this study has and the paper does not mention: a level reached with their help is not the paper's.
NOT_IN_THE_PAPER = {"schedule": "constant", "label_smoothing": 0, "test_views": 1}


# What ``ham10000.dataset_name`` calls it, whole and with its own labels.
_HAM10000 = re.compile(r"HAM10000( \(\d+ x \d+ copies\))?")


def departures(run: Run) -> list[str]:
    """In what a run departs from the conditions that the paper states ("is for should be"); empty if in nothing."""
    backbone, lines = parse_arm(run.arm).backbone, []
    if run.info["data"]["name"] != "HAM10000":
        lines.append(f"data {run.info['data']['name']}")
    if backbone != PAPER_BACKBONE:
        lines.append(f"backbone {backbone} for {PAPER_BACKBONE}")
    if run.settings["test"] == "lesion-folds":
        lines.append("tested on all images for lesions photographed once")
    for key, wanted in STATED.items():
        recorded = run.info["settings"].get(key, "not recorded")
        if recorded != wanted:
            lines.append(f"{key} {recorded} for {wanted}")
    for key, without in NOT_IN_THE_PAPER.items():
        if run.settings[key] != without:
            lines.append(f"{key} {run.settings[key]} for {without}")
    return lines


def data_obstacle(runs: list[Run]) -> str | None:
    """Why no verdict about HAM10000 can rest on these runs, if so."""
    if any(run.synthetic for run in runs):
        return "synthetic images say nothing about HAM10000"
    for run in runs:
        data = run.info["data"]
        whole_test = run.fold is not None or data["n_test"] == published.N_TEST
        if data["images"] != published.N_IMAGES or not whole_test:
            return f"a rehearsal on {data['images']} photographs, {data['n_test']} of them for testing"
        if not _HAM10000.fullmatch(data["name"]):  # as many photographs, but others, or under other labels
            return f"not HAM10000: {data['name']}"
    if any(run.settings != runs[0].settings for run in runs):
        return "the runs were made under different settings"
    return None


def obstacle(*arms: list[Run]) -> str | None:
    """Why no verdict about modules or backbones can rest on these arms, if so; the first is the paper's own."""
    runs = sum(arms, [])
    if unfit := data_obstacle(runs):
        return unfit
    settings = runs[0].info["settings"]
    if parse_arm(runs[0].arm).backbone != PAPER_BACKBONE or settings["train"] != "end_to_end":
        return f"not {BACKBONES[PAPER_BACKBONE].title} trained end to end"
    if len(set.intersection(*({run.seed for run in arm} for arm in arms))) < MIN_SEEDS:  # those are compared
        return f"one seed an arm, where training noise needs {MIN_SEEDS} or more"
    if any(map(departures, runs)) and not all(map(_learnt, arms)):
        return "balanced accuracy is not above chance under these conditions"
    return None


def _learnt(runs):
    """Is balanced accuracy above that of a constant answer, beyond the interval?"""
    # A constant answer has exactly 1/7 in every resample, to rounding.
    return bootstrap.interval(runs, "balanced_accuracy")[1] > 1 / len(CLASSES) + 1e-6


def nearness(runs: list[Run]) -> tuple:
    """Sorts runs by how near their conditions are to the paper's, the nearest first; what is not real leads."""
    settings = runs[0].info["settings"]
    return (
        data_obstacle(runs) is None,
        parse_arm(runs[0].arm).backbone != PAPER_BACKBONE,
        settings["train"] != "end_to_end",
        settings["weights"] != "imagenet",
        len(departures(runs[0])),
    )


# What ``strength`` sorts by, for readers.
ORDER = "the strongest evidence on modules first: by test images, training end to end, ImageNet weights and seeds"


def strength(runs: list[Run]) -> tuple:
    """Sorts conditions by how much they can say about modules, the strongest first.

    Those that hold modules; then by test images, training end to end, ImageNet weights, seeds, and how near they are to
    the paper's.
    """
    settings, modules = runs[0].info["settings"], [parse_arm(run.arm).module for run in runs]
    return (
        not any(module.below for module in modules),
        -n_images(runs),
        settings["train"] != "end_to_end",
        _random(runs),
        -n_seeds(runs),
        nearness(runs),
    )


def is_own(profile: str) -> bool:
    """Whether a profile is a reader's own: the repository carries no runs of it."""
    return not any((paths.REFERENCE_DIR / profile / "runs").glob("*/run.json"))


def at_hand(evidence) -> dict[str, list[Run]]:
    """The runs of every condition by profile: a reader's own profile first, then the strongest first.

    Only a reader's own (``is_own``) may be synthetic.
    """
    by_profile = dict(evidence.conditions)
    if evidence.runs:
        by_profile.setdefault(evidence.profile, evidence.runs)
    own = evidence.profile if is_own(evidence.profile) else None
    order = sorted(by_profile, key=lambda profile: (profile != own, *strength(by_profile[profile])))
    return {profile: by_profile[profile] for profile in order}


def title(runs: list[Run]) -> str:
    """The conditions of a few arms as the head of a column: ``MobileNetV2, frozen, 160 px; n = 1,103; 5 seeds``.

    Arms may have unlike numbers of seeds: then the fewest and the most.
    """
    folds = n_folds(runs)
    images = f"n = {n_images(runs):,}" + f" in {folds} folds" * (folds > 1)
    return "; ".join([_set_up(runs), images, seeds(runs)])


def _set_up(runs, backbone="{}"):
    settings, backbones = runs[0].info["settings"], {parse_arm(run.arm).backbone for run in runs}
    parts = ["SYNTHETIC"] if runs[0].synthetic else []
    parts += [backbone.format(BACKBONES[name].title) for name in backbones if len(backbones) == 1 and backbone]
    parts += ["frozen" if settings["train"] == "frozen" else "end to end", f"{settings['image_size']} px"]
    return ", ".join(parts + ["from random weights"] * _random(runs))


def _random(runs):
    """Whether most of them start from random weights."""
    return sum(run.info["settings"]["weights"] == "none" for run in runs) > len(runs) / 2


def seeds(runs: list[Run]) -> str:
    """How many seeds each arm has, in words; not counting probes, which know no chance."""
    networks = [run for run in runs if parse_arm(run.arm).is_network] or runs
    numbers = [n_seeds(arm) for arm in by_arm(networks).values()]
    return seed_range(min(numbers), max(numbers))


def seed_range(low: int, high: int) -> str:
    """``5 seeds``, ``one seed`` or, where arms differ, ``1 to 2 seeds``."""
    return "one seed" if high == 1 else f"{high} seeds" if low == high else f"{low} to {high} seeds"


def name(runs: list[Run], profile: str, backbone: bool = True) -> str:
    """The conditions of an arm in a few words: ``on MobileNetV2, frozen, 160 px (`frozen`, n = 1,103, 5 seeds)``."""
    return f"{_set_up(runs, 'on {}' if backbone else '')} (`{profile}`, n = {n_images(runs):,}, {seeds(runs)})"
