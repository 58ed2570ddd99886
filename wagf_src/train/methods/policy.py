"""Augmentation policies in training, on the device: the modified RandAugment of Yao et al. (arXiv:2102.01284) and one
in the style of Shen et al. (arXiv:2101.02353), which shares its operations.

They change the profile's virtual copies, each by draws of its own. Only the mixed-in image is the batch's.
"""

import math

import keras
from keras import ops

from wagf_src.errors import UserError
from wagf_src.models.classifier import Classifier, with_inputs
from wagf_src.train.methods.draws import Draws, maps_of
from wagf_src.train.methods.mwnl import MWNLClassifier
from wagf_src.train.methods.weighted import WeightedClassifier

FILL = (123.675, 116.28, 103.53)  # ImageNet's mean
GREY = (0.299, 0.587, 0.114)
SHORT_SIDE = 450.0  # pixels of a photograph of HAM10000; sizes in pixels are of it (our assumption)


# --- colour: pixels (B, S, S, 3), 0 to 255, and draws, to pixels ---


def _mixed(x, u):
    share = u(0, 0.2)
    return (1 - share) * x + share * ops.roll(x, 1, axis=0)


def _vignette(x, u):
    side = x.shape[1]
    at = ops.arange(side, dtype="float32") + 0.5
    dx = at[None, None, :, None] - side * u(0.4, 0.6)
    dy = at[None, :, None, None] - side * u(0.4, 0.6)
    start, end = side / 2 * u(0.3, 0.7), side / math.sqrt(2)
    beyond = ops.clip((ops.sqrt(dx**2 + dy**2) - start) / (end - start), 0, 1)
    return x * (1 - u(0, 0.6) * beyond**1.2)


def _noise(x, u):
    return x + 50 * u(0, 0.2) * u.normal(x.shape[1:])


def _blend(x, u, plain):
    return plain + u(0.6, 1.4) * (x - plain)


def _grey(x):
    return ops.sum(x * ops.convert_to_tensor(GREY), axis=-1, keepdims=True)


def _saturation(x, u):
    return _blend(x, u, _grey(x))


def _contrast(x, u):
    return _blend(x, u, ops.mean(_grey(x), axis=(1, 2), keepdims=True))


def _brightness(x, u):
    return _blend(x, u, 0.0)


def _sharpness(x, u):
    """Against the 3 x 3 mean whose middle weighs 5 of 13, as Pillow has it."""
    side = x.shape[1]
    padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    around = sum(padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3))
    return _blend(x, u, (around + 4 * x) / 13)


def _cast(x, u):
    """A shift on one channel; on each other with probability 1/3."""
    first = ops.floor(3 * u())
    channels = [
        ops.where((first == c) | (u() < 1 / 3), u(-30, 30), 0.0)  # each channel has draws of its own
        for c in range(3)
    ]
    return x + ops.concatenate(channels, axis=-1)


def _equalise(x, u):
    """Histogram equalisation of each channel of each image (``keras.layers.Equalization`` takes the batch's)."""
    batch, side, _, channels = ops.shape(x)
    levels = ops.cast(ops.clip(ops.round(x), 0, 255), "int32")
    planes = ops.reshape(ops.arange(batch * channels, dtype="int32"), (-1, 1, 1, channels))
    places = ops.reshape(256 * planes + levels, (-1,))
    counts = ops.segment_sum(ops.ones_like(places), places, num_segments=256 * batch * channels)
    below = ops.cast(ops.cumsum(ops.reshape(counts, (-1, 256)), axis=1), "float32")
    pixels = below[:, -1:]
    lowest = ops.min(ops.where(below > 0, below, pixels), axis=1, keepdims=True)
    table = ops.round(255 * ops.maximum(below - lowest, 0) / ops.maximum(pixels - lowest, 1))
    changed = ops.reshape(ops.take(ops.reshape(table, (-1,)), places), (-1, side, side, channels))
    flat = ops.reshape(pixels == lowest, (-1, 1, 1, channels))  # one level only
    return ops.where(flat, x, changed)


