"""What the authors' notebooks store, and which 30% validated there."""

import numpy as np
import seaborn as sns

from wagf_src.paper import which30
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import labelled_rows
from wagf_src.report.figures.style import MUTED, OURS, PAPER, legend, new, with_alt_text


def stored_logs(logs, results):
    """Accuracy by epoch of the stored trainings, one panel each; tables stored_logs and stored_results.

    A ring marks the epoch kept; the band is the validation accuracy's median plus and minus its standard deviation over
    the later half; the line is the stored test accuracy of the epoch kept.
    """
    figure, axes = new(3, 2, height=7.2, sharex=True, sharey=True)
    tested = results.set_index("model")["accuracy"]
    for ax, (model, log) in zip(axes.flat, logs.groupby("model", sort=False)):
        later = 100 * log.loc[log["epoch"] > len(log) // 2, "val_accuracy"]
        middle, spread = later.median(), later.std()
        ax.fill_between(
            [later.index[0] - log.index[0] + 1, len(log)], middle - spread, middle + spread, color="#DCE9F3"
        )
        ax.plot(log["epoch"], 100 * log["accuracy"], color="#9A9A9A", ls=":", label="training files")
        ax.plot(log["epoch"], 100 * log["val_accuracy"], color=OURS, lw=1.3, label="validation files")
        kept = log[log["kept"]].iloc[0]
        ax.plot(kept["epoch"], 100 * kept["val_accuracy"], "o", ms=7, mfc="none", mec="black", label="epoch kept")
        ax.axhline(tested[model], color=PAPER, ls="--", lw=1.2, label="test images, epoch kept")
        ax.set_title(model, loc="left", fontsize=9.5, fontweight="bold")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy (%)")
    axes[0, 0].set(ylim=(0, 102), xlim=(0, logs["epoch"].max() + 1))
    legend(figure, ncols=4)
    return with_alt_text(figure, findings.stored_logs(logs, results))


def stored_confusion(frame):
    """The stored confusion matrices: images, shaded by the share of the true class; table of that name."""
    figure, axes = new(3, 2, height=10.2)
    for ax, (model, cells) in zip(axes.flat, frame.groupby("model", sort=False)):
        names = cells["true"].unique()
        counts = cells.pivot(index="true", columns="predicted", values="images").loc[names, names]
        shares = 100 * counts.div(counts.sum(axis=1), axis=0)
        style = {"cmap": "Blues", "vmin": 0, "vmax": 100, "cbar": False, "square": True, "linewidths": 0.5}
        sns.heatmap(shares, annot=counts, fmt="d", annot_kws={"fontsize": 8}, ax=ax, **style)
        for text in ax.texts:
            if text.get_text() == "0":
                text.set_color("#9A9A9A")
        ax.set_title(model, fontsize=9.5, fontweight="bold")
        ax.tick_params(length=0)
        ax.tick_params(axis="y", rotation=0)
    return with_alt_text(figure, findings.melanomas(frame))


def which_30(compared):
    """Training minus validation accuracy of each stored log, beside that of our two runs; table which30."""
    figure, ax = new()
    stored = compared[compared["stored"]]
    where = labelled_rows(ax, stored["name"], per_row=0.3, around=1.3)
    ax.hlines(where, 100 * stored["low"], 100 * stored["high"], color=PAPER, lw=2)
    ax.plot(100 * stored["gap"], where, "D", color=PAPER, label="stored log: median and quartiles of its epochs")
    for line, style in zip(compared[~compared["stored"]].itertuples(), ("-", "--")):
        ax.axvline(100 * line.gap, color=OURS, ls=style, label=f"ours, validated {which30.RULES[line.name]}")
    ax.axvline(0, color=MUTED, lw=1, zorder=0)
    ax.set_xlabel("training minus validation accuracy (points)")
    ax.set_xlim(min(-5, np.nanmin(100 * compared["gap"]) - 2))
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.gaps(compared, which30.RULES))
