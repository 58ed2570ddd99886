"""Plots of the released code's experiments: what is drawn is what the tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras_answers import keras_answers

from wagf_src.paper import audits, released_experiments
from wagf_src.report import evidence, figures
from wagf_src.report.tables import TABLES
from wagf_src.report.tables.keras_facts import keras_facts

NAMES = (
    "validation_choice",
    "soft_attention_channels",
    "soft_attention_maps",
    "safa_miniature",
    "pca_experiment",
    "batch_f1_orders",
    "input_densities",
)


@pytest.fixture(scope="module")
def table(own_results):
    found = evidence.collect("own", TABLES)
    found._made[keras_facts] = keras_answers()
    return found.table


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_fits_the_page(table, name):
    figure = figures.stamp(getattr(figures, name)(table(name)), "random")
    figure.draw_without_rendering()
    assert plt.get_fignums() == [] and figure.get_tightbbox().x1 < 8.05


def test_curves_are_the_table(table):
    curves = table("validation_choice")
    ax = figures.validation_choice(curves).axes[0]
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines if len(line.get_xdata())}
    assert len([d for d in drawn.values() if len(d) == 30]) == 4
    assert any(np.allclose(d, curves[released_experiments.TEST]) for d in drawn.values() if len(d) == 30)


def test_channels_have_bars_and_triangles(table):
    axes = figures.soft_attention_channels(table("soft_attention_channels")).axes
    heights = [np.flatnonzero([bar.get_height() for bar in ax.patches]).tolist() for ax in axes]
    assert len(heights[0]) == 32 and heights[1:] == [[0, 1, 2], [0, 1, 2], [14, 15, 16]]
    triangles = [ax.lines[0].get_xdata().tolist() if ax.lines else [] for ax in axes]
    assert triangles == [[], [], [0, 1, 2], [0, 1, 2]]


def test_maps_share_their_scale(table):
    frame = table("soft_attention_maps")
    maps = [ax.collections[0] for ax in figures.soft_attention_maps(frame).axes[:3]]
    assert {m.get_clim() for m in maps} == {(0, frame["attention"].max())}
    first = frame[frame["kernel"] == "our layer (the rule)"]["attention"]
    np.testing.assert_allclose(np.ravel(maps[0].get_array()), first)


def test_what_is_in_no_model_is_dashed(table):
    figure = figures.safa_miniature(table("safa_miniature"))
    styles = [box.get_linestyle() for box in figure.axes[0].patches[:7]]
    assert styles.count("-") == 3 and styles.count("--") == 4


def test_histogram_holds_every_order_and_the_printed_rows(table):
    ax = figures.batch_f1_orders(table("batch_f1_orders")).axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == 2000
    assert [line.get_xdata()[0] for line in ax.lines] == [0, *audits.f1_excess().values()]


def test_reductions_are_shown_with_their_difference():
    axes = figures.resizing().axes
    pictures = released_experiments.resized()
    for ax, picture in zip(axes, pictures.values()):
        np.testing.assert_array_equal(ax.images[0].get_array(), picture)
    _, first, second = (picture.astype(float) for picture in pictures.values())
    np.testing.assert_allclose(axes[3].images[0].get_array(), np.abs(first - second).mean(axis=-1))
