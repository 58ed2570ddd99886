"""The images that cases are measured on, and the two ways of handing them over: ours and the released loaders'."""

import numpy as np
import pandas as pd

from wagf_src.data import augmentation, dataset, ham10000
from wagf_src.errors import UserError
from wagf_src.paths import data_dir
from wagf_src.profile import Profile

FEW = {"max_images_per_class": 24}  # for what does not depend on how many there are


def profile(case: dict, **changes) -> Profile:
    """The profile that a case's network and images are of: HAM10000 where it is, else (and if quick) synthetic."""
    settings = {"name": "bench", "description": "", "weights": "none", "learning_rate": 0.001}
    settings |= {"image_size": case["pixels"], "arms": (case.get("arm", "mobilenetv2-base"),)}
    settings |= {name: case[key] for name, key in (("batch_size", "batch"), ("precision", "precision")) if key in case}
    synthetic = case["quick"] or not _have_real()
    data = {"data": "synthetic", "synthetic_lesions": 140} if synthetic else {"data": "ham10000"}
    return Profile(**settings | data | changes)


def _have_real() -> bool:
    try:
        ham10000.find_metadata(data_dir())
    except UserError:
        return False
    return True


def feed(rows: np.ndarray, copies: np.ndarray, profile: Profile) -> dict:
    """Inputs of a network as training gives them."""
    return {"number": np.asarray(rows, np.int32), "map": augmentation.affine_parameters(rows, copies, 0, profile)}


def files(data: dataset.Dataset):
    return ham10000.find_images(data.folder, data.metadata["image_id"])


def generator(files, classes, profile: Profile, settings: dict, **flow):
    """Keras's image generator, which the released notebooks use and which Keras keeps for old code, over files.

    It decodes by Pillow, nearest neighbour. Imported here, since other cases are measured without TensorFlow.
    """
    from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(**settings).flow_from_dataframe(
        pd.DataFrame({"file": [str(file) for file in files], "class": classes}),
        x_col="file",
        y_col="class",
        target_size=(profile.image_size, profile.image_size),
        validate_filenames=False,
        **flow,
    )


def released_loader(files, labels: np.ndarray, profile: Profile, images: int):
    """The released loaders over ``images`` files, as many times each as it takes: values divided by 255."""
    taken = np.arange(images)
    return generator(
        [files[i % len(files)] for i in taken],
        labels[taken % len(labels)].astype(str),
        profile,
        {"rescale": 1 / 255},
        class_mode="sparse",
        batch_size=profile.batch_size,
        interpolation="nearest",
    )
