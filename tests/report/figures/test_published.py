"""The plots of the printed numbers show every row where it belongs."""

import numpy as np
import pytest

from wagf_src.report import figures, tables
from wagf_src.report.evidence import Evidence


@pytest.fixture(scope="module")
def table():
    return Evidence("none", [], {}, tables.TABLES).table


def test_f1_excess(table):
    (ax,) = figures.f1_excess(table("f1_bound")).axes
    points = {line.get_label(): line.get_xdata() for line in ax.lines}
    assert (points["possible"] < 0).all() and (points["above the bound"] > 0).all()
    assert [len(points[k]) for k in ("possible", "above the bound")] == [3, 5]
    assert ax.get_yticklabels()[-1].get_text() == "Roy et al. (Table 2)"


def test_printed_accuracies(table):
    figure = figures.printed_accuracies(table("published_intervals"))
    (ax,) = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["some k/1,103", "some k/1,103 if cut off", "no k/1,103", "always nv, 80.05%"]
    ticks = dict(zip([t.get_text() for t in ax.get_yticklabels()], ax.get_yticks()))
    assert len(ticks) == 12
    marked = {tuple(np.round(xy, 2)) for line in ax.lines for xy in line.get_xydata()}
    assert (90.75, round(ticks["(iii)"], 2)) in marked and (69.08, round(ticks["NASNetMobile"], 2)) in marked


def test_power_curves(table):
    frame = table("power_curves")
    left, right = figures.power_curves(frame).axes
    for ax, panel in ((left, "images"), (right, "gain")):
        for (_, rows), line in zip(frame[frame["panel"] == panel].groupby("errors", sort=False), ax.lines):
            np.testing.assert_allclose(line.get_xydata(), rows[["x", "power"]])
    assert left.get_title() == "89.48% against 90.75%" and right.get_title() == "46 melanomas, from 28% recall"
