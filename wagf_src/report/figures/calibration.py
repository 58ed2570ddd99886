"""Reliability, melanoma curves, coverage and decision rules."""

import numpy as np
from sklearn import metrics as sk

from wagf_src.classes import MEL
from wagf_src.report.figures.style import MUTED, OURS, SERIES, legend, new
from wagf_src.stats.metrics import ECE_BINS


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
    legend(figure, ncols=2)
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
    legend(figure, ncols=2)
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
    legend(figure, ncols=2)
    return figure


def decision_curve(curve, rules, aims: dict[str, float]):
    """Accuracy against balanced accuracy and against melanoma sensitivity, as a decision rule moves; None without rows.

    Args:
        curve: columns strength, accuracy, balanced_accuracy, melanoma_sensitivity (fractions), one row a curve point.
        rules: the same columns, one row a rule, its name as index: marked points.
        aims: value aimed at by column; dashed lines.
    """
    if not len(curve):
        return None
    figure, axes = new(1, 2, height=3.6, sharey=True)
    mean, rules = (100 * frame for frame in (curve.groupby("strength").mean(numeric_only=True), rules))
    titles = {"balanced_accuracy": "balanced accuracy (%)", "melanoma_sensitivity": "melanoma sensitivity (%)"}
    for ax, (column, title) in zip(axes, titles.items()):
        ax.plot(mean[column], mean["accuracy"], color=OURS, lw=1.5, label="correction for class frequencies")
        for (name, rule), marker, color in zip(rules.iterrows(), "osD^", ("#E69F00", "#009E73", "#CC79A7", "#D55E00")):
            ax.plot(rule[column], rule["accuracy"], marker, color=color, ms=8, ls="", label=name)
        ax.axhline(100 * aims["accuracy"], color=MUTED, ls="--", lw=1)
        ax.axvline(100 * aims[column], color=MUTED, ls="--", lw=1, label="aim")
        ax.set_xlabel(title)
    axes[0].set_ylabel("accuracy (%)")
    legend(figure, ncols=3)
    return figure
