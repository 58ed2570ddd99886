"""Class counts, populations, leakage, and what a copy is."""

import dataclasses
import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image
from scipy import ndimage

from wagf_src.classes import CLASSES
from wagf_src.data import augmentation, synthetic
from wagf_src.profile import Profile
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import intervals
from wagf_src.report.figures.attention import image_grid
from wagf_src.report.figures.style import MUTED, SERIES, legend, new, with_alt_text
from wagf_src.report.tables.leakage_experiment import CLASSIFIERS, LEVELS, METRICS
from wagf_src.report.tables.protocol import AT_RANDOM, BY_NAME, GROUPED, IMAGES, TEST

STEPS = {"images": "in the data set", "images left": "without the test images", "augmented files": "after augmentation"}
SETS = {"images": "data set", "test images": "test images", "training files": "training files with copies"}
SPLITS = {
    (AT_RANDOM, "image"): "validation at random: same photograph",
    (BY_NAME, "image"): "validation by file name: same photograph",
    (BY_NAME, "lesion"): "validation by file name: same lesion",
    (IMAGES, "lesion"): "image-level 80/20: same lesion",
    (TEST, "lesion"): "paper's test images: same lesion",
    (GROUPED, "lesion"): "lesion-grouped 80/20: same lesion",
}
COLORS = [color for color, _ in SERIES]


def _by_class(ax, frame, x, hue, names, dodge, **style):
    """One mark for each class and value of ``hue``, a class a row, the values of ``hue`` side by side."""
    style |= {"palette": COLORS[: len(names)], "markers": list("osD^vP")[: len(names)], "linestyle": "none"}
    sns.pointplot(frame, x=x, y="class", hue=hue, hue_order=names, dodge=dodge, errorbar=None, ax=ax, **style)
    ax.get_legend().remove()
    ax.set_ylabel("")


def class_counts(counts: pd.DataFrame):
    """Files of every class at each step of the protocol, on a logarithmic axis; ``counts``: table protocol_counts."""
    figure, ax = new(height=4.3)
    frame = counts[counts["quantity"].isin(STEPS) & counts["class"].isin(CLASSES)].replace({"quantity": STEPS})
    steps, shown = list(STEPS.values()), frame[frame["count"] > 0]
    _by_class(ax, shown, "count", "quantity", steps, 0.5, order=CLASSES, log_scale=(True, False))
    for c, step, count in shown[["class", "quantity", "count"]].itertuples(index=False):
        k = steps.index(step)
        place = (count, CLASSES.index(c) + (k - 1) * 0.25)  # seaborn's dodge
        ax.annotate(f"{count:,}", place, (7, 0), textcoords="offset points", va="center", fontsize=8, color=COLORS[k])
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("files (logarithmic)")
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.per_step(shown))


def populations(counts: pd.DataFrame):
    """Share of every class in data set, test images and training files; ``counts``: table protocol_counts."""
    figure, ax = new(height=3.9)
    frame = counts[counts["quantity"].isin(SETS) & counts["class"].isin(CLASSES)].replace({"quantity": SETS})
    frame["share"] = 100 * frame["count"] / frame.groupby("quantity")["count"].transform("sum")
    sns.barplot(frame, x="class", y="share", hue="quantity", palette=COLORS[: len(SETS)], saturation=1, ax=ax)
    for bars in ax.containers:
        texts = [f"{v:.1f}" if v < 9.95 else f"{v:.0f}" for v in bars.datavalues]
        ax.bar_label(bars, texts, fontsize=7.5, padding=2)
    ax.get_legend().remove()
    ax.set(xlabel="class", ylabel="share of the files (%)", ylim=(0, 1.08 * frame["share"].max()))
    ax.grid(axis="x", visible=False)
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.nevi(frame))


def leakage_by_class(leakage: pd.DataFrame):
    """Held-out files with a sibling in training, class by class; ``leakage``: the table of that name."""
    figure, ax = new(height=4.6)
    way = pd.Series(zip(leakage["protocol"], leakage["grouping"]), leakage.index).map(SPLITS)
    frame = leakage.assign(way=way, percent=100 * leakage["share"]).dropna(subset=["way", "percent"])
    _by_class(ax, frame, "percent", "way", list(SPLITS.values()), 0.6, order=[*CLASSES, "total"])
    ax.axhline(len(CLASSES) - 0.5, color=MUTED, lw=0.8)
    ax.set(xlim=(-2, 102), xlabel="held-out files with a sibling in training (%)")
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.leaking(frame))


def split_levels(effects: pd.DataFrame, repeats: pd.DataFrame):
    """The same classifiers under several ways of splitting: every repeat, and the mean with its interval.

    Args:
        effects: table leakage_experiment.
        repeats: one row a repeat, as the linear probe's run keeps them; without rows there is no figure (None).
    """
    if not len(repeats):
        return None
    figure, axes = new(1, len(METRICS), height=3.6, sharey=True)
    names = [textwrap.fill(label, 24) for label in LEVELS.values()]
    labels, palette = dict(zip(LEVELS, names)), dict(zip(CLASSIFIERS, COLORS))
    repeats = repeats.assign(level=(repeats["split"] + "/" + repeats["subset"]).map(labels)).dropna(subset="level")
    means = effects.assign(level=effects["name"].map(labels)).dropna(subset="level")
    for ax, (metric, title) in zip(axes, METRICS.items()):
        percent = repeats.assign(percent=100 * repeats[metric])
        ticks = {"dodge": True, "jitter": False, "marker": "|", "linewidth": 1, "size": 8, "legend": False}
        hue = {"hue": "classifier", "hue_order": list(CLASSIFIERS), "palette": palette}
        sns.stripplot(percent, x="percent", y="level", order=names, ax=ax, **hue, **ticks)
        for (classifier, label), marker, aside in zip(CLASSIFIERS.items(), "oD", (-0.2, 0.2)):
            shown = means[(means["classifier"] == classifier) & (means["metric"] == metric)]
            value, low, high = (100 * shown[c].to_numpy(float) for c in ("value", "ci_low", "ci_high"))
            style = {"color": palette[classifier], "markerfacecolor": "white", "linewidth": 2.2, "label": label}
            intervals(ax, shown["level"].map(names.index) + aside, value, low, high, marker, **style)
        ax.set(xlabel=f"{title} (%)", ylabel="")
        ax.grid(axis="y", visible=False)
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.levels(means))


def copies(profile: Profile, number: int = 11, side: int = 128):
    """A procedural lesion and virtual copies of it by the profile's ranges; never the photograph of a patient."""
    rng = np.random.default_rng(5)
    picture, _ = synthetic.photograph(synthetic.make_lesion("mel", rng), rng)
    picture = np.asarray(Image.fromarray(picture).resize((side, side)))  # squeezed into a square, as every image is
    numbers = np.arange(number + 1)
    profile = dataclasses.replace(profile, image_size=side)
    maps = augmentation.affine_parameters(np.zeros(number + 1), numbers, profile.test_seed, profile)
    images = [
        np.stack(
            # scipy's first axis is y: rows of the matrix and the offset change places.
            [ndimage.affine_transform(c, [[b1, b0], [a1, a0]], (b2, a2), order=1, mode="nearest") for c in channels],
            -1,
        )
        for channels in [np.moveaxis(picture, -1, 0)]
        for a0, a1, a2, b0, b1, b2, *_ in maps
    ]
    return image_grid(images, ["photograph", *(f"copy {k}" for k in numbers[1:])])
