"""Photographs and attention maps, and what of a map lies on the lesion."""

import textwrap

import numpy as np

from wagf_src.arms import arm_label
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import intervals, labelled_rows
from wagf_src.report.figures.style import MUTED, PAPER, SERIES, WIDTH, legend, new, with_alt_text
from wagf_src.stats.attention import GAUSSIAN_WIDTH


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


def attention_examples(frame, outlines=None, photographs=None):
    """The table ``attention_examples``: one column a class, one row a reading."""
    figure = _examples(frame.assign(label="SaFA as " + frame["reading"]), outlines, photographs)
    return with_alt_text(figure, findings.maps(frame))


def grad_cam_examples(frame, outlines=None):
    """The table ``grad_cam_examples``: one column a class, one row a map."""
    return with_alt_text(_examples(frame.assign(label=frame["map"]), outlines), findings.maps(frame, "map"))


def _examples(frame, outlines, photographs=None):
    """One column an image, one row a ``label``, as :func:`attention_maps` draws them."""
    rows, titles, keys = {}, {}, ["label", "class", "image_id", "predicted"]
    for (label, dx, image_id, predicted), cells in frame.groupby(keys, sort=False):
        values = cells.pivot(index="row", columns="column", values="value").to_numpy()
        note = f"{values.min():.2f} to {values.max():.2f}" + (f"\ntaken for {predicted}" if predicted != dx else "")
        rows.setdefault(label, []).append((values, note))
        titles[dx, image_id] = f"{dx}\n{image_id}"
    return attention_maps(rows, list(titles.values()), outlines, photographs)


def attention_means(frame):
    """The table ``attention_means``: mean maps side by side, with their ranges."""
    grids = {
        name: cells.pivot(index="row", columns="column", values="value")
        for name, cells in frame.groupby("map", sort=False)
    }
    cells = [(grid.to_numpy(), f"{grid.min(axis=None):.2f} to {grid.max(axis=None):.2f}") for grid in grids.values()]
    return with_alt_text(attention_maps({"mean over the test set": cells}, list(grids)), findings.mean_maps(frame))


KINDS = {"safa": "SaFA", "safa, stretched": "stretched SaFA", "soft_attention": "soft attention"}  # of maps
_CONTROLS = {  # name, colour and marker of each control
    "area": ("lesion's area", "black", "^"),
    "gaussian": ("centred Gaussian", PAPER, "D"),
    "others": ("map of other images", "#009E73", "s"),
}


def _leads(ax, frame, where, step):
    """Attention minus each control with its paired interval (points); columns as of ``attention.summary``."""
    ax.axvline(0, color=MUTED, lw=1.2)
    for k, (control, (name, color, marker)) in enumerate(_CONTROLS.items()):
        short = {"gaussian": "gauss"}.get(control, control)
        value, low, high = (100 * frame[f"diff_{short}{end}"].to_numpy() for end in ("", "_low", "_high"))
        style = {"color": color, "markersize": 5, "markerfacecolor": "white", "linewidth": 1.6, "label": name}
        intervals(ax, where + step * (1 - k), value, low, high, marker, **style)
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.06)


def attention_by_class(frame):
    """Weight of attention maps inside the lesion and what the controls put there (left); paired differences (right).

    Args:
        frame: one arm's rows of ``attention.summary``, fractions.
    """
    figure, (ax, leads) = new(1, 2, sharey=True)
    where = labelled_rows(ax, [f"{c} (n = {n:,})" for c, n in zip(frame["class"], frame["n"])], per_row=0.4, around=1.3)
    value, low, high = (100 * frame[c].to_numpy() for c in ("share_inside", "ci_low", "ci_high"))
    intervals(ax, where, value, low, high, label="attention, 95% interval")
    for control, (name, color, marker) in _CONTROLS.items():
        ax.plot(100 * frame[f"{control}_share"], where, marker, color=color, ms=6, mfc="none", mew=1.4, label=name)
    ax.set_xlabel("weight inside the lesion (%)")
    _leads(leads, frame, where, 0.2)
    leads.set_xlabel("attention minus control (points)")
    for axes in (ax, leads):
        if frame["class"].iloc[-1] == "all":
            axes.axhline(0.5, color=MUTED, lw=0.8)
    legend(figure, ncols=4, columnspacing=1.2, handletextpad=0.4)
    return with_alt_text(figure, findings.inside_by_class(frame))


def attention_leads(frame):
    """Attention minus each control over all test images, one row a map of an arm, with paired 95% intervals (points).

    Args:
        frame: the table ``attention_maps``.
    """
    frame = frame[frame["class"] == "all"].sort_values("map", key=lambda m: m.map(list(KINDS).index), kind="stable")
    figure, ax = new()
    rows = zip(frame["map"], frame["arm"], frame["profile"])
    labels = [f"{KINDS[kind]}: {arm_label(arm)}, {profile}" for kind, arm, profile in rows]
    _leads(ax, frame, labelled_rows(ax, labels, per_row=0.5, around=1.1), 0.2)
    ax.set_xlabel("weight inside the lesion, attention minus control (points)")
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.leads(frame))


def blob_widths(widths, equivalents):
    """What centred Gaussians of every width put on the lesion, and which of them each map equals.

    Args:
        widths, equivalents: the tables ``attention_widths`` and ``attention_equivalents``.
    """
    figure, ax = new(height=3.6)
    ax.plot(widths["sigma"], 100 * widths["share_inside"], color="black", lw=1.8, label="centred Gaussian")
    ax.axvline(GAUSSIAN_WIDTH, color=MUTED, lw=1, ls=":", label=f"the control, {GAUSSIAN_WIDTH:g} of the side")
    for kind, share, (color, style) in zip(equivalents["map"], equivalents["share_inside"], SERIES):
        ax.axhline(100 * share, color=color, ls=style, lw=1.5, label=KINDS[kind])
    ax.set(
        xlabel="standard deviation of the Gaussian, as a share of the image's side",
        ylabel="weight inside the lesion (%)",
        xlim=(widths["sigma"].min(), widths["sigma"].max()),
    )
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.widths(widths, equivalents))
