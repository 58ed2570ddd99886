"""Plots of speed and cost show their tables' numbers."""

import drawn
import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from wagf_src import paths
from wagf_src.report import figures
from wagf_src.report.prose import speed as prose

ARMS, FLOPS, PROFILES = (
    pd.read_csv(paths.ROOT / "results" / "bench" / f"{n}.csv") for n in ("arms", "flops", "profiles")
)


def test_speed_of_arms():
    steps = prose.ladder(ARMS)
    left, right = figures.speed_of_arms(steps).axes
    for k, pixels in enumerate((128, 160, 256)):
        side = steps[steps["pixels"] == pixels]  # the first arm on top
        rates = 1 / side[["seconds_per_image", "seconds_high", "seconds_low"]]
        for ax, shown in ((left, rates), (right, side[["ratio", "ratio_low", "ratio_high"]])):
            rows = drawn.intervals(ax)[k]
            assert_allclose([rows[height] for height in sorted(rows, reverse=True)], shown)
    assert right.get_xlabel() == "times as fast as DenseNet-121"
    assert figures.speed_of_arms(steps.head(0)) is None


def test_cost_growth():
    figure = figures.cost_growth(FLOPS, PROFILES, 160, "A100 (40 GB)")
    left, middle, right = figure.axes
    dense = FLOPS[FLOPS["arm"] == "densenet121-base"]
    assert any(
        len(line.get_ydata()) == len(dense) and np.allclose(line.get_ydata(), dense["flops_training"] / 1e9)
        for line in left.lines
    )
    assert {t.get_text() for t in left.get_legend().get_texts()} >= {"DenseNet-121", "MobileNetV2", "ResNet-50"}
    widths = [bar.get_width() for bar in middle.patches]
    assert_allclose(widths, FLOPS[FLOPS["pixels"] == 160]["flops_training"] / 1e9)
    hours = PROFILES[PROFILES["device"] == "A100 (40 GB)"]
    assert_allclose([line.get_ydata()[0] for line in right.lines], hours["hours"] / hours["seeds"])
    styles = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in right.lines}
    assert len(hours) == len(right.lines) and len(styles) >= 7
    assert figures.cost_growth(FLOPS.head(0), PROFILES, 160, "x") is None
