"""How much of an attention map lies on the lesion, and how much would lie there without looking at the image.

Maps are compared with lesion masks on the map's own grid: a mask is averaged over each cell, so that nothing is
interpolated, and the controls are as coarse as the map. A cell stands for its rectangle of the image, as when a map is
stretched over the photograph. Three controls, none of which sees the image:

- *area*: a map without preference puts on the lesion what the lesion has of the image's area;
- *Gaussian*: a blob in the middle of the image, where lesions are photographed;
- *others*: the mean of the maps that the same run gives to all other test images.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError

# Standard deviation of the Gaussian control, as a share of the image's side; frozen before any map was measured. At a
# quarter the frame lies at two standard deviations (95% of the weight along each axis): a broad blob in the middle that
# still fades towards the edges. It is fixed rather than fitted to the maps, so that no map can widen its own control.
GAUSSIAN_WIDTH = 0.25

MASK_SIZE = 160  # pixels, the side of the squares that masks are read at
CONTROLS = ("area", "gaussian", "others")
RESAMPLES = 2000


def coverage(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """The lesion's share of every cell: masks (n, Y, X) bool to (n, height, width) between 0 and 1.

    The grid need not divide the pixels: a pixel on the line between two cells counts for both by its parts.
    """
    rows, columns = _overlaps(height, masks.shape[1]), _overlaps(width, masks.shape[2])
    return rows @ masks.astype(np.float32) @ columns.T


def _overlaps(cells, pixels):
    edges = np.linspace(0, pixels, cells + 1)[:, None]
    pixel = np.arange(pixels)
    overlap = np.clip(np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)


def normalised(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) scaled to sum 1 each; a map that is zero everywhere becomes even, as it prefers no place.

    Raises:
        UserError: maps of another shape, not finite or negative.
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 3 or not np.isfinite(maps).all() or (maps < 0).any():
        raise UserError(
            f"attention maps {maps.shape}: must be (images, h, w), finite and not negative; run the arm again"
        )
    total = maps.sum(axis=(1, 2), keepdims=True)
    even = np.full_like(maps, 1 / maps[0].size) if len(maps) else maps
    return np.divide(maps, total, out=even, where=total > 0)


def stretched(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) scaled to 0-1 each, as pictures of maps are: this shows contrast that may be tiny in the model."""
    maps = np.asarray(maps, float)
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)


def gaussian(height: int, width: int, sigma: float = GAUSSIAN_WIDTH) -> np.ndarray:
    """A centred Gaussian, cut off at the frame and integrated over each cell: (height, width), sum 1.

    ``sigma`` is its standard deviation along both axes as a share of the side.
    """
    y, x = (np.diff(stats.norm.cdf((np.linspace(0, 1, cells + 1) - 0.5) / sigma)) for cells in (height, width))
    return np.outer(y, x) / (y.sum() * x.sum())


