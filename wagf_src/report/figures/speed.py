"""Speed of the arms, and how cost grows."""

import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from wagf_src.arms import arm_label
from wagf_src.report.figures import findings
from wagf_src.report.figures.accuracy import intervals
from wagf_src.report.figures.style import MUTED, OURS, SERIES, new, with_alt_text


def speed_of_arms(steps):
    """Training speed of every arm at each side: images per second, and against the reference; None without rows.

    Args:
        steps: one row an arm and side: columns case, pixels, reference; seconds_per_image and ratio, each with its
            lowest and highest round (seconds_low, seconds_high, ratio_low, ratio_high).
    """
    if not len(steps):
        return None
    arms, sides = list(dict.fromkeys(steps["case"])), sorted(set(steps["pixels"]))
    figure, (left, right) = new(1, 2, height=1.2 + 0.34 * len(arms), sharey=True)
    for k, pixels in enumerate(sides):
        side = steps[steps["pixels"] == pixels].set_index("case").reindex(arms)
        y = np.arange(len(arms))[::-1] + 0.22 * ((len(sides) - 1) / 2 - k)
        style = {"color": SERIES[k][0], "markersize": 4.5, "linewidth": 1.3, "capsize": 0, "label": f"{pixels} px"}
        speed = 1 / side[["seconds_per_image", "seconds_high", "seconds_low"]].to_numpy().T
        for ax, (value, low, high) in ((left, speed), (right, side[["ratio", "ratio_low", "ratio_high"]].to_numpy().T)):
            intervals(ax, y, value, low, high, "os^Dv"[k % 5], **style)
    left.set_yticks(np.arange(len(arms))[::-1], [arm_label(arm) for arm in arms])
    left.set(xlabel="training images per second")
    right.set(xlabel=f"times as fast as {arm_label(steps['reference'].dropna().iloc[0])}")
    right.axvline(1, color=MUTED, ls="--", lw=1)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.grid(axis="y", visible=False)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:g}")
        ax.tick_params(axis="x", labelsize=8)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(sides))
    return with_alt_text(figure, findings.speeds(steps))


def cost_growth(flops, profiles, side: int, device: str):
    """How cost grows: with pixels, from arm to arm, and with seeds; None without rows.

    Args:
        flops: columns arm, pixels, flops_training.
        profiles: columns profile, device, seeds, hours (of all seeds together).
        side: pixels at which the arms are compared.
        device: whose hours are drawn.
    """
    if not len(flops) or not len(profiles):
        return None
    figure, (left, middle, right) = new(1, 3, height=3.9)
    flops = flops.assign(label=flops["arm"].map(arm_label), g=flops["flops_training"] / 1e9)
    plain = flops[flops["arm"].str.endswith("-base")]
    palette = [color for color, _ in SERIES[: plain["label"].nunique()]]
    sns.lineplot(plain, x="pixels", y="g", hue="label", style="label", markers=True, palette=palette, ax=left)
    left.set(xlabel="side (px)", ylabel="GFLOP a training image", title="pixels", ylim=(0, None))
    left.legend(fontsize=8)
    same_side = flops[flops["pixels"] == side]
    short = same_side["label"].str.replace("DenseNet-121 + ", "+ ", regex=False)
    sns.barplot(x=same_side["g"], y=short, color=OURS, saturation=1, width=0.6, ax=middle)
    middle.set(xlabel="GFLOP a training image", ylabel="", title=f"arms, at {side} px")
    middle.grid(axis="y", visible=False)
    middle.tick_params(axis="y", labelsize=7)
    seeds = np.arange(1, 11)
    for (color, style), row in zip(SERIES * 2, profiles[profiles["device"] == device].itertuples()):
        right.plot(seeds, seeds * row.hours / row.seeds, color=color, ls=style, label=row.profile)
    right.set(xlabel="seeds", ylabel=f"hours on one {device}, derived", title="seeds", yscale="log")
    right.set_ylim(right.get_ylim()[0] / 60, None)  # room for the legend
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend(fontsize=8, ncols=2, handlelength=1.8, columnspacing=0.8, loc="lower center")
    return with_alt_text(figure, findings.costs(flops, profiles, side, device))
