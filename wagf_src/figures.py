"""Every plot of the book, one function each: data in, Matplotlib figure out (one is HTML: the scatter plot to turn).

Figures are returned closed, so that a notebook shows one by naming it on the last line of a cell, and only once.
"""

import html
import json
import re
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation
from sklearn import metrics as sk

from wagf_src.config import CLASS_NAMES, CLASSES
from wagf_src.evaluation import ECE_BINS, MEL

WIDTH = 8.0  # inches, the width of the book's text

# Okabe & Ito's palette, which stays distinguishable with any common colour blindness; without its yellow (too pale on
# white). Melanoma has the warning colour, nevi (two thirds of all images or more) a light one. Markers say it again.
CLASS_COLORS = {
    "akiec": "#E69F00",
    "bcc": "#009E73",
    "bkl": "#0072B2",
    "df": "#CC79A7",
    "mel": "#D55E00",
    "nv": "#56B4E9",
    "vasc": "#000000",
}
CLASS_MARKERS = {"akiec": "s", "bcc": "D", "bkl": "^", "df": "v", "mel": "X", "nv": "o", "vasc": "P"}

OURS, PAPER, MUTED = "#0072B2", "#D55E00", "#6B6B6B"
# For a handful of arms in one plot: colour and line style change together.
SERIES = [
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#000000", (0, (5, 1))),
    ("#E69F00", (0, (3, 1, 1, 1))),
    ("#56B4E9", (0, (1, 1))),
]

# Importing this module sets the look of every figure made after it.
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "figure.dpi": 130,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
}
plt.rcParams.update(_STYLE)


def new(rows: int = 1, columns: int = 1, height: float = 3.2, **subplots):
    """A closed figure of the book's width and its axes; ``height`` in inches. Further arguments as ``plt.subplots``."""
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), layout="constrained", **subplots)
    plt.close(figure)
    return figure, axes


