"""Intervals and paired differences against closed forms, plain resampling and simulation; folds against their union."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
from fabricate import LADDER, fabricate, seal

from wagf_src import atomic
from wagf_src.errors import UserError
from wagf_src.runs import TEST, Run, of_arm, truth_and_probabilities
from wagf_src.stats import bootstrap, metrics, paired, proportions
from wagf_src.stats.metrics import METRICS


def in_folds(run, folder, n=5):
    """The same predictions as ``n`` runs, each of every n-th image."""
    parts = []
    for fold in range(n):
        path = folder / f"{run.arm}-fold{fold}-seed{run.seed}"
        path.mkdir(parents=True)
        atomic.write_csv(path / TEST, pd.read_csv(run.path / TEST, dtype=str)[fold::n])
        atomic.write_json(path / "run.json", run.info | {"fold": fold})
        seal(path)
        parts.append(Run(path))
    return parts


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("runs"), LADDER[2:6], seeds=(0, 1, 2))


def test_draws_keep_the_classes_and_are_one_stream():
    y = np.random.default_rng(0).choice(7, 300)
    draws = bootstrap.image_draws(y, 250, seed=3)
    assert (draws.sum(axis=1) == len(y)).all() and draws.max() > 1
    rng, expected = np.random.default_rng(3), np.zeros((250, 300))
    for c in range(7):
        assert (draws[:, y == c].sum(axis=1) == (y == c).sum()).all()
        # Drawn at once, class after class, and counted one by one.
        members = np.flatnonzero(y == c)
        np.add.at(expected, (np.arange(250)[:, None], members[rng.integers(len(members), size=(250, len(members)))]), 1)
    np.testing.assert_array_equal(draws, expected)


def test_interval_of_an_accuracy_has_the_binomial_width(tmp_path):
    run = fabricate(tmp_path, LADDER[:1])[0]
    mean, low, high = bootstrap.interval([run], "accuracy")
    y, p = truth_and_probabilities(run)
    right = p.argmax(1) == y
    assert mean == right.mean()
    variance = sum(right[y == c].var() * (y == c).sum() for c in range(7)) / len(y) ** 2  # stratified sampling
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(variance), rel=0.1)
    assert low < mean < high
    narrow = bootstrap.interval([run], "accuracy", level=0.5)
    assert narrow[2] - narrow[1] < 0.5 * (high - low)
    assert bootstrap.interval([run], "recall_weighted") == pytest.approx((mean, low, high))


def test_intervals_cover_as_often_as_they_say():
    """200 test sets from one known population: the interval holds the true accuracy about 95 times in 100."""
    rng = np.random.default_rng(11)
    y = np.repeat(np.arange(7), 60)
    accuracy_by_class = np.linspace(0.5, 0.95, 7)
    covered = 0
    for k in range(200):
        right = rng.random(len(y)) < accuracy_by_class[y]
        predicted = np.where(right, y, (y + rng.integers(1, 7, len(y))) % 7)
        values = METRICS["accuracy"].resampled(y, np.eye(7)[predicted], bootstrap.image_draws(y, 400, k))
        low, high = bootstrap.percentiles(values, right.mean())
        covered += low <= accuracy_by_class.mean() <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_seeds_widen_an_interval_by_their_own_spread(tmp_path):
    same = fabricate(tmp_path / "a", LADDER[:1], seeds=(0,))
    apart = [
        *fabricate(tmp_path / "b", LADDER[:1], seeds=(0,), skill=0.5),
        *fabricate(tmp_path / "c", LADDER[:1], seeds=(1,), skill=4.0),
    ]
    values = [metrics.metrics(*truth_and_probabilities(r))["accuracy"] for r in apart]
    mean, low, high = bootstrap.interval(apart, "accuracy")
    assert mean == pytest.approx(np.mean(values))
    assert low < min(values) + 0.05 and high > max(values) - 0.05 and values[1] - values[0] > 0.3
    assert high - low > 2 * np.diff(bootstrap.interval(same, "accuracy")[1:])[0]


def test_coverage_interval_agrees_with_accuracy_and_with_the_curve(runs):
    chosen = of_arm(runs, LADDER[3])
    assert bootstrap.coverage_interval(chosen, 1.0) == pytest.approx(bootstrap.interval(chosen, "accuracy"), abs=1e-6)
    mean, low, high = bootstrap.coverage_interval(chosen, 0.5)
    curves = [metrics.coverage_accuracy(*truth_and_probabilities(r))[1][99] for r in chosen]
    assert mean == pytest.approx(np.mean(curves)) and low < mean < high
    for wrong in (0, 1.1, float("nan")):
        with pytest.raises(UserError, match="coverage"):
            bootstrap.coverage_interval(chosen, wrong)


def test_all_answered_right_is_known_from_the_answered_images_alone(tmp_path):
    """Whichever images a resample holds, all that it answers are right: Wilson's interval of 100 of 100, not of 200."""
    runs = fabricate(tmp_path, LADDER[:1], seeds=(0, 1), skill=50.0)
    assert bootstrap.coverage_interval(runs, 0.5) == pytest.approx((1, *proportions.wilson(100, 100)))


