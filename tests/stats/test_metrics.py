"""Metrics against scikit-learn and hand-computed cases, on the images and on resamples of them."""

import math
import tracemalloc

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import LADDER, fabricate, random_predictions

from wagf_src.classes import CLASSES, MEL
from wagf_src.runs import truth_and_probabilities
from wagf_src.stats import bootstrap, metrics
from wagf_src.stats.metrics import METRICS


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
    def ece(y, p, bins=metrics.ECE_BINS):
        return metrics._ece(metrics.Sample(y, p), bins)[0]

    # Confidence 0.95 twice (one right), 0.55 twice (both right): ECE = (2 |0.5 - 0.95| + 2 |1 - 0.55|) / 4 = 0.45.
    p = np.zeros((4, 7))
    p[:2, 0], p[:2, 1] = 0.95, 0.05
    p[2:, 2], p[2:, 3] = 0.55, 0.45
    assert ece(np.array([0, 1, 2, 2]), p, bins=10) == pytest.approx(0.45)
    # In one and the same bin the errors cancel: |0.75 - 0.75| = 0.
    assert ece(np.array([0, 1, 2, 2]), p, bins=1) == pytest.approx(0, abs=1e-12)
    certain = np.eye(7)
    assert ece(np.arange(7), certain) == 0
    assert ece((np.arange(7) + 1) % 7, certain) == 1


def test_brier_by_hand():
    p = np.array([[0.7, 0.3, 0, 0, 0, 0, 0], [0.2, 0.8, 0, 0, 0, 0, 0.0]])
    # (0.3^2 + 0.3^2 + 0.8^2 + 0.8^2) / 2
    assert METRICS["brier"].point(np.array([0, 0]), p) == pytest.approx((0.09 + 0.09 + 0.64 + 0.64) / 2)
    assert METRICS["brier"].point(np.array([2, 2]), np.eye(7)[[3, 3]]) == pytest.approx(2)
    assert METRICS["brier"].point(np.arange(7), np.full((7, 7), 1 / 7)) == pytest.approx(6 / 7)


def test_batch_f1_can_exceed_what_precision_and_recall_allow():
    # Batch one: one image, right and sure (F1 = 1). Batch two: 1 of 3 right, none else over one half.
    y = np.array([0, 1, 2, 3])
    p = np.full((4, 7), 0.1)
    p[0, 0] = p[1, 1] = 0.9
    assert metrics.batch_f1(y[1:], p[1:], batch=3) == pytest.approx(2 * 1 / (1 + 3))
    assert metrics.batch_f1(np.array([1, 2, 3, 0]), p[[1, 2, 3, 0]], batch=3) == pytest.approx((0.5 + 1) / 2)
    assert metrics.batch_f1(y, p, batch=4) == pytest.approx(2 * 2 / (2 + 4))
    # Rows (i) to (iii) of the paper break F1 <= (P + R) / 2; a batch average may: P = R = 21/40, F1 = 0.575 > 0.525.
    y = np.array([0] * 36 + [1] * 4)
    p = np.eye(7)[[0] * 18 + [6] * 18 + [1] * 3 + [6]]
    whole = metrics.averages(y, p).set_index("average").loc["as released"]
    assert whole["precision"] == whole["recall"] == 21 / 40
    assert metrics.batch_f1(y, p, batch=36) == pytest.approx((18 / 36 + 3 / 4) / 2)
    assert metrics.batch_f1(y, p, batch=36) > (whole["precision"] + whole["recall"]) / 2


def test_batch_f1_of_predictions_is_over_random_orders():
    """Sixty-five images, two right: the lone image of the last batch decides; it is one of them in 2 of 65 orders."""
    y, p = np.zeros(65, int), np.eye(7)[[0] * 2 + [6] * 63]
    last = metrics.averages(y, p).set_index("average").loc["as released"]
    assert last["precision"] == last["recall"] == pytest.approx(2 / 65)
    right, wrong = (1 / 64 + 1) / 2, (2 / 64 + 0) / 2
    assert last["f1"] == pytest.approx(last["above"] * right + (1 - last["above"]) * wrong)
    assert 0 < last["above"] < 0.1
    turned = metrics.averages(y[::-1], p[::-1]).set_index("average").loc["as released"]
    assert abs(turned["above"] - last["above"]) < 0.07, "no order of a file decides"
    assert not metrics.averages(y, p).set_index("average").drop("as released")["above"].any()


def test_averages_agree_with_scikit_learn():
    y, p = random_predictions()
    table = metrics.averages(y, p).set_index("average")
    assert list(table.index) == ["micro", "macro", "weighted", "as released"]
    for average in ("micro", "macro", "weighted"):
        expected = sk.precision_recall_fscore_support(y, p.argmax(1), average=average, zero_division=0)[:3]
        np.testing.assert_allclose(table.loc[average, ["precision", "recall", "f1"]].to_numpy(float), expected)
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


