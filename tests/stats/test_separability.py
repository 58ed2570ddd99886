"""Separability of made-up features whose classes lie apart, or do not."""

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy.spatial.distance import cdist

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


def test_balanced_measures_count_classes_alike():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1, 2], [60, 20, 8])
    features = 2.0 * np.eye(3)[y] * np.array([1, 2, 4]) + rng.normal(size=(88, 3))
    found = separability.separability(features, y)
    own, distances = [], cdist(features, features)
    for i, c in enumerate(y):  # Rousseeuw's silhouette, written out
        means = {k: distances[i, (y == k) & (np.arange(88) != i)].mean() for k in range(3)}
        other = min(m for k, m in means.items() if k != c)
        own.append((other - means[c]) / max(other, means[c]))
    by_class = [np.mean(np.array(own)[y == c]) for c in range(3)]
    assert found["silhouette"][0] == pytest.approx(np.mean(own))
    assert found["silhouette_balanced"][0] == pytest.approx(np.mean(by_class))
    assert abs(np.mean(own) - np.mean(by_class)) > 0.05, "else the two cannot be told apart"


def test_the_lead_is_resampled_within_classes():
    """Two classes gain much, two nothing: how many images each has is fixed and adds no variance."""
    rng = np.random.default_rng(4)
    y = np.repeat(np.arange(4), 50)
    shared = 1000 + rng.normal(size=100)
    # In turns along a line three of five neighbours are of the other class; apart by two standard deviations, few are.
    turns = np.r_[np.arange(0, 100, 2), np.arange(1, 100, 2), shared][:, None]
    ahead = np.r_[rng.normal(0, 1, 50), rng.normal(2, 1, 50), shared][:, None]
    value, low, high, _ = separability.neighbours_lead(ahead, turns, y)

    def hits(points):
        distances = cdist(points, points) + np.diag(np.full(200, np.inf))
        votes = y[np.argsort(distances, axis=1)[:, :5]]
        return np.array([np.bincount(row).argmax() for row in votes]) == y

    lead = hits(ahead).astype(float) - hits(turns)
    assert value == pytest.approx(np.mean([lead[y == c].mean() for c in range(4)]))
    error = np.sqrt(sum(lead[y == c].var() / 50 for c in range(4))) / 4
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert np.sqrt(lead.var() / 200) > 1.3 * error, "else the strata would not be seen"
