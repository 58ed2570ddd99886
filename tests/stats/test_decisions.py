"""Temperature and rules against scipy's general optimiser and corrections by hand."""

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import fabricate, random_predictions, seal
from scipy import optimize, special

from wagf_src import atomic
from wagf_src.errors import UserError
from wagf_src.runs import PROBABILITY_COLUMNS, TEST, Run, truth_and_probabilities, validation_predictions
from wagf_src.stats import decisions


def test_tempered_is_a_softmax_of_divided_logits():
    logits = np.random.default_rng(0).normal(size=(5, 7))
    p = special.softmax(logits, axis=1)
    np.testing.assert_allclose(decisions.tempered(p, 2.5), special.softmax(logits / 2.5, axis=1))
    np.testing.assert_allclose(decisions.tempered(p, 1), p)
    assert np.isfinite(decisions.tempered(np.eye(7), 0.5)).all()


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_them_is_found(true):
    """Labels drawn from probabilities whose logits are then multiplied: dividing by the same factor is best."""
    rng = np.random.default_rng(1)
    logits = 2 * rng.normal(size=(40_000, 7))
    p = special.softmax(logits, axis=1)
    y = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    found = decisions.best_temperature(y, special.softmax(logits * true, axis=1))
    assert found == pytest.approx(true, rel=0.03)


def test_the_least_log_loss_by_another_optimiser():
    y, p = random_predictions()
    p = (p + 1e-3) / (p + 1e-3).sum(axis=1, keepdims=True)

    def loss(t):
        return -np.log(special.softmax(np.log(p) / t[0], axis=1)[np.arange(len(y)), y]).mean()

    best = optimize.minimize(loss, [1.0], method="Nelder-Mead", tol=1e-8).x[0]
    assert decisions.best_temperature(y, p) == pytest.approx(best, rel=1e-3)


def test_a_run_chooses_on_its_validation_images(tmp_path):
    (run,) = fabricate(tmp_path, ("mobilenetv2-base",), synthetic=False)
    run.info["settings"]["balance"] = 0.5
    chosen = decisions.choose(run)
    y, p = validation_predictions(run)
    counts = np.bincount(y, minlength=7) ** 0.5
    np.testing.assert_allclose(chosen.shares, counts / counts.sum())
    assert decisions.Decisions(**vars(chosen)) == chosen
    test = truth_and_probabilities(run)[1]
    rules = chosen.rules(test)
    assert list(rules) == ["as trained", "most often right", "fair to every class", "60% of melanomas found"]
    fair = test / counts**chosen.fair
    np.testing.assert_array_equal(rules["fair to every class"].argmax(axis=1), fair.argmax(axis=1))
    called = chosen.rules(p)["60% of melanomas found"].argmax(axis=1)
    assert (called[y == 4] == 4).mean() >= 0.6
    (run.path / "validation_predictions.csv.gz").unlink()
    del run.info["files"]["validation_predictions.csv.gz"]
    with pytest.raises(UserError, match="no validation predictions"):
        decisions.choose(run)


@pytest.fixture
def weak(tmp_path):
    """A run that misses most melanomas as trained, and what its validation images choose."""
    (run,) = fabricate(tmp_path, ("mobilenetv2-base",), synthetic=False, skill=1.0)
    run.info["settings"]["balance"] = 0.5
    return run, decisions.choose(run)


def test_each_rule_is_the_best_for_its_own_aim(weak):
    """Every strength tried by hand on the validation images; what is best for one aim is not for the other."""
    run, chosen = weak
    y, p = validation_predictions(run)
    shares = np.bincount(y, minlength=7) ** 0.5 / (np.bincount(y, minlength=7) ** 0.5).sum()
    test = truth_and_probabilities(run)[1]
    rules = chosen.rules(test)
    for rule, own, other, score in (
        ("most often right", chosen.often, chosen.fair, sk.accuracy_score),
        ("fair to every class", chosen.fair, chosen.often, sk.balanced_accuracy_score),
    ):
        values = {s / 10: score(y, (p / shares ** (s / 10)).argmax(axis=1)) for s in range(-10, 16)}
        assert values[own] == max(values.values()) > values[other], rule
        np.testing.assert_array_equal(rules[rule].argmax(axis=1), (test / shares**own).argmax(axis=1))


def test_the_melanoma_factor_finds_six_in_ten_and_no_more_than_it_must(weak):
    run, chosen = weak
    y, p = validation_predictions(run)
    of_melanomas = p[y == 4]
    wanted = next(k for k in range(len(of_melanomas) + 1) if 10 * k >= 6 * len(of_melanomas))

    def found(factor):
        return int((of_melanomas * np.where(np.arange(7) == 4, factor, 1.0)).argmax(axis=1).tolist().count(4))

    assert found(1.0) < wanted, "as trained it finds too few, so that a factor is needed"
    assert found(chosen.melanoma_factor) == wanted > found(0.999 * chosen.melanoma_factor)


def test_test_images_choose_nothing(weak):
    """Other answers on the test images, all of them wrong: temperature, strengths and factor stay."""
    run, chosen = weak
    frame = run.predictions()
    frame[PROBABILITY_COLUMNS] = np.roll(np.eye(7)[frame["dx"].map("akiec bcc bkl df mel nv vasc".split().index)], 1, 1)
    atomic.write_csv(run.path / TEST, frame, "%.5g")
    seal(run.path)
    other = Run(run.path)
    other.info["settings"]["balance"] = 0.5
    assert decisions.choose(other) == chosen
