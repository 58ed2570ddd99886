"""Reliability, melanoma curves, coverage and decision rules."""

import numpy as np
import pandas as pd
import seaborn as sns
from sklearn import metrics as sk

from wagf_src.arms import arm_label, parse_arm
from wagf_src.classes import MEL
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import MUTED, OURS, SERIES, legend, new, with_alt_text
from wagf_src.runs import Run, by_arm, truth_and_probabilities
from wagf_src.stats import metrics


def shown_arms(runs: list[Run]) -> dict[str, tuple]:
    """Label to (y (n,), p (n, 7)) of the first run of a few arms: plain backbones, the full model, the probe.

    At most six, without variants of initialisation and learning rate; the first four arms where none is of these.
    """
    arms = by_arm(runs)
    plain = [
        arm
        for arm in map(parse_arm, arms)
        if arm.modules in ("base", "wagf", "probe") and arm.weights is arm.learning_rate is None
        if arm.fusion in (None, "eq1", "released") and arm.branch in (None, "haar")
    ]
    plain.sort(key=lambda arm: ("base", "wagf", "probe").index(arm.modules))
    names = [arm.name for arm in plain][:6] or list(arms)[:4]
    return {arm_label(name): truth_and_probabilities(arms[name][0]) for name in names}


def reliability(runs: list[Run], bins: int = metrics.ECE_BINS):
    """Reliability diagram of the predicted class, and how many images each confidence has.

    Bins of fewer than five images are left out of the curve, not out of the histogram.
    """
    figure, (ax, below) = new(2, 1, height=5.2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    ax.plot([0, 100], [0, 100], color=MUTED, lw=1, label="perfectly calibrated")
    for (label, (y, p)), (color, style), marker in zip(shown_arms(runs).items(), SERIES, "oDs^vPX"):
        frame = 100 * pd.DataFrame({"confidence": p.max(axis=1), "hit": p.argmax(axis=1) == y})
        binned = frame.groupby(metrics.confidence_bin(p, bins))
        curve = binned.mean()[binned.size() >= 5]
        ax.plot(curve["confidence"], curve["hit"], color=color, ls=style, marker=marker, ms=5, lw=1.3, label=label)
        histogram = {"stat": "percent", "element": "step", "fill": False, "ls": style, "lw": 1.4}
        sns.histplot(frame, x="confidence", bins=np.linspace(0, 100, bins + 1), color=color, ax=below, **histogram)
    ax.set(ylabel="accuracy in the bin (%)", ylim=(-3, 103), xlim=(10, 101))
    below.set(xlabel="confidence: probability of the predicted class (%)", ylabel="images (%)")
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.reliability(shown_arms(runs)))


def roc_pr(runs: list[Run]):
    """Melanoma against the rest: ROC and precision-recall curves; None without melanomas or without others."""
    arms = shown_arms(runs)
    share = 100 * np.mean(next(iter(arms.values()))[0] == MEL)
    if not 0 < share < 100:
        return None
    figure, (roc, pr) = new(1, 2, height=4.6)
    roc.plot([0, 100], [0, 100], color=MUTED, lw=1)
    for (label, (y, p)), (color, style) in zip(arms.items(), SERIES):
        false_alarm, sensitivity, _ = sk.roc_curve(y == MEL, p[:, MEL])
        precision, recall, _ = sk.precision_recall_curve(y == MEL, p[:, MEL])
        roc.plot(100 * false_alarm, 100 * sensitivity, color=color, ls=style, lw=1.6, label=label)
        # scikit-learn's last point, precision 1 at recall 0, is a convention and no threshold.
        pr.plot(100 * recall[:-1], 100 * precision[:-1], color=color, ls=style, lw=1.6)
    pr.axhline(share, color=MUTED, lw=1)
    pr.annotate(f"share of melanomas, {share:.1f}%", (1, share), va="bottom", fontsize=8.5, color=MUTED)
    roc.set(xlabel="false alarms: 100% − specificity (%)", ylabel="melanoma sensitivity (%)", title="ROC")
    pr.set(xlabel="melanoma sensitivity = recall (%)", ylabel="precision (%)", title="precision and recall")
    for ax in (roc, pr):
        ax.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.roc(arms))


def coverage(runs: list[Run]):
    """Accuracy on the images kept when the least confident are left to a person."""
    figure, ax = new(height=3.6)
    for (label, yp), (color, style) in zip(shown_arms(runs).items(), SERIES):
        kept, accuracy = (100 * values for values in metrics.coverage_accuracy(*yp))
        shown = kept >= 5  # the first few images are all or nothing
        ax.plot(kept[shown], accuracy[shown], color=color, ls=style, lw=1.6, label=label)
    ax.set(xlabel="images answered, most confident first (%)", ylabel="accuracy on them (%)", xlim=(0, 101))
    ax.set_ylim(min(line.get_ydata().min() for line in ax.lines) - 2, 101)
    legend(figure, ncols=2)
    return with_alt_text(figure, findings.coverage(shown_arms(runs)))


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
    return with_alt_text(figure, findings.decisions(rules))
