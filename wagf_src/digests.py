"""Whether a finished run is still the one that its inputs would give."""

import functools
import json
from collections.abc import Iterable
from pathlib import Path

from wagf_src import atomic, paths
from wagf_src.arms import BACKBONES, parse_arm, split_run
from wagf_src.code_digest import code_digest
from wagf_src.data import protocol
from wagf_src.models.weights import weights_name
from wagf_src.profile import Profile, resolve
from wagf_src.runs import Run

# What makes numbers out of data, split and settings. Those are judged by what they are, and so is what the arm's name
# means: another entry of the registry or another metric leaves finished runs valid.
TRAINING_CODE = (
    "data/augmentation",
    "layers",
    "models/backbones",
    "models/classifier",
    "models/device",
    "models/weights",
    "stats/metrics:batch_f1",
    "stats/metrics:_log_loss",
    "train/batches",
    "train/checkpoint",
    "train/first_step",
    "train/frozen_features",
    "train/optimizers",
    "train/trainer",
)


def inputs_digest(profile: Profile, run: str, data, shared: "SharedInputs | None" = None) -> str:
    """Digest of everything that a run's numbers depend on: settings, arm, seed, data, weights, split and code.

    Args:
        profile: as ``profile.resolve`` gives it for the run.
        run: ``<arm>[-fold<f>]-seed<k>``.
        data: a ``dataset.Dataset``.
        shared: what the profile's other runs were asked with.
    """
    shared = shared or SharedInputs(profile, data)
    name, fold, seed = split_run(run)
    arm = parse_arm(name)
    start = shared.weights(arm.backbone, profile.weights)
    code = shared.code((*arm.code, *([] if arm.is_network else ["train/split_experiment"])))
    images = [data.name, data.metadata_digest, data.image_digest]
    if further := shared.further(BACKBONES[arm.backbone].channels):
        images.append(further)
    means = [name, *map(str, arm.network_key)]
    return atomic.digest([profile.settings(), means, fold, seed, images, shared.split(fold), start, code])


class SharedInputs:
    """What runs of a profile have in common, each worked out once: an arm's own weights and rate change no split."""

    def __init__(self, profile: Profile, data):
        self.weights = functools.cache(weights_name)
        self.further = functools.cache(data.further_digest)
        self.split = functools.cache(lambda fold: _split_digest(protocol.split(data.metadata, profile, fold)))
        self.code = functools.cache(lambda further: code_digest((*TRAINING_CODE, *further)))


def _split_digest(files: protocol.Split) -> str:
    return atomic.digest([files.train.to_numpy().tolist(), files.validation.to_numpy().tolist(), files.test.tolist()])


def stale_runs(profile: Profile, data, runs: Iterable[str] | None = None) -> list[str]:
    """Names of the runs (of these; None: of the profile's) that are missing or whose inputs have changed."""
    shared, stale = SharedInputs(profile, data), []
    for run in profile.runs() if runs is None else runs:
        folder = paths.RESULTS_DIR / profile.name / "runs" / run
        finished = (folder / "run.json").is_file() and Run(folder).info["inputs_digest"]
        if not finished or finished != inputs_digest(resolve(profile, run), run, data, shared):
            stale.append(run)
    return stale


def notebook_digest(path: Path) -> str:
    """Digest of a notebook's cells and their metadata, without outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kept = [(c["cell_type"], "".join(c["source"]), c.get("metadata", {})) for c in cells]
    return atomic.digest(kept)
