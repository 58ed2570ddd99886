"""Plots of Equation 1: one line a run, points of the orbits, numbers in the kernel's cells."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from keras_answers import keras_answers

from wagf_src.report import evidence, figures
from wagf_src.report.tables import TABLES
from wagf_src.report.tables.keras_facts import keras_facts


@pytest.fixture(scope="module")
def table(own_results):
    found = evidence.collect("own", TABLES)
    found._made[keras_facts] = keras_answers()
    return found.table


def weights(*arms, seeds=(0, 1)):
    lines = [(arm, s, f, e, 0.4 + e / 100 + s / 10) for arm, f in arms for s in seeds for e in (1, 2, 3)]
    return pd.DataFrame(lines, columns=["arm", "seed", "fusion", "epoch", "g_w"]).assign(
        kept=False, profile="lite", run=[f"{line[0]}-seed{line[1]}" for line in lines]
    )


def test_orbits_are_points_on_lines(table):
    frame = table("equation1_orbits")
    figure = figures.orbits(frame)
    assert [ax.get_title() for ax in figure.axes] == [
        "each batch's own weights (momentum 0)",
        "moving average (momentum 0.9)",
    ]
    for ax, (_, panel) in zip(figure.axes, frame.groupby("momentum")):
        points = max((dots.get_offsets() for dots in ax.collections), key=len)
        np.testing.assert_allclose(sorted(points[:, 1]), sorted(panel["g_w"]))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "start 0.05",
        "start 0.3",
        "start 0.5",
        "start 0.8",
    ]


def test_readings_have_one_legend(table):
    figure = figures.readings(table("equation1_readings"))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["eq1", "saliency", "learned"]
    assert all(ax.get_legend() is None for ax in figure.axes) and len(figure.axes) == 3


def test_one_line_a_run_one_panel_a_fusion():
    arms = ("densenet121-wagf-described", "eq1"), ("densenet121-wagf-described-conv", "eq1")
    figure = figures.fusion_weights(weights(*arms, ("densenet121-sa-gf-described-learned", "learned")))
    assert [ax.get_title() for ax in figure.axes] == ["Equation 1\n4 runs", "learned\n2 runs"]
    drawn = [[line for line in ax.lines if len(line.get_xdata()) == 3] for ax in figure.axes]
    assert [len(lines) for lines in drawn] == [4, 2]
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert labels == ["(iii)", "(iii) conv"]
    both = figures.fusion_weights(weights(arms[0], ("mobilenetv2-wagf-described", "eq1")))
    assert "(iii) MobileNetV2" in [t.get_text() for t in both.axes[0].get_legend().get_texts()]
    assert figures.fusion_weights(weights()[:0]) is None


def test_kernel_cells_hold_their_numbers(table):
    figure = figures.haar_kernel(table("haar_kernel"))
    kernel = keras_answers()["equation1"]["kernel"]
    assert [t.get_text() for t in figure.axes[-1].texts] == [f"{v:+.3f}" for v in kernel.ravel()]
    assert figure.axes[0].get_title() == "+0.500 × cA" and plt.get_fignums() == []