def shares(maps: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """What lies inside each image's lesion: columns map, area, gaussian, others; one row an image, fractions.

    Args:
        maps: (n, h, w), 0 or more; each is normalised to sum 1.
        masks: (n, Y, X) bool, of the same images in the same order.

    Raises:
        UserError: unlike numbers of maps and masks, or maps that are none.
    """
    maps = normalised(maps)
    if len(maps) != len(masks):
        raise UserError(f"{len(maps)} attention maps, but {len(masks)} lesion masks: they must be of the same images")
    inside = coverage(masks, *maps.shape[1:])
    own = (maps * inside).sum(axis=(1, 2))
    everyone = np.tensordot(inside, maps.sum(axis=0), axes=2)
    return pd.DataFrame(
        {
            "map": own,
            "area": inside.mean(axis=(1, 2)),
            "gaussian": np.tensordot(inside, gaussian(*maps.shape[1:]), axes=2),
            "others": (everyone - own) / (len(maps) - 1) if len(maps) > 1 else np.nan,
        }
    )


def common_part(maps: np.ndarray) -> float:
    """How much of the maps' pattern is the same for every image, 0 to 1; NaN for maps that are all even.

    One minus the maps' mean squared distance from their mean over that from an even map (maps normalised to sum 1).
    """
    maps = normalised(maps)
    pattern = ((maps - 1 / maps[0].size) ** 2).sum()
    return float(1 - ((maps - maps.mean(axis=0)) ** 2).sum() / pattern) if pattern > 1e-12 else np.nan


def interval(
    values: np.ndarray, strata: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of values (seeds, images), interval by bootstrap over images, within strata, and seeds: (mean, low, high).

    Seeds see the same images, so a resample draws images once for all of them, and seeds on their own. Percentiles are
    moved outwards for small samples (Hesterberg, The American Statistician 69:371, 2015): with 8 images plain ones
    would be about a fifth too narrow. The limits are NaN for a single image; one seed says nothing about the noise of
    training.
    """
    values, strata = np.atleast_2d(np.asarray(values, float)), np.asarray(strata)
    n = values.shape[1]
    if n == 0:
        return (np.nan,) * 3
    mean = float(values.mean())
    if n == 1:
        return mean, np.nan, np.nan
    images, seeds = _draws(tuple(strata.tolist()), len(values), resamples, seed)
    draws = ((values @ images).T * seeds).sum(axis=1)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - level) / 2, n - 1))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return mean, float(low), float(high)


@lru_cache(maxsize=32)
def _draws(strata, seeds, resamples, seed):
    """Weights of images (n, resamples) and of seeds (resamples, seeds) in each resample; each adds up to 1."""
    rng, strata = np.random.default_rng(seed), np.array(strata)
    images = np.zeros((len(strata), resamples))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        k = len(members)
        images[members] = rng.multinomial(k, np.full(k, 1 / k), size=resamples).T / len(strata)
    return images, rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds


def summary(per_seed: list[pd.DataFrame], dx: np.ndarray) -> pd.DataFrame:
    """Means and intervals of one arm's map, one row a class and one, ``all``, for every test image.

    Args:
        per_seed: from ``shares``, one for each seed, on the same images.
        dx: (n,) class names of the images.

    Returns:
        Columns class, n, n_seeds; share_inside with ci_low and ci_high; area_share, gaussian_share, others_share; and
        the paired differences share_inside minus control as diff_area, diff_gauss, diff_others, each with _low and
        _high. All shares are fractions. A class without images has no row.
    """
    dx = np.asarray(dx)
    values = {name: np.stack([frame[name].to_numpy() for frame in per_seed]) for name in ("map", *CONTROLS)}
    rows = []
    for name in (*CLASSES, "all"):
        chosen = np.ones(len(dx), bool) if name == "all" else dx == name
        if not chosen.any():
            continue
        mean, low, high = interval(values["map"][:, chosen], dx[chosen])
        row = {"class": name, "n": int(chosen.sum()), "n_seeds": len(per_seed)}
        row |= {"share_inside": mean, "ci_low": low, "ci_high": high}
        row |= {f"{control}_share": float(values[control][:, chosen].mean()) for control in CONTROLS}
        for control, short in zip(CONTROLS, ("area", "gauss", "others")):
            lead = interval((values["map"] - values[control])[:, chosen], dx[chosen])
            row |= dict(zip((f"diff_{short}", f"diff_{short}_low", f"diff_{short}_high"), lead))
        rows.append(row)
    return pd.DataFrame(rows)


def examples(dx: np.ndarray, p: np.ndarray) -> list[int | None]:
    """One image of each class to show: the row with the highest probability of its true class among those classified
    correctly; among all of the class if none is; None for a class without images.

    Args:
        dx: (n,) class names. p: (n, 7) probabilities.
    """
    dx, chosen = np.asarray(dx), []
    for number, name in enumerate(CLASSES):
        rows = np.flatnonzero(dx == name)
        right = rows[p[rows].argmax(axis=1) == number]
        rows = right if len(right) else rows
        chosen.append(int(rows[p[rows, number].argmax()]) if len(rows) else None)
    return chosen
