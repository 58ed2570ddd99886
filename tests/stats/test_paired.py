"""Paired tests against textbooks, exact enumeration and simulation."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from fabricate import LADDER, fabricate
from statsmodels.stats.multitest import multipletests

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paper import audits
from wagf_src.runs import PROBABILITY_COLUMNS, of_arm
from wagf_src.stats import bootstrap, paired


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("runs"), LADDER[2:6], seeds=(0, 1, 2))


@pytest.fixture
def answers(monkeypatch):
    """Runs in memory, one a seed, that classify images of one class right or wrong: from hits (seeds, n)."""
    monkeypatch.setattr(bootstrap, "sorted_predictions", lambda run: run.content)

    def make(hits):
        hits = np.atleast_2d(hits)
        ids, y = np.array([f"{i:05d}" for i in range(hits.shape[1])]), np.full(hits.shape[1], 5)
        contents = [(ids, y, np.eye(7)[np.where(right, 5, 4)]) for right in hits]
        return [
            SimpleNamespace(content=c, fold=None, seed=k, arm="arm", path=SimpleNamespace(name="run"))
            for k, c in enumerate(contents)
        ]

    return make


def test_direction_by_enumeration(answers):
    # Of 60 images a is right on eight where b is wrong; a resample holds such images Binomial(60, 8 / 60) times, and is
    # as far from 8 as 8 from 0 if it holds none, or 16 or more.
    found = paired.direction_test(answers(np.ones(60)), answers(np.arange(60) >= 8), resamples=20_000)
    times = scipy.stats.binom(60, 8 / 60)
    assert found.p == pytest.approx(times.cdf(0) + times.sf(15), abs=0.002)
    assert (found.low, found.high) == pytest.approx((times.ppf(0.025) / 60, times.ppf(0.975) / 60), abs=1e-3)
    assert (found.value, found.n_images, found.n_seeds, found.n_folds) == (pytest.approx(8 / 60), 60, 1, 1)


def test_direction_of_equal_arms_and_of_a_sure_one(answers):
    half = answers(np.arange(60) % 2)
    alike = paired.direction_test(half, half)
    assert (alike.value, alike.low, alike.high, alike.p) == (0, 0, 0, 1)
    assert paired.direction_test(answers(np.ones(60)), half).p == pytest.approx(1 / 2001)
    assert paired.direction_test(half, answers(np.ones(60))).p == pytest.approx(1 / 2001)


def test_direction_agrees_with_the_normal_approximation_and_its_interval(runs):
    a, b = of_arm(runs, LADDER[5])[:1], of_arm(runs, LADDER[2])[:1]
    found = paired.direction_test(a, b)
    assert (found.value, found.low, found.high) == bootstrap.paired_difference(a, b, "accuracy")
    gap, y = paired.correct(a).astype(float) - paired.correct(b), bootstrap.aligned(a)[0]
    error = math.sqrt(sum(gap[y == c].var() * (y == c).sum() for c in range(7))) / len(y)
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(abs(found.value) / error), abs=0.03)
    opposite = paired.direction_test(b, a)
    assert (opposite.value, opposite.p) == (-found.value, found.p)


def test_an_undefined_metric_has_no_direction(answers):
    found = paired.direction_test(answers(np.ones(9)), answers(np.ones(9)), "melanoma_sensitivity")
    assert np.isnan([found.value, found.low, found.high, found.p]).all()


def drawn(rng, n, seeds, difference, discordance, shared, training_sd):
    """Hits of two arms, (seeds, n) each: their gap in an image is +1 or -1 on ``discordance`` of them."""
    chance = rng.random((seeds, n))
    alike = rng.random(n) < shared
    chance[:, alike] = chance[0, alike]
    better = (discordance + difference + rng.normal(0, training_sd, (seeds, 1))) / 2
    return chance >= discordance - better, (chance < discordance - better) | (chance >= discordance)


@pytest.mark.parametrize(("seeds", "training_sd"), [(1, 0.0), (3, 0.01)])
def test_the_detectable_difference_is_detected_as_often_as_it_says(answers, seeds, training_sd):
    """And no difference is taken for one in about 5% or less: from two seeds on the crossed bootstrap is cautious."""
    rng, kind = np.random.default_rng(8), {"discordance": 0.1, "shared": 0.2, "training_sd": training_sd}
    difference = paired.detectable(500, seeds=seeds, **kind)
    rate = {}
    for truth in (difference, 0.0):
        p = []
        for _ in range(150):
            b, a = drawn(rng, 500, seeds, -truth, **kind)
            p.append(paired.direction_test(answers(a), answers(b), resamples=300).p)
        rate[truth] = np.mean(np.array(p) <= 0.05)
    assert rate[difference] == pytest.approx(0.8, abs=0.1)
    assert rate[0.0] <= 0.1


@pytest.mark.parametrize(("n", "discordance"), [(1103, 0.05), (5514, 0.05), (5514, 0.1), (10_015, 0.02)])
def test_detectable_is_the_inverse_of_the_sample_size_and_of_exact_power(n, discordance):
    difference = paired.detectable(n, discordance)
    # Connor (1987), with the normal quantiles 1.960 and 0.842.
    z_test, z_power = 1.959964, 0.841621
    wanted = z_test * math.sqrt(discordance) + z_power * math.sqrt(discordance - difference**2)
    assert (wanted / difference) ** 2 == pytest.approx(n, rel=1e-5)
    p, q = 0.9, 0.9 - difference
    correlation = (p * (1 - q) + q * (1 - p) - discordance) / (2 * math.sqrt(p * (1 - p) * q * (1 - q)))
    # The exact test is a little more cautious.
    assert 0.76 < audits.mcnemar_power(p, q, n, correlation) < 0.81


def test_more_seeds_and_folds_detect_more_and_nothing_shows_what_cannot_be():
    kind = {"discordance": 0.06, "shared": 0.1, "training_sd": 0.005}
    by_seeds = [paired.detectable(5514, seeds=k, **kind) for k in (2, 3, 5, 50)]
    assert (np.diff(by_seeds) < 0).all()
    assert paired.detectable(5514, seeds=2, folds=5, **kind) < by_seeds[0]
    assert paired.detectable(10_015, seeds=2, **kind) < by_seeds[0]
    assert np.isnan(paired.detectable(100, 0.01)), "one discordant image of a hundred shows nothing"


def test_noise_is_what_was_put_in(answers):
    truth = {"discordance": 0.1, "shared": 0.3, "training_sd": 0.008}
    a, b = drawn(np.random.default_rng(2), 4000, 60, 0.0, **truth)
    found = paired.noise(answers(a), answers(b))
    assert found == {
        "discordance": pytest.approx(0.1, rel=0.05),
        "shared": pytest.approx(0.3, abs=0.06),
        "training_sd": pytest.approx(0.008, rel=0.3),
    }
    assert paired.noise(answers(a[:1]), answers(b[:1])) == {
        "discordance": pytest.approx((a[0] != b[0]).mean()),
        "shared": 1.0,
        "training_sd": 0.0,
    }


def test_mcnemar_textbook():
    # Agresti, Categorical Data Analysis, ratings of the prime minister: 794 / 150 / 86 / 570 of 1,600.
    a = np.repeat([1, 1, 0, 0], [794, 150, 86, 570])
    b = np.repeat([1, 0, 1, 0], [794, 150, 86, 570])
    only_a, only_b, p = paired.mcnemar(a, b)
    assert (only_a, only_b) == (150, 86)
    # The exact test is a binomial test of 86 out of 236; Agresti's z is 4.17 (z squared 17.36), p below 0.0001.
    assert p == pytest.approx(scipy.stats.binomtest(86, 236).pvalue, rel=1e-9)
    assert p == pytest.approx(3.72e-5, rel=0.01)
    # By hand: 1 against 6 discordant images, 2 (1 + 7) / 2^7 = 0.125.
    assert paired.mcnemar([1] + [0] * 6 + [1], [0] + [1] * 6 + [1]) == (1, 6, pytest.approx(0.125))
    assert paired.mcnemar([1, 0], [1, 0]) == (0, 0, 1.0)
    with pytest.raises(UserError, match="same images"):
        paired.mcnemar([1, 0], [1])


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.4: times 4, 3, 2, 1 and never falling: 0.04, 0.06, 0.06, 0.4.
    np.testing.assert_allclose(paired.holm([0.03, 0.01, 0.4, 0.02]), [0.06, 0.04, 0.4, 0.06])
    np.testing.assert_allclose(paired.holm([0.6, 0.7]), [1, 1])
    assert paired.holm([]).shape == (0,)


@pytest.mark.parametrize("n", [1, 2, 11, 40])
def test_holm_is_that_of_statsmodels(n):
    p = np.random.default_rng(n).random(n).round(2) ** 3  # some are alike
    p[n // 2 + 1 :: 7] = np.nan
    np.testing.assert_array_equal(paired.holm(p), multipletests(p, method="holm")[1])


def test_seeds_answer_together_in_mcnemar(runs):
    a = of_arm(runs, LADDER[3])
    frames = [r.predictions() for r in a]
    mean = np.mean([f[PROBABILITY_COLUMNS].to_numpy() for f in frames], axis=0)
    expected = np.array(CLASSES)[mean.argmax(1)] == frames[0]["dx"]
    np.testing.assert_array_equal(paired.correct(a), expected)


def test_verdict_counts_the_noise_on_both_sides():
    nan = float("nan")
    # 90.75% of 1,103 reaches up by 1.57 points; ours down by 2: together 2.54.
    assert paired.verdict(90.75, 1103, 93.2, 91.2, 95.0) == "agrees within noise"
    assert paired.verdict(90.75, 1103, 93.4, 91.4, 95.2) == "ours is higher"
    assert paired.verdict(90.75, 1103, 86.0, 84.0, 88.0) == "ours is lower"
    assert paired.verdict(90.75, 1103, 90.0, 88.0, 92.0) == "agrees within noise"
    # Of each value the margin that points to the other one counts: of ours the long side or the short one, of the
    # printed one 1.57 up or 1.85 down.
    assert paired.verdict(90.75, 1103, 93.5, 90.7, 93.7) == "agrees within noise"
    assert paired.verdict(90.75, 1103, 93.5, 93.3, 96.3) == "ours is higher"
    assert paired.verdict(90.75, 1103, 88.0, 87.8, 90.8) == "agrees within noise"
    assert paired.verdict(90.75, 1103, 88.0, 85.2, 88.2) == "ours is lower"
    assert paired.verdict(90.75, 1103, nan, nan, nan) == "not run"
    assert paired.verdict(nan, 1103, 90.0, 88.0, 92.0) == "not in the paper"


def test_noise_of_images_is_no_noise_of_training(answers):
    """Networks that differ by chance of images alone: 60 seeds of 4,000 images would spread by 0.42 points for it."""
    a, b = drawn(np.random.default_rng(3), 4000, 60, 0.0, discordance=0.1, shared=0.3, training_sd=0.0)
    assert paired.noise(answers(a), answers(b))["training_sd"] < 0.0025
