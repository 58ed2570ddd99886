"""The published table of the two readings, against the size that the authors' own notebook prints."""

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.keras_facts import keras_facts

COMMITTED = paths.REFERENCE_DIR / "frozen" / "tables"


def made_up():
    """Evidence with facts by hand: two means in one reading of ``safa``, one in the other, and arrows out of order."""
    boxes = [
        ("safa", "described", "x", "features", 0),
        ("safa", "described", "a", "mean", 0),
        ("safa", "described", "b", "mean", 4),
        ("safa", "released", "y", "features", 0),
        ("safa", "released", "c", "mean", 5),
        ("model", "released", "d", "softmax", 6),
    ]
    arrows = [
        ("safa", "released", "y", "c", "8 x 8"),
        ("safa", "described", "x", "b", "4"),
        ("safa", "described", "x", "a", "2 x 2"),
        ("model", "released", "d", "d", "7"),
    ]
    names = [f"box_{k}" for k in ("graph", "reading", "box", "label", "parameters")]
    facts = dict(zip(names, map(np.array, zip(*boxes))))
    facts |= dict(
        zip([f"arrow_{k}" for k in ("graph", "reading", "start", "end", "shape")], map(np.array, zip(*arrows)))
    )
    known = {"two_readings": facts, "released": {"versions": np.array(["3.9", "2.9"])}}
    return Evidence("demo", [], {}, tables.TABLES, _made={keras_facts: known})


def test_a_box_is_shared_if_the_other_reading_has_one_more_of_its_label():
    table = made_up().table("readings_boxes")
    assert list(table) == ["graph", "reading", "box", "label", "parameters", "shared", "provenance"]
    assert dict(zip(table["box"], table["shared"])) == {"x": 1, "a": 1, "b": 0, "y": 1, "c": 1, "d": 0}
    assert dict(zip(table["box"], table["parameters"])) == {"x": 0, "a": 0, "b": 4, "y": 0, "c": 5, "d": 6}
    assert set(table["provenance"]) == {"the networks as built by Keras 3.9, TensorFlow 2.9"}


def test_arrows_come_in_one_order():
    table = made_up().table("readings_arrows")
    assert table.drop(columns="provenance").to_numpy().tolist() == [
        ["model", "released", "d", "d", "7"],
        ["safa", "described", "x", "a", "2 x 2"],
        ["safa", "described", "x", "b", "4"],
        ["safa", "released", "y", "c", "8 x 8"],
    ]
    assert set(table["provenance"]) == {"the networks as built by Keras 3.9, TensorFlow 2.9"}


def test_the_published_boxes_are_the_model_and_its_arrows_join_them():
    """11,987,929 is what the released notebook's summary prints, and keras.applications' DenseNet-121 has 7,037,504."""
    boxes, arrows = (pd.read_csv(COMMITTED / f"readings_{name}.csv") for name in ("boxes", "arrows"))
    of_model = boxes[(boxes["graph"] == "model") & (boxes["reading"] == "released")]
    assert of_model["parameters"].sum() == 11_987_929 - 7_037_504
    for key, ends in arrows.groupby(["graph", "reading"]):
        own = boxes[(boxes["graph"] == key[0]) & (boxes["reading"] == key[1])]
        assert set(ends["start"]) | set(ends["end"]) == set(own["box"]) and own["box"].is_unique
    assert set(boxes["reading"][boxes["label"] == "first 3 channels"]) == {"released"}, "the code's soft attention"


def test_the_published_parameters_are_those_of_the_released_model():
    parts = pd.read_csv(COMMITTED / "readings_parts.csv").set_index("part")
    assert parts.loc["in all", "released"] == 11_987_929, "the model summary that the released notebook stores"
    assert parts["released"].drop("in all").sum() == parts.loc["in all", "released"]
