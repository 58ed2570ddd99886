"""Training curves and the choice of the epoch."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from wagf_src.report.figures.accuracy import labelled_rows
from wagf_src.report.figures.style import MUTED, OURS, PAPER, legend, new


def training_curves(arms: dict[str, list[tuple]]):
    """Loss and accuracy by epoch for every arm, all its seeds; a ring marks the epoch that was kept.

    From five arms on, two share a line.

    Args:
        arms: label to [(history, best epoch)], histories as history.csv (epoch is 1-based).
    """
    across = 1 if len(arms) < 5 else 2
    lines = -(-len(arms) // across)
    figure, axes = new(lines, 2 * across, height=0.6 + (1.75 if across == 1 else 1.6) * lines, squeeze=False)
    series = (("", "#9A9A9A", ":", "training"), ("val_", OURS, "--", "validation"), ("test_", PAPER, "-", "test"))
    pairs = axes.reshape(-1, 2)
    for ax in pairs[len(arms) :].flat:
        ax.remove()
    for row, (label, histories) in zip(pairs, arms.items()):
        thin = {"lw": 1.3 if len(histories) < 3 else 0.9, "alpha": 0.9}
        for history, best in histories:
            for prefix, color, style, _ in series:
                for ax, column, factor in zip(row, ("loss", "accuracy"), (1, 100)):
                    if prefix + column not in history:
                        continue
                    values = factor * history[prefix + column]
                    single = {"marker": "."} if len(history) == 1 else {}
                    ax.plot(history["epoch"], values, style, color=color, **thin, **single)
                    chosen = history["epoch"] == best
                    if prefix:
                        ax.plot(
                            history["epoch"][chosen],
                            values[chosen],
                            "o",
                            ms=6 if across == 1 else 4.5,
                            mfc="none",
                            mec=color,
                        )
        row[0].set_ylabel("loss (nats)")
        row[1].set_ylabel("accuracy (%)")
        wrapped = label if across == 1 else textwrap.fill(label, 46)
        row[0].set_title(wrapped, loc="left", fontsize=9.5 if across == 1 else 8.5, fontweight="bold")
        top = row[0].get_ylim()[1]
        # One exploding epoch would flatten every other: the axis ends a little above the bulk.
        bulk = [h[c].quantile(0.9) for h, _ in histories for c in ("loss", "val_loss", "test_loss") if c in h]
        row[0].set_ylim(0, min(top, 1.6 * max(bulk)) if np.isfinite(bulk).any() and max(bulk) > 0 else None)
        for ax in row:
            ax.xaxis.get_major_locator().set_params(integer=True)
    for row in pairs[max(len(arms) - across, 0) : len(arms)]:
        for ax in row:
            ax.set_xlabel("epoch")
    handles = [plt.Line2D([], [], color=color, ls=style, label=name) for _, color, style, name in series]
    handles.append(plt.Line2D([], [], ls="", marker="o", mfc="none", mec="black", label="epoch kept"))
    legend(figure, handles, ncols=4)
    return figure


def selection(frame):
    """What checkpoint selection gains and costs: test accuracy at the kept, the last and the best epoch.

    Args:
        frame: one row a run, the seeds of an arm one below the other: columns label (the arm), kept, last, best, low,
            high: test accuracy (percent); low and high span the later half.
    """
    figure, ax = new()
    labels = list(dict.fromkeys(frame["label"]))
    number = frame.groupby("label").cumcount().to_numpy()
    most = number.max() + 1
    of_arm = dict(zip(labels, labelled_rows(ax, labels, per_row=0.12 + 0.14 * most, around=1.3)))
    where = (
        frame["label"].map(of_arm).to_numpy()
        - (number - (frame.groupby("label")["label"].transform("size") - 1) / 2) * 0.8 / most
    )
    few = most == 1
    ax.hlines(
        where,
        frame["low"],
        frame["high"],
        color="#C9C9C9",
        lw=6 if few else 4,
        label="range over the later half of epochs",
    )
    ax.plot(frame["last"], where, "s", color=MUTED, ms=8 if few else 6, mfc="none", label="last epoch")
    ax.plot(
        frame["best"],
        where,
        "^",
        color=PAPER,
        ms=9 if few else 6.5,
        mfc="none",
        label="best on the test set (not allowed)",
    )
    ax.plot(frame["kept"], where, "o", color=OURS, ms=4.5 if few else 3.5, label="epoch kept (by validation)")
    for y in np.arange(len(labels) - 1) + 0.5:
        ax.axhline(y, color="#E3E3E3", lw=0.6)
    ax.set_xlabel("test accuracy (%)")
    ax.margins(x=0.04)
    legend(figure, ncols=2)
    return figure
