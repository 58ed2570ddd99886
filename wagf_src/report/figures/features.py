"""Projections of pooled features."""

import html
import json

import numpy as np

from wagf_src.classes import CLASS_NAMES, CLASSES
from wagf_src.report.figures.style import CLASS_COLORS, CLASS_MARKERS, WIDTH, legend, new


def _class_scatter(ax, points, y, size):
    # Frequent classes first, so that the rare ones stay visible on top.
    for k in sorted(np.unique(y), key=lambda k: -(y == k).sum()):
        name = CLASSES[k]
        ax.scatter(
            *points[y == k].T,
            s=size,
            color=CLASS_COLORS[name],
            marker=CLASS_MARKERS[name],
            lw=0.3,
            edgecolors="white",
            alpha=0.85,
            label=f"{name} ({(y == k).sum()})",
        )


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
    legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.4)
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
    legend(figure, ncols=7, handletextpad=0.1, columnspacing=0.8, markerscale=1.3)
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
    return (
        _SCATTER_HTML.replace("@NAME@", name).replace("@PROVENANCE@", html.escape(provenance)).replace("@DATA@", text)
    )


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
