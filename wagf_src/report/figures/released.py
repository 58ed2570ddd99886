"""The small experiments on the released code."""

import numpy as np
import seaborn as sns
from matplotlib.patches import FancyBboxPatch

from wagf_src.paper import audits, released_experiments
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import (
    CLASS_COLORS,
    CLASS_MARKERS,
    MUTED,
    OURS,
    PAPER,
    SERIES,
    legend,
    new,
    with_alt_text,
)


def validation_choice(frame):
    """Accuracy by epoch on every set of files (columns of the frame)."""
    figure, ax = new(height=3.4)
    curves = frame.drop(columns="provenance").set_index("epoch")
    sns.lineplot(curves, palette=[color for color, _ in SERIES[: curves.shape[1]]], lw=1.6, ax=ax)
    ax.set(xlabel="epoch", ylabel="accuracy (%)")
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.last_epoch(curves))


def soft_attention_channels(frame):
    """Influence of every channel on the scores (bars) and which get a gradient (triangles), one panel an operator."""
    panels = frame.groupby("operator", sort=False)
    figure, axes = new(panels.ngroups, 1, height=5.4, sharex=True)
    for ax, (name, rows) in zip(axes, panels):
        ax.bar(rows["channel"], rows["influence"], color=OURS, width=0.7, label="changes the scores (forward)")
        learns = rows["channel"][rows["gradient"].astype(str) == "True"]
        if len(learns):
            ax.plot(learns, np.full(len(learns), 112), "v", color=PAPER, ms=5, label="gets a gradient (backward)")
        ax.set_title(name, loc="left", fontsize=9)
        ax.set(ylim=(0, 125), yticks=(0, 50, 100))
    axes[-1].set(xlabel="channel", xlim=(-0.7, frame["channel"].max() + 0.7))
    figure.supylabel("influence on the scores (% of the largest)", fontsize=9.5)
    legend(figure, axes[-1].get_legend_handles_labels()[0])
    return with_alt_text(figure, findings.channels(frame))


def soft_attention_maps(frame):
    """One attention map by several kernels, on one scale."""
    panels = frame.groupby("kernel", sort=False)
    figure, axes = new(1, panels.ngroups, height=2.9)
    for ax, (name, cells) in zip(axes, panels):
        grid = cells.pivot(index="row", columns="column", values="attention")
        scale = {"vmin": 0, "vmax": frame["attention"].max(), "cmap": "viridis"}
        sns.heatmap(grid, square=True, cbar=False, xticklabels=False, yticklabels=False, ax=ax, **scale)
        ax.set(title=name, xlabel="", ylabel="")
    figure.colorbar(axes[0].collections[0], ax=axes, label="attention (sums to 4)", shrink=0.85)
    return with_alt_text(figure, findings.kernels(frame))


_LAYERS = ("difference map", "similarity", "attention", "LSTM over rows", "transpose", "LSTM over columns", "sum")
_PLACES = dict(zip(_LAYERS, ((0, 0), (4, 0), (5, 0), (2, 0.95), (1, 1.9), (2, 1.9), (3.1, 1.42))))
_ARROWS = ((0, 1), (1, 2), (0, 3), (0, 4), (4, 5), (3, 6), (5, 6))  # as released: nothing leaves the sum


def safa_miniature(frame):
    """The graph of the released SaFA module in miniature: solid what is in the model, dashed what is in none."""
    look = {
        layer: {"color": OURS, "ls": "-"} if in_model else {"color": MUTED, "ls": "--"}
        for layer, in_model in zip(frame["layer"], frame["in_model"])
    }
    figure, ax = new(height=2.6)
    boxes = {}
    for name, (x, y) in _PLACES.items():
        style = {"ec": look[name]["color"], "ls": look[name]["ls"], "boxstyle": "round,pad=0.03"}
        boxes[name] = ax.add_patch(FancyBboxPatch((x - 0.36, y - 0.28), 0.72, 0.56, fc="white", lw=1.6, **style))
        label = name.replace(" ", "\n", 1) if len(name) > 10 else name
        ax.text(x, y, label, ha="center", va="center", fontsize=8.5)
    for start, end in ((_LAYERS[a], _LAYERS[b]) for a, b in _ARROWS):
        ends = {"patchA": boxes[start], "patchB": boxes[end], "shrinkA": 2, "shrinkB": 2}
        ax.annotate("", _PLACES[end], _PLACES[start], arrowprops={"arrowstyle": "-|>", **ends, **look[end]})
    ax.set(xlim=(-0.5, 5.5), ylim=(-0.4, 2.3))
    ax.axis("off")
    return with_alt_text(figure, findings.graph(frame))


