"""Features of a frozen backbone, computed once and kept."""

import numpy as np

from wagf_src import array_cache, atomic
from wagf_src.arms import parse_arm
from wagf_src.code_digest import code_digest
from wagf_src.data.dataset import Dataset
from wagf_src.models.backbones import build_backbone
from wagf_src.models.weights import weights_name
from wagf_src.profile import Profile

_CHUNK = 2048


def frozen_features(profile: Profile, data: Dataset) -> np.ndarray:
    """Feature maps of all images from the frozen backbone, computed once and kept: (n, H, W, C) float16.

    With ``augmentation: dihedral``, (8 n, H, W, C): view v of image i (``augmentation.dihedral_parameters``) is at
    v n + i.
    """
    backbone = parse_arm(profile.arms[0]).backbone
    weights = weights_name(backbone, profile.weights)
    views = 8 if profile.augmentation == "dihedral" else 1
    code = code_digest(("models/backbones", "models/weights", "layers/fused_batch_normalization"))
    parts = [backbone, profile.image_size, profile.preprocessing, data.image_digest, weights, views, code]
    n = len(data.images)

    def computed(_):
        model = build_backbone(backbone, profile.image_size, profile.weights, profile.preprocessing)
        for view in range(views):
            for start in range(0, n, _CHUNK):
                images = data.images[start : start + _CHUNK]
                images = np.rot90(images[:, :, ::-1] if view >= 4 else images, view % 4, axes=(1, 2))
                yield model.predict(images.astype(np.float32), batch_size=64, verbose=0)
            print(f"frozen features: {n} images{f', view {view + 1} of {views}' if views > 1 else ''}", flush=True)

    name = f"features-{backbone}-{profile.image_size}-{views}-{atomic.digest(parts)[:16]}"
    return array_cache.cached(name, views * n, np.float16, computed)[0]
