"""Virtual copies: a copy is an image's number plus the parameters of one affine map; pixels move on the device.

The ranges (rotation up to 180 degrees, shifts and zoom of 0.1, both flips, nearest fill) are those of the community
kernels that the released code follows; the authors did not publish theirs.
"""

import numpy as np

from wagf_src.profile import Profile

IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)


def affine_parameters(rows: np.ndarray, copies: np.ndarray, seed: int, profile: Profile) -> np.ndarray:
    """Affine maps of virtual copies.

    Args:
        rows: (n,) image numbers. copies: (n,) copy numbers; copy 0 is the photograph itself (identity).
        seed: of the whole set of copies.

    Returns:
        (n, 8) float32: a0 a1 a2 b0 b1 b2 c0 c1, which map an output pixel (x, y) to the input pixel
        (a0 x + a1 y + a2, b0 x + b1 y + b2), as ``keras.ops.image.affine_transform`` takes them.

    The map of a copy depends on (seed, row, copy) alone, so it is the same in any order and on any machine. It is
    drawn from a counter-based hash (SplitMix64), because one NumPy generator per copy would be slow.
    """
    rows, copies = np.asarray(rows, np.uint64), np.asarray(copies, np.uint64)
    with np.errstate(over="ignore"):
        key = _mix(_mix(_mix(np.uint64(seed) + np.zeros_like(rows)) + rows) + copies)
        draws = np.stack([_mix(key + np.uint64(k)) for k in range(1, 8)])
    uniform = (draws >> np.uint64(11)).astype(np.float64) / 2.0**53  # (7, n) in [0, 1)

    angle = np.deg2rad(profile.rotation_degrees) * (2 * uniform[0] - 1)
    shift_x, shift_y = profile.shift * profile.image_size * (2 * uniform[1:3] - 1)
    zoom_x, zoom_y = 1 + profile.zoom * (2 * uniform[3:5] - 1)
    flip_x, flip_y = np.where(profile.flip & (uniform[5:7] < 0.5), -1.0, 1.0)

    # Linear part: rotate, zoom, flip about the centre; then the shift.
    cos, sin = np.cos(angle), np.sin(angle)
    a0, a1 = cos * zoom_x * flip_x, -sin * zoom_y * flip_y
    b0, b1 = sin * zoom_x * flip_x, cos * zoom_y * flip_y
    centre = (profile.image_size - 1) / 2
    a2 = centre - (a0 + a1) * centre + shift_x
    b2 = centre - (b0 + b1) * centre + shift_y
    maps = np.stack([a0, a1, a2, b0, b1, b2, np.zeros_like(a0), np.zeros_like(a0)], axis=1)
    maps[copies == 0] = IDENTITY
    # Rounded, so that the last digit of a machine's sine cannot matter.
    return np.round(maps, 5).astype(np.float32)


def dihedral_parameters(views: np.ndarray, size: int) -> np.ndarray:
    """Affine maps of the eight flips and quarter turns of a square, as in :func:`affine_parameters`; view 0 is the
    image.

    They move whole pixels, so nothing is interpolated: view v of an image equals
    ``np.rot90(image[:, ::-1] if v >= 4 else image, v % 4)``.

    Args:
        views: (n,) numbers 0 to 7. size: side in pixels.

    Returns:
        (n, 8) float32.
    """
    last = size - 1
    turns = np.array(
        [
            [1, 0, 0, 0, 1, 0, 0, 0],
            [0, -1, last, 1, 0, 0, 0, 0],
            [-1, 0, last, 0, -1, last, 0, 0],
            [0, 1, 0, -1, 0, last, 0, 0],
        ],
        np.float32,
    )
    mirrored = turns.copy()
    mirrored[:, :3] = [0, 0, last] - turns[:, :3]  # the turned image is read from right to left
    return np.concatenate([turns, mirrored])[np.asarray(views)]


def _mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64's step and finaliser on uint64 (Steele, Lea, Flood, OOPSLA 2014)."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