def test_class_recall_takes_wilson(tmp_path):
    run = fabricate(tmp_path, LADDER[:1])[0]
    y, p = truth_and_probabilities(run)
    k, n = int((p.argmax(1) == 3)[y == 3].sum()), int((y == 3).sum())
    assert bootstrap.interval([run], "recall_df") == pytest.approx((k / n, *proportions.wilson(k, n)))
    assert bootstrap.interval([run], "melanoma_sensitivity") == bootstrap.interval([run], "recall_mel")


def test_all_right_is_no_certainty(tmp_path):
    runs = fabricate(tmp_path, LADDER[:1], seeds=(0, 1), skill=50.0)
    assert bootstrap.interval(runs, "accuracy") == pytest.approx((1, *proportions.wilson(200, 200)))
    assert bootstrap.interval(runs, "recall_df") == pytest.approx((1, *proportions.wilson(5, 5)))


def test_undefined_intervals_are_nan(tmp_path):
    runs = fabricate(tmp_path, LADDER[:1], counts={"nv": 30, "bcc": 10})
    for metric in ("auc_melanoma", "recall_mel", "melanoma_sensitivity"):
        assert np.isnan(bootstrap.interval(runs, metric)).all()
    assert np.isfinite(bootstrap.interval(runs, "f1_macro")).all()


def test_intervals_hold_their_estimate_and_stay_in_range(runs):
    for metric in METRICS:
        mean, low, high = bootstrap.interval(of_arm(runs, LADDER[3]), metric, resamples=300)
        assert 0 <= low <= mean <= high, metric
        assert high <= METRICS[metric].range[1], metric


def test_bias_of_resampling_is_taken_out():
    # Perfectly calibrated by construction: resampling alone makes the calibration error grow past its own estimate.
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(7), 2000)
    y = np.array([rng.choice(7, p=row) for row in p])
    estimate = METRICS["ece"].point(y, p)
    values = METRICS["ece"].resampled(y, p, bootstrap.image_draws(y, 500, 0))
    assert np.quantile(values, 0.2) > estimate
    low, high = bootstrap.percentiles(values, estimate)
    assert abs((low + high) / 2 - estimate) < 0.1 * (high - low)


def test_bad_requests_are_named(runs, tmp_path):
    with pytest.raises(UserError, match="unknown metric 'f1'"):
        bootstrap.interval(runs, "f1")
    with pytest.raises(UserError, match="at least one run"):
        bootstrap.interval([], "accuracy")
    with pytest.raises(UserError, match="at least one run of each"):
        bootstrap.paired_difference(runs, [], "accuracy")
    other = fabricate(tmp_path, LADDER[:1], counts={"nv": 30, "bcc": 10})
    with pytest.raises(UserError, match="different images"):
        bootstrap.paired_difference(runs[:1], other, "accuracy")