def _equalise_luma(x, u):
    """Equalisation of Y of YCbCr: the chroma, a shift of all channels by Y kept, stays."""
    luma = _grey(x)
    return x - luma + _equalise(luma, u)


def _posterise(x, u):
    step = 2 ** ops.round(u(0, 3))
    return ops.floor(x / step) * step


def _autocontrast(x, u):
    low, high = (f(x, axis=(1, 2, 3), keepdims=True) for f in (ops.min, ops.max))
    return ops.where(high > low, 255 * (x - low) / ops.maximum(high - low, 1e-3), x)


def _solarise(x, u):
    return ops.where(x >= u(128, 255), 255 - x, x)


COLOUR = {
    "mix": _mixed,
    "vignetting": _vignette,
    "noise": _noise,
    "saturation": _saturation,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "cast": _cast,
    "equalise": _equalise,
    "equalise_luma": _equalise_luma,
    "posterise": _posterise,
    "autocontrast": _autocontrast,
    "solarise": _solarise,
}


def change_colour(x, active: dict, u: Draws):
    """Each operation of ``active`` on the images for which it is true, (B, 1, 1, 1), in the order of ``COLOUR``."""
    for name in COLOUR:
        if name in active:
            x = ops.where(active[name], ops.clip(COLOUR[name](x, u), 0, 255), x)
    return x


# --- shape ---

SHAPE = ("rotate", "lens", "flip", "cutout", "shear_x", "shear_y", "scale", "scale_xy")


def change_shape(x, active: dict, u: Draws):
    """As :func:`change_colour`; an image's changes are one bilinear resampling, and outside the frame is ``FILL``."""
    side = x.shape[1]

    def drawn(name, value, neutral):
        return ops.where(active[name], value, neutral)[..., 0] if name in active else neutral

    at = (2 * ops.arange(side, dtype="float32") + 1 - side) / side  # -1 to 1 from edge to edge
    dx, dy = at[None, None, :], at[None, :, None]
    angle = drawn("rotate", u(-40, 40) * math.pi / 180, 0.0)
    dx, dy = ops.cos(angle) * dx - ops.sin(angle) * dy, ops.sin(angle) * dx + ops.cos(angle) * dy
    dx = dx + ops.tan(drawn("shear_x", u(-15, 15) * math.pi / 180, 0.0)) * dy
    dy = dy + ops.tan(drawn("shear_y", u(-15, 15) * math.pi / 180, 0.0)) * dx
    scale = drawn("scale", u(0.8, 1.2), 1.0)
    dx, dy = dx / (scale * drawn("scale_xy", u(0.8, 1.2), 1.0)), dy / (scale * drawn("scale_xy", u(0.8, 1.2), 1.0))
    which = ops.floor(3 * u())  # left and right, up and down, both
    dx = dx * drawn("flip", ops.where(which != 1, -1.0, 1.0), 1.0)
    dy = dy * drawn("flip", ops.where(which != 0, -1.0, 1.0), 1.0)
    if "lens" in active:  # Brown's model, on coordinates of -1 to 1 (our assumption)
        k1, k2 = (drawn("lens", 0.15 * u(-0.6, 0.6), 0.0) for _ in range(2))
        p1, p2 = (drawn("lens", 0.1 * u(-0.6, 0.6), 0.0) for _ in range(2))
        r2 = dx**2 + dy**2
        radial = 1 + k1 * r2 + k2 * r2**2
        dx, dy = (
            dx * radial + 2 * p1 * dx * dy + p2 * (r2 + 2 * dx**2),
            dy * radial + 2 * p2 * dx * dy + p1 * (r2 + 2 * dy**2),
        )
    x = _resampled(x, *((side * d + side - 1) / 2 for d in (dx, dy)))
    if "cutout" in active:
        half = drawn("cutout", u(0, 50) * side / SHORT_SIDE, 0.0)
        place = side * (at + 1) / 2
        hole = ops.abs(place[None, None, :] - side * u(0.2, 0.8)[..., 0]) < half
        hole = hole & (ops.abs(place[None, :, None] - side * u(0.2, 0.8)[..., 0]) < half)
        x = ops.where(hole[..., None], ops.convert_to_tensor(FILL), x)
    return x


