"""Intervals of proportions against textbook values."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from wagf_src.errors import UserError
from wagf_src.stats import proportions


def test_wilson_textbook_values():
    # Agresti & Coull (1998): none of 10, upper limit z^2 / (n + z^2); Newcombe (1998), Table I: 81 of 263, 15 of 148.
    assert proportions.wilson(0, 10) == pytest.approx((0, 3.841459 / 13.841459), abs=1e-6)
    assert proportions.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert proportions.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    # FINDINGS, section 6: 90.75% of 1,103 is [88.9, 92.3].
    assert proportions.wilson(1001, 1103) == pytest.approx((0.889, 0.923), abs=5e-4)
    for k, n in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(UserError):
            proportions.wilson(k, n)


def test_share_interval_by_hand():
    # One seed: Wilson on the images. Two seeds that agree on every image know no more than one.
    hits = np.array([1] * 15 + [0] * 133, bool)
    assert proportions.share_interval(hits[None]) == pytest.approx((15 / 148, 0.0624, 0.1605), abs=5e-5)
    assert proportions.share_interval(np.stack([hits, hits])) == pytest.approx(proportions.share_interval(hits[None]))
    # Seeds that disagree on half of the images: variance 0.25 / 2 from two seeds alone, so n is 1 or 2.
    mean, low, high = proportions.share_interval(np.array([[1] * 50, [0] * 50]))
    effective = 0.25 / (0.5 / 2)
    assert (mean, low, high) == pytest.approx((0.5, *proportions.wilson(0.5 * effective, effective)))
    assert np.isnan(proportions.share_interval(np.zeros((2, 0)))).all()
    # Seeds that disagree on 98 of 100 images average to one half nearly everywhere, yet there are no more images: 50 of
    # 100 by statsmodels, not 2,500 of 5,000.
    apart = np.array([[1, 0] * 49 + [1, 0], [0, 1] * 49 + [1, 0]])
    assert proportions.share_interval(apart) == pytest.approx((0.5, *proportion_confint(50, 100, method="wilson")))


def test_repeats_interval_is_students():
    """The textbook example of Student himself: extra hours of sleep of ten patients, mean 1.58, t = 4.06 (1908)."""
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, low, high = proportions.repeats_interval(sleep)
    assert mean == pytest.approx(1.58) and (low, high) == pytest.approx((0.70, 2.46), abs=0.005)
    # Nadeau and Bengio: the variance grows from 1/n to 1/n + test/training.
    _, wide, _ = proportions.repeats_interval(sleep, ratio=0.25)
    assert (mean - wide) / (mean - low) == pytest.approx(np.sqrt((0.1 + 0.25) / 0.1))
    assert np.isnan(proportions.repeats_interval([0.5])[1:]).all()
