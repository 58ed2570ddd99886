"""Networks as boxes and arrows, drawn from what was built."""

from matplotlib.patches import FancyBboxPatch

from wagf_src.arms import READINGS
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import OURS, PAPER, WIDTH, legend, new, with_alt_text

PITCH = 0.72  # inches from row to row


def two_readings(boxes, arrows, graph: str):
    """One graph in both readings, side by side; what only one of them has is dashed and of another colour.

    Args:
        boxes, arrows: the tables ``readings_boxes`` and ``readings_arrows``. graph: its name there.
    """
    boxes, arrows = (frame[frame["graph"] == graph] for frame in (boxes, arrows))
    halves = {r: [frame[frame["reading"] == r] for frame in (boxes, arrows)] for r in READINGS}
    places = {reading: _places(*half) for reading, half in halves.items()}
    rows = 1 + max(row for half in places.values() for _, row in half.values())
    figure, axes = new(1, 2, height=0.7 + PITCH * rows)
    for ax, (reading, half) in zip(axes, halves.items()):
        _draw(ax, places[reading], *half, rows)
        ax.set_title(f"as {reading}", fontweight="bold")
    looks = {"in both readings": (OURS, "-"), "in this reading only": (PAPER, "--")}
    patches = [
        FancyBboxPatch((0, 0), 1, 1, fc="white", ec=c, ls=ls, lw=1.6, label=name) for name, (c, ls) in looks.items()
    ]
    legend(figure, patches)
    return with_alt_text(figure, findings.boxes(boxes))


def _places(boxes, arrows) -> dict[str, tuple[float, int]]:
    """Column and row of each box: below all that it is made from; where a path forks, its arms stand side by side."""
    before = {box: arrows.loc[arrows["end"] == box, "start"].tolist() for box in boxes["box"]}
    places, waiting = {}, list(before)
    while waiting:
        box = next(b for b in waiting if all(start in places for start in before[b]))
        waiting.remove(box)
        starts = [places[start] for start in before[box]]
        row = 1 + max((y for _, y in starts), default=-1)
        column = sum(x for x, _ in starts) / len(starts) if starts else 0
        if len(starts) == 1:
            fork = [b for b in before if before[b] == before[box]]
            column += fork.index(box) - (len(fork) - 1) / 2
        places[box] = column, row
    return places


def _draw(ax, places, boxes, arrows, rows):
    wide = 0.56 + max(abs(x) for x, _ in places.values())
    drawn = {}
    for row in boxes.itertuples():
        (x, y), color = places[row.box], OURS if row.shared else PAPER
        style = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": color, "ls": "-" if row.shared else "--", "lw": 1.6}
        text = f"{row.label}\n{row.parameters:,}" if row.parameters else row.label
        drawn[row.box] = ax.text(x, -y, text, ha="center", va="center", fontsize=8, bbox=style, zorder=2)
    for row in arrows.itertuples():
        (x0, y0), (x1, y1) = places[row.start], places[row.end]
        between = ((x, x0 + (x1 - x0) * (y - y0) / (y1 - y0)) for x, y in places.values() if y0 < y < y1)
        round_them = any(abs(x - line) < 0.4 for x, line in between)
        aside = round_them * (0.8 if y1 - y0 < 10 else 1.75)  # inches by which it goes round the boxes in its way
        style = {"arrowstyle": "-|>", "color": "#444444", "lw": 1, "shrinkB": 5 if aside else 2}
        style |= {"patchA": drawn[row.start].get_bbox_patch(), "patchB": drawn[row.end].get_bbox_patch()}
        style["connectionstyle"] = f"arc3,rad={-2 * aside / (PITCH * (y1 - y0))}"
        ax.annotate("", (x1, -y1), (x0, -y0), arrowprops=style, zorder=1 if aside else 3)
        # Where arrows fork, their shapes stand nearer to the ends; where they meet, nearer to the starts.
        part = 0.5 if x0 == x1 else 0.62 if (arrows["start"] == row.start).sum() > 1 else 0.38
        at = (x0 + part * (x1 - x0) + 2 * wide * aside / (WIDTH / 2), -y0 - part * (y1 - y0))
        blank = {"fc": "white", "ec": "none", "pad": 0.5}
        ax.text(*at, row.shape, fontsize=7, color="#444444", ha="center", va="center", bbox=blank, zorder=4)
    ax.set(xlim=(-wide, wide), ylim=(0.5 - rows, 0.5))
    ax.axis("off")
