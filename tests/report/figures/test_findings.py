"""What the plots say: computed from what they draw, and right."""

import pandas as pd
import pytest

from wagf_src.report.figures import findings

STEPS = pd.DataFrame(
    {"label": ["a", "b", "c"], "difference": [1.0, -2.0, 0.1], "low": [0.5, -3.0, -1], "high": [1.5, -1.0, 1.2]}
)


def test_differences_name_what_is_shown():
    text = findings.differences(STEPS.assign(p=[0.2, 0.01, 0.9]))
    assert text == "1 of 3 have a corrected p below 0.05; b -2.0 [-3.0, -1.0]."
    text = findings.differences(STEPS.assign(p=float("nan")))
    assert text.startswith("2 of 3 have an interval that excludes 0; a +1.0 [+0.5, +1.5]; b")


def test_ladder_names_both_ends_the_printed_and_the_line():
    frame = pd.DataFrame(
        {"label": ["x", "y", "z"], "value": [80.0, 90, None], "low": [78.0, 88, None], "high": [82.0, 92, None]}
    ).assign(paper=[81.0, 95, 70])
    text = findings.ladder(frame, {"always nv, 85.0%": 85.0})
    assert text == (
        "Ours, 2 rows, go from x 80.0 to y 90.0; 1 of 2 printed values lie within our interval of the same row; "
        "1 of 2 intervals lie wholly above always nv, 85.0%."
    )
    assert findings.ladder(frame[2:]) == "No row of ours."


def test_spread_is_the_share_between_the_means():
    points = pd.DataFrame({"x": [0.0, 0, 2, 2], "y": [1.0, -1, 1, -1]}).to_numpy()  # variances 1 between, 1 within
    assert findings.spread({"once": (points, list("aabb"))}).endswith("once 50%.")
    assert findings.spread({"once": (points * [1, 0], list("aabb"))}).endswith("once 100%.")


def test_decisions_are_percentages_as_drawn():
    rules = pd.DataFrame(
        {"accuracy": [91.04], "balanced_accuracy": [68.5], "melanoma_sensitivity": [59.8]}, index=["plain"]
    )
    text = findings.decisions(rules)
    assert text == "Plain: accuracy 91.0%, balanced accuracy 68.5%, melanoma sensitivity 59.8%."


def test_weights_count_every_run_at_its_own_last_epoch():
    lines = [("a", "r", 1, 0.9), ("a", "r", 4, 0.4), ("b", "r", 1, 0.5), ("b", "r", 10, 0.6)]
    frame = pd.DataFrame(lines, columns=["profile", "run", "epoch", "g_w"]).assign(fusion="eq1")
    assert findings.weights(frame) == "Eq1: g ends between 0.40 and 0.60 in 2 runs."


def test_levels_go_over_both_classifiers():
    lines = [
        ("logistic", "image", 0.80),
        ("logistic", "grouped", 0.74),
        ("nearest", "image", 0.95),
        ("nearest", "paper", 0.67),
    ]
    frame = pd.DataFrame(lines, columns=["classifier", "level", "value"]).assign(metric="accuracy")
    assert findings.levels(frame) == "Accuracy from 67.0% (paper) to 95.0% (image)."


def test_boxes_of_one_reading():
    frame = pd.DataFrame(
        [("described", "LSTM", False), ("described", "sum", True), ("released", "sum", True)],
        columns=["reading", "label", "shared"],
    )
    assert findings.boxes(frame) == "Only as described: LSTM; only as released: nothing."


@pytest.mark.parametrize("power", [0.9, 0.5])
def test_power_says_where_it_is_enough(power):
    frame = pd.DataFrame({"panel": "images", "errors": "unpaired", "x": [500, 2000], "power": [0.1, power]})
    where = "reached by 2,000 test images" if power == 0.9 else "not up to 2,000 test images"
    assert findings.power(frame) == f"Power of 80%, unpaired: {where}."


LOGS = pd.DataFrame({"model": ["a", "a", "b"], "epoch": [1, 2, 1], "val_accuracy": [0.5, 0.74, 0.6]})


def test_stored_trainings_are_told_by_the_epoch_kept():
    results = pd.DataFrame({"model": ["b", "a"], "accuracy": [80.2, 83.4]})
    text = findings.stored_logs(LOGS.assign(kept=[False, True, True]), results)
    assert text == (
        "A: epoch 2 kept, 74% on validation files, 83% on test images; "
        "b: epoch 1 kept, 60% on validation files, 80% on test images."
    )


def test_melanomas_of_a_stored_matrix():
    cells = [("b", "mel", "mel", 3), ("b", "mel", "nv", 2), ("b", "nv", "mel", 9), ("a", "mel", "mel", 0)]
    frame = pd.DataFrame(cells, columns=["model", "true", "predicted", "images"])
    assert findings.melanomas(frame) == "B: 3 of 5 melanomas recognised; a: 0 of 0 melanomas recognised."


def test_gaps_of_stored_logs_and_of_ours():
    frame = pd.DataFrame({"name": ["x", "y", "p"], "stored": [True, True, False], "gap": [0.3, 0.61, 0.02]})
    text = findings.gaps(frame, {"p": "at random"})
    assert text == "The 2 stored logs lie between +30.0 and +61.0 points; ours, validated at random: +2.0."


def test_maps_count_an_image_once_a_row():
    frame = pd.DataFrame({"map": ["m", "m", "n"], "image_id": ["i", "i", "i"], "class": "mel", "predicted": "nv"})
    assert findings.maps(frame, "map") == "Of 2 maps, 2 are of an image taken for another class."
