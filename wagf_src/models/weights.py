"""ImageNet weights: a local file or Keras's own download."""

import re

import keras

from wagf_src import atomic
from wagf_src.errors import UserError
from wagf_src.paths import weights_dir

BUILDERS = {
    "densenet121": keras.applications.DenseNet121,
    "resnet50": keras.applications.ResNet50,
    "mobilenetv2": keras.applications.MobileNetV2,
}


def _local_weights(backbone):
    """The weights file in $WAGF_WEIGHTS_DIR, or None. Both Keras's own file names and plain ones are recognised."""
    folder = weights_dir()
    if folder is None or not folder.is_dir():
        return None
    # densenet121_weights_..._notop.h5, mobilenet_v2_..._no_top.h5, mobilenetv2_imagenet_notop.h5; not resnet50v2
    pattern = re.compile(rf"{backbone}(?!v\d).*notop\.h5")
    found = [f for f in sorted(folder.iterdir()) if pattern.fullmatch(re.sub(r"[_-]", "", f.name.lower()))]
    if len(found) > 1:
        raise UserError(
            f"WAGF_WEIGHTS_DIR holds several weights for {backbone} ({', '.join(f.name for f in found)}); keep one"
        )
    return found[0] if found else None


def load_imagenet(network, backbone):
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
        source = BUILDERS[backbone](include_top=False, weights="imagenet", input_shape=network.input_shape[1:])
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise UserError(
            f"no ImageNet weights for {backbone}: Keras could not download them ({_one_line(error)}); put a file named "
            f"{backbone}_imagenet_notop.h5 in a folder and set WAGF_WEIGHTS_DIR to it (make WEIGHTS=folder), or choose "
            "weights: none in the profile"
        ) from None
    network.set_weights(source.get_weights())


def _one_line(error, limit=160):
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def weights_name(backbone: str, weights: str) -> str:
    """Which weights a backbone would start from: "none", "keras" (its download), or "local-" and the file's digest."""
    if weights == "none":
        return "none"
    file = _local_weights(backbone)
    return "keras" if file is None else f"local-{atomic.file_digest(file)[:12]}"
