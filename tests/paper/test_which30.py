"""The rule of page Plans for the question which 30% validated, on made-up logs and on the stored ones."""

import numpy as np
import pandas as pd
import pytest

from wagf_src.paper import stored_notebooks, which30
from wagf_src.paper.which30 import NAMES, RANDOM


class Made:
    def __init__(self, training, validation):
        self.log = pd.DataFrame({"accuracy": [0.5, training], "val_accuracy": [0.1, validation]})

    def history(self):
        return self.log


def logs(*gaps):
    """Models whose training accuracy is 0.97 from the second epoch on, with these gaps; the first epoch is far off."""
    frames = [
        pd.DataFrame(
            {
                "model": f"m{k}",
                "accuracy": [0.3, 0.97, 0.97, 0.97],
                "val_accuracy": 0.97 - np.array([9, g, g - 0.01, g + 0.3]),
            }
        )
        for k, g in enumerate(gaps)
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("names", "random", "gaps", "expected"),
    [
        (0.60, 0.90, (0.30, 0.40), NAMES),
        (0.60, 0.90, (0.02, 0.05), RANDOM),
        (0.60, 0.90, (0.30, 0.02), "open"),
        (0.85, 0.90, (0.30, 0.40), "open"),  # the two runs are alike
        (0.60, None, (0.30, 0.40), "not run"),
    ],
)
def test_the_rule(names, random, gaps, expected):
    runs = {NAMES: Made(0.9, names)} | ({RANDOM: Made(0.92, random)} if random else {})
    compared = which30.compare(logs(*gaps), runs)
    assert which30.verdict(compared) == expected
    stored = compared[compared["stored"]]
    assert stored["gap"].tolist() == pytest.approx(gaps) and (stored["epochs"] == 3).all()
    # Read back from a file, as chapters have it.
    assert which30.verdict(compared.replace("", np.nan)) == expected


def test_expectations():
    def held(names, random):
        return which30.as_expected(which30.compare(logs(0.3), {NAMES: Made(*names), RANDOM: Made(*random)}))

    assert held((0.9, 0.6), (0.96, 0.95)) == {NAMES: True, RANDOM: True}
    assert held((0.9, 0.8), (0.96, 0.89)) == {NAMES: False, RANDOM: False}
    assert held((0.9, 0.6), (0.90, 0.86)) == {NAMES: True, RANDOM: True}
    assert held((0.9, 0.6), (0.90, 0.84))[RANDOM] is False


def test_a_log_that_never_trained_so_far_decides_nothing():
    compared = which30.compare(logs(0.3), {NAMES: Made(0.99, 0.6), RANDOM: Made(0.99, 0.95)})
    assert which30.verdict(compared) == "open"


def test_the_stored_logs_without_runs():
    compared = which30.compare(stored_notebooks.training_logs(), {})
    assert len(compared) == 6 and which30.verdict(compared) == "not run"
    assert compared["gap"].between(0.3, 0.7).all()