def pca_experiment(frame):
    """The same features in the plane of one PCA and of one a batch: columns class, ``<way>: x`` and ``<way>: y``."""
    ways = [column.removesuffix(": x") for column in frame if column.endswith(": x")]
    figure, axes = new(1, len(ways), height=3.3)
    for ax, way in zip(axes, ways):
        points = {"x": f"{way}: x", "y": f"{way}: y", "hue": "class", "style": "class"}
        look = {"palette": CLASS_COLORS, "markers": CLASS_MARKERS, "s": 14, "alpha": 0.8, "linewidth": 0}
        sns.scatterplot(frame, **points, **look, legend=ax is axes[0], ax=ax)
        ax.set(title=way, xlabel="first component", ylabel="second component" if ax is axes[0] else "")
    legend(figure, ncols=7)
    panels = {way: (frame[[f"{way}: x", f"{way}: y"]].to_numpy(), frame["class"]) for way in ways}
    return with_alt_text(figure, findings.spread(panels))


def batch_f1_orders(frame):
    """Batch-averaged F1 minus its bound in many orders (histogram), and by how much rows of Table 1 exceed theirs."""
    figure, ax = new(height=3.0)
    orders = frame["orders"].sum()
    edges = [*frame["low"], frame["high"].iloc[-1]]
    bars = {"weights": frame["orders"], "bins": edges, "color": OURS, "alpha": 0.85, "ax": ax}
    sns.histplot(x=(frame["low"] + frame["high"]) / 2, label=f"one set of predictions, {orders:,} orders", **bars)
    ax.axvline(0, color="black", lw=1.2, ls="--", label="largest F1 of any report over all images")
    for (row, by), style in zip(audits.f1_excess().items(), ("-", ":", "-.") * 2):
        ax.axvline(by, color=PAPER, lw=1.4, ls=style, label=f"paper, row {row}: +{by:.3f}")
    ax.set(xlabel="F1 minus the mean of precision and recall (points)", ylabel="orders")
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.orders(frame))


def input_densities(frame):
    """Histograms of the three colours at the network's input, one panel a preprocessing."""
    panels = frame.groupby("input", sort=False)
    figure, axes = new(1, panels.ngroups, height=2.7)
    for ax, (name, rows) in zip(axes, panels):
        for (channel, bins), color, style in zip(
            rows.groupby("channel", sort=False), ("#D55E00", "#009E73", "#0072B2"), ("-", "--", ":")
        ):
            edges = [*bins["low"], bins["high"].iloc[-1]]
            ax.stairs(bins["density"], edges, color=color, ls=style, lw=1.5, label=channel)
        ax.set(title=f"{name} input", xlabel="value at the network's input", xlim=(-2.3, 2.8))
    axes[0].set_ylabel("density")
    axes[-1].legend(title="channel")
    return with_alt_text(figure, findings.inputs(frame))


def resizing():
    """The generated photograph of ``released_experiments.resized``, reduced in both ways, and their difference."""
    pictures = released_experiments.resized()
    figure, axes = new(1, 4, height=2.1)
    for ax, (name, picture) in zip(axes, pictures.items()):
        height, width = picture.shape[:2]
        ax.imshow(picture, interpolation="nearest", aspect=width / height * 0.75)
        ax.set_title(f"{name}\n{width} x {height}")
    first, second = (picture.astype(float) for picture in list(pictures.values())[1:])
    difference = np.abs(second - first).mean(axis=-1)
    image = axes[3].imshow(difference, cmap="magma", aspect=0.75)
    axes[3].set_title("difference of the two\n(grey levels)")
    for ax in axes:
        ax.set(xticks=(), yticks=())
        ax.grid(False)
    figure.colorbar(image, ax=axes[3], shrink=0.7)
    return with_alt_text(figure, findings.resized(difference))
