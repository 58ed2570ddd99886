"""What the attention maps put on the lesions (figure 3)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paper import conditions
from wagf_src.report import photographs
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.cells import cells
from wagf_src.runs import PROBABILITY_COLUMNS, Run, are_committed, by_arm, by_seed, provenance_line
from wagf_src.stats import attention

KINDS = ("safa", "safa, stretched", "soft_attention")  # of maps, as ``attention_maps`` names them
MEAN_GRID = 20  # cells a side of the mean lesion that is shown
SIGMAS = np.linspace(0.08, 0.6, 105)  # widths of the centred Gaussians, as shares of the side


@dataclass(frozen=True)
class Maps:
    """Runs with attention maps by arm; their maps, test images, and lesion masks (None without the data).

    Without a SaFA map among them, there are no runs: the paper's claim is about SaFA.
    """

    arms: dict[str, list[Run]]
    arrays: dict[str, dict[str, np.ndarray]]  # by run's name
    ids: np.ndarray
    dx: np.ndarray
    masks: np.ndarray | None
    provenance: str

    @cached_property
    def shown(self) -> dict[str, dict[str, np.ndarray]]:
        """By arm, the maps of the first run: nearest to the proposed model first, then one in the released reading."""
        first = {name: self.arrays[runs[0].name] for name, runs in self.arms.items()}
        names = sorted((name for name in first if "safa" in first[name]), key=_distance)
        released = [name for name in names if parse_arm(name).reading == "released"]
        return {name: first[name] for name in dict.fromkeys(names[:1] + released[:1])}

    @cached_property
    def main(self) -> str | None:
        return next(iter(self.shown), None)


def _distance(name):
    arm = parse_arm(name)
    return arm.reading != "described", arm.fusion != "eq1", arm.branch != "haar", arm.backbone != "densenet121", name


def maps(evidence: Evidence) -> Maps:
    """The attention maps of the profile's runs; of folds, those of the first.

    Raises:
        UserError: the runs were tested on different images.
    """
    own = [run for run in evidence.runs if not run.fold]
    arrays = {run.name: run.attention() for run in own}
    runs = [run for run in own if arrays[run.name]]
    if not any("safa" in array for array in arrays.values()):
        return Maps({}, {}, np.array([]), np.array([]), None, provenance_line([]))
    images = [run.predictions()[["image_id", "dx"]] for run in runs]
    if not all(images[0].equals(other) for other in images):
        raise UserError(f"the runs of {evidence.profile} were tested on different images; use one test_seed")
    ids, dx = images[0].to_numpy().T
    masks, _ = photographs.lesion_masks(evidence.profile, runs[0], ids)
    return Maps(by_arm(runs), arrays, ids, dx, masks, provenance_line(runs))


def attention_maps(evidence: Evidence) -> pd.DataFrame:
    """Every map of every arm and condition against its controls.

    Columns: profile, condition, arm, map and those of ``attention.summary``. The maps of a run are compared with those
    of its own other test images, hence within a fold; the folds of a seed are then one set of images. Without masks the
    committed table stands in where the runs are the committed ones; empty where there is nothing.
    """
    at_hand = conditions.at_hand(evidence)
    if evidence.once(maps).arms and evidence.once(maps).masks is None:
        file = paths.REFERENCE_DIR / evidence.profile / "tables" / "attention_maps.csv"
        if are_committed(evidence.runs) and file.is_file():
            table = pd.read_csv(file)
            kept = [profile for profile, runs in at_hand.items() if are_committed(runs)]
            return table[table["profile"].isin(kept)].reset_index(drop=True)
    parts = []
    for profile, condition in at_hand.items():
        for arm, runs in by_arm(condition).items():
            seeds = [[shares(evidence, profile, run, _kinds(run)) for run in folds] for folds in by_seed(runs)]
            parts += summaries(seeds, {"profile": profile, "condition": conditions.title(runs), "arm": arm}, runs)
    columns = ["profile", "condition", "arm", "map", "class", "provenance"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _kinds(run):
    """A run's maps by kind, (n_test, h, w)."""
    arrays = run.attention()
    named = {kind: arrays[kind.split(",")[0]] for kind in KINDS if kind.split(",")[0] in arrays}
    return {kind: attention.stretched(stack) if "stretched" in kind else stack for kind, stack in named.items()}


def shares(evidence, profile, run, maps):
    """``attention.shares`` of maps by kind, none without masks, and the classes of the run's test images."""
    images = run.predictions()
    masks = _masks(evidence, profile, run, tuple(images["image_id"])) if maps else None
    by_kind = {} if masks is None else {kind: attention.shares(stack, masks) for kind, stack in maps.items()}
    return by_kind, images["dx"].to_numpy()


