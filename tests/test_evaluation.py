"""Statistics against textbook values and independent computations."""

import math
import time

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics as sk
from fabricate import LADDER, fabricate, made_up_splits

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.runs import PROBABILITY_COLUMNS, Run, by_arm, of_arm, truth_and_probabilities, validation_predictions
from wagf_src.stats import bootstrap, calibration, metrics, paired, proportions, separability, splits
from wagf_src.stats.metrics import METRICS

RNG = np.random.default_rng(0)


def random_predictions(n=300, rng=None):
    rng = rng or np.random.default_rng(5)
    y = np.r_[np.arange(7), rng.choice(7, n - 7, p=[0.04, 0.06, 0.1, 0.02, 0.1, 0.65, 0.03])]
    logits = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, np.round(p, 2) / np.round(p, 2).sum(axis=1, keepdims=True)  # rounding makes ties, as real scores have


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("runs"), LADDER[2:6], seeds=(0, 1, 2))


@pytest.fixture
def one(tmp_path):
    return fabricate(tmp_path, LADDER[:1])[0]


# --- reading -------------------------------------------------------------------------------------------------


def test_truth_and_probabilities_are_the_file(one):
    y, p = truth_and_probabilities(one)
    frame = one.predictions()
    assert [CLASSES[k] for k in y] == frame["dx"].tolist()
    np.testing.assert_allclose(p, frame[PROBABILITY_COLUMNS], atol=1e-5)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.drop(columns="p_df"), "no column p_df"),
        (lambda f: f.assign(dx="wart"), "dx holds 'wart'"),
        (lambda f: f.assign(p_nv=0.9, p_mel=0.9), "not a distribution"),
        (lambda f: f.assign(p_nv=np.nan), "not a distribution"),
        (lambda f: f.assign(p_nv=-f["p_nv"]), "not a distribution"),
        (lambda f: pd.concat([f, f[:1]]), "is there twice"),
        (lambda f: f[:0], "no rows"),
    ],
)
def test_spoiled_predictions_are_named(one, spoil, message):
    spoil(one.predictions()).to_csv(one.path / "predictions.csv", index=False)
    with pytest.raises(UserError, match=rf"mobilenetv2-base-seed0/predictions\.csv: .*{message}"):
        truth_and_probabilities(one)


def test_missing_predictions_are_named(one):
    (one.path / "predictions.csv").unlink()
    with pytest.raises(UserError, match="mobilenetv2-base-seed0/predictions.csv"):
        truth_and_probabilities(one)


def test_validation_predictions_may_be_absent_and_may_repeat_images(one):
    y, p = validation_predictions(one)
    assert p.shape == (len(y), 7) and len(y) == 100
    file = one.path / "validation_predictions.csv"
    frame = pd.read_csv(file)
    pd.concat([frame, frame]).to_csv(file, index=False)  # offline copies of one image share its id
    assert len(validation_predictions(one)[0]) == 200
    file.unlink()
    assert validation_predictions(one) is None


# --- arms ----------------------------------------------------------------------------------------------------


def test_arms_come_in_the_order_of_table_1(tmp_path):
    runs = fabricate(tmp_path, LADDER[::-1], seeds=(1, 0))
    arms = by_arm(runs)
    assert list(arms) == [*LADDER[:4], "densenet121-sa-released", *LADDER[4:6], "densenet121-wagf-released"]
    assert [r.seed for r in arms["resnet50-base"]] == [0, 1]
    assert of_arm(runs, "densenet121-base") == arms["densenet121-base"]
    assert of_arm(runs, "mobilenetv2-probe") == []


# --- metrics -------------------------------------------------------------------------------------------------


def test_metrics_on_a_hand_computed_case():
    # Ten images: 4 mel (3 found, one called nv), 6 nv (4 found, two called mel).
    y = np.array([4] * 4 + [5] * 6)
    predicted = np.array([4, 4, 4, 5, 5, 5, 5, 5, 4, 4])
    p = np.full((10, 7), 0.02)
    p[np.arange(10), predicted] = 0.88
    found = metrics.metrics(y, p)
    assert found["accuracy"] == pytest.approx(7 / 10)
    assert found["recall_mel"] == found["melanoma_sensitivity"] == pytest.approx(3 / 4)
    assert found["recall_nv"] == pytest.approx(4 / 6)
    assert found["precision_macro"] == pytest.approx((3 / 5 + 4 / 5) / 2)
    assert found["precision_weighted"] == pytest.approx(0.4 * 3 / 5 + 0.6 * 4 / 5)
    assert found["f1_macro"] == pytest.approx((2 * 3 / 9 + 2 * 4 / 11) / 2)
    assert found["f1_weighted"] == pytest.approx(0.4 * 2 * 3 / 9 + 0.6 * 2 * 4 / 11)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert found["recall_weighted"] == found["accuracy"]
    assert found["log_loss"] == pytest.approx(-(7 * math.log(0.88) + 3 * math.log(0.02)) / 10)
    assert found["auc_melanoma"] == pytest.approx((3 * 4 + 0.5 * (3 * 2 + 1 * 4) + 0) / 24)
    assert found["recall_df"] is None and set(found) == set(METRICS)


