"""Separability of made-up features whose classes lie apart, or do not."""

import numpy as np
import pytest
import sklearn.metrics as sk

from wagf_src.errors import UserError
from wagf_src.stats import separability


def test_separability_of_far_and_of_shuffled_classes():
    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(7), 20)
    features = 100 * np.eye(7)[y] + rng.normal(size=(140, 7))
    far = separability.separability(features, y)
    assert far["knn_accuracy"][0] == pytest.approx(1) and far["knn_balanced_accuracy"][0] == pytest.approx(1)
    assert far["silhouette"][0] == pytest.approx(sk.silhouette_score(features, y)) and far["silhouette"][0] > 0.9
    mixed = separability.separability(features, rng.permutation(y))
    assert mixed["knn_accuracy"][0] < 0.3 and mixed["silhouette"][0] < 0
    for value, low, high in [*far.values(), *mixed.values()]:
        assert low - 1e-9 <= value <= high + 1e-9
    with pytest.raises(UserError, match="two classes"):
        separability.separability(features[:20], y[:20])


def test_neighbours_leave_the_image_itself_out():
    # Classes alternate along a line: every image is its own nearest neighbour, the next ones are of the other class.
    features, y = np.arange(8.0)[:, None], np.arange(8) % 2
    assert separability.separability(features, y, neighbours=1)["knn_accuracy"][0] == 0
