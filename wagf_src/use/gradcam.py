"""Grad-CAM of a profile's runs on their test images, kept beside the runs: ``results/<profile>/gradcam/<run>.npz``."""

from pathlib import Path

import numpy as np

from wagf_src import atomic, paths
from wagf_src.arms import parse_arm
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.models.gradcam import grad_cam, split_off_head
from wagf_src.models.kept import read_network
from wagf_src.profile import Profile, resolve
from wagf_src.runs import Run
from wagf_src.train.frozen_features import frozen_features
from wagf_src.use.kept import runs_with_weights

_BATCH = 64


def main(profile: Profile) -> None:
    """Maps of the plain backbones and of the arms with a SaFA map, for those of their runs that kept their weights.

    Each file has ``grad_cam`` (n_test, H, W) float16, each map scaled to a largest value of 1, in the row order of the
    predictions, and ``weights``, the digest of the weights; one that is there and of these weights stays.

    Raises:
        UserError: there are no such runs, or the images are not at hand.
    """
    runs = [run for run in runs_with_weights(profile.name) if wanted(run.arm)]
    if not runs:
        raise UserError(
            f"results/{profile.name}/runs: no run of a plain backbone or with SaFA has its weights; train one by "
            f"`make reproduce PROFILE={profile.name}`"
        )
    data = dataset.load(profile)
    for run in runs:
        target = paths.RESULTS_DIR / profile.name / "gradcam" / f"{run.name}.npz"
        digest = atomic.file_digest(run.weights_file)
        if _weights_of(target) == digest:
            continue
        maps = of_run(profile, run, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        largest = maps.max(axis=(1, 2), keepdims=True)
        scaled = np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)
        aside = target.with_name(f".{target.name}")
        np.savez_compressed(aside, grad_cam=scaled.astype(np.float16), weights=np.array(digest))
        aside.replace(target)
        print(f"  Grad-CAM of {run.name}, {len(maps):,} images", flush=True)


def _weights_of(file: Path) -> str | None:
    """The digest of the weights that a file of maps is of; None if it is not there or damaged: it is made again."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return str(arrays["weights"])
    except atomic.DAMAGED:
        return None


def wanted(arm: str) -> bool:
    arm = parse_arm(arm)
    return arm.modules == "base" or any(part.startswith("safa:") for part in arm.module.parts)


def of_run(profile: Profile, run: Run, data: dataset.Dataset) -> np.ndarray:
    """Grad-CAM of the predicted class of each test image as it is (no views): (n_test, H, W)."""
    resolved = resolve(profile, run.name)
    rows = protocol.split(data.metadata, resolved, run.fold).test
    if protocol.id_digest(data.metadata["image_id"].to_numpy()[rows]) != run.info["data"]["test_id_digest"]:
        raise UserError(f"{run.name}: was tested on other images than those at hand; give them by DATA=")
    network = read_network(run)
    arm = parse_arm(run.arm)
    if resolved.train == "frozen":
        return grad_cam(network, frozen_features(resolved, data)[rows])
    backbone, head = split_off_head(network, arm)
    images = data.channels(backbone.input_shape[-1])[rows].astype(np.float32)
    return grad_cam(head, backbone.predict(images, batch_size=_BATCH, verbose=0))