def test_metrics_agree_with_scikit_learn_and_are_plain_floats():
    y, p = random_predictions()
    report = sk.classification_report(
        y, p.argmax(1), labels=range(7), target_names=CLASSES, output_dict=True, zero_division=0
    )
    found = metrics.metrics(y, p)
    for average in ("macro", "weighted"):
        for name, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert found[f"{name}_{average}"] == pytest.approx(report[f"{average} avg"][key])
    for c in CLASSES:
        assert found[f"recall_{c}"] == pytest.approx(report[c]["recall"])
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, p.argmax(1)))
    assert all(type(v) is float for v in found.values())
    assert found["melanoma_sensitivity"] == found["recall_mel"]


def test_undefined_metrics_are_none():
    y, p = random_predictions()
    assert metrics.metrics(y[y != 4], p[y != 4])["auc_melanoma"] is None
    assert metrics.metrics(y[y == 4], p[y == 4])["auc_melanoma"] is None


def test_ece_by_hand():
    # Confidence 0.95 twice (one right), 0.55 twice (both right): ECE = (2 |0.5 - 0.95| + 2 |1 - 0.55|) / 4 = 0.45.
    p = np.zeros((4, 7))
    p[:2, 0], p[:2, 1] = 0.95, 0.05
    p[2:, 2], p[2:, 3] = 0.55, 0.45
    assert metrics.ece(np.array([0, 1, 2, 2]), p, bins=10) == pytest.approx(0.45)
    # In one and the same bin the errors cancel: |0.75 - 0.75| = 0.
    assert metrics.ece(np.array([0, 1, 2, 2]), p, bins=1) == pytest.approx(0, abs=1e-12)
    certain = np.eye(7)
    assert metrics.ece(np.arange(7), certain) == 0
    assert metrics.ece((np.arange(7) + 1) % 7, certain) == 1


def test_brier_by_hand():
    p = np.array([[0.7, 0.3, 0, 0, 0, 0, 0], [0.2, 0.8, 0, 0, 0, 0, 0.0]])
    # (0.3^2 + 0.3^2 + 0.8^2 + 0.8^2) / 2
    assert metrics.brier(np.array([0, 0]), p) == pytest.approx((0.09 + 0.09 + 0.64 + 0.64) / 2)
    assert metrics.brier(np.array([2, 2]), np.eye(7)[[3, 3]]) == pytest.approx(2)
    assert metrics.brier(np.arange(7), np.full((7, 7), 1 / 7)) == pytest.approx(6 / 7)


def test_batch_f1_can_exceed_what_precision_and_recall_allow():
    # Batch one: one image, right and sure (F1 = 1). Batch two: 1 of 3 right, none else over one half.
    y = np.array([0, 1, 2, 3])
    p = np.full((4, 7), 0.1)
    p[0, 0] = p[1, 1] = 0.9
    assert metrics.batch_f1(y[1:], p[1:], batch=3) == pytest.approx(2 * 1 / (1 + 3))
    assert metrics.batch_f1(np.array([1, 2, 3, 0]), p[[1, 2, 3, 0]], batch=3) == pytest.approx((0.5 + 1) / 2)
    assert metrics.batch_f1(y, p, batch=4) == pytest.approx(2 * 2 / (2 + 4))
    # Rows (i) to (iii) of the paper break F1 <= (P + R) / 2; a batch average may: here P = R = 21/40, F1 = 0.575 > 0.525.
    y = np.array([0] * 36 + [1] * 4)
    p = np.eye(7)[[0] * 18 + [6] * 18 + [1] * 3 + [6]]
    whole = metrics.averages(y, p).set_index("average").loc["as released"]
    assert whole["precision"] == whole["recall"] == 21 / 40
    assert metrics.batch_f1(y, p, batch=36) == pytest.approx((18 / 36 + 3 / 4) / 2)
    assert metrics.batch_f1(y, p, batch=36) > (whole["precision"] + whole["recall"]) / 2


