"""Figures: they show the numbers given, fit the page, carry their provenance, and can be told apart."""

import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import drawn
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fabricate import LADDER as LADDER_ARMS
from fabricate import fabricate, made_up_splits
from matplotlib.colors import to_rgb

from wagf_src import paths
from wagf_src.arms import arm_label
from wagf_src.classes import CLASSES
from wagf_src.report import figures
from wagf_src.report.figures.style import CLASS_COLORS, CLASS_MARKERS
from wagf_src.report.text import p_value, percent
from wagf_src.stats import splits

REAL = "HAM10000; 96 px; DenseNet-121 / MobileNetV2; ImageNet weights; end to end, 10 epochs; 3 seeds; CPU, 2 cores"


def texts(figure):
    return [t.get_text() for t in figure.findobj(plt.Text) if t.get_text()]


def history(epochs=5):
    epoch = np.arange(1, epochs + 1)
    columns = {f"{p}{c}": np.linspace(0.9, 0.4, epochs) for p in ("", "val_", "test_") for c in ("loss", "accuracy")}
    return pd.DataFrame({"epoch": epoch} | columns)


def made_up_run(arm="mobilenetv2-base", seed=0, n=5):
    """As much of a run as its curves need; the third epoch was kept."""
    info = {"best_epoch": min(n, 3)}
    return SimpleNamespace(arm=arm, seed=seed, info=info, history=lambda: history(n))


def confusion_table(counts):
    cases = pd.MultiIndex.from_product([CLASSES, CLASSES], names=["true", "predicted"]).to_frame(index=False)
    return cases.assign(images=np.ravel(counts))


LONG = "DenseNet-121 + SA + GF + SaFA (strided convolution for the wavelet, random initialisation)"
LONG_ARM = "densenet121-wagf-described-conv-random"
LADDER = pd.DataFrame(
    {
        "label": ["(i)", LONG, "not run"],
        "value": [85.0, 88.0, np.nan],
        "low": [83.0, 86.0, np.nan],
        "high": [87.0, 90.0, np.nan],
        "paper": [87.21, np.nan, 90.75],
        "notebook": [88.3, np.nan, np.nan],
    }
)
DIFFERENCES = pd.DataFrame(
    {
        "label": ["soft attention", LONG],
        "difference": [1.0, -3.0],
        "low": [-1.0, -5.0],
        "high": [3.0, -1.0],
        "p": [0.4, 0.0001],
        "paper": [1.32, np.nan],
        "paper_low": [-1.5, np.nan],
        "paper_high": [4.2, np.nan],
    }
)
RECALL = pd.DataFrame(
    [(label, c, 10, 50.0, 20.0, 80.0) for label in ("(i)", LONG) for c in CLASSES],
    columns=["label", "class", "n_test", "recall", "ci_low", "ci_high"],
)
SELECTION = pd.DataFrame(
    {
        "arm": ["mobilenetv2-base", LONG_ARM],
        "kept": [80.0, 81],
        "last": [79.0, 81],
        "best": [82.0, 81],
        "low": 78.0,
        "high": 83.0,
    }
)
PROTOCOL, LEAKAGE = (pd.read_csv(paths.REFERENCE_DIR / "protocol" / f"{n}.csv") for n in ("protocol_counts", "leakage"))
KEPT = tempfile.TemporaryDirectory()  # as long as this module's tests
RUNS = fabricate(Path(KEPT.name), (*LADDER_ARMS, "mobilenetv2-probe"))
OFFICIAL = {
    "ISIC-2018 best entry (external data), 88.5%": 88.5,
    "ISIC-2018 best without external data (ensemble), 84.5%": 84.5,
}

