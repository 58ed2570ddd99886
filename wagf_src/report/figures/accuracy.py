"""Ladders of accuracies, differences and recalls."""

import textwrap

import numpy as np

from wagf_src.classes import CLASSES
from wagf_src.report.figures.style import MUTED, OURS, PAPER, SERIES, legend, new
from wagf_src.report.figures.text import p_value


def labelled_rows(ax, labels, per_row, around):
    """One row a label, the first on top: sets the figure's height and the ticks, and returns the positions."""
    labels = [textwrap.fill(label, 40) if "\n" not in label else label for label in labels]
    lines = max(label.count("\n") + 1 for label in labels)
    ax.figure.set_figheight(around + max(per_row, 0.18 * lines) * len(labels))
    where = np.arange(len(labels))[::-1]
    ax.set_yticks(where, labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(axis="y", visible=False)
    return where


def accuracy_ladder(frame, lines: dict[str, float] | None = None, xlabel: str = "test accuracy (%)"):
    """One row an arm or model: ours with its interval, and the published value where there is one.

    Args:
        frame: columns label; value, low, high (ours, percent); optionally paper and notebook (percent). NaN is left out.
        lines: vertical reference lines, name to percent.
    """
    figure, ax = new()
    where = labelled_rows(ax, frame["label"], per_row=0.3, around=1.2)
    have = frame["value"].notna().to_numpy()
    value, low, high = (frame[c].to_numpy(float)[have] for c in ("value", "low", "high"))
    spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
    ax.errorbar(
        value, where[have], xerr=spread, fmt="o", color=OURS, ms=5.5, lw=1.8, capsize=3, label="ours, 95% interval"
    )
    for column, marker, name in (("paper", "D", "paper"), ("notebook", "|", "released notebook")):
        if column in frame and frame[column].notna().any():
            filled = {"markerfacecolor": "white"} if marker == "D" else {"markeredgewidth": 2}
            ax.plot(frame[column], where, marker, color=PAPER, ms=6 if marker == "D" else 11, label=name, **filled)
    for (name, x), style in zip((lines or {}).items(), ("--", ":", "-.")):
        ax.axvline(x, color=MUTED, ls=style, lw=1.2, label=name, zorder=0)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.06)
    legend(figure, first="ours, 95% interval", ncols=4)
    return figure


def differences(frame, xlabel: str = "difference in test accuracy (points)"):
    """Forest plot of paired differences.

    Args:
        frame: columns label, difference, low, high (points), p (corrected, may be NaN); optionally paper (points).
    """
    figure, ax = new()
    where = labelled_rows(ax, frame["label"], per_row=0.34, around=1.1)
    value = frame["difference"].to_numpy(float)
    spread = np.nan_to_num(np.clip([value - frame["low"], frame["high"] - value], 0, None))
    ax.axvline(0, color=MUTED, lw=1.2)
    for sure, marker_face, name in ((True, OURS, "interval excludes 0"), (False, "white", "interval includes 0")):
        rows = ((frame["low"] > 0) | (frame["high"] < 0)).to_numpy() == sure
        if rows.any():
            ax.errorbar(
                value[rows],
                where[rows],
                xerr=spread[:, rows],
                fmt="o",
                color=OURS,
                mfc=marker_face,
                ms=6,
                lw=1.8,
                capsize=3,
                label=name,
            )
    if "paper" in frame and frame["paper"].notna().any():
        ax.plot(frame["paper"], where, "D", color=PAPER, mfc="white", ms=6, label="paper")
    right = ax.secondary_yaxis("right")
    right.set_yticks(where, ["" if np.isnan(p) else p_value(p, "p = ") for p in frame["p"]])
    right.tick_params(length=0, labelsize=9)
    right.spines["right"].set_visible(False)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.06)
    legend(figure, ncols=3)
    return figure


def class_recall(frame):
    """Recall of every class for a few arms, with intervals.

    Args:
        frame: columns label (the arm), class, n_test, recall, ci_low, ci_high (percent).
    """
    labels = list(dict.fromkeys(frame["label"]))
    figure, ax = new(height=3.6 + 0.18 * ((len(labels) + 1) // 2))
    offsets = (np.arange(len(labels)) - (len(labels) - 1) / 2) * min(0.13, 0.8 / len(labels))
    for label, offset, (color, _), marker in zip(labels, offsets, SERIES, "oDs^vPX"):
        rows = frame[frame["label"] == label].set_index("class").reindex(CLASSES)
        spread = np.nan_to_num(np.clip([rows["recall"] - rows["ci_low"], rows["ci_high"] - rows["recall"]], 0, None))
        ax.errorbar(
            np.arange(len(CLASSES)) + offset,
            rows["recall"],
            yerr=spread,
            fmt=marker,
            color=color,
            ms=5,
            lw=1.4,
            capsize=2,
            label=label,
        )
    counts = frame.drop_duplicates("class").set_index("class")["n_test"].reindex(CLASSES).fillna(0).astype(int)
    ax.set_xticks(np.arange(len(CLASSES)), [f"{c}\nn = {counts[c]}" for c in CLASSES])
    ax.set_ylim(-3, 103)
    ax.set_ylabel("recall (%)")
    ax.set_xlabel("true class and its test images")
    ax.grid(axis="x", visible=False)
    legend(figure, ncols=2)
    return figure
