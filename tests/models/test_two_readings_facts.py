"""Both readings as graphs: known sizes, and the parts in which the paper and its code differ."""

from collections import Counter

import pytest

from wagf_src.models import two_readings_facts


@pytest.fixture(scope="module")
def graphs():
    facts = two_readings_facts.answer({"features": (8, 8, 1024)})
    boxes, arrows = {}, {}
    for graph, reading, box, label, count in zip(
        *(facts[f"box_{k}"] for k in ("graph", "reading", "box", "label", "parameters"))
    ):
        boxes.setdefault((graph, reading), {})[box] = (label, count)
    for graph, reading, start, end, shape in zip(
        *(facts[f"arrow_{k}"] for k in ("graph", "reading", "start", "end", "shape"))
    ):
        arrows.setdefault((graph, reading), {})[start, end] = shape
    return boxes, arrows


def test_parameters_add_up(graphs):
    boxes, _ = graphs
    total = sum(count for _, count in boxes["model", "released"].values())
    assert total + 7_037_504 == 11_987_929  # the released model's own summary, with keras.applications' DenseNet-121
    for reading in ("described", "released"):
        inside = sum(count for _, count in boxes["safa", reading].values())
        assert inside == boxes["model", reading]["safa"][1]


def test_only_the_described_reading_connects_its_lstms(graphs):
    boxes, arrows = graphs
    labels = {
        reading: Counter(label for label, _ in boxes["safa", reading].values()) for reading in ("described", "released")
    }
    only = labels["described"] - labels["released"]
    assert {"LSTM over rows", "LSTM over columns", "sum"} <= set(only)
    assert any("stride 2" in label for label in labels["released"] - labels["described"])
    label = {box: text for box, (text, _) in boxes["safa", "described"].items()}
    ends = {(label[a], label[b]) for a, b in arrows["safa", "described"]}
    assert {("LSTM over rows", "sum"), ("LSTM over columns", "transpose"), ("transpose", "sum")} <= ends


def test_released_soft_attention_sees_three_channels(graphs):
    boxes, arrows = graphs
    assert [label for label, _ in boxes["soft_attention", "described"].values()].count("first 3 channels") == 0
    shapes = {
        boxes["soft_attention", "released"][a][0]: shape
        for (a, _), shape in arrows["soft_attention", "released"].items()
    }
    assert shapes["first 3 channels"] == "8 x 8 x 3" and shapes["ReLU"] == "64 x 16"


def test_every_arrow_joins_boxes_and_carries_a_shape(graphs):
    boxes, arrows = graphs
    for key, ends in arrows.items():
        assert {box for pair in ends for box in pair} == set(boxes[key])  # nothing hangs loose
        assert all(part.isdigit() for shape in ends.values() for part in shape.split(" x "))