def _legend(figure, handles=None, first=None, ncols=2, **style):
    """A legend above the axes, of the first axes' entries or of ``handles``; ``first`` names the entry that leads it.

    At most ``ncols`` columns, fewer where long names would make it wider than the figure.
    """
    if handles is None:
        handles, labels = figure.axes[0].get_legend_handles_labels()
    else:
        labels = [handle.get_label() for handle in handles]
    order = sorted(range(len(labels)), key=lambda k: labels[k] != first)
    ncols = max(1, min(ncols, 120 // (max(map(len, labels), default=0) + 6)))
    handles, labels = [handles[k] for k in order], [labels[k] for k in order]
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, **style)


def stamp(figure, provenance: str):
    """Write under a figure what it rests on, with a SYNTHETIC mark where the data are. Returns the figure."""

    def below(points, text, **style):
        place = figure.transFigure + ScaledTranslation(0, -points / 72, figure.dpi_scale_trans)
        figure.text(0.008, 0, text, ha="left", va="top", transform=place, **style)

    synthetic = provenance.startswith("SYNTHETIC")
    if synthetic:
        box = {"facecolor": "#7A1F5C", "edgecolor": "none", "pad": 2.5}
        text = "SYNTHETIC DATA: shows that the code runs, says nothing about skin"
        below(8, text, fontsize=8, fontweight="bold", color="white", bbox=box)
    text = "\n".join(textwrap.wrap(provenance, int(figure.get_figwidth() * 72 / 4.0)))
    below(24 if synthetic else 5, text, fontsize=7, color=MUTED, linespacing=1.3)
    return figure


def table(frame):
    """A data frame as an HTML table for people: no index, dashes for what is missing, scrolls sideways if it must."""
    html_table = frame.rename_axis(columns=None).to_html(index=False, na_rep="–", border=0, justify="left")
    html_table = re.sub(r"\[(-?[\d.,]+), (-?[\d.])", r"[\1,&nbsp;\2", html_table)  # an interval is not broken
    return HTML(f'<div style="overflow-x:auto">{html_table}</div>')


def percent(value: float, low: float | None = None, high: float | None = None, decimals: int = 1) -> str:
    """Fractions as percent, for tables and sentences: ``85.9 [83.7, 87.8]``; a dash for NaN."""
    if np.isnan(value):
        return "–"
    text = f"{100 * value:.{decimals}f}"
    return text if low is None else f"{text} [{100 * low:.{decimals}f}, {100 * high:.{decimals}f}]"


def p_value(p: float, equals: str = "") -> str:
    """A p value for tables (``0.012``, ``< 0.001``) and, with ``equals`` = "p = ", sentences (``p = 0.012``, ``p < 0.001``)."""
    if np.isnan(p):
        return "–"
    return f"{equals}{p:.3f}" if p >= 0.001 else f"{equals.replace('=', '<')}0.001" if equals else "< 0.001"


def _rows(ax, labels, per_row, around):
    """One row a label, the first on top: sets the figure's height and the ticks, and returns the positions."""
    labels = [textwrap.fill(label, 40) if "\n" not in label else label for label in labels]
    lines = max(label.count("\n") + 1 for label in labels)
    ax.figure.set_figheight(around + max(per_row, 0.18 * lines) * len(labels))
    where = np.arange(len(labels))[::-1]
    ax.set_yticks(where, labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(axis="y", visible=False)
    return where


# --- arms and models ----------------------------------------------------------------------------------------


def accuracy_ladder(frame, lines: dict[str, float] | None = None, xlabel: str = "test accuracy (%)"):
    """One row an arm or model: ours with its interval, and the published value where there is one.

    Args:
        frame: columns label; value, low, high (ours, percent); optionally paper and notebook (percent). NaN is left out.
        lines: vertical reference lines, name to percent.
    """
    figure, ax = new()
    where = _rows(ax, frame["label"], per_row=0.3, around=1.2)
    have = frame["value"].notna().to_numpy()
    value, low, high = (frame[c].to_numpy(float)[have] for c in ("value", "low", "high"))
    spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
    ax.errorbar(value, where[have], xerr=spread, fmt="o", color=OURS, ms=5.5, lw=1.8, capsize=3, label="ours, 95% interval")
    for column, marker, name in (("paper", "D", "paper"), ("notebook", "|", "released notebook")):
        if column in frame and frame[column].notna().any():
            filled = {"markerfacecolor": "white"} if marker == "D" else {"markeredgewidth": 2}
            ax.plot(frame[column], where, marker, color=PAPER, ms=6 if marker == "D" else 11, label=name, **filled)
    for (name, x), style in zip((lines or {}).items(), ("--", ":", "-.")):
        ax.axvline(x, color=MUTED, ls=style, lw=1.2, label=name, zorder=0)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.06)
    _legend(figure, first="ours, 95% interval", ncols=4)
    return figure


def differences(frame, xlabel: str = "difference in test accuracy (points)"):
    """Forest plot of paired differences.

    Args:
        frame: columns label, difference, low, high (points), p (corrected, may be NaN); optionally paper (points).
    """
    figure, ax = new()
    where = _rows(ax, frame["label"], per_row=0.34, around=1.1)
    value = frame["difference"].to_numpy(float)
    spread = np.nan_to_num(np.clip([value - frame["low"], frame["high"] - value], 0, None))
    ax.axvline(0, color=MUTED, lw=1.2)
    for sure, marker_face, name in ((True, OURS, "interval excludes 0"), (False, "white", "interval includes 0")):
        rows = ((frame["low"] > 0) | (frame["high"] < 0)).to_numpy() == sure
        if rows.any():
            ax.errorbar(
                value[rows], where[rows], xerr=spread[:, rows], fmt="o", color=OURS, mfc=marker_face, ms=6, lw=1.8,
                capsize=3, label=name,
            )  # fmt: skip
    if "paper" in frame and frame["paper"].notna().any():
        ax.plot(frame["paper"], where, "D", color=PAPER, mfc="white", ms=6, label="paper")
    right = ax.secondary_yaxis("right")
    right.set_yticks(where, ["" if np.isnan(p) else p_value(p, "p = ") for p in frame["p"]])
    right.tick_params(length=0, labelsize=9)
    right.spines["right"].set_visible(False)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.06)
    _legend(figure, ncols=3)
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
            np.arange(len(CLASSES)) + offset, rows["recall"], yerr=spread, fmt=marker, color=color, ms=5, lw=1.4, capsize=2,
            label=label,
        )  # fmt: skip
    counts = frame.drop_duplicates("class").set_index("class")["n_test"].reindex(CLASSES).fillna(0).astype(int)
    ax.set_xticks(np.arange(len(CLASSES)), [f"{c}\nn = {counts[c]}" for c in CLASSES])
    ax.set_ylim(-3, 103)
    ax.set_ylabel("recall (%)")
    ax.set_xlabel("true class and its test images")
    ax.grid(axis="x", visible=False)
    _legend(figure, ncols=2)
    return figure


# --- confusion and features ---------------------------------------------------------------------------------


