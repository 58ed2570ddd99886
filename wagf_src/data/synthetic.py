"""Procedural dermoscopy-like lesions in HAM10000's own layout, for the demo profile and the tests.

No patient, no photograph and no learned model is behind these pictures: a lesion is a shape and a few pigment maps,
drawn from textbook descriptions of what each diagnosis looks like under the dermatoscope, and light is absorbed
by them (Beer-Lambert: colour = skin x exp(-density)). They exercise the whole way of the data, photographs of one
lesion from several sides included; they say nothing about skin cancer. The skin tone, hairs, rulers, bubbles and
lighting are drawn independently of the class, so that only the lesion carries the diagnosis.

    rng = np.random.default_rng(0)
    lesion = make_lesion("mel", rng)
    image, mask = photograph(lesion, rng)  # as often as you like: the same lesion, seen anew
"""

import functools
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.fft
from PIL import Image, ImageDraw

from wagf_src import atomic
from wagf_src.classes import CLASSES
from wagf_src.data.ham10000 import COLUMNS
from wagf_src.errors import UserError

VERSION = 2  # of the pictures: raise it whenever the same seed draws something else


HEIGHT, WIDTH = 150, 200


MARKER = "SYNTHETIC.txt"


# Imbalanced like HAM10000 (nv 67%), but milder: a few hundred lesions must leave every class enough to be split.
CLASS_SHARES = {"akiec": 0.08, "bcc": 0.10, "bkl": 0.14, "df": 0.065, "mel": 0.15, "nv": 0.40, "vasc": 0.065}


# A lesion is drawn once, on a square canvas a little finer than the photographs, which are warped views of it.
_CANVAS = 224


_FINER = 1.1  # canvas pixels per photograph pixel


_SHAPE = (_CANVAS, _CANVAS)


_Y, _X = (np.mgrid[:_CANVAS, :_CANVAS] - (_CANVAS - 1) / 2).astype(np.float32)


_THETA = np.arctan2(_Y, _X)


# Photograph pixels, -1 to 1.
_YP, _XP = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)


# Optical density per unit of pigment, for red, green and blue light.
_ABSORBANCE = {
    "brown": (0.42, 0.78, 1.00),  # melanin near the surface
    "black": (1.00, 1.00, 0.95),  # much melanin, crusts
    "blue": (0.80, 0.58, 0.36),  # melanin deep in the dermis, seen through scattering tissue
    "red": (0.10, 0.85, 0.62),  # blood
    "purple": (0.45, 1.05, 0.42),  # venous or clotted blood
    "yellow": (0.06, 0.20, 0.62),  # keratin, dried serum
}


_WHITE = np.array([236, 226, 224], np.float32)  # scar, cyst or scale: replaces the skin's own colour


# Skin as the dermatoscopes of HAM10000's sources show it: from pale beige over rosy to lilac and tan.
_SKINS = np.array(
    [[228, 190, 166], [226, 168, 156], [222, 150, 152], [204, 164, 176], [214, 182, 180], [208, 160, 128]], np.float32
)


@dataclass(frozen=True)
class Lesion:
    """What stays the same from photograph to photograph.

    ``depth`` (224, 224) is the distance to the border in canvas pixels, positive inside; ``density`` (3, 224, 224) the
    optical density for red, green and blue; ``white`` (224, 224) the share of skin colour replaced by white;
    ``skin`` (3,) the colour of the skin around. All float32.
    """

    dx: str
    depth: np.ndarray
    density: np.ndarray
    white: np.ndarray
    skin: np.ndarray


def _smooth(rng, scale, shape=_SHAPE):
    """Smooth noise of zero mean and unit variance whose bumps are about ``scale`` pixels in radius."""
    spacing = 2.5 * scale
    height, width = shape[0] / spacing, shape[1] / spacing
    nodes = rng.standard_normal((int(height) + 5, int(width) + 5), dtype=np.float32)
    x, y = 1 + rng.random(), 1 + rng.random()  # the nodes lie elsewhere each time, away from the resampler's edges
    box = (x, y, x + width, y + height)
    field = np.asarray(Image.fromarray(nodes).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))
    return (field - field.mean()) / (field.std() + 1e-6)


@functools.cache
def _amplitude(shape, exponent):
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    amplitude = np.maximum(frequency, 1 / max(shape)) ** -exponent
    amplitude[0, 0] = 0
    return amplitude.astype(np.float32)


