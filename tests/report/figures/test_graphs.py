"""Graphs: boxes below what they are made from, side by side where paths fork, dashed in one reading only."""

import matplotlib.pyplot as plt
import pandas as pd

from wagf_src.report import figures
from wagf_src.report.figures import graphs

ARROWS = [("x", "a"), ("x", "b"), ("a", "c"), ("b", "c"), ("x", "c"), ("c", "d")]


def tables():
    boxes = [(r, box, box.upper(), 1000 * (box == "a"), box != "d") for r in graphs.READINGS for box in "xabcd"]
    arrows = [(r, *ends, "4 x 4") for r in graphs.READINGS for ends in ARROWS]
    boxes = pd.DataFrame(boxes, columns=["reading", "box", "label", "parameters", "shared"]).assign(graph="g")
    return boxes, pd.DataFrame(arrows, columns=["reading", "start", "end", "shape"]).assign(graph="g")


def test_places():
    boxes, arrows = (frame[frame["reading"] == "described"] for frame in tables())
    assert graphs._places(boxes, arrows) == {"x": (0, 0), "a": (-0.5, 1), "b": (0.5, 1), "c": (0, 2), "d": (0, 3)}


def test_both_readings_are_drawn_and_what_is_its_own_is_dashed():
    figure = figures.two_readings(*tables(), "g")
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["as described", "as released"]
    for ax in figure.axes:
        texts = {t.get_text(): t for t in ax.findobj(plt.Text) if t.get_text() and t.get_bbox_patch()}
        assert "A\n1,000" in texts and sum(t.get_text() == "4 x 4" for t in ax.texts) == len(ARROWS)
        assert texts["D"].get_bbox_patch().get_linestyle() == "--" != texts["X"].get_bbox_patch().get_linestyle()
    assert figure.get_label() == "Only as described: D; only as released: D."