def confusion(counts: np.ndarray):
    """Confusion matrix (7, 7), rows true and columns predicted: counts, and shares of each true class, side by side."""
    figure, axes = new(1, 2, height=4.3)
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    whole = np.allclose(counts, np.round(counts))
    for ax, values, title, form in (
        (axes[0], counts, "test images" if whole else "test images (mean over seeds)", "{:.0f}" if whole else "{:.1f}"),
        (axes[1], shares, "percent of the true class", "{:.0f}"),
    ):
        # Both panels are shaded by share: by counts, the nevi would leave every other row white.
        ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=100)
        for i in range(len(CLASSES)):
            for j in range(len(CLASSES)):
                if np.isnan(values[i, j]) or (values[i, j] == 0):
                    text, color = ("–" if np.isnan(values[i, j]) else "0"), "#9A9A9A"
                else:
                    text, color = form.format(values[i, j]), "white" if shares[i, j] > 55 else "black"
                ax.text(j, i, text, ha="center", va="center", fontsize=9, color=color)
        ax.set_xticks(range(len(CLASSES)), CLASSES, rotation=45)
        ax.set_yticks(range(len(CLASSES)), CLASSES)
        ax.set(title=title, xlabel="predicted", ylabel="true")
        ax.grid(False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def _class_scatter(ax, points, y, size):
    # Frequent classes first, so that the rare ones stay visible on top.
    for k in sorted(np.unique(y), key=lambda k: -(y == k).sum()):
        name = CLASSES[k]
        ax.scatter(
            *points[y == k].T, s=size, color=CLASS_COLORS[name], marker=CLASS_MARKERS[name], lw=0.3, edgecolors="white",
            alpha=0.85, label=f"{name} ({(y == k).sum()})",
        )  # fmt: skip


def feature_scatter(points: np.ndarray, y: np.ndarray, axis_labels: list[str]):
    """Three-dimensional scatter plot of test images (n, 3), from two sides; axis_labels: one for each column."""
    figure, axes = new(1, 2, height=4.0, subplot_kw={"projection": "3d"})
    for ax, azimuth in zip(axes, (-60, 30)):
        _class_scatter(ax, points, y, 22)
        ax.view_init(elev=22, azim=azimuth)
        ax.tick_params(labelsize=7, pad=-2)
        ax.set_xlabel(axis_labels[0], labelpad=-4, fontsize=8.5)
        ax.set_ylabel(axis_labels[1], labelpad=-4, fontsize=8.5)
        ax.set_zlabel(axis_labels[2], labelpad=-5, fontsize=8.5)
        ax.set_box_aspect((1, 1, 0.9), zoom=0.98)
    _legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.4)
    return figure


def projections(panels: list[tuple], y: np.ndarray):
    """Two-dimensional projections of the same images side by side.

    Args:
        panels: (title, points (n, 2), x label, y label).
    """
    figure, axes = new(1, len(panels), height=0.75 + WIDTH / len(panels), squeeze=False)
    for ax, (title, points, xlabel, ylabel) in zip(axes[0], panels):
        _class_scatter(ax, points, y, 26)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    _legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.3)
    return figure


def interactive_scatter(
    points: np.ndarray, y: np.ndarray, notes: list[str], axis_labels: list[str], provenance: str, name: str
) -> str:
    """The three-dimensional scatter plot to turn, as self-contained HTML of about 60 KB for 1,103 images.

    No library is loaded: the page works offline, in the book and in a notebook. Drag, or the arrow keys, turn it; hovering
    shows a note; class names hide and show classes.

    Args:
        points: (n, 3).
        notes: one text an image, for instance its id.
        name: unique within a page; letters, digits and hyphens.
    """
    centred = points - points.mean(axis=0)
    scaled = np.round(1000 * centred / abs(centred).max()).astype(int)
    data = {
        "points": scaled.tolist(),
        "y": y.tolist(),
        "notes": notes,
        "axes": axis_labels,
        "classes": [{"name": c, "long": CLASS_NAMES[c], "color": CLASS_COLORS[c]} for c in CLASSES],
        "name": name,
        "synthetic": provenance.startswith("SYNTHETIC"),
    }
    # "</" must not occur inside a script element.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return _SCATTER_HTML.replace("@NAME@", name).replace("@PROVENANCE@", html.escape(provenance)).replace("@DATA@", text)


