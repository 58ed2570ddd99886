"""Grad-CAM of a profile's runs on their test images, kept beside the runs: ``results/<profile>/gradcam/<run>.npz``."""

import io
from pathlib import Path

import numpy as np

from wagf_src import atomic, lock, paths
from wagf_src.arms import BACKBONES, parse_arm
from wagf_src.code_digest import code_digest
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.models.gradcam import grad_cam, split_off_head
from wagf_src.models.kept import check_start, read_network
from wagf_src.profile import Profile
from wagf_src.runs import Run
from wagf_src.train.frozen_features import frozen_features
from wagf_src.use.kept import runs_with_weights

_BATCH = 64
# What makes maps out of images and weights.
_CODE = ("layers", "models/backbones", "models/classifier", "models/gradcam", "models/kept", "train/frozen_features")


def main(profile: Profile) -> None:
    """Maps of the plain backbones and of the arms with a SaFA map, for those of their runs that kept their weights.

    Each file has ``grad_cam`` (n_test, H, W) float16, each map scaled to a largest value of 1, in the row order of the
    predictions; ``weights``, the digest of the weights; and ``made_by``, that of what else the maps depend on. One that
    is there and would be the same again stays.

    Raises:
        UserError: there are no such runs, or the images are not at hand.
    """
    runs = [run for run in runs_with_weights(profile.name) if wanted(run.arm)]
    if not runs:
        raise UserError(
            f"results/{profile.name}/runs: no run of a plain backbone or with SaFA has its weights; train one by "
            f"`make reproduce PROFILE={profile.name}`"
        )
    loaded, code = {}, code_digest((*_CODE, "use/gradcam"))
    with lock.held(profile.name, "gradcam"):  # two would compute the same maps
        for run in runs:
            target = paths.RESULTS_DIR / profile.name / "gradcam" / f"{run.name}.npz"
            marks = {"weights": run.weights_digest, "made_by": atomic.digest([run.info["inputs_digest"], code])}
            if _marks_of(target) == marks:
                continue
            made = run.made_with
            images = made.data, made.synthetic_lesions, made.max_images_per_class, made.image_size, made.resize
            if images not in loaded:  # the runs of a profile have them in common, unless it was changed in between
                loaded[images] = dataset.load(made)
            maps = of_run(run, loaded[images])
            largest, content = maps.max(axis=(1, 2), keepdims=True), io.BytesIO()
            scaled = np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)
            np.savez_compressed(content, grad_cam=scaled.astype(np.float16), **marks)
            atomic.write_bytes(target, content.getvalue())
            print(f"  Grad-CAM of {run.name}, {len(maps):,} images", flush=True)


def _marks_of(file: Path) -> dict[str, str] | None:
    """What a file of maps was made of; None if it is not there, damaged or does not say: it is made again."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: str(arrays[name]) for name in ("weights", "made_by")}
    except atomic.DAMAGED:
        return None


def wanted(arm: str) -> bool:
    arm = parse_arm(arm)
    return arm.modules == "base" or any(part.startswith("safa:") for part in arm.module.parts)


def of_run(run: Run, data: dataset.Dataset) -> np.ndarray:
    """Grad-CAM of the predicted class of each test image as it is (no views): (n_test, H, W).

    Args:
        data: of the settings that the run was made with.

    Raises:
        UserError: they are others than the run's, or so are the ImageNet weights that a frozen backbone stands on.
    """
    made = run.made_with
    rows = protocol.split(data.metadata, made, run.fold).test
    tested = protocol.id_digest(data.metadata["image_id"].to_numpy()[rows])
    known, arm = run.info["data"], parse_arm(run.arm)
    at_hand = {"test_id_digest": tested, "image_digest": data.image_digest}
    at_hand["mask_digest"] = data.further_digest(BACKBONES[arm.backbone].channels)
    if any(known.get(name) != digest for name, digest in at_hand.items()):
        raise UserError(f"{run.name}: was tested on other images than those at hand; give them by DATA=")
    network = read_network(run)
    if made.train == "frozen":
        check_start(run)
        return grad_cam(network, frozen_features(made, data)[rows])
    backbone, head = split_off_head(network, arm)
    images = data.channels(backbone.input_shape[-1])[rows].astype(np.float32)
    return grad_cam(head, backbone.predict(images, batch_size=_BATCH, verbose=0))