def test_a_paired_difference_is_narrower_than_two_intervals(runs):
    a, b = (of_arm(runs, arm)[:1] for arm in (LADDER[5], LADDER[2]))
    difference, low, high = bootstrap.paired_difference(a, b, "accuracy")
    right_a, right_b = paired.correct(a), paired.correct(b)
    assert difference == pytest.approx(right_a.mean() - right_b.mean())
    y = truth_and_probabilities(a[0])[0]
    gap = right_a.astype(float) - right_b
    variance = sum(gap[y == c].var() * (y == c).sum() for c in range(7)) / len(y) ** 2
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(variance), rel=0.12)
    opposite = bootstrap.paired_difference(b, a, "accuracy")
    assert opposite == pytest.approx((-difference, -high, -low), abs=0.006)
    assert bootstrap.paired_difference(a, a, "f1_macro") == (0, 0, 0)


def test_order_of_images_does_not_matter(tmp_path):
    a = fabricate(tmp_path / "a", LADDER[:1])
    b = fabricate(tmp_path / "b", LADDER[1:2])
    before = bootstrap.paired_difference(a, b, "accuracy")
    frame = b[0].predictions()
    frame.sample(frac=1, random_state=1).to_csv(b[0].path / "predictions.csv", index=False)
    assert bootstrap.paired_difference(a, [Run(b[0].path)], "accuracy") == before


def test_equal_seeds_are_drawn_as_pairs(tmp_path):
    def two_seeds(folder, arm, numbers):
        poor = fabricate(tmp_path / folder / "poor", [arm], seeds=numbers[:1], skill=1.0)
        return poor + fabricate(tmp_path / folder / "good", [arm], seeds=numbers[1:], skill=4.0)

    a, b = two_seeds("a", LADDER[0], (0, 1)), two_seeds("b", LADDER[1], (0, 1))
    apart = two_seeds("c", LADDER[1], (2, 3))
    # Seed 0 is poor and seed 1 good in both arms: in pairs that cancels, each arm on its own it does not.
    widths = [np.diff(bootstrap.paired_difference(a, other, "accuracy")[1:])[0] for other in (b, apart)]
    assert widths[0] < 0.5 * widths[1]


def test_balanced_means_weigh_classes_alike():
    y = np.array([0] * 9 + [1])
    values = np.array([1.0] * 9 + [0.0])
    assert bootstrap.resampled_mean(values, y)[0] == pytest.approx(0.9)
    assert bootstrap.resampled_mean(values, y, balanced=True)[0] == pytest.approx(0.5)
    # All right, each class weighing one half: nine images and one know as much as 1 / (9 / 18^2 + 1 / 2^2) alike ones.
    certain = bootstrap.resampled_mean(np.ones(10), y, balanced=True)
    assert certain == pytest.approx((1, *proportions.wilson(3.6, 3.6)))


@pytest.fixture(scope="module")
def folds(tmp_path_factory, runs):
    """Runs of two arms and two seeds, and the same predictions in five folds each."""
    folder = tmp_path_factory.mktemp("folds")
    whole = [[run for run in of_arm(runs, arm) if run.seed < 2] for arm in (LADDER[5], LADDER[2])]
    return whole, [[part for run in arm for part in in_folds(run, folder)] for arm in whole]


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "recall_mel", "ece", "auc_melanoma"])
def test_folds_are_one_set_of_predictions(folds, metric):
    (a, b), (parts_a, parts_b) = folds
    assert bootstrap.interval(parts_a[::-1], metric) == pytest.approx(bootstrap.interval(a[::-1], metric), abs=1e-12)
    found = bootstrap.paired_difference(parts_a, parts_b[5:] + parts_b[:5], metric)
    assert found == pytest.approx(bootstrap.paired_difference(a, b[::-1], metric), abs=1e-12)
    assert bootstrap.coverage_interval(parts_a, 0.8) == bootstrap.coverage_interval(a, 0.8)
    np.testing.assert_array_equal(paired.correct(parts_a), paired.correct(a))


