"""What the chapter on Equation 1 says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.report.figures.equation1 import FUSIONS
from wagf_src.report.figures.text import points

BRANCHES = {"haar": "wavelet", "conv": "convolution", "pool": "pooling", "none": "no branch"}


def answer(exchanges: pd.DataFrame, conversions: pd.DataFrame, weights: pd.DataFrame, branches: pd.DataFrame) -> str:
    """Both questions: how closely the proofs were met, what the runs recorded, what the branches did."""
    exchange, conversion = (frame.select_dtypes("number").max(axis=None) for frame in (exchanges, conversions))
    if max(exchange, conversion) > 1e-3:
        return f"what was measured contradicts the proofs below, by {exchange:.0e} and {conversion:.0e}."
    recorded = weights[weights["fusion"] == "eq1"]
    off = np.abs(recorded[["g_w", "g_sa"]].to_numpy(float) - 0.5).max(initial=0)
    where = "exactly one half" if off == 0 else f"never further than {off:.1g} from one half"
    runs = recorded.groupby(["arm", "seed"]).ngroups
    in_runs = f"; over {len(recorded)} epochs of {runs} runs they were {where}" if runs else ""
    return (
        f"no, twice. The weights of Equation 1 can only change places, measured to {exchange:.0e}{in_runs}: it amounts "
        "to half the sum of its branches. The wavelet branch computes what a strided convolution computes, with "
        f"converted weights to {conversion:.0e}. {wavelet_or_layer(branches)}"
    )


def differences(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of tiny relative differences for people: powers of ten."""
    numbers = frame.select_dtypes("number").map(lambda v: "–" if np.isnan(v) else f"{v:.0e}")
    return frame.drop(columns="provenance").assign(**numbers)


def orbit(orbits: pd.DataFrame) -> str:
    """How far the measured orbits are from period two, from one half on average, and from the formula."""
    swapping = orbits[orbits["momentum"] == 0].pivot(index="step", columns="start", values="g_w").to_numpy()
    period, mean = np.abs(swapping[2:] - swapping[:-2]).max(), np.abs(swapping[:-1].mean(axis=0) - 0.5).max()
    return (
        f"After two steps every weight is back where it was (to {period:.0e}), the average over time differs from one "
        f"half by {mean:.0e} at most, and weights follow the formula to "
        f"{(orbits['g_w'] - orbits['formula']).abs().max():.0e}, although no two batches are alike."
    )


def weights_table(weights: pd.DataFrame) -> pd.DataFrame:
    """One line an arm: g(F_w) of every seed in the epoch that was kept, and how far it ever was from one half."""
    lines = []
    for arm, rows in weights.groupby("arm", sort=False):
        kept = [f"{v:.3f}" for v in rows["g_w"][rows["kept"].astype(bool)]]
        alike = len(kept) > 1 and len(set(kept)) == 1
        line = {"arm": arm_label(arm), "fusion": FUSIONS[rows["fusion"].iloc[0]], "seeds": rows["seed"].nunique()}
        line["g(F_w) of each seed in the epoch kept"] = f"{kept[0]}, all alike" if alike else ", ".join(kept)
        line["furthest from 1/2 in any epoch"] = f"{(rows['g_w'] - 0.5).abs().max():.2g}"
        lines.append(line)
    return pd.DataFrame(lines)


def readings_table(readings: pd.DataFrame) -> pd.DataFrame:
    """g(F_w) of every fusion at the end of each case, with its excursion where it was on the other side before."""
    lines = {}
    for (fusion, case), course in readings.groupby(["fusion", "case"], sort=False)["g_w"]:
        end = course.iloc[-1]
        furthest = course.min() if end > 0.5 else course.max()
        away = abs(furthest - 0.5) > 0.05 and (furthest - 0.5) * (end - 0.5) < 0
        line = lines.setdefault(fusion, {"fusion": FUSIONS[fusion]})
        line[case] = f"{end:.2f}" + (f" (after {furthest:.2f})" if away else "")
    return pd.DataFrame(lines.values())


def controls(controls: pd.DataFrame) -> str:
    """In what Haar and convolution differ."""
    size, spread = controls.set_index("branch")["parameters"], controls.set_index("branch")["spread"]
    return (
        f"At the released size, 8 x 8 x 1,024, the branch has {size['haar']:,} parameters with Haar, {size['conv']:,} "
        f"with the convolution ({size['haar'] - size['conv']:,} were redundant) and {size['pool']:,} with pooling. "
        "Haar and convolution differ in where they start: Keras's default initialisation makes the wavelet branch's "
        f"kernel {spread['conv'] / spread['haar']:.0f} times smaller (standard deviation {spread['haar']:.1e} and "
        f"{spread['conv']:.1e})."
    )


def branch_pairs(branches: pd.DataFrame) -> pd.DataFrame:
    """The table ``branches`` with the branches ``a`` and ``b``, and as ``figures.differences`` takes it."""
    a, b = ([parse_arm(arm).branch or "none" for arm in branches[f"arm_{side}"]] for side in "ab")
    notes = [model.split(", ") for model in branches["model"]]
    labels = [
        f"{rung}: {BRANCHES[x]} against {BRANCHES[y]}" + (f" ({', '.join(more)})" if more else "")
        for x, y, (rung, _, *more) in zip(a, b, notes)
    ]
    return branches.assign(a=a, b=b, label=labels, p=np.nan)


def wavelet_or_layer(branches: pd.DataFrame) -> str:
    """Is it the wavelet or the extra layer? Decided by two intervals: wavelet and convolution, convolution and none."""
    if branches.empty:
        return "Whether in training it is the wavelet or the extra layer that helps needs controls, not run here."
    models = branch_pairs(branches).groupby("model", sort=False)
    text = f"Is it the wavelet or the extra layer? {'; '.join(_verdict(*model) for model in models)}."
    if branches["n_seeds"].min() == 1:
        text += " With one seed an arm, the noise of training is not in the intervals."
    if branches["provenance"].iloc[0].startswith("SYNTHETIC"):
        text += " The images are synthetic: this shows how the question is answered, not the answer."
    return text


def _verdict(model, rows):
    pair = {(line.a, line.b): line for line in rows.itertuples()}
    if ("haar", "conv") not in pair:
        return f"{model}: without a convolution in the wavelet's place this cannot be told"
    said = {
        ("haar", "conv"): ("not shown to differ from", "better than", "worse than"),
        ("conv", "none"): ("not shown to help", "better than none", "worse than none"),
    }
    verdicts = {key: words[_sign(pair[key])] for key, words in said.items() if key in pair}
    wavelet = f"the wavelet is {verdicts['haar', 'conv']} the layer without it"
    layer = f", which is {verdicts['conv', 'none']}" if ("conv", "none") in pair else ""
    values = [
        f"{BRANCHES[a]} minus {BRANCHES[b]} {points(line.difference, line.low, line.high)}"
        for (a, b), line in pair.items()
        if "pool" not in (a, b)
    ]
    seeds = rows["n_seeds"].min()
    return f"{model}: **{wavelet}{layer}** ({'; '.join(values)} points; {seeds} seed{'s' if seeds > 1 else ''})"


def _sign(line):
    return int(line.low > 0) - int(line.high < 0)
