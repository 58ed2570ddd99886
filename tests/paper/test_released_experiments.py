"""The experiments on the released code, against scikit-learn, numpy and Pillow's own rule for nearest neighbours."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from wagf_src.classes import CLASSES
from wagf_src.paper import published, released_experiments
from wagf_src.paper.released_experiments import OTHERS, SIBLINGS, TEST, TRAINED


def test_what_was_trained_on_promises_more_than_new_lesions():
    last = released_experiments.validation_choice().iloc[-1]
    assert last[TRAINED] > 99 and last[SIBLINGS] > 95
    assert abs(last[OTHERS] - last[TEST]) < 5 and last[SIBLINGS] - last[TEST] > 10


def test_planes_are_principal_components_of_what_they_were_fitted_to():
    planes, y = released_experiments.pca_planes()
    once, shuffled, by_class = planes.values()
    for plane in planes.values():
        assert plane.shape == (448, 2)
        np.testing.assert_allclose(plane.mean(axis=0), 0, atol=1e-4)
    assert abs(np.cov(once.T)[0, 1]) < 1e-3 * np.var(once)  # components are uncorrelated
    centres = [by_class[y == c].mean(axis=0) for c in range(7)]
    np.testing.assert_allclose(centres, 0, atol=1e-5)  # a batch of one class has its mean at the origin
    assert np.var(once) > np.var(shuffled[y == 0]) > 0


def test_batch_f1_is_scikit_learns_micro_f1_of_batches():
    y, p, f1 = released_experiments.batch_f1(orders=2)
    assert np.bincount(y).tolist() == [published.TEST_SUPPORTS[c] for c in CLASSES] and (np.diff(y) >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    rng = np.random.default_rng(0)
    rng.normal(size=p.shape)  # what the predictions were drawn from
    truth = np.eye(7)[y]
    for value in f1:
        order = rng.permutation(len(y))
        parts = [order[k : k + 64] for k in range(0, len(y), 64)]
        expected = np.mean([f1_score(truth[part], np.round(p[part]), average="micro") for part in parts])
        assert value == pytest.approx(100 * expected)


def test_nearest_neighbours_are_pixels_of_the_photograph():
    pictures = released_experiments.resized()
    photograph, nearest = pictures["photograph"], pictures["nearest neighbour"]
    assert photograph.shape == (150, 200, 3) and nearest.shape == pictures["antialiased"].shape == (53, 53, 3)
    rows, columns = (((np.arange(53) + 0.5) * side / 53 - 1e-6).astype(int) for side in photograph.shape[:2])
    np.testing.assert_array_equal(nearest, photograph[np.ix_(rows, columns)])
    np.testing.assert_array_equal(released_experiments.resized(shift=1)["photograph"][:, 1:], photograph[:, :-1])
    assert pictures["antialiased"].mean() == pytest.approx(photograph.mean(), abs=1)


def test_photographs_are_one_a_class():
    assert released_experiments.photographs().shape == (7, 150, 200, 3)
