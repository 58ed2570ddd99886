"""Figures of attention maps, and what their chapter shows."""

import json

import numpy as np
import pytest
from fabricate import discs

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.report import figures
from wagf_src.stats import attention


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_maps_are_shown_without_photographs_unless_asked(rng):
    maps, photographs = rng.random((7, 3, 3)), rng.integers(0, 256, (7, 20, 20, 3), dtype=np.uint8)
    rows = {"SaFA": [(m, "0 to 1") for m in maps[:6]] + [None]}
    figure = figures.attention_maps(rows, list(CLASSES), discs(rng, 7, 20))
    shown = [image for ax in figure.axes for image in ax.images]
    assert len(figure.axes) == 7 and len(shown) == 6
    for image, m in zip(shown, maps):
        np.testing.assert_array_equal(image.get_array(), m)
    contours = [len(ax.collections) for ax in figure.axes]
    assert min(contours[:6]) > 0 and contours[6] == 0, "an outline wherever there is a map"
    with_photographs = figures.attention_maps(rows, list(CLASSES), None, photographs)
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
    drawn = {line.get_label(): line.get_xdata() for line in left.lines}
    np.testing.assert_allclose(drawn["centred Gaussian"], 100 * table["gaussian_share"])
    np.testing.assert_allclose(left.containers[0].lines[0].get_xdata(), 100 * table["share_inside"])
    for container, short in zip(right.containers, ("area", "gauss", "others")):
        np.testing.assert_allclose(container.lines[0].get_xdata(), 100 * table[f"diff_{short}"])
        ends = container.lines[1][0].get_xdata()
        np.testing.assert_allclose(ends, 100 * table[f"diff_{short}_low"], atol=1e-9)
    assert [label.get_text() for label in left.get_yticklabels()][-1] == "all (n = 70)"


def test_blob_widths_fall_to_the_lesions_area(rng):
    mean_lesion = attention.coverage(discs(rng, 50, 60), 10, 10).mean(axis=0)
    sigmas = np.array([0.1, 0.2, 0.4, 50])
    shares = np.array([(attention.gaussian(10, 10, sigma) * mean_lesion).sum() for sigma in sigmas])
    assert (np.diff(shares) < 0).all() and shares[-1] == pytest.approx(mean_lesion.mean(), rel=1e-3)
    figure = figures.blob_widths(sigmas, shares, {"SaFA": 0.3}, attention.GAUSSIAN_WIDTH)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 100 * shares)
