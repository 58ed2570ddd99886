"""ImageNet weights: a local file or Keras's own download."""

import re

from wagf_src import atomic
from wagf_src.errors import UserError
from wagf_src.paths import weights_dir


def _local_weights(backbone):
    """The weights file in $WAGF_WEIGHTS_DIR, or None. Both Keras's own file names and plain ones are recognised."""
    folder = weights_dir()
    if folder is None or not folder.is_dir():
        return None
    # densenet121_weights_..._notop.h5, mobilenet_v2_..._no_top.h5, efficientnetv2-b0_notop.h5; not resnet50v2
    pattern = re.compile(rf"{backbone}(?!v\d).*notop\.h5")
    files = [f for f in sorted(folder.iterdir()) if pattern.fullmatch(re.sub(r"[_-]", "", f.name.lower()))]
    if len(files) > 1:
        raise UserError(
            f"WAGF_WEIGHTS_DIR holds several weights for {backbone} ({', '.join(f.name for f in files)}); keep one"
        )
    return files[0] if files else None


def load_imagenet(network, backbone: str, download) -> None:
    """Set a network's ImageNet weights, from $WAGF_WEIGHTS_DIR where that holds them.

    Args:
        network: the backbone without top.
        backbone: its name in ``arms.BACKBONES``.
        download: builds the same network with the weights that Keras downloads.

    Raises:
        UserError: if the weights cannot be found or read.
    """
    file = _local_weights(backbone)
    if file is not None:
        try:
            network.load_weights(file)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{file.name} in WAGF_WEIGHTS_DIR cannot be read as {backbone} weights without top "
                f"({_one_line(error)}); replace the file, or unset WAGF_WEIGHTS_DIR to let Keras download"
            ) from None
        return
    try:
        network.set_weights(download().get_weights())
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise UserError(
            f"no ImageNet weights for {backbone}: Keras could not download them ({_one_line(error)}); put a file named "
            f"{backbone}_imagenet_notop.h5 in a folder and set WAGF_WEIGHTS_DIR to it (make WEIGHTS=folder), or choose "
            "weights: none in the profile"
        ) from None


def _one_line(error, limit=160):
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def weights_name(backbone: str, weights: str) -> str:
    """Which weights a backbone would start from: "none", "keras" (its download), or "local-" and the file's digest."""
    if weights == "none":
        return "none"
    file = _local_weights(backbone)
    return "keras" if file is None else f"local-{atomic.file_digest(file)[:12]}"
