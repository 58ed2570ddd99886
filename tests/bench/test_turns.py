"""The arithmetic of comparisons, with processes faked; and real processes that answer or die."""

import numpy as np
import pytest
from bench.clockwork import Clockwork

from wagf_src.bench import turns
from wagf_src.bench.worker import Worker
from wagf_src.errors import UserError

SAME = {"kind": "network", "pixels": 32, "quick": True}


def test_comparison_is_paired_alternating_and_without_the_first_call(clockwork):
    requests = [{"what": "train", "images": 10}]
    rows = turns.compare({"label": "densenet121-base", **SAME}, [{"label": "b", **SAME}], 4, *requests)
    # One call each that is not counted; then turns, the first of a round changing.
    assert "".join(label[0] for label, _, _ in Clockwork.asked) == "db" + "dbbd" * 2
    reference, case = rows
    assert case["ratio"] == pytest.approx(2) and case["ratio_low"] == pytest.approx(case["ratio_high"])
    assert case["seconds_per_image"] == pytest.approx(np.median([1.2, 1.3, 1.4, 1.5]) / 10)
    assert (case["seconds_low"], case["first_seconds"]) == (pytest.approx(0.12), pytest.approx(1.1))
    assert case["reference"] == "densenet121-base" and "ratio" not in reference and reference["rounds"] == 4


def test_the_first_call_can_be_a_single_step(clockwork):
    turns.compare({"label": "a", **SAME}, [{"label": "b", **SAME}], 1, {"what": "train", "images": 10}, first_images=2)
    assert [images for _, _, images in Clockwork.asked] == [2, 2, 10, 10]


def test_the_reference_is_opened_once_and_its_rounds_with_all_cases_are_one_row(clockwork):
    cases = [{"label": label, **SAME} for label in "bc"]
    rows = turns.compare({"label": "a", **SAME}, cases, 2, {"what": "train", "images": 10})
    assert [(row["case"], row["rounds"]) for row in rows] == [("a", 4), ("b", 2), ("c", 2)]
    assert [label for label, _, _ in Clockwork.asked].count("a") == 1 + 4


def test_a_case_that_dies_is_left_out_and_said(clockwork, capsys):
    same = {"kind": "network", "pixels": 256, "quick": True}
    cases = [{"label": "resnet50-base", **same}, {"label": "b", **same}]
    rows = turns.compare({"label": "a", **same}, cases, 2, {"what": "train", "images": 10})
    assert [row["case"] for row in rows] == ["a", "b"] and "left out: killed" in capsys.readouterr().out


def test_a_worker_answers_and_one_that_fails_says_why():
    case = {"label": "x", "pixels": 32, "batch": 8, "quick": True}
    with Worker({**case, "kind": "copies", "how": "virtual"}) as worker:
        assert worker.ask(images=16)["peak_mib"] > 50 and worker.start_seconds > 0
    with pytest.raises(UserError, match="x: the process ended .*no-such"):
        Worker({**case, "kind": "no-such"})