def test_folds_that_do_not_make_one_set_are_named(folds, tmp_path):
    (a, _), (parts, others) = folds
    with pytest.raises(UserError, match="densenet121-wagf-described: fold 3 of seed 1 has no finished run"):
        bootstrap.interval(parts[:8] + parts[9:], "accuracy")
    with pytest.raises(UserError, match="densenet121-base: fold 0 of seed 0"):
        bootstrap.paired_difference(parts, others[1:], "accuracy")
    with pytest.raises(UserError, match="densenet121-wagf-described: fold 0 of seed 0"):
        bootstrap.paired_difference(a, parts, "accuracy")
    with pytest.raises(UserError, match="ISIC_9000001 is tested in two of .*fold0-seed0, .*fold1-seed0"):
        shutil.copytree(parts[0].path, tmp_path / "fold0-seed0")
        atomic.write_csv(tmp_path / "fold0-seed0" / TEST, parts[1].predictions())
        seal(tmp_path / "fold0-seed0")
        bootstrap.interval([Run(tmp_path / "fold0-seed0"), *parts[1:5]], "accuracy")
    with pytest.raises(UserError, match="is tested in two of"):
        bootstrap.interval(a + a, "accuracy")


def test_limits_are_cut_at_what_a_metric_can_be(tmp_path, monkeypatch):
    """Moved by their bias, limits may pass the ends: of a calibration error below zero, of an accuracy above one."""
    runs = fabricate(tmp_path, LADDER[:1])
    monkeypatch.setattr(bootstrap, "percentiles", lambda *_: (-0.5, 9.0))
    ends = {"accuracy": (0, 1), "ece": (0, 1), "brier": (0, 2), "log_loss": (0, 9)}
    assert {metric: bootstrap.interval(runs, metric)[1:] for metric in ends} == ends


def test_a_mean_is_cut_at_its_own_limits(monkeypatch):
    monkeypatch.setattr(bootstrap, "percentiles", lambda *_: (-3.0, 9.0))
    values, y = np.array([0.0, 1.0, 1.0]), np.array([0, 0, 1])
    assert bootstrap.resampled_mean(values, y)[1:] == (-3, 9)
    assert bootstrap.resampled_mean(values, y, limits=(-1, 1))[1:] == (-1, 1)
    assert bootstrap.resampled_mean(values, y, limits=bootstrap.SHARE)[1:] == (0, 1)


@pytest.mark.parametrize("balanced", [False, True])
def test_a_mean_is_resampled_within_classes(balanced):
    """Stratified sampling in closed form: means of classes differ, but how many images each has is fixed."""
    rng = np.random.default_rng(6)
    y = np.repeat(np.arange(3), [150, 60, 30])
    values = np.array([0.0, 1.0, 2.0])[y] + rng.normal(size=240)
    weights = 1 / 3 / np.bincount(y)[y] if balanced else np.full(240, 1 / 240)
    mean, low, high = bootstrap.resampled_mean(values, y, balanced=balanced)
    error = math.sqrt(sum((weights[y == c] ** 2).sum() * values[y == c].var() for c in range(3)))
    assert mean == pytest.approx(values @ weights)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)


def test_arms_of_other_seeds_are_drawn_each_on_its_own(tmp_path):
    """Two seeds far apart in each arm: the variance of a difference is the sum of both, whatever the seeds' numbers."""

    def far(folder, arm, numbers):
        poor = fabricate(tmp_path / folder / "poor", [arm], seeds=numbers[:1], skill=0.5)
        return poor + fabricate(tmp_path / folder / "good", [arm], seeds=numbers[1:], skill=50.0)

    a, b = far("a", LADDER[0], (0, 1)), far("b", LADDER[1], (2, 3))
    _, values = bootstrap.resampled_difference(a, b, "accuracy")
    # A mean of two draws of two seeds that lie d apart has variance d^2 / 8; images add little beside it.
    apart = [np.diff([metrics.metrics(*truth_and_probabilities(r))["accuracy"] for r in arm])[0] for arm in (a, b)]
    assert values.var() == pytest.approx(sum(d**2 for d in apart) / 8, rel=0.15)
