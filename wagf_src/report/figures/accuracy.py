"""Ladders of accuracies, differences and recalls."""

import textwrap

import numpy as np
import seaborn as sns

from wagf_src.classes import CLASSES
from wagf_src.paper.directions import LEVEL
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import MUTED, OURS, SERIES, legend, new, with_alt_text
from wagf_src.report.figures.style import PAPER as PRINTED
from wagf_src.report.text import p_value
from wagf_src.runs import truth_and_probabilities


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


def intervals(ax, where, value, low, high, marker="o", **style):
    """Points at heights ``where`` with their intervals; NaN limits leave a point alone; ``style`` as of `pointplot`."""
    style = {"color": OURS, "marker": marker, "markersize": 5.5, "markeredgewidth": 1.4, "capsize": 0.14} | style
    # Of a value between its limits, seaborn's median is the value, and its interval of 100% the limits. Below the
    # markers, so that an empty one stays empty.
    bars = {"linewidth": style.pop("linewidth", 1.8), "zorder": 2.5}
    given = {"x": np.concatenate([value, low, high]), "y": np.tile(where, 3), "orient": "y", "native_scale": True}
    whole = {"estimator": "median", "errorbar": ("pi", 100), "linestyle": "none", "err_kws": bars, "zorder": 3}
    sns.pointplot(**given, **whole, **style, ax=ax)


def always_nv(runs) -> dict[str, float]:
    """The line of the ladder that always answers nevus, as name and percent; empty without runs."""
    share = [100 * np.mean(truth_and_probabilities(run)[0] == CLASSES.index("nv")) for run in runs[:1]]
    return {f"always nv, {value:.1f}%": value for value in share}


def _series(ax, frame, per_row, around, alone):
    """Rows for the labels of a frame, and its series beside each other within them.

    Returns the height of each label, and (name, look, rows, their heights) of each series; without a column ``series``
    there is one, named ``alone``.
    """
    names = frame["series"] if "series" in frame else frame["label"].map(lambda _: alone)
    series, labels = list(dict.fromkeys(names)), list(dict.fromkeys(frame["label"]))
    where = dict(zip(labels, labelled_rows(ax, labels, per_row + 0.13 * (len(series) - 1), around)))
    offsets = np.linspace(0.3, -0.3, len(series)) if len(series) > 1 else [0]
    colors = [color for color, _ in SERIES if color != PRINTED]
    looks = [{"color": color, "marker": marker} for color, marker in zip(2 * colors, "os^vPXp<>*hd")]
    parts = [
        (name, look, frame[names == name], frame["label"][names == name].map(where).to_numpy() + offset)
        for name, offset, look in zip(series, offsets, looks)
    ]
    return where, parts


def accuracy_ladder(frame, lines: dict[str, float] | None = None, xlabel: str = "test accuracy (%)"):
    """One row an arm or model: ours with its interval, and the published value where there is one; None without rows.

    Args:
        frame: columns label; value, low, high (ours, percent); optionally series (several values a row), paper and
            notebook (of a row's first line). NaN is left out.
        lines: vertical reference lines, name to percent.
    """
    if not len(frame):
        return None
    figure, ax = new()
    ours = "ours, 95% interval"
    where, series = _series(ax, frame, 0.3, 1.2, ours)
    for name, look, part, heights in series:
        have = part["value"].notna().to_numpy()
        if have.any():
            intervals(
                ax, heights[have], *part.loc[have, ["value", "low", "high"]].to_numpy(float).T, **look, label=name
            )
    first = frame.drop_duplicates("label")
    heights = first["label"].map(where)
    for column, marker, name in (("paper", "D", "paper"), ("notebook", "|", "released notebook")):
        if column in frame and frame[column].notna().any():
            filled = {"markerfacecolor": "white"} if marker == "D" else {"markeredgewidth": 2}
            ax.plot(first[column], heights, marker, color=PRINTED, ms=6 if marker == "D" else 11, label=name, **filled)
    for (name, x), style in zip((lines or {}).items(), ("--", ":", "-.")):
        ax.axvline(x, color=MUTED, ls=style, lw=1.2, label=name, zorder=0)
    ax.set(xlabel=xlabel, ylabel="")
    ax.margins(x=0.06)
    legend(figure, ncols=4 if len(series) == 1 else 1)
    return with_alt_text(figure, findings.ladder(frame, lines))