EVERY_FIGURE = {
    "accuracy_ladder": lambda: figures.accuracy_ladder(LADDER, OFFICIAL),
    "differences": lambda: figures.differences(DIFFERENCES),
    "class_recall": lambda: figures.class_recall(RECALL),
    "class_counts": lambda: figures.class_counts(PROTOCOL),
    "populations": lambda: figures.populations(PROTOCOL),
    "leakage_by_class": lambda: figures.leakage_by_class(LEAKAGE),
    "split_levels": lambda: figures.split_levels(splits.split_effects(made_up_splits()), made_up_splits()),
    "confusion": lambda: figures.confusion(confusion_table(np.arange(49).reshape(7, 7))),
    "feature_scatter": lambda: figures.feature_scatter(RUNS[0]),
    "feature_embedding": lambda: figures.feature_embedding(RUNS[0]),
    "feature_batches": lambda: figures.feature_batches(RUNS[0]),
    "reliability": lambda: figures.reliability(RUNS),
    "roc_pr": lambda: figures.roc_pr(RUNS),
    "coverage": lambda: figures.coverage(RUNS),
    "training_curves": lambda: figures.training_curves([made_up_run(LONG_ARM), *(made_up_run(n=1) for _ in "ab")]),
    "selection": lambda: figures.selection(SELECTION),
}


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_figures_fit_the_page_and_name_their_axes(name):
    figure = figures.stamp(EVERY_FIGURE[name](), REAL)
    assert plt.get_fignums() == []  # closed: a notebook shows it once
    assert figure.get_label().endswith("."), "says what it shows"
    figure.draw_without_rendering()  # lays it out
    box = figure.get_tightbbox()
    assert figure.get_figwidth() == 8 and -0.05 < box.x0 and box.x1 < 8.05, box
    assert box.y1 < figure.get_figheight() + 0.05, box  # only the provenance lies outside, below
    below = figure.axes[-2:] if name != "differences" else figure.axes[:1]
    assert all(ax.get_xlabel() for ax in below if ax.get_subplotspec().is_last_row())
    assert REAL in " ".join(texts(figure)).replace("\n", " ")
    assert min(t.get_fontsize() for t in figure.findobj(plt.Text) if t.get_text()) >= 7


def test_synthetic_figures_are_marked_and_real_ones_not():
    marked = figures.stamp(EVERY_FIGURE["selection"](), "SYNTHETIC; 64 px")
    assert any(t.startswith("SYNTHETIC DATA") for t in texts(marked))
    assert not any("SYNTHETIC" in t for t in texts(figures.stamp(EVERY_FIGURE["selection"](), REAL)))


def test_long_provenance_is_wrapped():
    figure = figures.stamp(EVERY_FIGURE["selection"](), "; ".join([REAL] * 4))
    figure.draw_without_rendering()
    assert figure.get_tightbbox().x1 < 8.05


# --- colours -------------------------------------------------------------------------------------------------

# Machado, Oliveira & Fernandes (2009), full severity, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(color, blindness):
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(xyz / [0.9505, 1, 1.089])  # fine for all but near-black colours
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_class_colours_stay_apart_for_every_reader(blindness):
    assert tuple(CLASS_COLORS) == CLASSES == tuple(CLASS_MARKERS)
    assert len(set(CLASS_MARKERS.values())) == len(CLASSES)
    seen = {c: lab(color, blindness) for c, color in CLASS_COLORS.items()}
    distances = [np.linalg.norm(seen[a] - seen[b]) for i, a in enumerate(CLASSES) for b in CLASSES[:i]]
    assert min(distances) > 10  # one is just noticeable
    assert lab("#FFFFFF", "none")[0] - max(lab(c, "none")[0] for c in CLASS_COLORS.values()) > 25  # on white


# --- content -------------------------------------------------------------------------------------------------