def test_averages_agree_with_scikit_learn():
    y, p = random_predictions()
    table = metrics.averages(y, p).set_index("average")
    assert list(table.index) == ["micro", "macro", "weighted", "as released"]
    for average in ("micro", "macro", "weighted"):
        expected = sk.precision_recall_fscore_support(y, p.argmax(1), average=average, zero_division=0)[:3]
        np.testing.assert_allclose(table.loc[average].to_numpy(float), expected)
    over = p > 0.5
    assert table.loc["as released", "precision"] == pytest.approx(
        sk.precision_score(np.eye(7)[y].astype(bool).ravel(), over.ravel())
    )
    assert table.loc["as released", "recall"] == pytest.approx(sk.recall_score(np.eye(7)[y].ravel() == 1, over.ravel()))


def test_coverage_accuracy_by_hand():
    p = np.zeros((3, 7))
    p[0, 0], p[1, 1], p[2, 2] = 0.6, 0.9, 0.5
    p[:, 6] = 1 - p.sum(axis=1)
    p[2, 6] = 0.4
    kept, accuracy = metrics.coverage_accuracy(np.array([0, 3, 2]), p)
    np.testing.assert_allclose(kept, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(accuracy, [0, 1 / 2, 2 / 3])  # the surest is wrong, then one right, then another


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


# --- intervals -----------------------------------------------------------------------------------------------


def test_wilson_textbook_values():
    # Agresti & Coull (1998): none of 10, upper limit z^2 / (n + z^2); Newcombe (1998), Table I: 81 of 263 and 15 of 148.
    assert proportions.wilson(0, 10) == pytest.approx((0, 3.841459 / 13.841459), abs=1e-6)
    assert proportions.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert proportions.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    # FINDINGS, section 6: 90.75% of 1,103 is [88.9, 92.3].
    assert proportions.wilson(1001, 1103) == pytest.approx((0.889, 0.923), abs=5e-4)
    for k, n in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(UserError):
            proportions.wilson(k, n)


@pytest.mark.parametrize("metric", METRICS)
def test_resampled_metrics_are_the_metrics_of_the_resamples(metric):
    """Weights on images must give what scikit-learn gives on the repeated images."""
    y, p = random_predictions()
    draws = bootstrap._image_draws(y, 5, seed=3)
    assert (draws.sum(axis=1) == len(y)).all() and draws.max() > 1
    for c in range(7):  # stratified: the class counts stay
        assert (draws[:, y == c].sum(axis=1) == (y == c).sum()).all()
    weighted = bootstrap._weighted_metric(y, p, metric, draws)
    for draw, value in zip(draws.astype(int), weighted, strict=True):
        again = np.repeat(np.arange(len(y)), draw)
        assert value == pytest.approx(metrics.metrics(y[again], p[again])[metric], rel=1e-5)


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
        values = bootstrap._weighted_metric(y, np.eye(7)[predicted], "accuracy", bootstrap._image_draws(y, 400, k))
        low, high = bootstrap._percentiles(values, right.mean(), 0.95)
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
        assert high <= 1 or metric in ("log_loss", "brier"), metric


def test_bias_of_resampling_is_taken_out():
    # Perfectly calibrated by construction: resampling alone makes the calibration error grow past its own estimate.
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(7), 2000)
    y = np.array([rng.choice(7, p=row) for row in p])
    estimate = metrics.ece(y, p)
    values = bootstrap._weighted_metric(y, p, "ece", bootstrap._image_draws(y, 500, 0))
    assert np.quantile(values, 0.2) > estimate
    low, high = bootstrap._percentiles(values, estimate, 0.95)
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


def test_two_thousand_resamples_of_the_paper_size_are_quick(tmp_path):
    counts = {"akiec": 30, "bcc": 35, "bkl": 88, "df": 8, "mel": 46, "nv": 883, "vasc": 13}
    runs = fabricate(tmp_path, LADDER[:1], seeds=(0,), counts=counts)
    truth_and_probabilities(runs[0])
    bootstrap._draws.cache_clear()
    started = time.process_time()
    bootstrap.interval(runs, "f1_macro", resamples=2000)
    assert time.process_time() - started < 1.0


# --- paired comparisons --------------------------------------------------------------------------------------


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
    assert paired.verdict(90.75, 1103, nan, nan, nan) == "not run"
    assert paired.verdict(nan, 1103, 90.0, 88.0, 92.0) == "not in the paper"


