"""Projections of features against a plain singular value decomposition."""

import numpy as np
import pytest

from wagf_src.stats import projections

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 10)) * np.arange(10, 0, -1)


def by_svd(features, k):
    u, s, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    return (u * s)[:, :k], (s**2 / (s**2).sum())[:k]


def test_principal_components_up_to_their_signs():
    points, shares = projections.principal(FEATURES)
    expected, expected_shares = by_svd(FEATURES, 3)
    np.testing.assert_allclose(abs(points), abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, expected_shares)
    assert projections.principal(FEATURES, 50)[0].shape == (60, 10)


def test_batches_are_fitted_each_on_its_own():
    order = RNG.permutation(57)  # batches of eight, the last one of one image
    assert projections.batch_size(57) == 8 and projections.batch_size(1103) == 64 and projections.batch_size(160) == 20
    points = projections.per_batch(FEATURES[:57], order)
    np.testing.assert_allclose(abs(points[order[:8]]), abs(by_svd(FEATURES[order[:8]], 3)[0]), atol=1e-9)
    assert not points[order[56]].any()
    two = projections.per_batch(FEATURES[:10], np.arange(10))[8:]
    assert two[:, 0].all() and not two[:, 1:].any()  # two images span one component


def test_three_ways_hold_the_same_images():
    y = np.repeat([0, 1, 2], 20)
    ways = projections.ways(FEATURES, y)
    assert {points.shape for points in ways.values()} == {(60, 3)}
    # In class order the first batches hold one class, so its centre is lost; fitted once it is kept.
    centre = [np.linalg.norm(ways[way][:16].mean(axis=0)) for way in ("per batch, class by class", "fitted once")]
    assert centre[0] < 1e-9 < 0.1 < centre[1]
    # Shuffled batches hold all three classes, so no two batches of images in a row lose their centre.
    shuffled = [np.linalg.norm(ways["per batch, shuffled"][k : k + 8].mean(axis=0)) for k in range(0, 56, 8)]
    assert min(shuffled) > 1e-3


def test_neighbour_embedding_is_repeatable():
    points, perplexity = projections.neighbour_embedding(FEATURES)
    assert points.shape == (60, 2) and perplexity == pytest.approx(59 / 3)
    np.testing.assert_array_equal(points, projections.neighbour_embedding(FEATURES)[0])
