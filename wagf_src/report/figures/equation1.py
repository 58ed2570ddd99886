"""The weights of the fusion, and a kernel in Haar's patterns."""

import seaborn as sns

from wagf_src.arms import FUSIONS, arm_label, parse_arm
from wagf_src.report.figures import findings
from wagf_src.report.figures.style import SERIES, legend, new, with_alt_text

COLORS = [color for color, _ in SERIES]


def orbits(frame):
    """g(F_w) over training steps from several starts: points measured, lines by the formula; one panel a momentum."""
    figure, axes = new(1, frame["momentum"].nunique(), height=3.3, sharey=True)
    for ax, (momentum, panel) in zip(axes, frame.groupby("momentum")):
        panel = panel.assign(start=panel["start"].map("start {:g}".format))
        colors = dict(zip(panel["start"].unique(), COLORS))
        sns.lineplot(panel, x="step", y="formula", hue="start", style="start", palette=colors, lw=1.1, ax=ax)
        sns.scatterplot(panel, x="step", y="g_w", hue="start", palette=colors, s=18, legend=False, ax=ax)
        title = f"moving average (momentum {momentum:g})" if momentum else "each batch's own weights (momentum 0)"
        ax.set(title=title, xlabel="training step", ylabel="g(F_w)", ylim=(-0.02, 1.02))
    legend(figure, ncols=4)
    return with_alt_text(figure, findings.orbits(frame))


def readings(frame):
    """g(F_w) over a small training, one panel a case, one line a fusion."""
    figure, axes = new(1, frame["case"].nunique(), height=3.1, sharey=True)
    for ax, (case, panel) in zip(axes, frame.groupby("case", sort=False)):
        sns.lineplot(panel, x="step", y="g_w", hue="fusion", style="fusion", palette=COLORS[:3], lw=1.8, ax=ax)
        ax.set_title(case, fontsize=9)
        ax.set(xlabel="training step", ylabel="g(F_w); weight is 1 − g", ylim=(-0.02, 1.02))
    legend(figure, ncols=3)
    return with_alt_text(figure, findings.readings(frame))


def fusion_weights(frame):
    """g(F_w) after every epoch: one panel a fusion, one line a run, one colour an arm. None without runs."""
    if frame.empty:
        return None
    several = frame["arm"].map(lambda name: parse_arm(name).backbone).nunique() > 1
    labels = [_short(name, several) for name in frame["arm"]]
    frame = frame.assign(label=labels, where=frame["profile"] + frame["run"])
    labels = sorted(frame["label"].unique(), key=lambda label: " " in label)  # the rows of Table 1 before the controls
    looks = {"palette": dict(zip(labels, 2 * COLORS)), "markers": dict(zip(labels, 2 * "osD^vPX")), "dashes": False}
    panels = [fusion for fusion in FUSIONS if (frame["fusion"] == fusion).any()]
    figure, axes = new(1, len(panels), height=3.2, sharey=True, squeeze=False)
    for ax, fusion in zip(axes[0], panels):
        shown = frame[frame["fusion"] == fusion]
        lines = {"hue": "label", "style": "label", "units": "where", "estimator": None}
        sns.lineplot(shown, x="epoch", y="g_w", **lines, **looks, lw=1, ms=4, alpha=0.8, ax=ax)
        runs = shown["where"].nunique()
        ax.set(title=f"{FUSIONS[fusion].title}\n{runs} run{'s' * (runs > 1)}", ylim=(0, 1), ylabel="g(F_w)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        place = "upper right" if shown["g_w"].mean() < 0.5 else "lower right"
        ax.legend(loc=place, ncols=2 if len(panels) < 4 else 1, fontsize=8, handlelength=1.8)
    return with_alt_text(figure, findings.weights(frame))


def _short(name, with_backbone):
    """An arm within a panel: its row of Table 1, and what it has of its own."""
    arm = parse_arm(name)
    own = [arm.branch] * (arm.branch != "haar") + ["random start"] * (arm.weights == "none")
    own += [f"rate {arm.learning_rate}"] * bool(arm.learning_rate)
    own += [arm_label(f"{arm.backbone}-base")] * with_backbone
    return " ".join([arm.module.rung, *own])


def haar_kernel(frame):
    """A 2 x 2 kernel as the sum of weighted Haar patterns, with the numbers in the cells."""
    panels = frame.groupby("panel", sort=False)
    figure, axes = new(1, panels.ngroups, height=2.0)
    most = frame["value"].abs().max()
    for ax, (title, cells) in zip(axes, panels):
        grid = cells.pivot(index="row", columns="column", values="value")
        look = {"cmap": "RdBu_r", "vmin": -most, "vmax": most, "annot_kws": {"fontsize": 8.5}}
        sns.heatmap(grid, annot=True, fmt="+.3f", cbar=False, square=True, ax=ax, **look)
        ax.set(title=title, xticks=(), yticks=(), xlabel="", ylabel="")
    return with_alt_text(figure, findings.kernel(frame))