def _fractal(rng, exponent, shape=_SHAPE):
    """Noise of unit variance with amplitude 1 / frequency ** exponent: the larger, the cloudier."""
    parts = rng.standard_normal((shape[0], shape[1] // 2 + 1, 2), dtype=np.float32).view(np.complex64)[..., 0]
    field = scipy.fft.irfft2(parts * _amplitude(shape, exponent), shape)
    return field / field.std()


def _step(value, low, high):
    """0 below ``low``, 1 above ``high``, smooth between (``high`` may be the smaller)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _lattice(rng, wavelength, disorder):
    """A warped hexagonal lattice: 1 in the middle of its cells, 0 on the lines between.

    Three plane waves at 120 degrees. Its lines make a pigment network, its cells globules or follicles.
    """
    push = disorder * wavelength
    x = _X + push * (_smooth(rng, 0.7 * wavelength) + _smooth(rng, 3 * wavelength))
    y = _Y + push * (_smooth(rng, 0.7 * wavelength) + _smooth(rng, 3 * wavelength))
    turn = rng.uniform(0, math.pi)
    waves = 0
    for k in range(3):
        angle = turn + k * 2 * math.pi / 3
        waves = waves + np.cos((2 * math.pi / wavelength) * (math.cos(angle) * x + math.sin(angle) * y))
    return (waves + 1.5) / 4.5


def _outline(rng, radius, stretch, lobes, jagged):
    """Distance to the border of a lesion, positive inside, in canvas pixels.

    ``radius`` (photograph pixels) and ``stretch`` make an ellipse; ``lobes`` makes it asymmetric, ``jagged`` its border
    irregular, both as a share of the radius.
    """
    radius = radius * _FINER
    stretch = math.sqrt(stretch)
    reach = 1 + 0.7 * lobes * _smooth(rng, radius / 2.5) + jagged * _smooth(rng, radius / 9)
    for k, weight in ((2, 0.7), (3, 0.9), (4, 0.25)):
        reach += lobes * weight * rng.normal() * np.cos(k * _THETA + rng.uniform(0, 2 * math.pi))
    depth = radius * np.maximum(reach, 0.4) - np.hypot(_X / stretch, _Y * stretch)
    return np.minimum(depth, _CANVAS / 2 - 10 - np.hypot(_X, _Y))  # never off the canvas


def _spots(rng, room, count, small, large, stretch=1.0, soft=1.0):
    """Soft discs (or ellipses) of ``small`` to ``large`` canvas pixels at random places where ``room`` is true."""
    field = np.zeros(_SHAPE, np.float32)
    places = np.flatnonzero(room)
    if len(places) == 0:
        return field
    for place in rng.choice(places, size=count):
        cy, cx = divmod(int(place), _CANVAS)
        size = rng.uniform(small, large)
        long, turn = rng.uniform(1, stretch), rng.uniform(0, math.pi)
        reach = int((size + soft) * long) + 2
        window = (slice(max(cy - reach, 0), cy + reach + 1), slice(max(cx - reach, 0), cx + reach + 1))
        y, x = _Y[window] - _Y[cy, cx], _X[window] - _X[cy, cx]
        along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        disc = _step(np.hypot(along / long, across), size + soft, size - soft)
        field[window] = np.maximum(field[window], disc * rng.uniform(0.55, 1))
    return field


def _strokes(shape, paths, finer):
    """Draw polylines (points (x, y), width, strength), in pixels of ``shape``, antialiased by ``finer``; 0 to 1."""
    canvas = Image.new("L", (shape[1] * finer, shape[0] * finer))
    draw = ImageDraw.Draw(canvas)
    for points, width, strength in paths:
        xy = [(float(x) * finer, float(y) * finer) for x, y in points]
        draw.line(xy, fill=int(255 * strength), width=max(1, round(width * finer)), joint="curve")
    return np.asarray(canvas.reduce(finer), np.float32) / 255


def _vessels(rng, depth, trees):
    """Arborising vessels: trunks from near the border inwards, each throwing off finer branches."""
    paths = []

    def grow(x, y, heading, length, width):
        points = [(x, y)]
        for step in range(length):
            heading += rng.normal(0, 0.3)
            x, y = x + 4 * math.cos(heading), y + 4 * math.sin(heading)
            points.append((x, y))
            if width > 0.5 and step > 0 and rng.random() < 0.35:
                side = heading + (1 if rng.random() < 0.5 else -1) * rng.uniform(0.4, 1.0)
                grow(x, y, side, int(length * 0.6), width * 0.62)
        paths.append((points, width, min(1, 0.35 + 0.4 * width)))

    rim = np.flatnonzero((depth > -4) & (depth < 12))
    for place in rng.choice(rim, size=trees):
        y, x = divmod(int(place), _CANVAS)
        inwards = math.atan2(_CANVAS / 2 - y, _CANVAS / 2 - x)
        grow(x, y, inwards + rng.normal(0, 0.5), int(rng.integers(7, 15)), rng.uniform(0.9, 1.7))
    return _strokes(_SHAPE, paths, 2)


def _nv(rng):
    """Melanocytic nevus: round or oval, symmetric, one or two browns, an even network or globules."""
    atypical = rng.random() < 0.3  # larger, less regular, two browns: what is taken for a melanoma
    radius = rng.uniform(26, 50) if atypical else rng.uniform(17, 42)
    depth = _outline(rng, radius, rng.uniform(1, 1.5), 0.09 if atypical else 0.035, 0.045 if atypical else 0.018)
    core = np.clip(depth / (radius * _FINER), 0, 1)
    brown = rng.uniform(0.45, 1.1) * (1 + rng.uniform(-0.3, 0.6) * (core - 0.4))
    kind = rng.random()
    if kind < 0.5:
        lines = _step(_lattice(rng, rng.uniform(5, 7.5), 0.2), 0.5, 0.1)
        brown = brown * (0.75 + rng.uniform(0.3, 0.7) * lines * _step(_smooth(rng, 16), -1.5, 0.3))
    elif kind < 0.75:
        cells = _step(_lattice(rng, rng.uniform(6, 9), 0.3), 0.3, 0.7)
        brown = brown * (0.8 + rng.uniform(0.3, 0.6) * cells * _step(_smooth(rng, 16), -1.5, 0.3))
    maps = {"brown": brown, "red": rng.uniform(0.05, 0.45), "black": rng.uniform(0, 0.25) * brown}
    if atypical:
        second = _step(_smooth(rng, radius / 2.5) + 0.3 * _fractal(rng, 1.2), -0.3, 1.2)
        maps["brown"] = brown * (0.7 + 0.6 * second)
        maps["black"] = rng.uniform(0.1, 0.8) * second
    return depth, rng.uniform(5, 13), maps


def _mel(rng):
    """Melanoma: larger, asymmetric, notched border, many colours up to a blue-white veil, atypical network."""
    early = rng.random() < 0.4  # not much more than an atypical nevus
    radius = rng.uniform(24, 46) if early else rng.uniform(30, 60)
    depth = _outline(rng, radius, rng.uniform(1, 1.5), 0.09 if early else 0.16, 0.045 if early else 0.08)
    texture = _fractal(rng, 1.1)

    def patches(low, high):
        return _step(_smooth(rng, radius / 2.2) + 0.35 * texture, low, high)

    brown = rng.uniform(0.45, 0.95) * (0.6 + 0.8 * patches(-1, 1.2))
    lines = _step(_lattice(rng, rng.uniform(6, 9), 0.4), 0.5, 0.1)
    brown = brown * (0.8 + 0.6 * lines * patches(-0.3, 0.9))
    dots = _spots(rng, depth > 0, int(rng.integers(3, 22)), 0.8, 2.8)
    black = rng.uniform(0.3, 1.1) * patches(0, 1.5) + 0.5 * dots
    red, white = rng.uniform(0, 0.35) * patches(-0.5, 1.5), 0.0
    maps = {"brown": brown, "black": black * (0.6 if early else 1), "red": red}
    if rng.random() < (0.2 if early else 0.8):
        veil = patches(0.1, 1.5) * _step(depth, 1, 14)
        maps["blue"] = rng.uniform(0.4, 0.9) * veil
        maps["brown"] = maps["brown"] * (1 - 0.75 * veil)
        white = 0.45 * veil
    if rng.random() < (0.15 if early else 0.4):  # regression: scar-like white with grey dust
        scar = patches(0.6, 1.8)
        maps = {pigment: amount * (1 - 0.85 * scar) for pigment, amount in maps.items()}
        white = np.maximum(white, 0.55 * scar)
    return depth, rng.uniform(4, 10), {**maps, "white": white}


def _bkl(rng):
    """Benign keratosis: sharp, moth-eaten border, waxy or dull brown, milia-like cysts and comedo-like openings."""
    kind = rng.random()
    radius = rng.uniform(20, 50)
    depth = _outline(rng, radius, rng.uniform(1, 1.6), 0.09, 0.03)
    for _ in range(rng.integers(3, 10)):  # bites out of the border
        angle, size = rng.uniform(-math.pi, math.pi), rng.uniform(0.1, 0.3) * radius * _FINER
        ray = (np.abs(_THETA - angle) < 0.03) & (np.abs(depth) < 2)
        if ray.any():
            cy, cx = float(_Y[ray].mean()), float(_X[ray].mean())
            out = 1 + 0.6 * size / max(math.hypot(cx, cy), 1)
            depth = np.minimum(depth, np.hypot(_X - cx * out, _Y - cy * out) - size)
    room, rough = depth > 4, _fractal(rng, 0.9)
    if kind < 0.6:  # seborrheic keratosis
        furrows = _step(np.abs(_smooth(rng, 3.5) + 0.3 * rough), 0.45, 0.0) * _step(_smooth(rng, 14), -1, 0.6)
        brown = rng.uniform(0.3, 0.9) * (0.9 + 0.4 * furrows + 0.3 * _smooth(rng, 16))
        grey = rng.uniform(0.05, 0.5) * (1 + 0.4 * _smooth(rng, 12))
        cysts = _spots(rng, room, int(rng.integers(2, 14)), 0.8, 3.0, soft=1.5)
        plugs = _spots(rng, room, int(rng.integers(0, 12)), 0.8, 3.0, stretch=1.8, soft=1.5)
        maps = {
            "brown": (brown + 0.5 * plugs) * (1 - 0.7 * cysts),
            "black": (grey + 0.5 * plugs) * (1 - 0.8 * cysts),
            "red": rng.uniform(0, 0.3),
            "yellow": rng.uniform(0, 0.4),
            "white": 0.6 * cysts + rng.uniform(0, 0.2),
        }
    elif kind < 0.82:  # solar lentigo: thin, fingerprint-like
        phase = 2.5 * _smooth(rng, 9) + 0.6 * (_X * math.cos(angle) + _Y * math.sin(angle))
        brown = rng.uniform(0.3, 0.75) * (0.85 + 0.3 * _step(np.sin(phase), -0.6, 0.8) + 0.15 * _smooth(rng, 12))
        maps = {"brown": brown, "yellow": rng.uniform(0, 0.25), "red": rng.uniform(0, 0.25)}
    else:  # lichenoid: grey dust
        dust = _step(rough + _smooth(rng, radius / 2.5), -0.2, 1.6)
        brown = rng.uniform(0.25, 0.6) * (1 + 0.3 * _smooth(rng, 12))
        maps = {"brown": brown, "blue": rng.uniform(0.35, 0.8) * dust, "red": rng.uniform(0.1, 0.35)}
    return depth, rng.uniform(2, 5), maps


def _bcc(rng):
    """Basal cell carcinoma: pearly pink, arborising vessels, blue-grey ovoid nests, here and there an ulcer."""
    radius = rng.uniform(20, 46)
    depth = _outline(rng, radius, rng.uniform(1, 1.5), 0.1, 0.05)
    vessels = _vessels(rng, depth, int(rng.integers(1, 6)))
    pearl = rng.uniform(0.15, 0.5) * (1 + 0.4 * _smooth(rng, 9)) * (1 - vessels)
    red = rng.uniform(0.1, 0.4) * (1 + 0.3 * _smooth(rng, 12))
    maps = {"red": red, "brown": rng.uniform(0, 0.25) * (1 + 0.5 * _smooth(rng, 8))}
    if rng.random() < 0.75:
        nests = _spots(rng, depth > 3, int(rng.integers(1, 9)), 1.5, 7, stretch=1.8, soft=2.5)
        nests = nests * _step(_fractal(rng, 1.0), -2.5, 1)
        maps["blue"] = rng.uniform(0.4, 1.0) * nests
        maps["black"] = rng.uniform(0.1, 0.5) * nests
        pearl = pearl * (1 - 0.7 * nests)
    if rng.random() < 0.4:
        ulcer = _spots(rng, depth > 8, 1, 4, 12, stretch=1.6, soft=3) * _step(_fractal(rng, 1.2), -1.5, 0.8)
        maps["red"] = maps["red"] + 0.5 * ulcer
        maps["brown"] = maps["brown"] + 0.5 * ulcer
        maps["yellow"] = 0.6 * ulcer
        pearl = pearl * (1 - ulcer)
    maps["red"] = maps["red"] + rng.uniform(0.5, 1.0) * vessels
    return depth, rng.uniform(8, 18), {**maps, "white": pearl}


def _akiec(rng):
    """Actinic keratosis or Bowen's disease: red, scaly, ill-defined; strawberry pattern or dotted vessels."""
    radius = rng.uniform(26, 56)
    depth = _outline(rng, radius, rng.uniform(1, 1.6), 0.13, 0.06)
    red = rng.uniform(0.12, 0.42) * (1 + 0.35 * _fractal(rng, 1.3))
    brown, yellow, white = rng.uniform(0, 0.3) * (1 + 0.5 * _smooth(rng, 8)), rng.uniform(0, 0.25), 0.0
    if rng.random() < 0.5:  # strawberry: red between pale follicle openings
        follicles = _step(_lattice(rng, rng.uniform(8, 12), 0.45), 0.45, 0.9) * _step(_smooth(rng, 16), -0.8, 0.6)
        red, brown = red * (1.2 - 0.8 * follicles), brown * (1 - 0.5 * follicles)
        white, yellow = 0.35 * follicles, yellow + 0.2 * follicles
    else:
        red = red + 0.5 * _spots(rng, depth > 2, int(rng.integers(20, 60)), 0.6, 1.6)
    if rng.random() < 0.45:  # pigmented
        patch = _step(_smooth(rng, radius / 3) + 0.4 * _fractal(rng, 1.0), -0.3, 1.4)
        brown = brown + rng.uniform(0.3, 0.8) * patch
    flakes = _step(_fractal(rng, 0.7) + _smooth(rng, radius / 3), rng.uniform(0.6, 1.6), 3.2)
    cover = 1 - 0.8 * flakes
    white = white * cover + rng.uniform(0.5, 0.9) * flakes
    maps = {"red": red * cover, "brown": brown * cover, "yellow": yellow + 0.2 * flakes, "white": white}
    return depth, rng.uniform(12, 24), maps


def _df(rng):
    """Dermatofibroma: small, a white scar-like patch in the middle, a fine brown network fading outwards."""
    radius = rng.uniform(14, 30)
    depth = _outline(rng, radius, rng.uniform(1, 1.3), 0.05, 0.03)
    core = np.clip(depth / (radius * _FINER), 0, 1) + 0.1 * _smooth(rng, 5) + 0.05 * _fractal(rng, 1.0)
    patch = _step(core, rng.uniform(0.05, 0.35), rng.uniform(0.7, 1.0)) * (1 if rng.random() < 0.8 else 0.4)
    lines = _step(_lattice(rng, rng.uniform(4.5, 6), 0.25), 0.55, 0.1)
    brown = rng.uniform(0.25, 0.8) * (0.75 + 0.5 * lines) * (1 - 0.8 * patch)
    red = rng.uniform(0.05, 0.5) * (1 - 0.5 * patch) * (1 + 0.2 * _smooth(rng, 8))
    return depth, rng.uniform(10, 20), {"brown": brown, "red": red, "white": rng.uniform(0.4, 0.75) * patch}


def _vasc(rng):
    """Vascular lesion: sharply demarcated red to purple lacunae, pale septa between them."""
    radius = rng.uniform(13, 38)
    depth = _outline(rng, radius, rng.uniform(1, 1.35), 0.06, 0.05)
    dark = rng.uniform(0.3, 0.9) if rng.random() < 0.25 else 0.0  # angiokeratoma, thrombosed: nearly black
    mix, cloud = rng.random(), _smooth(rng, 10)
    amount = rng.uniform(0.6, 1.1)
    lacunae = _step(cloud + _fractal(rng, 1.2), -1.5, 1.5)  # homogeneous, unless:
    if rng.random() < 0.75:
        lacunae = _spots(rng, depth > 0, int(0.5 * radius + rng.integers(8, 22)), 2.5, 8, stretch=1.5, soft=1.8)
    maps = {
        "red": amount * (1 - mix) * (0.5 + 0.8 * lacunae),
        "purple": amount * mix * (0.4 + 0.9 * lacunae),
        "black": dark * lacunae,
        "white": rng.uniform(0, 0.4) * (1 - lacunae),
    }
    return depth, rng.uniform(2.5, 5), maps


_DRAW = {"akiec": _akiec, "bcc": _bcc, "bkl": _bkl, "df": _df, "mel": _mel, "nv": _nv, "vasc": _vasc}


def make_lesion(dx: str, rng: np.random.Generator) -> Lesion:
    """Draw a lesion of class ``dx``.

    Raises:
        UserError: if ``dx`` is none of the seven classes.
    """
    if dx not in _DRAW:
        raise UserError(f"synthetic lesion: dx is {dx!r}, but must be one of {', '.join(CLASSES)}")
    one, other = rng.integers(len(_SKINS), size=2)
    skin = 0.7 * _SKINS[one] + 0.3 * _SKINS[other] + rng.normal(0, 4, 3)
    depth, border, maps = _DRAW[dx](rng)
    grain = _fractal(rng, 1.1)
    ragged = depth + border * (0.2 * _smooth(rng, 5) + 0.1 * grain)  # pigment thins out unevenly
    inside = _step(ragged, -border / 2, border / 2)
    white = np.clip(maps.pop("white", 0.0) * inside, 0, 0.95)
    flush = rng.uniform(0, 0.12) * np.exp(-np.maximum(-depth, 0) / 12)  # the skin around is a little redder
    inside = inside * np.maximum(1 + 0.14 * grain, 0)
    density = np.zeros((3, *_SHAPE), np.float32)
    for pigment, amount in maps.items():
        layer = np.maximum(amount, 0) * inside
        for channel, absorbance in zip(density, _ABSORBANCE[pigment], strict=True):
            channel += absorbance * layer
    for channel, absorbance in zip(density, _ABSORBANCE["red"], strict=True):
        channel += absorbance * flush
    return Lesion(dx, depth, density, white, skin.astype(np.float32))


def photograph(lesion: Lesion, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take a photograph: turn, scale and shift the lesion, put it on skin, light it, add what gets in the way.

    Returns:
        image (150, 200, 3) uint8 and mask (150, 200) bool, true on the lesion.
    """
    angle, scale = rng.uniform(0, 2 * math.pi), rng.uniform(0.85, 1.15)
    cos, sin = math.cos(angle) * _FINER / scale, math.sin(angle) * _FINER / scale
    x, y = WIDTH / 2 + rng.normal(0, 9), HEIGHT / 2 + rng.normal(0, 6)
    middle = _CANVAS / 2
    view = (cos, sin, middle - cos * x - sin * y, -sin, cos, middle + sin * x - cos * y)

    def seen(field):
        image = Image.fromarray(field)
        return np.asarray(image.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, view, Image.Resampling.BILINEAR))

    mask = seen(lesion.depth) > 0
    white = seen(lesion.white)
    blood, melanin = _skin_texture(rng)
    image = np.empty((3, HEIGHT, WIDTH), np.float32)
    for c in range(3):
        density = seen(lesion.density[c]) + _ABSORBANCE["red"][c] * blood + _ABSORBANCE["brown"][c] * melanin
        image[c] = (lesion.skin[c] + (_WHITE[c] - lesion.skin[c]) * white) * np.exp(-density)
    image *= _light(rng)
    _clutter(image, rng)
    image += 1.5 * rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(image, 0, -1)), mask


def _skin_texture(rng):
    """Blood and melanin (150, 200) of the skin itself: mottled, finely furrowed, sometimes freckled."""
    shape = (HEIGHT, WIDTH)
    cloud = _fractal(rng, 1.1, shape)
    blood = rng.uniform(0.025, 0.06) * cloud
    melanin = rng.uniform(0.01, 0.05) * _smooth(rng, 12, shape)
    if rng.random() < 0.25:
        melanin = melanin + rng.uniform(0.08, 0.3) * _step(_smooth(rng, rng.uniform(3, 7), shape) + 0.3 * cloud, 0.8, 3)
    return blood, melanin


def _light(rng):
    """Light (3, 150, 200): exposure, white balance, a gradient, the dermatoscope's vignette, at times a dark rim."""
    x, y = _XP, _YP
    light = rng.uniform(0.95, 1.14) + rng.normal(0, 0.035) * x + rng.normal(0, 0.035) * y
    radius = np.hypot(x, y * HEIGHT / WIDTH)
    light = light - rng.uniform(0.02, 0.18) * radius**2
    if rng.random() < 0.2:
        rim = rng.uniform(1.02, 1.25)
        light = light * (0.1 + 0.9 * _step(radius, rim + 0.08, rim - 0.14))
    return light * rng.normal(1, 0.025, (3, 1, 1)).astype(np.float32)


def _clutter(image, rng):
    """Hairs, ruler marks, gel bubbles over ``image`` (3, 150, 200), in place: each in some of the photographs."""
    if rng.random() < 0.4:
        hairs = []
        shared = rng.uniform(0, math.pi)
        for _ in range(rng.integers(1, 12)):
            heading = shared + rng.normal(0, 0.5)
            start, length = rng.uniform((0, 0), (WIDTH, HEIGHT)), rng.uniform(30, 130)
            t = np.linspace(0, 1, 16)[:, None]
            along = np.array([math.cos(heading), math.sin(heading)])
            bend = rng.normal(0, 0.3) * length * np.array([-along[1], along[0]])
            hairs.append((start + t * length * along + t * t * bend, rng.uniform(0.4, 1.2), rng.uniform(0.4, 0.9)))
        colour = np.array([58, 42, 36], np.float32) * rng.uniform(0.5, 1.7)
        image += (colour[:, None, None] - image) * _strokes((HEIGHT, WIDTH), hairs, 3)
    if rng.random() < 0.12:
        middle = np.array([WIDTH, HEIGHT]) / 2
        corner = np.array([WIDTH, HEIGHT]) * rng.integers(0, 2, 2)
        inward = (middle - corner) / np.hypot(*middle)
        along = np.array([-inward[1], inward[0]])
        origin = corner + inward * rng.uniform(14, 34)
        ticks = []
        for k in range(-25, 26):
            start = origin + along * 6.5 * k
            ticks.append(([start, start - inward * (8 if k % 5 == 0 else 5)], 1.1, 0.85))
        image += (25 - image) * _strokes((HEIGHT, WIDTH), ticks, 3)
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 7)):
            size = rng.uniform(2, 9)
            x, y = (_XP + 1) * WIDTH / 2 - rng.uniform(0, WIDTH), (_YP + 1) * HEIGHT / 2 - rng.uniform(0, HEIGHT)
            distance = np.hypot(x, y)
            glint = np.exp(-((x + 0.35 * size) ** 2 + (y + 0.35 * size) ** 2) / (0.05 * size**2 + 0.6))
            rim = np.exp(-(((distance - size) / 0.8) ** 2)) * (0.6 - 0.4 * (x + y) / (distance + 1))
            image += 45 * rim + 120 * glint


_MEAN_AGE = {"akiec": 67, "bcc": 67, "bkl": 64, "df": 53, "mel": 61, "nv": 46, "vasc": 51}


_DX_TYPES = {
    "bkl": (("histo", "consensus", "confocal"), (0.7, 0.24, 0.06)),
    "df": (("consensus", "histo"), (0.52, 0.48)),
    "nv": (("follow_up", "histo", "consensus"), (0.55, 0.37, 0.08)),
    "vasc": (("consensus", "histo"), (0.53, 0.47)),
}


_SITES = ("back", "lower extremity", "trunk", "upper extremity", "abdomen", "face", "chest", "foot", "neck", "unknown")


_SITE_SHARES = (0.24, 0.22, 0.15, 0.12, 0.11, 0.07, 0.04, 0.03, 0.01, 0.01)


def _sequence(lesions):
    """Class of each lesion and its rank within the class: always the class that is furthest behind its share.

    The mix is kept at every length and for every seed, and more lesions leave the first ones as they are.
    """
    names, shares = list(CLASS_SHARES), np.array(list(CLASS_SHARES.values()))
    counts = np.zeros(len(names), int)
    for index in range(lesions):
        k = int(np.argmax(shares * (index + 1) - counts))
        yield names[k], int(counts[k])
        counts[k] += 1


def _records(rng, index, dx, rank, first_image):
    """The metadata rows of one lesion. Every fourth of its class is photographed two to four times."""
    photographs = int(rng.choice((2, 3, 4), p=(0.55, 0.3, 0.15))) if rank % 4 == 3 else 1
    kinds, shares = _DX_TYPES.get(dx, (("histo",), (1,)))
    age = float(np.clip(5 * round(rng.normal(_MEAN_AGE[dx], 14) / 5), 5, 85))
    row = {
        "lesion_id": f"HAM_{9_000_000 + index}",
        "dx": dx,
        "dx_type": str(rng.choice(kinds, p=shares)),
        "age": np.nan if rng.random() < 0.02 else age,
        "sex": str(rng.choice(("male", "female", "unknown"), p=(0.54, 0.45, 0.01))),
        "localization": str(rng.choice(_SITES, p=_SITE_SHARES)),
    }
    return [{**row, "image_id": f"ISIC_{9_000_000 + first_image + k}"} for k in range(photographs)]


def _marker(seed, lesions):
    return (
        "SYNTHETIC: procedural dermoscopy-like pictures in the layout of HAM10000, for demonstration and tests.\n"
        "No patient, photograph or diagnosis is behind them; results obtained from them say nothing about skin "
        "cancer.\n"
        f"generator version {VERSION}\nseed {seed}\nlesions {lesions}\n"
    )


def _complete(folder, marker):
    """Whether the folder holds these very data, none of them lost since."""
    file, table = folder / MARKER, folder / "HAM10000_metadata.csv"
    try:
        if not (file.is_file() and table.is_file() and file.read_text(encoding="utf-8") == marker):
            return False
        names = set(pd.read_csv(table, usecols=["image_id"])["image_id"])
    except ValueError:  # emptied or cut
        return False
    return all(
        {path.stem for path in (folder / kind).glob(f"ISIC_*.{ending}")} == names
        for kind, ending in (("images", "jpg"), ("masks", "png"))
    )


def generate(folder: Path, lesions: int, seed: int = 0) -> Path:
    """Write a synthetic data set in HAM10000's layout, or do nothing if ``folder`` already holds it.

    ``folder`` receives HAM10000_metadata.csv, images/ISIC_9*.jpg (200 x 150), masks/ISIC_9*.png (1 bit) and
    SYNTHETIC.txt. It appears whole or not at all. Lesion i depends on the seed and i only, so a larger set begins
    with the smaller one; a quarter of the lesions have two to four photographs.

    Returns:
        ``folder``.

    Raises:
        UserError: if ``lesions`` or ``seed`` is out of range, ``folder`` holds something that is not synthetic data, or
            cannot be written.
    """
    if not 1 <= lesions <= 200_000:
        raise UserError(f"synthetic data: lesions is {lesions}, but must be from 1 to 200000")
    if not 0 <= seed < 2**32:
        raise UserError(f"synthetic data: seed is {seed}, but must be from 0 to {2**32 - 1}")
    folder = Path(folder)
    marker = _marker(seed, lesions)
    if _complete(folder, marker):
        return folder
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"synthetic data: {folder} holds something else and is left as it is; delete it or name another"
        )

    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        aside.chmod(0o755)
        (aside / "images").mkdir()
        (aside / "masks").mkdir()
        rows = []
        for index, (dx, rank) in enumerate(_sequence(lesions)):
            rng = np.random.default_rng([seed, index])
            records = _records(rng, index, dx, rank, len(rows))
            lesion = make_lesion(dx, rng)
            for record in records:
                image, mask = photograph(lesion, rng)
                Image.fromarray(image).save(aside / "images" / f"{record['image_id']}.jpg", quality=90)
                Image.fromarray(mask).save(aside / "masks" / f"{record['image_id']}.png")
            rows += records
        atomic.write_csv(aside / "HAM10000_metadata.csv", pd.DataFrame(rows)[COLUMNS], float_format="%.1f")
        atomic.write_text(aside / MARKER, marker)
        if not _complete(folder, marker):  # unless another process was faster
            atomic.move_into_place(aside, folder)
    except OSError as error:
        raise UserError(
            f"synthetic data: {folder} cannot be written ({error.strerror or error}); make room or access there, or "
            "name another cache folder by WAGF_CACHE_DIR"
        ) from None
    finally:
        if aside:
            shutil.rmtree(aside, ignore_errors=True)
    return folder