def _resampled(x, columns, rows):
    """Bilinear values of images (B, S, S, 3) at (column, row) of each output pixel, (B, S, S) each."""
    batch, side = ops.shape(x)[0], x.shape[1]
    shape = (batch, side, side)
    columns, rows = ops.broadcast_to(columns, shape), ops.broadcast_to(rows, shape)
    slack = 1e-3  # of rounding, so that an unchanged image keeps its edge
    inside = (ops.minimum(columns, rows) > -slack) & (ops.maximum(columns, rows) < side - 1 + slack)
    columns, rows = ops.clip(columns, 0, side - 1), ops.clip(rows, 0, side - 1)
    left, top = ops.floor(columns), ops.floor(rows)
    right_share, low_share = (columns - left)[..., None], (rows - top)[..., None]
    first = ops.arange(batch, dtype="int32")[:, None, None] * side * side
    pixels = ops.reshape(x, (-1, 3))

    def at(column, row):
        column, row = ops.cast(ops.minimum(column, side - 1), "int32"), ops.cast(ops.minimum(row, side - 1), "int32")
        return ops.take(pixels, first + row * side + column, axis=0)

    upper = (1 - right_share) * at(left, top) + right_share * at(left + 1, top)
    lower = (1 - right_share) * at(left, top + 1) + right_share * at(left + 1, top + 1)
    changed = (1 - low_share) * upper + low_share * lower
    return ops.where(inside[..., None], changed, ops.convert_to_tensor(FILL))


# --- policies ---

NOT_SHENS = ("vignetting", "cast", "equalise_luma", "lens", "scale_xy")


def modified(u: Draws) -> tuple[dict, dict]:
    """One operation of each group, carried out with probability 0.7: which are active, colour and shape."""
    active = []
    for group in (COLOUR, SHAPE):
        chosen, carried_out = ops.floor(len(group) * u()), u() < 0.7
        active.append({name: (chosen == number) & carried_out for number, name in enumerate(group)})
    return active[0], active[1]


def shen(u: Draws) -> tuple[dict, dict]:
    """The operations that descriptions of Shen et al. name, each with probability 0.3; the search is left out."""
    active = ({name: u() < 0.3 for name in group if name not in NOT_SHENS} for group in (COLOUR, SHAPE))
    colour, shape = active
    return colour, shape


POLICIES = {"modified": modified, "shen": shen}


@keras.saving.register_keras_serializable(package="wagf")
class Policy(keras.layers.Layer):
    """[images (B, S, S, 3), maps (B, 8)] to images of the same size and range (0 to 255), float32.

    Args:
        policy: "modified" or "shen". Without ``training`` nothing is changed.
    """

    def __init__(self, policy, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if policy not in POLICIES:
            raise ValueError(f"Policy: must be one of {', '.join(POLICIES)} (here {policy!r})")
        self.policy = policy

    def call(self, inputs, training=False):
        images, maps = inputs
        if not training:
            return images
        u = Draws(maps)
        colour, shape = POLICIES[self.policy](u)
        return change_shape(change_colour(images, colour, u), shape, u)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "policy": self.policy}


def _changed(inputs, image, policy):
    maps = maps_of(inputs, "an augmentation policy changes")
    if image.shape[-1] != 3:
        raise UserError("an augmentation policy changes colours, and has no rule for a mask as fourth channel")
    return Policy(policy, name="policy")([image, maps])


def build_mwnl(model: Classifier, inputs, image) -> Classifier:
    """MWNL on images that the modified RandAugment has changed."""
    return MWNLClassifier(inputs, model(_changed(inputs, image, "modified")), name="mwnl_policy")


def build_shen(model: Classifier, inputs, image) -> Classifier:
    """Inverse-frequency weights on images that the policy in the style of Shen et al. has changed."""
    return WeightedClassifier(inputs, model(_changed(inputs, image, "shen")), name="shen")


def build_modified(model: Classifier, inputs, image) -> Classifier:
    """The profile's loss on images that the modified RandAugment has changed."""
    return with_inputs(model, inputs, _changed(inputs, image, "modified"))
