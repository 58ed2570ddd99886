"""How well classes lie apart in pooled features."""

import numpy as np
from sklearn import metrics as sk
from sklearn.neighbors import KNeighborsClassifier

from wagf_src.errors import UserError
from wagf_src.stats import bootstrap


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
    silhouette = sk.silhouette_samples(features, y)
    # predict(None) leaves each image out of its own neighbours.
    hits = (KNeighborsClassifier(neighbours).fit(features, y).predict(None) == y).astype(float)
    return {
        "silhouette": bootstrap.resampled_mean(silhouette, y),
        "silhouette_balanced": bootstrap.resampled_mean(silhouette, y, balanced=True),
        "knn_accuracy": bootstrap.resampled_mean(hits, y),
        "knn_balanced_accuracy": bootstrap.resampled_mean(hits, y, balanced=True),
    }
