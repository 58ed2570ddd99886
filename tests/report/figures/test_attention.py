"""Figures of attention maps, and what their chapter shows."""

import json

import drawn
import numpy as np
import pandas as pd
import pytest
from fabricate import discs

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.report import figures
from wagf_src.report.figures.attention import attention_maps
from wagf_src.report.tables.cells import cells
from wagf_src.stats import attention


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_maps_are_shown_without_photographs_unless_asked(rng):
    maps, photographs = rng.random((7, 3, 3)), rng.integers(0, 256, (7, 20, 20, 3), dtype=np.uint8)
    rows = {"SaFA": [(m, "0 to 1") for m in maps[:6]] + [None]}
    figure = attention_maps(rows, list(CLASSES), discs(rng, 7, 20))
    shown = [image for ax in figure.axes for image in ax.images]
    assert len(figure.axes) == 7 and len(shown) == 6
    for image, m in zip(shown, maps):
        np.testing.assert_array_equal(image.get_array(), m)
    contours = [len(ax.collections) for ax in figure.axes]
    assert min(contours[:6]) > 0 and contours[6] == 0, "an outline wherever there is a map"
    with_photographs = attention_maps(rows, list(CLASSES), None, photographs)
    assert [len(ax.images) for ax in with_photographs.axes] == [1] * 7 + [2] * 6 + [1]


def test_the_notebook_shows_no_real_photograph_by_default():
    cells = json.loads((paths.ROOT / "notebooks" / "heatmaps.ipynb").read_text(encoding="utf-8"))["cells"]
    parameters = next(cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    values = {}
    exec("".join(parameters["source"]), values)
    assert values["show_photographs"] is False


def test_figure_by_class_shows_the_summary(rng):
    masks = discs(rng, 70, 30)
    table = attention.summary([attention.shares(rng.random((70, 5, 5)), masks)], np.repeat(CLASSES, 10))
    left, right = figures.attention_by_class(table).axes
    lines = {line.get_label(): line.get_xdata() for line in left.lines}
    np.testing.assert_allclose(lines["centred Gaussian"], 100 * table["gaussian_share"])
    shown = [(drawn.intervals(left)[0], ["share_inside", "ci_low", "ci_high"])]
    for series, short in zip(drawn.intervals(right), ("area", "gauss", "others"), strict=True):
        shown.append((series, [f"diff_{short}", f"diff_{short}_low", f"diff_{short}_high"]))
    for series, columns in shown:  # the first class on top
        rows = [series[height] for height in sorted(series, reverse=True)]
        np.testing.assert_allclose(rows, 100 * table[columns], atol=1e-9)
    assert [label.get_text() for label in left.get_yticklabels()][-1] == "all (n = 70)"


def test_blob_widths_and_the_maps_they_equal():
    widths = pd.DataFrame({"sigma": [0.1, 0.2, 0.4], "share_inside": [0.8, 0.5, 0.3]})
    equals = pd.DataFrame({"map": ["safa", "soft_attention"], "share_inside": [0.4, 0.6]})
    ax = figures.blob_widths(widths, equals).axes[0]
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["centred Gaussian"].get_ydata(), 100 * widths["share_inside"])
    assert lines["SaFA"].get_ydata()[0] == 40 and lines["soft attention"].get_ydata()[0] == 60
    assert lines["the control, 0.25 of the side"].get_xdata()[0] == attention.GAUSSIAN_WIDTH


def test_examples_are_drawn_cell_by_cell(rng):
    grids = {("described", "mel", "ISIC_1", "mel"): rng.random((2, 2)), ("described", "nv", "ISIC_2", "bkl"): np.eye(2)}
    grids |= {("released", *key[1:]): grid / 2 for key, grid in grids.items()}
    frame = cells(grids, "reading", "class", "image_id", "predicted")
    figure = figures.attention_examples(frame, discs(rng, 2, 20))
    assert [ax.get_title() for ax in figure.axes[:2]] == ["mel\nISIC_1", "nv\nISIC_2"]
    for ax, grid in zip(figure.axes, grids.values()):
        np.testing.assert_allclose(ax.images[0].get_array(), grid)
    assert figure.axes[1].get_xlabel() == "0.00 to 1.00\ntaken for bkl" and "taken" not in figure.axes[0].get_xlabel()


def test_means_and_leads(rng):
    figure = figures.attention_means(cells({"lesions": np.eye(3), "soft attention": np.ones((2, 2))}, "map"))
    assert [ax.get_xlabel() for ax in figure.axes] == ["0.00 to 1.00", "1.00 to 1.00"]
    summary = attention.summary([attention.shares(rng.random((14, 5, 5)), discs(rng, 14, 30))], np.repeat(CLASSES, 2))
    arms = ("densenet121-sa-described", "soft_attention"), ("densenet121-wagf-described", "safa")
    ax = figures.attention_leads(pd.concat([summary.assign(arm=a, map=m, profile="lite") for a, m in arms])).axes[0]
    labels = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert labels == ["SaFA: DenseNet-121 + SA + GF + SaFA, lite", "soft attention: DenseNet-121 + SA, lite"]
    lead = 100 * summary.set_index("class").loc["all", "diff_area"]
    np.testing.assert_allclose([value for value, *_ in drawn.intervals(ax)[0].values()], [lead, lead])
