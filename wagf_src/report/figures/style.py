"""The look of every figure: colours, sizes, the stamp of what it rests on."""

import textwrap

import matplotlib.pyplot as plt
from matplotlib.transforms import ScaledTranslation

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
    ("#7F4F24", (0, (5, 1, 1, 1))),
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


def legend(figure, handles=None, ncols=2, **style):
    """A legend above the axes, of the first axes' entries or of ``handles``.

    At most ``ncols`` columns, fewer where long names would make it wider than the figure. Without ``handles`` it stands
    in the place of the axes' own legends.
    """
    if handles is None:
        handles, _ = figure.axes[0].get_legend_handles_labels()
        for own in filter(None, (ax.get_legend() for ax in figure.axes)):
            own.remove()
    labels = [handle.get_label() for handle in handles]
    ncols = max(1, min(ncols, 120 // (max(map(len, labels), default=0) + 6)))
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, **style)


def with_alt_text(figure, sentence: str):
    """Say what a figure shows, in a sentence computed from what it draws: its alternative text. Returns the figure."""
    figure.set_label(sentence)
    return figure


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