_SCATTER_HTML = """<div id="@NAME@" style="max-width:640px;font:13px sans-serif;color:#222;background:#fff;padding:6px">
<div class="classes" style="display:flex;flex-wrap:wrap;gap:4px"></div>
<canvas tabindex="0" role="img" style="width:100%;height:auto;touch-action:pan-y;cursor:grab;border:1px solid #ddd"
 aria-label="Three-dimensional scatter plot of the test images' features, coloured by class. Arrow keys turn it."></canvas>
<div class="note" aria-live="polite" style="min-height:1.4em">Drag or use the arrow keys to turn; point at an image for its
id; click a class to hide it.</div>
<div style="font-size:11px;color:#666">@PROVENANCE@</div>
</div>
<script>
(function () {
  const data = @DATA@;
  const box = document.getElementById("@NAME@"), canvas = box.querySelector("canvas"), note = box.querySelector(".note");
  const side = 640, tall = 520, ratio = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  canvas.width = side * ratio; canvas.height = tall * ratio; pen.scale(ratio, ratio);
  const hidden = new Set(); let turn = 0.7, tilt = 0.35, shown = [], near = -1, grabbed = null;
  function place(p) {  // turn about the upright axis, tilt, then a slight perspective
    const c = Math.cos(turn), s = Math.sin(turn), u = Math.cos(tilt), v = Math.sin(tilt);
    const x = c * p[0] - s * p[1], d = s * p[0] + c * p[1], depth = u * d - v * p[2], scale = 265 / (1 + depth / 5000);
    return [side / 2 + x / 1000 * scale, tall / 2 - (u * p[2] + v * d) / 1000 * scale, depth];
  }
  function draw() {
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, side, tall);
    pen.font = "12px sans-serif"; pen.strokeStyle = "#bbb"; pen.fillStyle = "#555";
    for (let k = 0; k < 3; k++) {
      const end = [0, 0, 0], start = [0, 0, 0]; end[k] = 850; start[k] = -850;
      const a = place(start), b = place(end);
      pen.beginPath(); pen.moveTo(a[0], a[1]); pen.lineTo(b[0], b[1]); pen.stroke(); pen.fillText(data.axes[k], b[0] + 4, b[1]);
    }
    shown = data.points.map((p, i) => [...place(p), i]).filter(q => !hidden.has(data.y[q[3]])).sort((a, b) => b[2] - a[2]);
    for (const q of shown) {
      pen.beginPath(); pen.arc(q[0], q[1], q[3] === near ? 7 : 4 - q[2] / 1500, 0, 7);
      pen.fillStyle = data.classes[data.y[q[3]]].color; pen.globalAlpha = 0.85; pen.fill(); pen.globalAlpha = 1;
      pen.lineWidth = q[3] === near ? 2 : 0.5; pen.strokeStyle = q[3] === near ? "#000" : "#fff"; pen.stroke();
    }
    pen.lineWidth = 1;
    if (data.synthetic) { pen.fillStyle = "#7A1F5C"; pen.font = "bold 13px sans-serif"; pen.fillText("SYNTHETIC DATA", 8, 18); }
  }
  canvas.addEventListener("pointerdown", e => { grabbed = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", () => { grabbed = null; });
  canvas.addEventListener("pointercancel", () => { grabbed = null; });
  canvas.addEventListener("pointermove", e => {
    if (grabbed) {
      turn += (e.clientX - grabbed[0]) / 150; tilt += (e.clientY - grabbed[1]) / 150; grabbed = [e.clientX, e.clientY];
    } else {
      const r = canvas.getBoundingClientRect(), x = (e.clientX - r.left) * side / r.width, y = (e.clientY - r.top) * tall / r.height;
      let best = 100; near = -1;
      for (const q of shown) {
        const d = (q[0] - x) ** 2 + (q[1] - y) ** 2;
        if (d <= best) { best = d; near = q[3]; }
      }
      if (near >= 0) note.textContent = data.notes[near];
    }
    draw();
  });
  canvas.addEventListener("keydown", e => {
    const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1]}[e.key];
    if (step) { turn += step[0]; tilt += step[1]; e.preventDefault(); e.stopPropagation(); draw(); }
  });
  data.classes.forEach((c, k) => {
    const count = data.y.filter(v => v === k).length;
    if (!count) return;
    const button = document.createElement("button"), dot = document.createElement("span");
    button.type = "button"; button.title = c.long; button.setAttribute("aria-pressed", "true");
    button.style.cssText = "font:12px sans-serif;color:#222;background:#fff;border:1px solid #bbb;border-radius:4px;cursor:pointer";
    dot.style.cssText = "display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:4px;background:" + c.color;
    button.append(dot, c.name + " (" + count + ")");
    button.onclick = () => {
      if (hidden.has(k)) hidden.delete(k); else hidden.add(k);
      button.style.opacity = hidden.has(k) ? 0.35 : 1; button.setAttribute("aria-pressed", String(!hidden.has(k))); draw();
    };
    box.querySelector(".classes").append(button);
  });
  draw();
})();
</script>
"""


