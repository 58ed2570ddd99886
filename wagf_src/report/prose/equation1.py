"""What the chapter on Equation 1 says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.arms import FUSIONS, arm_label, parse_arm
from wagf_src.paper import directions
from wagf_src.paper.directions import DIFFERENCE
from wagf_src.report.prose.ablation import differences as as_drawn
from wagf_src.report.text import p_value, points, scientific

BRANCHES = {"haar": "wavelet", "conv": "convolution", "pool": "pooling", "none": "no branch"}


def answer(exchanges: pd.DataFrame, conversions: pd.DataFrame, weights: pd.DataFrame, branches: pd.DataFrame) -> str:
    """Both questions: how closely the proofs were met, what the runs recorded, what the branches did."""
    exchange, conversion = (frame.select_dtypes("number").max(axis=None) for frame in (exchanges, conversions))
    if max(exchange, conversion) > 1e-3:
        off = f"{scientific(exchange)} and {scientific(conversion)}"
        return f"what was measured contradicts the proofs below, by {off}."
    recorded = weights[weights["fusion"] == "eq1"]
    off = np.abs(recorded[["g_w", "g_sa"]].to_numpy(float) - 0.5).max(initial=0)
    where = "exactly one half" if off == 0 else f"never further than {scientific(off)} from one half"
    runs = recorded.groupby(["profile", "run"]).ngroups
    in_runs = f"; over {len(recorded)} epochs of {runs} runs they were {where}" if runs else ""
    return (
        f"no, twice. The weights of Equation 1 can only change places, measured to {scientific(exchange)}{in_runs}: "
        "it amounts to half the sum of its branches. The wavelet branch computes what a strided convolution computes, "
        f"with converted weights to {scientific(conversion)}. {wavelet_or_layer(branches)}"
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
        f"After two steps every weight is back where it was (to {scientific(period)}), the average over time differs "
        f"from one half by {scientific(mean)} at most, and weights follow the formula to "
        f"{scientific((orbits['g_w'] - orbits['formula']).abs().max())}, although no two batches are alike."
    )


def weights_table(weights: pd.DataFrame) -> pd.DataFrame:
    """One line a condition and arm: g(F_w) of its runs in the epoch kept, and how far it ever was from one half."""
    lines = []
    for (_, condition, arm), rows in weights.groupby(["profile", "condition", "arm"], sort=False):
        kept = rows["g_w"][rows["kept"].astype(bool)]
        line = {"condition": condition, "arm": arm_label(arm), "fusion": FUSIONS[rows["fusion"].iloc[0]].title}
        ends = list(dict.fromkeys(f"{value:.3f}" for value in (kept.min(), kept.max())))
        line |= {"runs": rows["run"].nunique(), "g(F_w) in the epochs kept": " to ".join(ends)}
        lines.append(line | {"furthest from 1/2 in any epoch": f"{(rows['g_w'] - 0.5).abs().max():.2g}"})
    return pd.DataFrame(lines)


def readings_table(readings: pd.DataFrame) -> pd.DataFrame:
    """g(F_w) of every fusion at the end of each case, with its excursion where it was on the other side before."""
    lines = {}
    for (fusion, case), course in readings.groupby(["fusion", "case"], sort=False)["g_w"]:
        end = course.iloc[-1]
        furthest = course.min() if end > 0.5 else course.max()
        away = abs(furthest - 0.5) > 0.05 and (furthest - 0.5) * (end - 0.5) < 0
        line = lines.setdefault(fusion, {"fusion": FUSIONS[fusion].title})
        line[case] = f"{end:.2f}" + (f" (after {furthest:.2f})" if away else "")
    return pd.DataFrame(lines.values())


def controls(controls: pd.DataFrame) -> str:
    """In what Haar and convolution differ."""
    size, spread = controls.set_index("branch")["parameters"], controls.set_index("branch")["spread"]
    return (
        f"At the released size, 8 x 8 x 1,024, the branch has {size['haar']:,} parameters with Haar, {size['conv']:,} "
        f"with the convolution ({size['haar'] - size['conv']:,} were redundant) and {size['pool']:,} with pooling. "
        "Haar and convolution differ in where they start: Keras's default initialisation makes the wavelet branch's "
        f"kernel {spread['conv'] / spread['haar']:.0f} times smaller (standard deviation "
        f"{scientific(spread['haar'], 1)} and {scientific(spread['conv'], 1)})."
    )


def wavelet_or_layer(branches: pd.DataFrame) -> str:
    """Is it the wavelet or the extra layer? By the one rule for directions, in each condition that has a control."""
    if branches.empty:
        return "Whether in training it is the wavelet or the extra layer that helps needs controls, and no run has one."
    backbone = branches["arm_b"].map(lambda arm: parse_arm(arm).backbone)
    models = branches.groupby(["profile", "condition", backbone], sort=False)
    text = "Is it the wavelet or the extra layer? " + " ".join(_verdict(name, rows) for (_, name, _), rows in models)
    if branches["n_seeds"].min() == 1:
        text += " With one seed an arm, the noise of training is not in the intervals."
    if branches["condition"].str.startswith("SYNTHETIC").any():
        text += " SYNTHETIC images show how the question is answered, not the answer."
    return text


def _verdict(condition, rows):
    lines = {(line["branch_a"], line["branch_b"]): line for _, line in rows.iterrows()}
    templates = {
        ("conv", "haar"): "a strided convolution in the wavelet's place is {} it",
        ("haar", "none"): "the branch with the wavelet is {} none",
        ("conv", "none"): "the branch with the convolution is {} none",
        ("pool", "none"): "the branch with pooling is {} none",
    }
    shown = {pair: lines[pair] for pair in templates if pair in lines}
    phrases = [templates[pair].format(_compared(line)) for pair, line in shown.items()]
    values = [
        f"{BRANCHES[a]} minus {BRANCHES[b]} {points(*line[DIFFERENCE])}, {p_value(line['p_holm'], 'p = ')}"
        for (a, b), line in shown.items()
    ]
    return f"{condition}: **{'; '.join(phrases)}** ({'; '.join(values)})."


def _compared(line):
    if not directions.shown(line):
        return "not shown to differ from"
    return "better than" if line["difference"] > 0 else "worse than"


def branch_pairs(branches: pd.DataFrame) -> pd.DataFrame:
    """As ``figures.differences`` takes them, one colour a condition."""
    labels = [f"{BRANCHES[a]} against {BRANCHES[b]}" for a, b in zip(branches["branch_a"], branches["branch_b"])]
    return as_drawn(branches.assign(comparison=labels))
