"""How well classes lie apart in pooled features."""

import numpy as np
from sklearn import metrics as sk
from sklearn.neighbors import KNeighborsClassifier

from wagf_src.errors import UserError
from wagf_src.stats import bootstrap, paired


def separability(features: np.ndarray, y: np.ndarray, neighbours: int = 5) -> dict[str, tuple[float, float, float]]:
    """How well classes lie apart in features (n, d): each (value, low, high), intervals over images.

    ``silhouette``: mean silhouette over images, -1 to 1; ``silhouette_balanced``: mean of the class means;
    ``knn_accuracy`` and ``knn_balanced_accuracy``: leave-one-out, by the ``neighbours`` nearest. Distances are
    Euclidean on the features given; resampling draws images, not neighbourhoods.

    Raises:
        UserError: fewer than two classes, or not more images than neighbours.
    """
    if len(np.unique(y)) < 2 or len(y) <= neighbours:
        raise UserError(f"separability needs two classes and more than {neighbours} images, not {len(y)}")
    silhouette, hits = sk.silhouette_samples(features, y), _hits(features, y, neighbours)
    return {
        "silhouette": bootstrap.resampled_mean(silhouette, y, limits=(-1.0, 1.0)),
        "silhouette_balanced": bootstrap.resampled_mean(silhouette, y, balanced=True, limits=(-1.0, 1.0)),
        "knn_accuracy": bootstrap.resampled_mean(hits, y, limits=bootstrap.SHARE),
        "knn_balanced_accuracy": bootstrap.resampled_mean(hits, y, balanced=True, limits=bootstrap.SHARE),
    }


def neighbours_lead(
    a: np.ndarray, b: np.ndarray, y: np.ndarray, neighbours: int = 5
) -> tuple[float, float, float, float]:
    """``knn_balanced_accuracy`` in features a (n, d) minus that in b (n, e) of the same images: value, low, high and p.

    By the rule for directions (``paired.direction_test``), with one seed: image by image, resampled within classes.
    """
    lead = _hits(a, y, neighbours) - _hits(b, y, neighbours)
    weights = 1 / np.bincount(y)[y] / len(np.unique(y))
    value, values = float(lead @ weights), bootstrap.image_draws(y, bootstrap.RESAMPLES, 0) @ (lead * weights)
    return value, *bootstrap.percentiles(values, value), paired.resampled_p(values, value)


def _hits(features, y, neighbours):
    # predict(None) leaves each image out of its own neighbours.
    return (KNeighborsClassifier(neighbours).fit(features, y).predict(None) == y).astype(float)