def scikit_learn(metric, y, p):
    """The metric by scikit-learn; the calibration error, which it does not have, bin by bin."""
    predicted, average = p.argmax(axis=1), metric.split("_")[-1]
    if metric in ("accuracy", "recall_weighted"):
        return sk.accuracy_score(y, predicted)
    if metric == "balanced_accuracy":
        return sk.balanced_accuracy_score(y, predicted)
    if average in ("macro", "weighted"):
        score = getattr(sk, f"{metric.split('_')[0]}_score")
        return score(y, predicted, labels=np.unique(y), average=average, zero_division=0)
    if metric == "log_loss":
        return sk.log_loss(y, p, labels=range(7))
    if metric == "brier":
        return sk.brier_score_loss(y, p, labels=range(7), scale_by_half=False)
    if metric == "auc_melanoma":
        return sk.roc_auc_score(y == MEL, p[:, MEL])
    if metric == "ece":
        edges, sure = np.linspace(0, 1, 16), p.max(axis=1)
        bins = [(low < sure) & (sure <= high) for low, high in zip(edges, edges[1:])]
        return sum(abs(sure[b].sum() - (predicted == y)[b].sum()) for b in bins) / len(y)
    c = MEL if metric == "melanoma_sensitivity" else CLASSES.index(average)
    return sk.recall_score(y, predicted, labels=[c], average=None)[0]


@pytest.mark.parametrize("metric", METRICS)
def test_points_and_resamples_agree_with_scikit_learn(metric):
    """Weights on images must give what scikit-learn gives on the repeated images."""
    y, p = random_predictions()
    draws = bootstrap.image_draws(y, 5, seed=3)
    assert METRICS[metric].point(y, p) == pytest.approx(scikit_learn(metric, y, p), rel=1e-12, abs=1e-15)
    for type_, exact in ((float, 1e-12), (np.float32, 1e-5)):
        for draw, value in zip(draws.astype(int), METRICS[metric].resampled(y, p, draws.astype(type_)), strict=True):
            again = np.repeat(np.arange(len(y)), draw)
            assert value == pytest.approx(scikit_learn(metric, y[again], p[again]), rel=exact)


def test_the_registry_says_what_is_shown():
    assert [*METRICS][:8] == [
        *("accuracy", "precision_macro", "recall_macro", "f1_macro", "precision_weighted", "recall_weighted"),
        *("f1_weighted", "balanced_accuracy"),
    ]
    assert [*METRICS][8:] == [*(f"recall_{c}" for c in CLASSES), *("melanoma_sensitivity", "log_loss", "ece")] + [
        *("brier", "auc_melanoma")
    ]
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    worst = np.roll(np.eye(7), 1, axis=1)
    for y, p in (random_predictions(), (np.arange(7), np.eye(7)), (np.arange(7), worst)):
        for name, value in metrics.metrics(y, p).items():
            low, high = METRICS[name].range
            assert low <= value <= high, name
    assert metrics.metrics(np.arange(7), worst)["brier"] == METRICS["brier"].range[1] == 2


def test_a_metric_is_one_entry(tmp_path, monkeypatch):
    entry = metrics.Metric("called_nevus", "called nevus", lambda sample: sample.mean(sample.p.argmax(axis=1) == 5))
    monkeypatch.setitem(METRICS, entry.name, entry)
    runs = fabricate(tmp_path, LADDER[:2])
    y, p = truth_and_probabilities(runs[0])
    share = (p.argmax(axis=1) == 5).mean()
    assert metrics.metrics(y, p)["called_nevus"] == pytest.approx(share)
    mean, low, high = bootstrap.interval(runs[:1], "called_nevus")
    assert mean == pytest.approx(share) and low < mean < high
    assert bootstrap.paired_difference(runs[:1], runs[:1], "called_nevus") == (0, 0, 0)


def test_auc_of_ten_thousand_images_fits_in_little_room():
    y = np.repeat([MEL, 5], [1113, 8902])
    p = np.random.default_rng(0).dirichlet(np.ones(7), len(y))
    draws = np.ones((300, len(y)), np.float32)
    tracemalloc.start()
    values = METRICS["auc_melanoma"].resampled(y, p, draws)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6, "every melanoma against every other image is 80 MB already"
    np.testing.assert_allclose(values, sk.roc_auc_score(y == MEL, p[:, MEL]), rtol=1e-12)


def test_a_class_without_test_images_has_no_scores():
    """Zero would be read as "none found" where there was nothing to find."""
    y, p = random_predictions()
    table = metrics.per_class(y[y != 3], p[y != 3])
    assert table.loc["df", "n_test"] == 0 and table.loc["df", ["precision", "recall", "f1"]].isna().all()
    assert table.drop(index="df").notna().all(axis=None)
