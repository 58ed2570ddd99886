"""Class counts, populations and leakage."""

import textwrap

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from wagf_src.report.figures.accuracy import labelled_rows
from wagf_src.report.figures.style import MUTED, SERIES, legend, new


def class_counts(counts):
    """Files of every class at each step of the protocol, on a logarithmic axis.

    Args:
        counts: index class, one column a step, in order.
    """
    figure, ax = new()
    where = labelled_rows(ax, counts.index, per_row=0.46, around=1.1)
    ax.hlines(where, counts.min(axis=1), counts.max(axis=1), color="#C9C9C9", lw=1.5, zorder=0)
    for (step, values), (color, _), marker in zip(counts.items(), SERIES, "osD^"):
        # Equal or near counts would hide each other: the earlier ones are the larger, hollow marks.
        last = step == counts.columns[-1]
        ax.plot(
            values, where, marker, color=color, ms=5 if last else 8, mfc=color if last else "none", mew=1.5, label=step
        )
        if step in (counts.columns[0], counts.columns[-1]):
            above, align = (6, "bottom") if last else (-7, "top")
            for x, y in zip(values, where):
                ax.annotate(
                    f"{x:,}",
                    (x, y),
                    (0, above),
                    textcoords="offset points",
                    ha="center",
                    va=align,
                    fontsize=8,
                    color=color,
                )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.6, len(counts) - 0.3)
    ax.set_xlabel("files (logarithmic)")
    ax.margins(x=0.08)
    legend(figure, ncols=3)
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
        bars = ax.bar(
            x, values, 0.9 * width, color="white" if name == reference else color, edgecolor=color, lw=1.4, label=name
        )
        ax.bar_label(
            bars, [f"{v:.1f}" if v < 9.95 else f"{v:.0f}" for v in values], fontsize=7.5, padding=2, color=color
        )
    ax.set_xticks(np.arange(len(shares)), shares.index)
    ax.set_ylabel("share of the files (%)")
    ax.set_ylim(0, 1.08 * shares.to_numpy().max())
    ax.grid(axis="x", visible=False)
    legend(figure, ncols=3)
    return figure


def leakage_by_class(shares):
    """Held-out files with a sibling in training, class by class.

    Args:
        shares: index class (or ``total``), one column a way of splitting, percent; NaN is left out.
    """
    figure, ax = new()
    where = labelled_rows(ax, shares.index, per_row=0.4, around=1.4)
    step = min(0.13, 0.7 / len(shares.columns))
    for k, ((name, values), (color, _), marker) in enumerate(zip(shares.items(), SERIES, "oDs^vPX")):
        y = where - (k - (len(shares.columns) - 1) / 2) * step
        ax.plot(values, y, marker, color=color, ms=6, label=name, clip_on=False)
    ax.axhline(0.5, color=MUTED, lw=0.8)
    ax.set_xlim(-2, 102)
    ax.set_xlabel("held-out files with a sibling in training (%)")
    legend(figure, ncols=2)
    return figure


def split_levels(levels, repeats, metrics: dict[str, str], rows: dict[str, str], classifiers: dict[str, str]):
    """The same classifiers under several ways of splitting: every repeat, and the mean with its interval.

    Args:
        levels: columns classifier, name, metric, value, ci_low, ci_high; fractions.
        repeats: columns classifier, name and one a metric; one row a repeat, fractions.
        metrics: metric to the label of its panel. rows: names to labels, in order. classifiers: the same.
    """
    figure, axes = new(1, len(metrics), sharey=True, squeeze=False)
    where = dict(
        zip(
            rows,
            labelled_rows(axes[0][0], [textwrap.fill(label, 24) for label in rows.values()], per_row=0.6, around=1.1),
        )
    )
    for ax, (metric, title) in zip(axes[0], metrics.items()):
        for (classifier, label), (color, _), marker, aside in zip(classifiers.items(), SERIES, "oD", (0.16, -0.16)):
            of = repeats[(repeats["classifier"] == classifier) & repeats["name"].isin(where)]
            ax.plot(100 * of[metric], of["name"].map(where) + aside, "|", color=color, ms=8, alpha=0.6)
            of = levels[
                (levels["classifier"] == classifier) & (levels["metric"] == metric) & levels["name"].isin(where)
            ]
            value, low, high = (100 * of[c].to_numpy(float) for c in ("value", "ci_low", "ci_high"))
            spread = np.nan_to_num(np.clip([value - low, high - value], 0, None))
            style = {"ms": 5.5, "mfc": "white", "mew": 1.6, "lw": 2.2, "capsize": 3}
            ax.errorbar(
                value, of["name"].map(where) + aside, xerr=spread, fmt=marker, color=color, label=label, **style
            )
        ax.set_xlabel(f"{title} (%)")
        ax.grid(axis="y", visible=False)
        ax.margins(x=0.08)
    legend(figure, ncols=2)
    return figure
