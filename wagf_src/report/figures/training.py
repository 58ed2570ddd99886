"""Training curves and the choice of the epoch."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from wagf_src.arms import arm_label
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import labelled_rows
from wagf_src.report.figures.style import MUTED, OURS, PAPER, legend, new, with_alt_text
from wagf_src.runs import by_arm


def training_curves(runs):
    """Loss and accuracy by epoch for every arm, all its seeds; a ring marks the epoch that was kept.

    From five arms on, two share a line.
    """
    arms = by_arm(runs)
    across = 1 if len(arms) < 5 else 2
    lines = -(-len(arms) // across)
    figure, axes = new(lines, 2 * across, height=0.6 + (1.75 if across == 1 else 1.6) * lines, squeeze=False)
    names = {"": "training", "val_": "validation", "test_": "test"}
    colors = dict(zip(names, ("#9A9A9A", OURS, PAPER)))
    look = {"palette": colors, "dashes": dict(zip(names, ((1, 1.65), (3.7, 1.6), ""))), "alpha": 0.9, "legend": False}
    pairs = axes.reshape(-1, 2)
    for ax in pairs[len(arms) :].flat:
        ax.remove()
    for row, (arm, arm_runs) in zip(pairs, arms.items()):
        history = pd.concat([run.history().assign(run=run.seed, kept=run.info["best_epoch"]) for run in arm_runs])
        for ax, column, factor in zip(row, ("loss", "accuracy"), (1, 100)):
            curves = history.rename(columns={prefix + column: prefix for prefix in names})
            curves = curves.melt(["run", "epoch", "kept"], [prefix for prefix in names if prefix in curves], "series")
            curves["value"] *= factor
            look |= {"lw": 1.3 if len(arm_runs) < 3 else 0.9, "marker": "." if curves["epoch"].max() == 1 else None}
            axis = {"x": "epoch", "y": "value", "hue": "series", "style": "series", "units": "run", "ax": ax}
            sns.lineplot(curves, estimator=None, **axis, **look)
            for prefix, rings in curves[curves["epoch"] == curves["kept"]].groupby("series"):
                if prefix:
                    style = {"ms": 6 if across == 1 else 4.5, "mfc": "none", "mec": colors[prefix]}
                    ax.plot(rings["epoch"], rings["value"], "o", **style)
            ax.set_xlabel("")
            ax.xaxis.get_major_locator().set_params(integer=True)
        row[0].set_ylabel("loss (nats)")
        row[1].set_ylabel("accuracy (%)")
        label = arm_label(arm) if across == 1 else textwrap.fill(arm_label(arm), 46)
        row[0].set_title(label, loc="left", fontsize=9.5 if across == 1 else 8.5, fontweight="bold")
        # One exploding epoch would flatten every other: the axis ends a little above the bulk of each run.
        losses = history.reindex(columns=["run", "loss", "val_loss", "test_loss"])
        bulk = losses.groupby("run").quantile(0.9).max(axis=None)
        row[0].set_ylim(0, min(row[0].get_ylim()[1], 1.6 * bulk) if np.isfinite(bulk) and bulk > 0 else None)
    for ax in pairs[max(len(arms) - across, 0) : len(arms)].flat:
        ax.set_xlabel("epoch")
    handles = [plt.Line2D([], [], color=colors[s], ls=ls, label=names[s]) for s, ls in zip(names, (":", "--", "-"))]
    handles.append(plt.Line2D([], [], ls="", marker="o", mfc="none", mec="black", label="epoch kept"))
    legend(figure, handles, ncols=4)
    return with_alt_text(figure, findings.curves(runs))


def selection(frame):
    """What checkpoint selection gains and costs: test accuracy at the kept, the last and the best epoch.

    Args:
        frame: one row a run, the seeds of an arm one below the other: columns arm, and kept, last, best, low, high:
            test accuracy (percent); low and high span the later half.
    """
    figure, ax = new()
    frame = frame.assign(label=frame["arm"].map(arm_label))
    labels = list(dict.fromkeys(frame["label"]))
    number = frame.groupby("label").cumcount().to_numpy()
    most = number.max() + 1
    middle = dict(zip(labels, labelled_rows(ax, labels, per_row=0.12 + 0.14 * most, around=1.3)))
    last = frame.groupby("label")["label"].transform("size") - 1
    where = frame["label"].map(middle).to_numpy() - (number - last / 2) * 0.8 / most
    scale, span = (1.3, 6) if most == 1 else (1, 4)
    ax.hlines(where, frame["low"], frame["high"], color="#C9C9C9", lw=span, label="range over the later half of epochs")
    for column, marker, color, face, size, label in (
        ("last", "s", MUTED, "none", 6, "last epoch"),
        ("best", "^", PAPER, "none", 6.5, "best on the test set (not allowed)"),
        ("kept", "o", OURS, OURS, 3.5, "epoch kept (by validation)"),
    ):
        ax.plot(frame[column], where, marker, color=color, mfc=face, ms=scale * size, label=label)
    for y in np.arange(len(labels) - 1) + 0.5:
        ax.axhline(y, color="#E3E3E3", lw=0.6)
    ax.set_xlabel("test accuracy (%)")
    ax.margins(x=0.04)
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.chosen(frame))
