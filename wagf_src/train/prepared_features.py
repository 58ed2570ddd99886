"""All frozen features that some runs need, before the first of them begins."""

from collections.abc import Iterable

import keras

from wagf_src.data.dataset import Dataset
from wagf_src.profile import Profile, resolve
from wagf_src.train.frozen_features import frozen_features


def prepare_features(profile: Profile, data: Dataset, runs: Iterable[str]) -> None:
    """Compute and keep what is not there yet; a profile that trains its backbone needs nothing.

    Inside a run, building the backbone would draw from the run's own random numbers, and its head would start elsewhere
    than with features that are there already. A random backbone is drawn from seed 0, so that features deleted from the
    cache come out again.

    Args:
        profile: see ``profile.load_profile``. runs: names of runs of the profile.
    """
    if profile.train != "frozen":
        return
    for resolved in {settings.weights: settings for settings in (resolve(profile, run) for run in runs)}.values():
        keras.utils.set_random_seed(0)
        frozen_features(resolved, data)