def differences(frame, xlabel: str = "difference in test accuracy (points)"):
    """Forest plot of paired differences; None without rows.

    Args:
        frame: columns label, difference, low, high (points), p (corrected; full markers where it is below the level);
            optionally series (several differences a row, one colour each), and paper, paper_low, paper_high (points).
    """
    if not len(frame):
        return None
    figure, ax = new()
    where, series = _series(ax, frame, 0.34, 1.1, "")
    ax.axvline(0, color=MUTED, lw=1.2)
    shown, not_shown = f"corrected p < {LEVEL:g}", "not shown"
    for name, look, part, heights in series:
        full = (part["p"] < LEVEL).to_numpy()
        for rows, face, meaning in ((full, look["color"], shown), (~full, "white", not_shown)):
            if rows.any():
                values = part.loc[rows, ["difference", "low", "high"]].to_numpy(float).T
                label = meaning if len(series) == 1 else name if rows is full or not full.any() else "_"
                intervals(ax, heights[rows], *values, **look, markerfacecolor=face, label=label)
    first = frame.drop_duplicates("label")
    if "paper" in frame and frame["paper"].notna().any():
        have = first["paper"].notna().to_numpy()
        values = first.loc[have, ["paper", "paper_low", "paper_high"]].to_numpy(float).T
        style = {"color": PRINTED, "marker": "D", "markerfacecolor": "white", "capsize": 0, "linewidth": 1}
        below = first["label"].map(where).to_numpy()[have] - (0.25 if len(series) == 1 else 0.42)
        intervals(ax, below, *values, label="paper, its margin", **style)
    if len(series) == 1:
        right = ax.secondary_yaxis("right")
        right.set_yticks(list(where.values()), ["" if np.isnan(p) else p_value(p, "p = ") for p in frame["p"]])
        right.tick_params(length=0, labelsize=9)
        right.spines["right"].set_visible(False)
    ax.set(xlabel=xlabel, ylabel="")
    ax.margins(x=0.06)
    legend(figure, ncols=3 if len(series) == 1 else 1)
    return with_alt_text(figure, findings.differences(frame))


def class_recall(frame):
    """Recall of every class for a few arms, with intervals.

    Args:
        frame: columns label (the arm), class, n_test, recall, ci_low, ci_high (percent).
    """
    labels = list(dict.fromkeys(frame["label"]))
    figure, ax = new(height=3.6 + 0.18 * ((len(labels) + 1) // 2))
    ends = frame.melt(["label", "class"], ["recall", "ci_low", "ci_high"])
    look = {"palette": [color for color, _ in SERIES[: len(labels)]], "markers": list("oDs^vPX")[: len(labels)]}
    look |= {"linestyles": "none", "markersize": 5, "linewidth": 1.4, "capsize": 0.06, "legend": True}
    middle = {"estimator": "median", "errorbar": ("pi", 100), "dodge": min(0.13 * (len(labels) - 1), 0.8) or False}
    sns.pointplot(ends, x="class", y="value", hue="label", order=CLASSES, ax=ax, **middle, **look)
    counts = frame.drop_duplicates("class").set_index("class")["n_test"].reindex(CLASSES).fillna(0).astype(int)
    ax.set_xticks(range(len(CLASSES)), [f"{c}\nn = {counts[c]}" for c in CLASSES])
    ax.set(ylim=(-3, 103), ylabel="recall (%)", xlabel="true class and its test images")
    ax.grid(axis="x", visible=False)
    ax.get_legend().remove()
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.recalls(frame))
