"""Where the two readings part, in words."""

import pandas as pd

from wagf_src.report.prose import two_readings as prose

BOXES = pd.DataFrame(
    [
        ("model", "described", "fusion", True),
        ("model", "released", "fusion", True),
        ("safa", "described", "LSTM", False),
        ("safa", "released", "product", False),
        ("safa", "released", "pool", False),
    ],
    columns=["graph", "reading", "label", "shared"],
)
PARTS = pd.DataFrame(
    {"part": ["SaFA", "in all"], "described": [1000, 5000], "released": [3000, 7000], "provenance": "x"}
)


def test_answer_names_the_parts_that_differ():
    text = prose.answer(BOXES, PARTS)
    assert "differ in SaFA." in text and "5,000 parameters, as released 7,000" in text
    assert "differ in nowhere" not in text


def test_tables():
    assert prose.differences(BOXES).to_numpy().tolist() == [["SaFA", "LSTM", "product; pool"]]
    assert prose.weights(PARTS).to_numpy().tolist()[0] == ["SaFA", "1,000", "3,000", "+2,000"]
