"""The audits of the printed numbers."""

import numpy as np
import seaborn as sns

from wagf_src.paper import audits, published
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import intervals, labelled_rows
from wagf_src.report.figures.style import MUTED, OURS, PAPER, SERIES, legend, new, with_alt_text
from wagf_src.report.tables.published import ERRORS, STEP, lowest_melanoma_recall
from wagf_src.stats.paired import POWER

KINDS = {  # verdict of GRIM: marker, colour, face, name
    "reachable": ("o", OURS, OURS, "some k/{n:,}"),
    "reachable only if truncated": ("s", OURS, "white", "some k/{n:,} if cut off"),
    "not reachable": ("X", PAPER, PAPER, "no k/{n:,}"),
}


def f1_excess(frame):
    """Printed F1 minus its bound, one row a printed F1; ``frame``: table f1_bound."""
    figure, ax = new()
    labels = [row + ("" if "1" in place else " (Table 2)") for row, place in zip(frame["row"], frame["place"])]
    where = labelled_rows(ax, labels, per_row=0.28, around=0.9)
    for over, color, marker, label in ((False, OURS, "o", "possible"), (True, PAPER, "D", "above the bound")):
        rows = frame["violated"].to_numpy() == over
        ax.hlines(where[rows], 0, frame["excess"][rows], color=color, lw=2)
        ax.plot(frame["excess"][rows], where[rows], marker, color=color, label=label)
    ax.axvline(0, color=MUTED, lw=1.2)
    ax.set_xlabel("printed F1 minus (P + R)/2 (percentage points)")
    legend(figure)
    return with_alt_text(figure, findings.f1_excess(frame))


def printed_accuracies(frame):
    """Printed and stored accuracies with Wilson's intervals; ``frame``: table published_intervals."""
    figure, ax = new()
    stored = frame["place"].str.startswith("released").to_numpy()
    where = labelled_rows(ax, frame["row"], per_row=0.3, around=1.3) - 0.8 * stored
    for kind, (marker, color, face, label) in KINDS.items():
        rows = (frame["grim"] == kind).to_numpy()
        if rows.any():
            values = frame.loc[rows, ["accuracy", "ci_low", "ci_high"]].to_numpy(float).T
            style = {"marker": marker, "color": color, "markerfacecolor": face}
            intervals(ax, where[rows], *values, **style, label=label.format(n=published.N_TEST))
    majority = audits.majority_percent()
    ax.axvline(majority, color=MUTED, ls="--", lw=1.3, label=f"always nv, {majority:.2f}%", zorder=0)
    ax.set_yticks(where, frame["row"])
    ax.set_ylim(where.min() - 0.7, where.max() + 1.1)
    for rows, text in ((~stored, "paper"), (stored, "released notebooks")):
        top = where[rows].max() + 0.45
        ax.text(0.005, top, text, transform=ax.get_yaxis_transform(), color=MUTED, fontsize=9, va="bottom")
    ax.set(xlabel=f"test accuracy (%), 95% Wilson interval at n = {published.N_TEST:,}", ylabel="")
    legend(figure, ncols=4)
    return with_alt_text(figure, findings.printed(frame))


def power_curves(frame):
    """Power by number of test images, and by gain in melanoma recall; ``frame``: table power_curves."""
    figure, (left, right) = new(1, 2, height=3.4, sharey=True)
    looks = {"palette": [color for color, _ in SERIES[: len(ERRORS)]], "hue_order": list(ERRORS)}
    for ax, panel in ((left, "images"), (right, "gain")):
        shown = frame[frame["panel"] == panel]
        sns.lineplot(shown, x="x", y="power", hue="errors", style="errors", style_order=list(ERRORS), ax=ax, **looks)
        ax.get_legend().set_visible(False)
        ax.axhline(POWER, color=MUTED, ls=":", lw=1)
    left.axvline(published.N_TEST, color=MUTED, lw=1)
    note = f" n = {published.N_TEST:,}"
    left.text(published.N_TEST, 0.02, note, color=MUTED, fontsize=9, va="bottom")
    lower, higher = (published.row(name).accuracy for name in STEP)
    title = f"{lower:.2f}% against {higher:.2f}%"
    left.set(xscale="log", xlabel="test images", ylabel="power", ylim=(0, 1.02), title=title)
    left.set_xticks([200, 500, 1000, 2000, 5000, 10_000])
    left.xaxis.set_major_formatter("{x:,.0f}")
    left.minorticks_off()
    recall = f"from {100 * lowest_melanoma_recall():.0f}% recall"
    right.set(xlabel="gain in melanoma recall (points)", title=f"{published.TEST_SUPPORTS['mel']} melanomas, {recall}")
    right.set_xticks(np.arange(0, 41, 10))
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.power(frame))