# --- training -----------------------------------------------------------------------------------------------


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
                        ax.plot(history["epoch"][chosen], values[chosen], "o", ms=6 if across == 1 else 4.5, mfc="none", mec=color)
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
    _legend(figure, handles, ncols=4)
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
    of_arm = dict(zip(labels, _rows(ax, labels, per_row=0.12 + 0.14 * most, around=1.3)))
    where = frame["label"].map(of_arm).to_numpy() - (number - (frame.groupby("label")["label"].transform("size") - 1) / 2) * 0.8 / most
    few = most == 1
    ax.hlines(where, frame["low"], frame["high"], color="#C9C9C9", lw=6 if few else 4, label="range over the later half of epochs")
    ax.plot(frame["last"], where, "s", color=MUTED, ms=8 if few else 6, mfc="none", label="last epoch")
    ax.plot(frame["best"], where, "^", color=PAPER, ms=9 if few else 6.5, mfc="none", label="best on the test set (not allowed)")
    ax.plot(frame["kept"], where, "o", color=OURS, ms=4.5 if few else 3.5, label="epoch kept (by validation)")
    for y in np.arange(len(labels) - 1) + 0.5:
        ax.axhline(y, color="#E3E3E3", lw=0.6)
    ax.set_xlabel("test accuracy (%)")
    ax.margins(x=0.04)
    _legend(figure, ncols=2)
    return figure


# --- calibration and decisions ------------------------------------------------------------------------------


