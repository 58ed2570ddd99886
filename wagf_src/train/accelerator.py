"""Whether the accelerator that make was asked for is there."""

import os

import keras

from wagf_src.errors import UserError


def check_device() -> None:
    """Compare what computes here with make's DEVICE (``WAGF_DEVICE``).

    Raises:
        UserError: a GPU was asked for and none is visible; a CPU would take weeks for what was meant for one.
    """
    wanted = os.environ.get("WAGF_DEVICE", "cpu")
    if wanted != "cpu" and keras.distribution.list_devices()[0].startswith("cpu"):
        raise UserError(
            f"DEVICE={wanted}, but {keras.backend.backend()} sees no GPU here; `nvidia-smi` must list one and "
            "CUDA_VISIBLE_DEVICES must not hide it (book/gpu.md), or leave DEVICE out to train on the CPU"
        )