def test_ladder_draws_each_value_at_its_row():
    ax = figures.accuracy_ladder(LADDER).axes[0]
    labels = {t.get_text().replace("\n", " "): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    assert list(labels) == list(LADDER["label"]) and labels["(i)"] > labels[LONG]
    assert drawn.intervals(ax)[0] == {labels["(i)"]: (85.0, 83.0, 87.0), labels[LONG]: (88.0, 86.0, 90.0)}
    (diamonds,) = [line for line in ax.lines if line.get_label() == "paper"]
    assert dict(zip(diamonds.get_ydata(), diamonds.get_xdata(), strict=True))[labels["not run"]] == 90.75


def test_differences_fill_what_is_shown():
    ax = figures.differences(DIFFERENCES.assign(p=[0.04, 0.4])).axes[0]
    points = {line.get_label(): line.get_xdata().tolist() for line in ax.lines if line.get_label()[0] != "_"}
    assert points == {"corrected p < 0.05": [1.0], "not shown": [-3.0], "paper, its margin": [1.32]}
    faces = {line.get_label(): line.get_markerfacecolor() for line in ax.lines}
    assert faces["not shown"] == "white" != faces["corrected p < 0.05"]
    # A bar over an empty marker would fill it.
    widest = max(line.get_zorder() for line in ax.lines if line.get_marker() == "None")
    assert widest < min(line.get_zorder() for line in ax.lines if line.get_marker() != "None")
    assert {"p = 0.040", "p = 0.400"} <= set(texts(ax.figure))


def test_a_dozen_conditions_look_unlike():
    ladder = pd.concat([LADDER[:1].assign(series=str(k), value=80.0 + k) for k in range(12)], ignore_index=True)
    lines = figures.accuracy_ladder(ladder).axes[0].lines
    points = [line for line in lines if line.get_label() in map(str, range(12))]
    assert len({(line.get_color(), line.get_marker()) for line in points}) == len(points) == 12
    # Whoever sees no colours has the markers.
    assert len({line.get_marker() for line in points}) == 12


def test_conditions_stand_in_one_row_and_differ_in_colour_and_marker():
    two = pd.concat([DIFFERENCES.assign(series="a"), DIFFERENCES[:1].assign(series="b", difference=2.0, p=0.01)])
    ax = figures.differences(two).axes[0]
    dots = {line.get_marker(): line for line in ax.lines if line.get_marker() in "os" and 2.0 in line.get_xdata()}
    assert list(dots) == ["s"] and abs(dots["s"].get_ydata()[0] - 1) < 0.5 and len(ax.get_yticks()) == 2
    names = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert names == ["a", "b", "paper, its margin"]
    ladder = pd.concat([LADDER.assign(series="a"), LADDER[:2].assign(series="b", value=80.0, low=79.0, high=81.0)])
    ax = figures.accuracy_ladder(ladder).axes[0]
    assert len(ax.get_yticks()) == 3
    (squares,) = [line for line in ax.lines if line.get_marker() == "s"]
    assert squares.get_xdata().tolist() == [80.0, 80.0] and to_rgb(squares.get_color()) != to_rgb("#D55E00")


def test_recalls_stand_at_their_class():
    frame = RECALL.assign(recall=np.tile(np.arange(7.0), 2), ci_low=np.nan, ci_high=np.nan)
    ax = figures.class_recall(frame).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == [f"{c}\nn = 10" for c in CLASSES]
    for marker in "oD":
        (dots,) = [line for line in ax.lines if line.get_marker() == marker and len(line.get_xdata()) == 7]
        assert np.round(dots.get_xdata()).tolist() == dots.get_ydata().tolist() == list(range(7))
    assert ax.figure.legends[0].get_texts()[1].get_text() == LONG


def test_nothing_to_draw():
    assert figures.accuracy_ladder(LADDER[:0]) is figures.differences(DIFFERENCES[:0]) is None
    assert figures.decision_curve(pd.DataFrame(), None, {}) is None and figures.always_nv([]) == {}


def test_always_nv_is_the_share_of_nevi(tmp_path):
    runs = fabricate(tmp_path, ("mobilenetv2-base",), counts={"nv": 30, "mel": 10})
    assert figures.always_nv(runs) == {"always nv, 75.0%": 75.0}


def test_training_curves_ring_the_kept_epoch():
    ax = figures.training_curves([made_up_run()]).axes[1]
    rings = [line for line in ax.lines if line.get_marker() == "o"]
    assert [ring.get_xdata().tolist() for ring in rings] == [[3], [3]]
    assert rings[0].get_ydata()[0] == pytest.approx(100 * 0.65)


def test_tables_and_percent():
    frame = pd.DataFrame({"row": ["(i)"], "value": [np.nan]})
    assert "<td>–</td>" in figures.table(frame).data and "<td>(i)</td>" in figures.table(frame).data
    intervals = pd.DataFrame({"value": ["85.9 [83.7, 87.8]", "-15.1 [-16.9, -13.8]"]})
    assert [line for line in figures.table(intervals).data.split() if "&nbsp;" in line] == [
        "[83.7,&nbsp;87.8]</td>",
        "[-16.9,&nbsp;-13.8]</td>",
    ]
    assert percent(0.85949, 0.8371, 0.8780) == "85.9 [83.7, 87.8]"
    assert percent(np.nan, np.nan, np.nan) == "–" and percent(0.5, decimals=0) == "50"


def test_decision_curve_runs_through_the_means_and_marks_every_rule():
    strengths = [0.0, 0.5, 1.0]
    values = {
        "accuracy": [0.9, 0.85, 0.8],
        "balanced_accuracy": [0.6, 0.7, 0.75],
        "melanoma_sensitivity": [0.4, 0.6, 0.7],
    }
    curve = pd.concat([pd.DataFrame({"seed": s, "strength": strengths, **values}) for s in (0, 1)])
    curve.loc[curve["seed"] == 1, "accuracy"] += 0.02
    rules = pd.DataFrame(values, index=["a", "b", "c"])
    figure = figures.decision_curve(curve, rules, {k: 0.9 for k in values})
    for ax, column in zip(figure.axes, ("balanced_accuracy", "melanoma_sensitivity")):
        line = ax.lines[0]
        np.testing.assert_allclose(line.get_xdata(), 100 * np.array(values[column]))
        np.testing.assert_allclose(line.get_ydata(), 100 * np.array(values["accuracy"]) + 1)
        assert [m.get_label() for m in ax.lines[1:4]] == ["a", "b", "c"]


def test_p_values_for_tables_and_sentences():
    assert [p_value(p) for p in (0.0123, 0.001, 0.0009, 1.0, np.nan)] == ["0.012", "0.001", "< 0.001", "1.000", "–"]
    assert p_value(0.0123, "p = ") == "p = 0.012" and p_value(0.0001, "p = ") == "p < 0.001"


@pytest.mark.parametrize(("arms", "across"), [(4, 1), (5, 2), (12, 2)])
def test_many_arms_share_lines_and_every_arm_has_both_panels(arms, across):
    names = [f"mobilenetv2-base-lr0.{k:02}" for k in range(1, arms + 1)]
    figure = figures.training_curves([made_up_run(name, seed) for name in names for seed in range(5)])
    assert len(figure.axes) == 2 * arms
    assert [ax.get_title(loc="left") for ax in figure.axes[::2]] == [arm_label(name) for name in names]
    assert {ax.get_ylabel() for ax in figure.axes[1::2]} == {"accuracy (%)"}
    columns = {ax.get_subplotspec().colspan.start for ax in figure.axes}
    assert columns == set(range(2 * across)) and figure.get_figheight() < 11
    # Every column of panels ends in one that names its axis.
    assert {ax.get_subplotspec().colspan.start for ax in figure.axes if ax.get_xlabel() == "epoch"} == columns


def test_selection_puts_every_run_on_its_own_line_in_its_arm():
    frame = pd.DataFrame(
        {
            "arm": ["mobilenetv2-base"] * 2 + ["resnet50-base"] * 3,
            "kept": [80.0, 81, 82, 83, 84],
            "last": 80.0,
            "best": 85.0,
            "low": 79.0,
            "high": 86.0,
        }
    )
    ax = figures.selection(frame).axes[0]
    arm = {t.get_text(): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    (kept,) = [line for line in ax.lines if line.get_label().startswith("epoch kept")]
    place = dict(zip(kept.get_xdata(), kept.get_ydata(), strict=True))
    assert len(set(place.values())) == 5  # no two runs on one line
    assert all(abs(place[x] - arm[arm_label(name)]) < 0.5 for x, name in zip(frame["kept"], frame["arm"]))
    assert place[80] > place[81] and place[82] > place[83] > place[84]  # seeds from top to bottom
    assert np.mean([place[80], place[81]]) == pytest.approx(arm["MobileNetV2"])
    assert place[83] == pytest.approx(arm["ResNet-50"])


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_every_figure_says_what_it_found(name):
    text = EVERY_FIGURE[name]().get_label()
    assert re.search(r"\d", text) and text.endswith("."), text
