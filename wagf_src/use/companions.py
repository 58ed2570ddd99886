"""What stands beside a model's weights: the training images that a photograph is compared with, small enough to ship.

Nothing here holds a photograph: of each training image there is its id, its class and a few dozen small numbers.
"""

import io
from dataclasses import dataclass, fields
from pathlib import Path

import keras
import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from wagf_src import atomic
from wagf_src.classes import CLASSES
from wagf_src.code_digest import code_digest
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.paths import cache_dir
from wagf_src.runs import Run

COMPONENTS = 32  # of the principal components of the pooled features
UNUSUAL = 0.995  # share of the training images that lies within what counts as usual
_BATCH = 64


def colours(pixels: np.ndarray) -> np.ndarray:
    """How images look, in seven numbers: (n, S, S, 3) uint8 to (n, 7).

    Mean and standard deviation of red, green and blue, each 0 to 1; and the grain, the natural logarithm of the mean
    difference between neighbouring pixels (1/255 added), which tells noise and print from skin of the same colours.
    """
    return np.array([_look(x) for x in pixels.astype(np.float32) / 255])


def _look(x):
    apart = np.abs(np.diff(x, axis=0)).mean() + np.abs(np.diff(x, axis=1)).mean()
    return np.r_[x.mean(axis=(0, 1)), x.std(axis=(0, 1)), np.log(apart / 2 + 1 / 255)]


@dataclass(frozen=True)
class Companions:
    """Training images (n, those of validation among them) in a model's feature space, and their colours.

    Attributes:
        image_ids, lesion_ids: (n,) text. classes: (n,) uint8.
        mean: of the pooled features, (D,). axes: principal axes, (D, k). step: of the whole numbers below.
        places: (n, k) int8; ``step * places`` are the images' principal components.
        farthest: to no nearer another lesion than this has one in UNUSUAL of the training images.
        colour_mean, colour_inverse: of the seven numbers of :func:`colours`, and their inverse covariance, (7, 7).
        colour_limit: Mahalanobis distance within which UNUSUAL of the training images lie.
    """

    image_ids: np.ndarray
    lesion_ids: np.ndarray
    classes: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    step: np.ndarray
    places: np.ndarray
    farthest: np.ndarray
    colour_mean: np.ndarray
    colour_inverse: np.ndarray
    colour_limit: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Of images with pooled features (m, D) to every training image, (m, n)."""
        points = (features - self.mean) @ self.axes.astype(np.float32)
        return _distances(points, self.places.astype(np.float32) * self.step)

    def nearest(self, distances: np.ndarray, count: int) -> np.ndarray:
        """Numbers of the nearest images of one photograph, one a lesion; ``distances`` (n,)."""
        order = np.argsort(distances, kind="stable")
        first = np.unique(self.lesion_ids[order], return_index=True)[1]
        return order[np.sort(first)[:count]]

    def colour_distance(self, pixels: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of images' colours from those of training: (m, S, S, 3) uint8 to (m,)."""
        return _mahalanobis(colours(pixels) - self.colour_mean, self.colour_inverse)

    def arrays(self) -> dict[str, np.ndarray]:
        """As a file keeps them; ``Companions(**arrays)`` is the same again."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}


def _distances(points, others):
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * points @ others.T
    return np.sqrt(np.maximum(squares, 0))


def of_run(run: Run, model: keras.Model) -> Companions:
    """Made from the images that trained or validated a run (minutes on a CPU), and kept in the cache folder.

    Args:
        model: of the run (``models.kept.read_model``).

    Raises:
        UserError: the images are not at hand, or not those of the run.
    """
    # Trained again from the same inputs, a run has other weights, and hence other features, on another machine.
    weights = atomic.file_digest(run.weights_file)
    key = atomic.digest([weights, run.info["inputs_digest"], run.name, code_digest(("use/companions",))])
    file = cache_dir() / f"companions-{key[:16]}.npz"
    found = _read(file)
    if found is None:
        found, content = make(run, model), io.BytesIO()
        np.savez_compressed(content, **found.arrays())
        atomic.write_bytes(file, content.getvalue())
    return found


def _read(file: Path) -> Companions | None:
    """What a file of the cache holds; None where it is not there or damaged (each array in it has a checksum)."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Companions(**arrays)
    except Exception:  # cut, emptied and changed files have no common one
        return None


def training_images(run: Run) -> tuple[dataset.Dataset, np.ndarray]:
    """A run's data, and the row numbers of the images that it trained on or validated with, ascending."""
    data = dataset.load(run.made_with)
    if data.image_digest != run.info["data"]["image_digest"]:
        raise UserError(
            f"{run.name}: trained on other images than {data.name} in {data.folder.name}; give them by DATA="
        )
    files = protocol.split(data.metadata, run.made_with, run.fold)
    return data, np.unique(np.r_[files.train["row"], files.validation["row"]])


def make(run: Run, model: keras.Model) -> Companions:
    """:func:`of_run` without a cache."""
    data, rows = training_images(run)
    single_view = keras.Model(model.input, model.output["features"])
    features = []
    for start in range(0, len(rows), 32 * _BATCH):
        pixels = data.images[rows[start : start + 32 * _BATCH]].astype(np.float32)
        features.append(single_view.predict(pixels, batch_size=_BATCH, verbose=0))
        print(f"  features of {start + len(pixels):,} of {len(rows):,} training images", flush=True)
    frame = data.metadata.iloc[rows]
    return built(
        np.concatenate(features),
        data.images[rows],
        frame["image_id"].to_numpy(str),
        frame["lesion_id"].to_numpy(str),
        frame["dx"].map(CLASSES.index).to_numpy(np.uint8),
    )


@threadpool_limits.wrap(limits=1, user_api="blas")  # on a busy machine its threads wait for each other for minutes
def built(features, pixels, image_ids, lesion_ids, classes) -> Companions:
    """From pooled features (n, D), images (n, S, S, 3) uint8, and their ids, lesions and classes, (n,) each."""
    found = PCA(min(COMPONENTS, *features.shape), svd_solver="randomized", random_state=0).fit(features)
    mean, axes = found.mean_.astype(np.float32), found.components_.T.astype(np.float16)
    points = (features - mean) @ axes.astype(np.float32)
    step = np.float32(np.abs(points).max() / 127)
    places = np.round(points / step).astype(np.int8)
    back, nearest = places.astype(np.float32) * step, []
    for start in range(0, len(back), 1024):
        distances = _distances(back[start : start + 1024], back)
        distances[lesion_ids[start : start + 1024, None] == lesion_ids] = np.inf
        nearest.append(distances.min(axis=1))
    return Companions(
        image_ids=image_ids,
        lesion_ids=lesion_ids,
        classes=classes,
        mean=mean,
        axes=axes,
        step=step,
        places=places,
        farthest=np.float32(np.quantile(np.concatenate(nearest), UNUSUAL)),
        **usual_colours(pixels),
    )


def usual_colours(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of :class:`Companions` that say which :func:`colours` are usual: those of images (n, S, S, 3) uint8."""
    seen = colours(pixels)
    mean, spread = seen.mean(axis=0), np.cov(seen.T) + 1e-6 * np.eye(seen.shape[1])
    mean, inverse = mean.astype(np.float32), np.linalg.inv(spread).astype(np.float32)
    limit = np.float32(np.quantile(_mahalanobis(seen - mean, inverse), UNUSUAL))
    return {"colour_mean": mean, "colour_inverse": inverse, "colour_limit": limit}


def _mahalanobis(off, inverse):
    return np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off))