def test_share_interval_by_hand():
    # One seed: Wilson on the images. Two seeds that agree on every image know no more than one.
    hits = np.array([1] * 15 + [0] * 133, bool)
    assert proportions.share_interval(hits[None]) == pytest.approx((15 / 148, 0.0624, 0.1605), abs=5e-5)
    assert proportions.share_interval(np.stack([hits, hits])) == pytest.approx(proportions.share_interval(hits[None]))
    # Seeds that disagree on half of the images: 0.5 between them, variance 0.25 / 2 from two seeds alone, so n is 1 or 2.
    mean, low, high = proportions.share_interval(np.array([[1] * 50, [0] * 50]))
    effective = 0.25 / (0.5 / 2)
    assert (mean, low, high) == pytest.approx((0.5, *proportions.wilson(0.5 * effective, effective)))
    assert np.isnan(proportions.share_interval(np.zeros((2, 0)))).all()


# --- features ------------------------------------------------------------------------------------------------


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
    # Classes alternate along a line: every image is its own nearest neighbour, and all next ones are of the other class.
    features, y = np.arange(8.0)[:, None], np.arange(8) % 2
    assert separability.separability(features, y, neighbours=1)["knn_accuracy"][0] == 0


def test_balanced_means_weigh_classes_alike():
    y = np.array([0] * 9 + [1])
    values = np.array([1.0] * 9 + [0.0])
    assert bootstrap.resampled_mean(values, y)[0] == pytest.approx(0.9)
    assert bootstrap.resampled_mean(values, y, balanced=True)[0] == pytest.approx(0.5)
    # All right, each class weighing one half: nine images and one know as much as 1 / (9 / 18^2 + 1 / 2^2) alike ones.
    certain = bootstrap.resampled_mean(np.ones(10), y, balanced=True)
    assert certain == pytest.approx((1, *proportions.wilson(3.6, 3.6)))


def test_repeats_interval_is_students():
    """The textbook example of Student himself: extra hours of sleep of ten patients, mean 1.58, t = 4.06 (1908)."""
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, low, high = proportions.repeats_interval(sleep)
    assert mean == pytest.approx(1.58) and (low, high) == pytest.approx((0.70, 2.46), abs=0.005)
    # Nadeau and Bengio: the variance grows from 1/n to 1/n + test/training.
    _, wide, _ = proportions.repeats_interval(sleep, ratio=0.25)
    assert (mean - wide) / (mean - low) == pytest.approx(np.sqrt((0.1 + 0.25) / 0.1))
    assert np.isnan(proportions.repeats_interval([0.5])[1:]).all()


def test_split_effects_are_paired_differences():
    frame = made_up_splits(repeats=6)
    found = splits.split_effects(frame).set_index(["classifier", "kind", "name", "metric"])
    one = frame[frame["classifier"] == "nearest"].set_index(["split", "subset", "repeat"])["accuracy"].sort_index()
    difference = one.loc["image", "all"] - one.loc["lesion", "all"]
    row = found.loc[("nearest", "difference", "leakage", "accuracy")]
    assert row["value"] == pytest.approx(difference.mean()) and row["sd"] == pytest.approx(difference.std())
    test = scipy.stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((test.low, test.high)) and row["repeats"] == 6
    # What the experiment was fabricated with: leakage 0.1 and 0.02, population 0.08, none on lesions photographed once.
    for name, classifier, truth in (
        ("leakage", "nearest", 0.1),
        ("leakage", "logistic", 0.02),
        ("population", "logistic", 0.08),
        ("leakage, lesions photographed once", "nearest", 0.0),
    ):
        assert found.loc[(classifier, "difference", name, "accuracy"), "value"] == pytest.approx(truth, abs=0.02)


def test_a_damaged_split_file_is_one_line():
    frame = made_up_splits(repeats=2)
    with pytest.raises(UserError, match="no column n_test"):
        splits.split_effects(frame.drop(columns="n_test"))
    with pytest.raises(UserError, match="twice"):
        splits.split_effects(pd.concat([frame, frame.head(1)]))


def test_features_beyond_half_precision_are_the_largest_value(tmp_path):
    np.savez_compressed(tmp_path / "features.npz", features=np.array([[np.inf, -np.inf, 1.5]], np.float16))
    assert Run(tmp_path).features()["features"].tolist() == [[65504.0, -65504.0, 1.5]]
    (tmp_path / "features.npz").unlink()
    assert Run(tmp_path).features() == {}