def reliability(arms: dict[str, tuple], bins: int = ECE_BINS):
    """Reliability diagram of the predicted class, and how many images each confidence has.

    Bins of fewer than five images are left out of the curve, not out of the histogram.

    Args:
        arms: label to (y (n,), p (n, 7)).
    """
    figure, (ax, below) = new(2, 1, height=5.2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    edges = np.linspace(0, 1, bins + 1)
    ax.plot([0, 100], [0, 100], color=MUTED, lw=1, label="perfectly calibrated")
    for (label, (y, p)), (color, style), marker in zip(arms.items(), SERIES, "oDs^vPX"):
        confidence, hit = p.max(axis=1), p.argmax(axis=1) == y
        which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        n = np.bincount(which, minlength=bins)
        used = n >= 5
        mean_confidence = np.bincount(which, confidence, bins)[used] / n[used]
        accuracy = np.bincount(which, hit.astype(float), bins)[used] / n[used]
        ax.plot(100 * mean_confidence, 100 * accuracy, color=color, ls=style, marker=marker, ms=5, lw=1.3, label=label)
        below.stairs(100 * n / len(y), 100 * edges, color=color, ls=style, lw=1.4)
    ax.set(ylabel="accuracy in the bin (%)", ylim=(-3, 103), xlim=(10, 101))
    below.set(xlabel="confidence: probability of the predicted class (%)", ylabel="images (%)")
    _legend(figure, ncols=2)
    return figure


def roc_pr(arms: dict[str, tuple]):
    """Melanoma against the rest: ROC and precision-recall curves.

    Args:
        arms: label to (y (n,), p (n, 7)); y must hold melanomas and others.
    """
    figure, (roc, pr) = new(1, 2, height=4.6)
    roc.plot([0, 100], [0, 100], color=MUTED, lw=1)
    for (label, (y, p)), (color, style) in zip(arms.items(), SERIES):
        false_alarm, sensitivity, _ = sk.roc_curve(y == MEL, p[:, MEL])
        precision, recall, _ = sk.precision_recall_curve(y == MEL, p[:, MEL])
        roc.plot(100 * false_alarm, 100 * sensitivity, color=color, ls=style, lw=1.6, label=label)
        # scikit-learn's last point, precision 1 at recall 0, is a convention and no threshold.
        pr.plot(100 * recall[:-1], 100 * precision[:-1], color=color, ls=style, lw=1.6)
    share = 100 * np.mean(next(iter(arms.values()))[0] == MEL)
    pr.axhline(share, color=MUTED, lw=1)
    pr.annotate(f"share of melanomas, {share:.1f}%", (1, share), va="bottom", fontsize=8.5, color=MUTED)
    roc.set(xlabel="false alarms: 100% − specificity (%)", ylabel="melanoma sensitivity (%)", title="ROC")
    pr.set(xlabel="melanoma sensitivity = recall (%)", ylabel="precision (%)", title="precision and recall")
    for ax in (roc, pr):
        ax.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    _legend(figure, ncols=2)
    return figure


def coverage(arms: dict[str, tuple]):
    """Accuracy on the images kept when the least confident are left to a person.

    Args:
        arms: label to (coverage (n,), accuracy (n,)), fractions, as ``evaluation.coverage_accuracy`` gives.
    """
    figure, ax = new(height=3.6)
    lowest = 100.0
    for (label, (kept, accuracy)), (color, style) in zip(arms.items(), SERIES):
        shown = kept >= 0.05  # the first few images are all or nothing
        ax.plot(100 * kept[shown], 100 * accuracy[shown], color=color, ls=style, lw=1.6, label=label)
        lowest = min(lowest, 100 * accuracy[shown].min())
    ax.set(xlabel="images answered, most confident first (%)", ylabel="accuracy on them (%)", xlim=(0, 101))
    ax.set_ylim(lowest - 2, 101)
    _legend(figure, ncols=2)
    return figure


# --- data and protocol --------------------------------------------------------------------------------------


def decision_curve(curve, rules, aims: dict[str, float]):
    """Accuracy against balanced accuracy and against melanoma sensitivity, as a decision rule moves.

    Args:
        curve: columns strength, accuracy, balanced_accuracy, melanoma_sensitivity (fractions), one row a strength and seed.
        rules: the same columns, one row a rule, its name as index: marked points.
        aims: value aimed at by column; dashed lines.
    """
    figure, axes = new(1, 2, height=3.6, sharey=True)
    mean = curve.groupby("strength").mean(numeric_only=True)
    titles = {"balanced_accuracy": "balanced accuracy (%)", "melanoma_sensitivity": "melanoma sensitivity (%)"}
    for ax, (column, title) in zip(axes, titles.items()):
        ax.plot(100 * mean[column], 100 * mean["accuracy"], color=OURS, lw=1.5, label="correction for class frequencies")
        for (name, rule), marker, color in zip(rules.iterrows(), "osD^", ("#E69F00", "#009E73", "#CC79A7", "#D55E00")):
            ax.plot(100 * rule[column], 100 * rule["accuracy"], marker, color=color, ms=8, ls="", label=name)
        ax.axhline(100 * aims["accuracy"], color=MUTED, ls="--", lw=1)
        ax.axvline(100 * aims[column], color=MUTED, ls="--", lw=1, label="aim")
        ax.set_xlabel(title)
    axes[0].set_ylabel("accuracy (%)")
    _legend(figure, ncols=3)
    return figure


def class_counts(counts):
    """Files of every class at each step of the protocol, on a logarithmic axis.

    Args:
        counts: index class, one column a step, in order.
    """
    figure, ax = new()
    where = _rows(ax, counts.index, per_row=0.46, around=1.1)
    ax.hlines(where, counts.min(axis=1), counts.max(axis=1), color="#C9C9C9", lw=1.5, zorder=0)
    for (step, values), (color, _), marker in zip(counts.items(), SERIES, "osD^"):
        # Equal or near counts would hide each other: the earlier ones are the larger, hollow marks.
        last = step == counts.columns[-1]
        ax.plot(values, where, marker, color=color, ms=5 if last else 8, mfc=color if last else "none", mew=1.5, label=step)
        if step in (counts.columns[0], counts.columns[-1]):
            above, align = (6, "bottom") if last else (-7, "top")
            for x, y in zip(values, where):
                ax.annotate(f"{x:,}", (x, y), (0, above), textcoords="offset points", ha="center", va=align, fontsize=8, color=color)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.6, len(counts) - 0.3)
    ax.set_xlabel("files (logarithmic)")
    ax.margins(x=0.08)
    _legend(figure, ncols=3)
    return figure


def populations(shares, reference: str | None = None):
    """Share of every class in several sets of files.

    Args:
        shares: index class, one column a set, percent.
        reference: the set whose bars are drawn hollow.
    """
    figure, ax = new(height=3.9)
    width = 0.8 / len(shares.columns)
    for k, ((name, values), (color, _)) in enumerate(zip(shares.items(), SERIES)):
        x = np.arange(len(shares)) + (k - (len(shares.columns) - 1) / 2) * width
        bars = ax.bar(x, values, 0.9 * width, color="white" if name == reference else color, edgecolor=color, lw=1.4, label=name)
        ax.bar_label(bars, [f"{v:.1f}" if v < 9.95 else f"{v:.0f}" for v in values], fontsize=7.5, padding=2, color=color)
    ax.set_xticks(np.arange(len(shares)), shares.index)
    ax.set_ylabel("share of the files (%)")
    ax.set_ylim(0, 1.08 * shares.to_numpy().max())
    ax.grid(axis="x", visible=False)
    _legend(figure, ncols=3)
    return figure


