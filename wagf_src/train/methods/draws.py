"""Random numbers of a virtual copy, on the device, for methods that change or mix copies in training.

They follow from the numbers of the copy's affine map alone, so they do not depend on the batch, and a resumed run sees
the same images.
"""

import math

from keras import ops

from wagf_src.errors import UserError


def maps_of(inputs: dict, does: str):
    """The affine maps among a trainer's inputs; ``does`` is what needs them, for the error.

    Raises:
        UserError: the profile makes no virtual copies.
    """
    if "map" not in inputs:
        raise UserError(f"{does} virtual copies: set augmentation to online or offline")
    return inputs["map"]


class Draws:
    """Random numbers of each copy, one after the other, from the six numbers (five decimals) of its affine map.

    Args:
        maps: (B, 8), as ``augmentation.affine_parameters`` has them.
    """

    def __init__(self, maps):
        self.key, self.count = ops.zeros_like(ops.cast(maps[:, 0], "int32")), 0
        for number in range(6):
            self.key = _mix(self.key ^ ops.cast(ops.round(maps[:, number] * 1e5), "int32"))

    def next_key(self):
        """Of the next draw, (B,) int32: a multiple of one odd number further, as 32 bits hold it."""
        self.count += 1
        step = self.count * 0x1E3779B1
        return self.key + ((step + 2**31) % 2**32 - 2**31)  # JAX refuses a number that int32 has no room for

    def __call__(self, low: float = 0.0, high: float = 1.0):
        """Uniform numbers, (B, 1, 1, 1)."""
        bits = _mix(self.next_key())
        return low + (high - low) * _unit(_shifted(bits, 8), 24)[:, None, None, None]

    def normal(self, shape):
        """Standard normal numbers, (B, *shape), two 16-bit uniform ones each (Box and Muller)."""
        places = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
        bits = _mix(_mix(self.next_key())[:, None, None, None] ^ places)
        radius = ops.sqrt(-2 * ops.log(_unit(bits, 16) + 2.0**-17))
        return radius * ops.cos(2 * math.pi * _unit(_shifted(bits, 16), 16))


def _mix(z):
    """A bijection of 32-bit numbers that scatters them (Wellons, "Prospecting for hash functions", 2018)."""
    z = (z ^ _shifted(z, 16)) * 0x21F0AAAD
    z = (z ^ _shifted(z, 15)) * (0xD35A2D97 - 2**32)
    return z ^ _shifted(z, 15)


def _shifted(z, by):
    """To the right, zeros coming in."""
    return ops.right_shift(z, by) & (2 ** (32 - by) - 1)


def _unit(bits, number):
    return ops.cast(bits & (2**number - 1), "float32") / 2.0**number
