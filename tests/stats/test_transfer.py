"""The official metric on worked examples, and the parts of a difference by hand."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import random_predictions
from statsmodels.stats.proportion import proportion_confint

from wagf_src.stats import bootstrap, transfer


def balanced_accuracy(y, p):
    return transfer.scores(y, p, "all").set_index("metric").loc["balanced_accuracy", "value"]


def test_official_metric_on_worked_examples():
    """Two classes, four images: recalls 2/3 and 1; then a tie, which the official scorer leaves undecided."""
    y = np.array([4, 4, 4, 5])
    p = np.full((4, 7), 0.01)
    p[[0, 1, 2, 3], [4, 4, 5, 5]] = 0.9
    assert balanced_accuracy(y, p) == pytest.approx((2 / 3 + 1) / 2)
    p[0, 5] = 0.9
    assert balanced_accuracy(y, p) == pytest.approx((1 / 3 + 1) / 2)
    uniform = np.full((7, 7), 1 / 7)
    assert balanced_accuracy(np.arange(7), uniform) == 0
    assert balanced_accuracy(np.arange(7), np.eye(7)) == pytest.approx(1)


def test_without_ties_it_is_scikit_learns():
    y, p = random_predictions()
    p = p + 1e-9 * np.random.default_rng(0).random(p.shape)
    expected = sk.balanced_accuracy_score(y, p.argmax(axis=1))
    table = transfer.scores(y, p, "all").set_index("metric")
    assert table.loc["balanced_accuracy", "value"] == pytest.approx(expected)
    assert table.loc["accuracy", "value"] == pytest.approx(sk.accuracy_score(y, p.argmax(axis=1)))
    recalls = sk.recall_score(y, p.argmax(axis=1), average=None)
    np.testing.assert_allclose(table["value"].filter(like="recall_"), recalls)
    assert (table["ci_low"] <= table["value"]).all() and (table["value"] <= table["ci_high"]).all()


def test_a_difference_of_mix_alone():
    """Nevi always right, melanomas never: 8 of 10 nevi here, 5 of 10 there."""
    answer = np.eye(7)[np.full(10, 5)]
    own, other = np.r_[np.full(8, 5), 4, 4], np.r_[np.full(5, 5), np.full(5, 4)]
    table = transfer.comparison(other, answer, own, answer).set_index("subset")["value"]
    assert table["difference"] == pytest.approx(-0.3) and table["class mix"] == pytest.approx(-0.3)
    assert table["the rest"] == pytest.approx(0) and table[transfer.REWEIGHTED] == pytest.approx(0.8)


def test_parts_add_up_over_shared_classes():
    rng = np.random.default_rng(2)
    (y, p), (y_own, p_own) = random_predictions(rng=rng), random_predictions(200, rng)
    p, y = p[y != 6], y[y != 6]
    table = transfer.comparison(y, p, y_own, p_own).set_index("subset")
    assert table.loc["class mix", "value"] + table.loc["the rest", "value"] == pytest.approx(
        table.loc["difference", "value"]
    )
    hits = transfer.decided(y, p)
    kept = y_own != 6
    recalls = np.array([hits[y == c].mean() for c in range(6)])
    mixed = (recalls * np.bincount(y_own[kept], minlength=6)).sum() / kept.sum()
    assert table.loc[transfer.REWEIGHTED, "value"] == pytest.approx(mixed)
    assert (table["ci_low"] < table["value"]).all() and (table["value"] < table["ci_high"]).all()
    assert transfer.comparison(np.array([0]), p[:1], np.array([1]), p[:1]).empty


def test_no_interval_leaves_what_a_share_can_be():
    """Few images and nearly all right: moved by their bias, plain limits pass one."""
    rng, passed = np.random.default_rng(0), 0
    for _ in range(40):
        y = rng.integers(0, 7, rng.integers(5, 40))
        p = np.full((len(y), 7), 0.01)
        p[np.arange(len(y)), np.where(rng.random(len(y)) < 0.93, y, (y + 1) % 7)] = 0.94
        hits = (p.argmax(axis=1) == y).astype(float)
        weights = 1 / np.bincount(y, minlength=7)[y] / len(np.unique(y))
        plain = bootstrap.percentiles(
            bootstrap.image_draws(y, bootstrap.RESAMPLES, 0) @ (hits * weights), hits @ weights
        )
        passed += plain[1] > 1
        own = rng.integers(0, 7, 30)
        for table in (transfer.scores(y, p, "all"), transfer.comparison(y, p, own, 0.93 * np.eye(7)[own] + 0.01)):
            shares = table[~table["subset"].isin(["difference", "class mix", "the rest"])]
            assert (shares["ci_low"] >= 0).all() and (shares["ci_high"] <= 1).all()
            assert (table["ci_low"] >= -1).all() and (table["ci_high"] <= 1).all()
        line = transfer.scores(y, p, "all").set_index("metric").loc["balanced_accuracy"]
        if 0 < hits.mean() < 1:
            assert (line["ci_low"], line["ci_high"]) == pytest.approx((max(plain[0], 0), min(plain[1], 1)))
    assert passed > 2


def test_a_recall_is_as_sure_as_its_own_class_has_images():
    y, p = random_predictions()
    p = p + 1e-9 * np.random.default_rng(0).random(p.shape)
    table = transfer.scores(y, p, "all").set_index("metric")
    for number, name in enumerate(("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")):
        n, hits = (y == number).sum(), (p[y == number].argmax(axis=1) == number).sum()
        line = table.loc[f"recall_{name}"]
        assert line["n"] == n
        assert (line["ci_low"], line["ci_high"]) == pytest.approx(
            proportion_confint(hits, n, method="wilson"), abs=1e-9
        )


def test_a_difference_holds_the_noise_of_both_sets():
    """Variance of two stratified samples, in closed form; one set alone would give half of it."""
    rng = np.random.default_rng(7)
    sets = [random_predictions(n, rng) for n in (800, 800)]
    table = transfer.comparison(*sets[0], *sets[1]).set_index("subset").loc["difference"]
    variances = []
    for y, p in sets:
        hits = (p == p.max(axis=1, keepdims=True))[np.arange(len(y)), y] & (
            (p == p.max(axis=1, keepdims=True)).sum(axis=1) == 1
        )
        variances.append(sum(hits[y == c].var() * (y == c).sum() for c in range(7)) / len(y) ** 2)
    half = (table["ci_high"] - table["ci_low"]) / 2
    assert half == pytest.approx(1.96 * np.sqrt(sum(variances)), rel=0.08)