def leakage_by_class(shares):
    """Held-out files with a sibling in training, class by class.

    Args:
        shares: index class (or ``total``), one column a way of splitting, percent; NaN is left out.
    """
    figure, ax = new()
    where = _rows(ax, shares.index, per_row=0.4, around=1.4)
    step = min(0.13, 0.7 / len(shares.columns))
    for k, ((name, values), (color, _), marker) in enumerate(zip(shares.items(), SERIES, "oDs^vPX")):
        y = where - (k - (len(shares.columns) - 1) / 2) * step
        ax.plot(values, y, marker, color=color, ms=6, label=name, clip_on=False)
    ax.axhline(0.5, color=MUTED, lw=0.8)
    ax.set_xlim(-2, 102)
    ax.set_xlabel("held-out files with a sibling in training (%)")
    _legend(figure, ncols=2)
    return figure


def split_levels(levels, repeats, metrics: dict[str, str], rows: dict[str, str], classifiers: dict[str, str]):
    """The same classifiers under several ways of splitting: every repeat, and the mean with its interval.

    Args:
        levels: columns classifier, name, metric, value, ci_low, ci_high; fractions.
        repeats: columns classifier, name and one a metric; one row a repeat, fractions.
        metrics: metric to the label of its panel. rows: names to labels, in order. classifiers: the same.
    """
    figure, axes = new(1, len(metrics), sharey=True, squeeze=False)
    where = dict(zip(rows, _rows(axes[0][0], [textwrap.fill(label, 24) for label in rows.values()], per_row=0.6, around=1.1)))
    for ax, (metric, title) in zip(axes[0], metrics.items()):
        for (classifier, label), (color, _), marker, aside in zip(classifiers.items(), SERIES, "oD", (0.16, -0.16)):
            of = repeats[(repeats["classifier"] == classifier) & repeats["name"].isin(where)]
            ax.plot(100 * of[metric], of["name"].map(where) + aside, "|", color=color, ms=8, alpha=0.6)
            of = levels[(levels["classifier"] == classifier) & (levels["metric"] == metric) & levels["name"].isin(where)]
            value, low, high = (100 * of[c].to_numpy(float) for c in ("value", "ci_low", "ci_high"))
            spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
            style = {"ms": 5.5, "mfc": "white", "mew": 1.6, "lw": 2.2, "capsize": 3}
            ax.errorbar(value, of["name"].map(where) + aside, xerr=spread, fmt=marker, color=color, label=label, **style)
        ax.set_xlabel(f"{title} (%)")
        ax.grid(axis="y", visible=False)
        ax.margins(x=0.08)
    _legend(figure, ncols=2)
    return figure


def image_grid(images, titles: list[str], columns: int = 6):
    """Small images (h, w, 3) with a line of text above each; nothing but synthetic images may go into the book."""
    rows = -(-len(images) // columns)
    figure, axes = new(rows, columns, height=rows * (WIDTH / columns + 0.25), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles):
        ax.imshow(image)
        ax.set_title(title, fontsize=8)
    return figure


# --- attention maps -----------------------------------------------------------------------------------------


def attention_maps(rows: dict[str, list], titles: list[str], outlines=None, photographs=None):
    """Attention maps of a few images, one row an arm, each stretched to its own range, which is written below it.

    Args:
        rows: label to [(map (h, w), note)], or None where there is nothing to show; one for each title.
        titles: above each column, for instance class and image id.
        outlines: lesion masks (S, S), drawn as contours; None where there are none.
        photographs: (Y, X, 3), shown in a first row and under the maps; only synthetic ones may go into the book.
    """
    nothing = [None] * len(titles)
    outlines, bare = outlines if outlines is not None else nothing, photographs is None
    photographs = nothing if bare else photographs
    labels = list(rows) if bare else ["photograph", *rows]
    figure, axes = new(len(labels), len(titles), height=0.35 + 1.32 * len(labels), squeeze=False)
    extent = (0, 1, 1, 0)
    for i, (label, line) in enumerate(zip(labels, axes)):
        cells = rows.get(label, nothing)
        for ax, cell, title, outline, photograph in zip(line, cells, titles, outlines, photographs):
            if photograph is not None:
                ax.imshow(photograph, extent=extent)
            if cell is not None:
                values, note = cell
                alpha = 1 if photograph is None else 0.55
                ax.imshow(np.asarray(values, float), cmap="viridis", extent=extent, interpolation="catrom", alpha=alpha)
                ax.set_xlabel(note, fontsize=7.5, labelpad=2)
            if outline is not None and (cell is not None or photograph is not None):
                middle = (np.arange(len(outline)) + 0.5) / len(outline)
                for color, width in (("black", 2.2), ("white", 1.0)):
                    ax.contour(middle, middle, outline, [0.5], colors=color, linewidths=width)
            ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0), aspect="equal")
            ax.grid(False)
            ax.spines[:].set_visible(cell is not None or photograph is not None)
            if i == 0:
                ax.set_title(title, fontsize=8)
        line[0].set_ylabel(textwrap.fill(label, 18), fontsize=8)
    return figure


