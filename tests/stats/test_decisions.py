"""Temperature and rules against scipy's general optimiser and corrections by hand."""

import numpy as np
import pytest
from fabricate import fabricate, random_predictions
from scipy import optimize, special

from wagf_src.errors import UserError
from wagf_src.runs import truth_and_probabilities, validation_predictions
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
