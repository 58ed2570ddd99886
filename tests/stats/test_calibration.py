"""Decision rules against Bayes' rule written out, and against counting."""

import numpy as np
import pytest
from fabricate import random_predictions

from wagf_src.classes import MEL
from wagf_src.errors import UserError
from wagf_src.stats import calibration
from wagf_src.stats.calibration import STRENGTHS


def made_up(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.choice(7, size=n, p=[0.03, 0.05, 0.1, 0.01, 0.1, 0.68, 0.03])
    return y, rng.dirichlet(np.ones(7) * 0.5 + 3 * np.eye(7)[4], size=n) * 0.3 + 0.7 * rng.dirichlet(np.ones(7), size=n)


def test_the_full_correction_is_bayes_rule():
    # Two classes with known densities: posteriors under a 9:1 mix, corrected, are posteriors under 1:1.
    mix = np.array([0.9, 0.1])
    density = np.array([[0.2, 0.6], [0.5, 0.1], [0.3, 0.3]])  # p(x | class) of three images
    posterior = density * mix / (density * mix).sum(axis=1, keepdims=True)
    fair = density / density.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibration.corrected(posterior, mix, 1.0), fair)
    np.testing.assert_allclose(calibration.corrected(posterior, mix, 0.0), posterior)


def test_the_best_strength_beats_every_other():
    y, p = made_up()
    frequencies = np.bincount(y, minlength=7) / len(y)
    chosen = calibration.best_strength(y, p, frequencies, "balanced_accuracy")

    def recall(strength):
        called = (p / frequencies**strength).argmax(axis=1)
        return np.mean([(called[y == c] == c).mean() for c in range(7)])

    assert recall(chosen) == max(recall(s) for s in STRENGTHS)


@pytest.mark.parametrize("wanted", [0.3, 0.6, 0.95, 1.0])
def test_the_melanoma_factor_is_the_smallest_that_does(wanted):
    y, p = made_up(seed=3)
    p[:, MEL] *= 0.3
    p /= p.sum(axis=1, keepdims=True)
    factor = calibration.melanoma_factor(y, p, wanted)

    def sensitivity(f):
        return (calibration.favour_melanoma(p, f).argmax(axis=1)[y == MEL] == MEL).mean()

    assert sensitivity(factor) >= wanted
    if factor > 1:
        assert sensitivity(factor * 0.999) < wanted or sensitivity(factor * 0.999) == sensitivity(factor) > wanted
    np.testing.assert_allclose(calibration.favour_melanoma(p, factor).sum(axis=1), 1)


def test_melanomas_of_probability_zero_are_found_too():
    """Half of the melanomas have none at all: the factor stays a number, and so does everything it is used on."""
    y = np.repeat(np.arange(7), 10)
    p = np.full((70, 7), 0.001)
    p[np.arange(70), y] = 0.994
    p[45:50] = np.eye(7)[5]  # nevi without doubt, wrongly
    for wanted in (0.5, 0.6, 1.0):
        factor = calibration.melanoma_factor(y, p, wanted)
        favoured = calibration.favour_melanoma(p, factor)
        assert np.isfinite(factor) and np.isfinite(favoured).all()
        np.testing.assert_allclose(favoured.sum(axis=1), 1)
        assert (favoured.argmax(axis=1)[y == MEL] == MEL).mean() >= wanted
    assert calibration.melanoma_factor(y, p, 0.5) == pytest.approx(1)


def test_without_melanomas_no_factor():
    y, p = made_up()
    with pytest.raises(ValueError, match="no melanoma"):
        calibration.melanoma_factor(np.full_like(y, 5), p, 0.6)


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9, 0.95, 1.0])
def test_melanoma_threshold_keeps_the_specificity_and_no_lower_one_does(specificity):
    y, p = random_predictions()
    threshold = calibration.melanoma_threshold(y, p, specificity)
    rates = calibration.melanoma_rates(y, p, threshold)
    assert rates["true_negative"] / rates["others"] >= specificity
    lower = calibration.melanoma_rates(y, p, np.nextafter(threshold, 0))
    assert lower["true_negative"] / lower["others"] < specificity
    assert rates["melanoma"] + rates["others"] == len(y)
    with pytest.raises(UserError, match="other classes"):
        calibration.melanoma_threshold(np.array([4]), p[:1], 0.9)


def test_of_equally_good_strengths_the_smallest_change_is_taken():
    """Answers so sure that no strength changes one of them."""
    y, p = np.arange(7), 0.99 * np.eye(7) + 0.01 / 7
    frequencies = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1])
    assert calibration.best_strength(y, p, frequencies, "accuracy") == 0


@pytest.mark.parametrize(("specificity", "alarms"), [(0.9, 1), (0.8, 2), (0.7, 3), (1.0, 0)])
def test_of_ten_other_images_a_tenth_is_one(specificity, alarms):
    """(1 - 0.9) * 10 is a little less than one in binary; one false alarm is allowed all the same."""
    p = np.zeros((11, 7))
    p[:, MEL] = [*np.arange(10) / 10, 0.95]
    threshold = calibration.melanoma_threshold(np.array([5] * 10 + [MEL]), p, specificity)
    assert (p[:10, MEL] >= threshold).sum() == alarms