def summaries(seeds, about, runs):
    """``attention.summary`` of each kind that all have; ``seeds``: what ``shares`` gave, fold by fold for each seed."""
    parts = []
    for kind in [kind for kind in seeds[0][0][0] if all(kind in kinds for folds in seeds for kinds, _ in folds)]:
        per_seed = [pd.concat([kinds[kind] for kinds, _ in folds]) for folds in seeds]
        summary = attention.summary(per_seed, np.concatenate([dx for _, dx in seeds[0]]))
        for place, (name, value) in enumerate((about | {"map": kind}).items()):
            summary.insert(place, name, value)
        parts.append(summary.assign(provenance=provenance_line(runs)))
    return parts


def _masks(evidence, profile, run, ids):
    """The lesion masks of a test set or fold, read once: many runs share them."""
    read = evidence.once(_read_masks)
    if ids not in read:
        read[ids], _ = photographs.lesion_masks(profile, run, ids)
    return read[ids]


def _read_masks(evidence):
    return {}


def main_map(evidence: Evidence) -> pd.DataFrame:
    """The table ``attention``: the lines of SaFA's own map in the arm nearest to the proposed model."""
    table = evidence.table("attention_maps")
    own = table["profile"] == evidence.profile
    return table[own & (table["arm"] == evidence.once(maps).main) & (table["map"] == "safa")]


def examples(evidence: Evidence) -> pd.DataFrame:
    """One map of each class, cell by cell, of the image that the first arm is surest of (``attention.examples``).

    Columns: reading, class, image_id, predicted (class), row, column, value.
    """
    have, grids, chosen = evidence.once(maps), {}, None
    for arm, arrays in have.shown.items():
        p = have.arms[arm][0].predictions()[PROBABILITY_COLUMNS].to_numpy()
        chosen = chosen or attention.examples(have.dx, p)
        for name, image in zip(CLASSES, chosen):
            if image is not None:
                predicted = CLASSES[p[image].argmax()]
                grids[parse_arm(arm).reading, name, have.ids[image], predicted] = arrays["safa"][image]
    frame = cells(grids, "reading", "class", "image_id", "predicted")
    return frame.assign(provenance=have.provenance)


def means(evidence: Evidence) -> pd.DataFrame:
    """Means over all test images, relative to an even map: map, row, column, value; lesions if there are masks."""
    have, grids = evidence.once(maps), {}
    if have.masks is not None:
        grids["lesions"] = attention.coverage(have.masks, MEAN_GRID, MEAN_GRID).mean(axis=0)
    grids |= {f"SaFA as {parse_arm(arm).reading}": _mean(arrays["safa"]) for arm, arrays in have.shown.items()}
    if have.main:
        first = have.shown[have.main]
        grids |= {"soft attention": _mean(first["soft_attention"])} if "soft_attention" in first else {}
        grids["the Gaussian control"] = attention.gaussian(*first["safa"].shape[1:])
    relative = {name: grid / grid.mean() for name, grid in grids.items()}
    return cells(relative, "map").assign(provenance=have.provenance)


def _mean(stack):
    return attention.normalised(stack).mean(axis=0)


def widths(evidence: Evidence) -> pd.DataFrame:
    """Mean share inside the lesions of centred Gaussians on the grid of the first SaFA map: sigma, share_inside."""
    have, lines = evidence.once(maps), []
    if have.masks is not None:
        grid = have.shown[have.main]["safa"].shape[1:]
        lesion = attention.coverage(have.masks, *grid).mean(axis=0)
        lines = [(sigma, (attention.gaussian(*grid, sigma) * lesion).sum()) for sigma in SIGMAS]
    return pd.DataFrame(lines, columns=["sigma", "share_inside"]).assign(provenance=have.provenance)


def equivalents(evidence: Evidence) -> pd.DataFrame:
    """The width of the Gaussian that puts as much on the lesions as a map of the first arm does.

    Columns: map; share_inside; sigma, at an end of ``SIGMAS`` where the width lies beyond, NaN for a map that puts less
    there than an even one; common, the part of SaFA's pattern that every image shares (mean over seeds).
    """
    have, curve, table, lines = evidence.once(maps), *map(evidence.table, ("attention_widths", "attention_maps")), []
    if len(curve):
        common = np.mean([attention.common_part(have.arrays[run.name]["safa"]) for run in have.arms[have.main]])
        own = (table["profile"] == evidence.profile) & (table["arm"] == have.main)
        for _, line in table[own & (table["class"] == "all")].iterrows():
            sigma = np.interp(-line["share_inside"], -curve["share_inside"], curve["sigma"])
            less = line["share_inside"] < line["area_share"]
            lines.append((line["map"], line["share_inside"], np.nan if less else sigma, common))
    frame = pd.DataFrame(lines, columns=["map", "share_inside", "sigma", "common"])
    return frame.assign(provenance=have.provenance)
