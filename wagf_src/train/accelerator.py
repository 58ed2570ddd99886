"""Whether the accelerator that make was asked for is there."""

import os

from wagf_src.errors import UserError
from wagf_src.start_message import import_keras


def check_device() -> None:
    """Compare what computes here with make's DEVICE (``WAGF_DEVICE``).

    Raises:
        UserError: a GPU was asked for and none is visible; a CPU would take weeks for what was meant for one.
    """
    wanted = os.environ.get("WAGF_DEVICE", "cpu")
    if wanted == "cpu":
        return  # without Keras: what has nothing to train asks, too
    import_keras()
    import keras

    if keras.distribution.list_devices()[0].startswith("cpu"):
        raise UserError(
            f"DEVICE={wanted}, but {keras.backend.backend()} sees no GPU here; `nvidia-smi` must list one and "
            "CUDA_VISIBLE_DEVICES must not hide it (book/gpu.md), or leave DEVICE out to train on the CPU"
        )