_CONTROLS = {  # name, colour and marker of each control
    "area": ("lesion's area", "black", "^"),
    "gaussian": ("centred Gaussian", PAPER, "D"),
    "others": ("map of other images", "#009E73", "s"),
}


def _leads(ax, frame, where, step):
    """Attention minus each control with its paired interval (points); the columns are those of ``attention.summary``."""
    ax.axvline(0, color=MUTED, lw=1.2)
    for k, (control, (name, color, marker)) in enumerate(_CONTROLS.items()):
        short = {"gaussian": "gauss"}.get(control, control)
        value, low, high = (100 * frame[f"diff_{short}{end}"].to_numpy() for end in ("", "_low", "_high"))
        spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
        style = {"ms": 5, "mfc": "white", "mew": 1.4, "lw": 1.6, "capsize": 3}
        ax.errorbar(value, where + step * (1 - k), xerr=spread, fmt=marker, color=color, label=name, **style)
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.06)


def attention_by_class(frame):
    """Weight of attention maps inside the lesion and what the controls put there (left); paired differences (right).

    Args:
        frame: one arm's rows of ``attention.summary``, fractions.
    """
    figure, (ax, leads) = new(1, 2, sharey=True)
    where = _rows(ax, [f"{c} (n = {n:,})" for c, n in zip(frame["class"], frame["n"])], per_row=0.4, around=1.3)
    value, low, high = (100 * frame[c].to_numpy() for c in ("share_inside", "ci_low", "ci_high"))
    spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
    ax.errorbar(value, where, xerr=spread, fmt="o", color=OURS, ms=5.5, lw=1.6, capsize=3, label="attention, 95% interval")
    for control, (name, color, marker) in _CONTROLS.items():
        ax.plot(100 * frame[f"{control}_share"], where, marker, color=color, ms=6, mfc="none", mew=1.4, label=name)
    ax.set_xlabel("weight inside the lesion (%)")
    _leads(leads, frame, where, 0.2)
    leads.set_xlabel("attention minus control (points)")
    for axes in (ax, leads):
        if frame["class"].iloc[-1] == "all":
            axes.axhline(0.5, color=MUTED, lw=0.8)
    _legend(figure, ncols=4, columnspacing=1.2, handletextpad=0.4)
    return figure


def attention_leads(frame):
    """Attention minus each control, one row a map, with paired 95% intervals (points).

    Args:
        frame: column label and those of ``attention.summary``, fractions.
    """
    figure, ax = new()
    where = _rows(ax, frame["label"], per_row=0.5, around=1.1)
    _leads(ax, frame, where, 0.2)
    ax.set_xlabel("weight inside the lesion, attention minus control (points)")
    _legend(figure, ncols=3)
    return figure


def blob_widths(sigmas: np.ndarray, shares: np.ndarray, maps: dict[str, float], frozen: float):
    """What centred Gaussians of every width put on the lesion, and which of them each map equals.

    Args:
        sigmas: standard deviations as shares of the side. shares: mean share inside of each, fractions.
        maps: label to mean share inside.
        frozen: the width of the control.
    """
    figure, ax = new(height=3.6)
    ax.plot(sigmas, 100 * shares, color="black", lw=1.8, label="centred Gaussian")
    ax.axvline(frozen, color=MUTED, lw=1, ls=":", label=f"the control, {frozen:g} of the side")
    for (label, share), (color, style) in zip(maps.items(), SERIES):
        ax.axhline(100 * share, color=color, ls=style, lw=1.5, label=label)
    ax.set(xlabel="standard deviation of the Gaussian, as a share of the image's side", ylabel="weight inside the lesion (%)")
    ax.set_xlim(sigmas[0], sigmas[-1])
    _legend(figure, ncols=2)
    return figure
