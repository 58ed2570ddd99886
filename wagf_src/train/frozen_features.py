"""Features of a frozen backbone, computed once and kept."""

import os

import numpy as np

from wagf_src.arms import parse_arm
from wagf_src.data import dataset
from wagf_src.models.backbones import build_backbone
from wagf_src.models.weights import weights_name
from wagf_src.paths import cache_dir
from wagf_src.profile import Profile


def frozen_features(profile: Profile, data: dataset.Dataset) -> np.ndarray:
    """Feature maps of all images from the frozen backbone, computed once and kept: (n, H, W, C) float16.

    With ``augmentation: dihedral``, (8 n, H, W, C): view v of image i (``augmentation.dihedral_parameters``) at v n + i.
    """
    backbone = parse_arm(profile.arms[0]).backbone
    weights = weights_name(backbone, profile.weights)
    views = 8 if profile.augmentation == "dihedral" else 1
    key = f"{backbone}-{profile.image_size}-{profile.preprocessing}-{data.image_digest[:12]}-{weights}-{views}"
    file = cache_dir() / f"features-{key}.npy"
    if not file.is_file():
        model = build_backbone(backbone, profile.image_size, profile.weights, profile.preprocessing)
        n = len(data.images)
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f"{file.stem}.{os.getpid()}.tmp.npy")
        store = np.lib.format.open_memmap(aside, "w+", np.float16, (views * n, *model.output_shape[1:]))
        for view in range(views):
            for start in range(0, n, 2048):
                images = data.images[start : start + 2048]
                images = np.rot90(images[:, :, ::-1] if view >= 4 else images, view % 4, axes=(1, 2))
                part = model.predict(images.astype(np.float32), batch_size=64, verbose=0)
                store[view * n + start : view * n + start + len(part)] = part
            print(f"frozen features: {n} images{f', view {view + 1} of {views}' if views > 1 else ''}", flush=True)
        store.flush()
        os.replace(aside, file)
    return np.load(file, mmap_mode="r")
