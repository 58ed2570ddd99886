"""The confusion matrix, and projections of pooled features: flat, from two sides, and to turn."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns
from IPython.display import HTML

from wagf_src.classes import CLASSES
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import CLASS_COLORS, CLASS_MARKERS, WIDTH, legend, new, with_alt_text
from wagf_src.report.tables.features import features_and_truth
from wagf_src.runs import Run, truth_and_probabilities
from wagf_src.stats import projections

PLOTLY = "../_static/plotly.min.js"  # where the book puts plotly's script, seen from its chapters
# plotly's 3-D markers are letters: it has no triangles, and its "x" is one that few fonts have.
SYMBOLS = dict(zip(CLASSES, ("square", "circle-open", "square-open", "diamond-open", "diamond", "circle", "cross")))


def confusion(table: pd.DataFrame):
    """Confusion matrix: counts, and shares of each true class, side by side; ``table``: the one of that name."""
    figure, axes = new(1, 2, height=4.3)
    counts = table.pivot(index="true", columns="predicted", values="images")
    shares = 100 * counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)
    whole = np.allclose(counts, counts.round())
    title = "test images" if whole else "test images (mean over seeds)"
    panels = ((counts, title, 0 if whole else 1), (shares, "percent of the true class", 0))
    for ax, (values, title, digits) in zip(axes, panels):
        cells = values.map(lambda v, d=digits: "–" if np.isnan(v) else f"{v:.{d}f}" if v else "0")
        # Both panels are shaded by share: by counts, the nevi would leave every other row white.
        style = {"cmap": "Blues", "vmin": 0, "vmax": 100, "cbar": False, "square": True, "linewidths": 0.5}
        sns.heatmap(shares.fillna(0), annot=cells, fmt="", annot_kws={"fontsize": 9}, ax=ax, **style)
        for text in ax.texts:
            if text.get_text() in ("0", "–"):
                text.set_color("#9A9A9A")
        ax.set(title=title, xlabel="predicted", ylabel="true")
        ax.tick_params(length=0)
        ax.tick_params(axis="y", rotation=0)
    return with_alt_text(figure, findings.matrix(table))


def feature_scatter(run: Run):
    """Test images in the first three principal components, from two sides."""
    features, y = features_and_truth(run)
    points, shares = projections.principal(features)
    figure, axes = new(1, 2, height=4.0, subplot_kw={"projection": "3d"})
    for ax, azimuth in zip(axes, (-60, 30)):
        _class_scatter(ax, points, y, 22)
        ax.view_init(elev=22, azim=azimuth)
        ax.tick_params(labelsize=7, pad=-2)
        for k, (share, axis) in enumerate(zip(shares, (ax.xaxis, ax.yaxis, ax.zaxis)), 1):
            axis.set_label_text(f"component {k} ({100 * share:.0f}%)", fontsize=8.5)
            axis.labelpad = -5 if k == 3 else -4
        ax.set_box_aspect((1, 1, 0.9), zoom=0.98)
    legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.4)
    return with_alt_text(figure, findings.spread({"three components": (points, y)}))


def feature_embedding(run: Run):
    """The first two principal components beside a neighbour embedding of the same images."""
    features, y = features_and_truth(run)
    points, shares = projections.principal(features)
    embedded, perplexity = projections.neighbour_embedding(features)
    labels = [f"component {k} ({100 * share:.0f}%)" for k, share in enumerate(shares, 1)]
    panels = {
        "principal components": (points, *labels[:2]),
        f"t-SNE, perplexity {perplexity:.0f}": (embedded, "dimension 1 (no unit)", "dimension 2 (no unit)"),
    }
    return _projections(panels, y)


def feature_batches(run: Run):
    """Two components fitted once, and anew for every batch of images, as released."""
    features, y = features_and_truth(run)
    ways = projections.ways(features, y)
    return _projections({title: (points, "component 1", "component 2") for title, points in ways.items()}, y)


def turning_scatter(run: Run, caption: str, provenance: str) -> HTML:
    """The test images in three principal components, to turn: plotly's plot, with buttons that a keyboard reaches.

    plotly's script (5 MB) is not in it: the book has one copy of it (``report.pages``). Where that is missing,
    as in JupyterLab, a line says so.
    """
    features, y = features_and_truth(run)
    points = projections.principal(features)[0].astype(np.float32)
    p, ids = truth_and_probabilities(run)[1], run.predictions()["image_id"].to_numpy()
    texts = np.array([f"{i}: called {CLASSES[q.argmax()]} ({q.max():.0%})" for i, q in zip(ids, p)])
    figure = go.Figure()
    for k in np.unique(y):
        coordinates, c = dict(zip("xyz", points[y == k].T)), CLASSES[k]
        marker = {"size": 4, "opacity": 0.3 if (y == k).mean() > 0.5 else 0.9}
        marker |= {"color": CLASS_COLORS[c], "symbol": SYMBOLS[c]}
        name = f"{c} ({(y == k).sum()})"
        figure.add_scatter3d(**coordinates, mode="markers", marker=marker, name=name, text=texts[y == k])
    figure.update_traces(hovertemplate="%{text}")
    figure.update_layout(
        template="none",
        height=480,
        margin=dict.fromkeys("lrb", 0) | {"t": 30},
        title={"text": "SYNTHETIC DATA" if provenance.startswith("SYNTHETIC") else "", "font": {"color": "#7A1F5C"}},
        legend={"orientation": "h", "itemsizing": "constant"},
        scene={f"{axis}axis": {"title": {"text": f"component {k}"}} for k, axis in enumerate(coordinates, 1)}
        | {"camera": {"eye": {"x": 1.6, "y": 1.6, "z": 0.8}}},
    )
    config = {"displayModeBar": False, "scrollZoom": False}  # scrolling scrolls the page
    plot = figure.to_html(
        config, include_plotlyjs=PLOTLY, post_script=_TURN, full_html=False, default_height=480, div_id="turn-features"
    )
    return HTML(_TURNING.format(plot=plot, caption=html.escape(caption), provenance=html.escape(provenance)))


_TURNING = """<figure class="turning" aria-label="Three-dimensional scatter plot to turn. {caption}">
<p class="missing">The plot to turn is in the built book only, which brings plotly's script; the figure above stands for
it.</p>
<div class="buttons" hidden>
<button type="button" data-turn="-0.2" data-tilt="0">turn left</button>
<button type="button" data-turn="0.2" data-tilt="0">turn right</button>
<button type="button" data-turn="0" data-tilt="0.2">turn up</button>
<button type="button" data-turn="0" data-tilt="-0.2">turn down</button>
<button type="button">reset</button>
<button type="button" class="touch" aria-pressed="false">turn by touch</button>
</div>
{plot}
<figcaption>{caption}<br><small>{provenance}</small></figcaption>
</figure>"""
# Runs once plotly has drawn: buttons move the eye on a sphere about the middle, from where it was dragged to.
_TURN = """{
  const plot = document.getElementById("{plot_id}"), figure = plot.closest("figure"), place = "scene.camera.eye";
  const eye = () => plot.layout.scene.camera.eye, start = {...eye()};
  figure.querySelector(".missing").remove();
  figure.querySelector(".buttons").hidden = false;
  const touch = figure.querySelector(".touch");
  touch.onclick = () => touch.setAttribute("aria-pressed", figure.classList.toggle("by-touch"));
  for (const button of figure.querySelectorAll(".buttons button:not(.touch)")) button.onclick = () => {
    const {x, y, z} = eye(), r = Math.hypot(x, y, z), turn = Math.atan2(y, x) + Number(button.dataset.turn);
    const tilt = Math.max(-1.5, Math.min(1.5, Math.asin(z / r) + Number(button.dataset.tilt)));
    const flat = r * Math.cos(tilt);
    const moved = {x: flat * Math.cos(turn), y: flat * Math.sin(turn), z: r * Math.sin(tilt)};
    Plotly.relayout(plot, {[place]: button.dataset.turn ? moved : start});
  };
}"""


def _projections(panels: dict[str, tuple], y):
    """Two-dimensional projections of the same images side by side: title to points (n, 2 or more), x and y label."""
    figure, axes = new(1, len(panels), height=0.75 + WIDTH / len(panels), squeeze=False)
    for ax, (title, (points, xlabel, ylabel)) in zip(axes[0], panels.items()):
        _class_scatter(ax, points[:, :2], y, 26)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.3)
    return with_alt_text(figure, findings.spread({title: (points[:, :2], y) for title, (points, *_) in panels.items()}))


def _class_scatter(ax, points, y, size):
    # Frequent classes first, so that the rare ones stay visible on top.
    for k in sorted(np.unique(y), key=lambda k: -(y == k).sum()):
        style = {"color": CLASS_COLORS[CLASSES[k]], "marker": CLASS_MARKERS[CLASSES[k]], "lw": 0.3, "alpha": 0.85}
        label = f"{CLASSES[k]} ({(y == k).sum()})"
        ax.scatter(*points[y == k].T, s=size, edgecolors="white", label=label, **style)
