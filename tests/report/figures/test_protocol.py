"""Plots of the data protocol show their tables' numbers."""

import drawn
import numpy as np
import pandas as pd
import pytest
from fabricate import made_up_splits
from numpy.testing import assert_allclose

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.profile import load_profile
from wagf_src.report import figures
from wagf_src.stats import splits

COUNTS, LEAKAGE = (pd.read_csv(paths.REFERENCE_DIR / "protocol" / f"{n}.csv") for n in ("protocol_counts", "leakage"))


def marks(ax):
    """Label of each series of seaborn's marks to their x by row."""
    shown = [line for line in ax.lines if len(line.get_xdata()) >= len(CLASSES)]
    legend = [t.get_text() for t in ax.figure.legends[0].get_texts()]
    return {label: np.sort_complex(line.get_xdata()).real for label, line in zip(legend, shown)}


def test_class_counts_are_marked_and_written():
    ax = figures.class_counts(COUNTS).axes[0]
    images = COUNTS[(COUNTS["quantity"] == "images") & (COUNTS["class"] != "total")]["count"]
    assert_allclose(marks(ax)["in the data set"], sorted(images))
    assert {t.get_text() for t in ax.texts} >= {"327", "5,822", "8,022", "6,937"} and ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_yticklabels()] == list(CLASSES) and ax.yaxis_inverted()


def test_populations_add_up_to_a_hundred_percent():
    ax = figures.populations(COUNTS).axes[0]
    heights = [[bar.get_height() for bar in bars] for bars in ax.containers]
    assert_allclose(np.sum(heights, axis=1), 100)
    assert heights[1][CLASSES.index("nv")] == pytest.approx(100 * 883 / 1103)


def test_leakage_puts_each_share_in_the_row_of_its_class():
    ax = figures.leakage_by_class(LEAKAGE).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == [*CLASSES, "total"]
    case = (LEAKAGE["protocol"] == "image-level 80/20") & (LEAKAGE["grouping"] == "lesion")
    assert_allclose(marks(ax)["image-level 80/20: same lesion"], sorted(100 * LEAKAGE[case]["share"]))


def test_split_levels_shows_every_repeat_and_the_mean():
    repeats = made_up_splits(repeats=4)
    figure = figures.split_levels(splits.split_effects(repeats), repeats)
    assert len(figure.axes) == 3
    ax, shown = (
        figure.axes[0],
        repeats[(repeats["classifier"] == "nearest") & (repeats["split"] == "paper")]["accuracy"],
    )
    ticks = np.concatenate([points.get_offsets() for points in ax.collections if len(points.get_offsets())])
    row = [t.get_text() for t in ax.get_yticklabels()].index("the paper's")
    mine = ticks[(ticks[:, 1] > row) & (ticks[:, 1] < row + 0.5), 0]
    assert_allclose(sorted(mine), sorted(100 * shown))
    assert drawn.intervals(ax)[1][row + 0.2][0] == pytest.approx(100 * shown.mean())
    assert figures.split_levels(splits.split_effects(repeats), repeats[:0]) is None


def test_copies_are_the_lesion_moved():
    figure = figures.copies(load_profile("frozen"), number=3, side=32)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert len(images) == 4 and all(image.shape == (32, 32, 3) for image in images)
    assert all((images[0] != image).any() for image in images[1:])
    # Rotation, small zooms and shifts keep the picture as bright as it is.
    assert_allclose([image.mean() for image in images[1:]], images[0].mean(), rtol=0.1)
