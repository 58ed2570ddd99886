"""What the chapter on the printed numbers says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.paper import audits, published
from wagf_src.report.tables.published import STEP
from wagf_src.stats.paired import POWER

N = published.N_TEST
MELANOMAS = published.TEST_SUPPORTS["mel"]


def answer(grim: pd.DataFrame, f1_bound: pd.DataFrame, power: pd.DataFrame) -> str:
    """The four audits in a sentence each."""
    paper = _checked(grim)[0]
    low, high = audits.wilson(published.row(STEP[1]).accuracy, N)
    steps = _steps(power)
    weak = (steps["power_assumed"] < POWER).sum()
    return (
        f"of the {len(paper)} accuracies of the paper with a known test size, "
        f"{(paper['verdict'] == 'not reachable').sum()} are no number of right answers out of {N:,}; "
        f"{f1_bound['violated'].sum()} of {len(f1_bound)} printed F1 values exceed what their precision and recall "
        f"allow; the headline accuracy stands for [{low:.1f}, {high:.1f}]; and {weak} of the {len(steps)} "
        f"differences in Table 1 looked at have a power below {POWER:.0%}, if errors correlate as assumed. None of "
        "this says why."
    )


def grim_table(grim: pd.DataFrame) -> pd.DataFrame:
    """Printed accuracies, the hits that would give them, and the nearest accuracies that exist."""
    near = [f"{low:.3f}, {high:.3f}" for low, high in zip(grim["nearest_below"], grim["nearest_above"])]
    shown = grim[["place", "row"]].assign(accuracy=grim["accuracy"].map("{:.2f}".format))
    for title, name in (("n", "n"), ("k, rounded", "k_rounded"), ("k, cut off", "k_truncated")):
        shown[title] = ["–" if pd.isna(k) else f"{k:,.0f}" for k in grim[name]]
    return shown.assign(**{"nearest k/n": near, "verdict": grim["verdict"]}).replace("nan, nan", "–")


def reachable(grim: pd.DataFrame, ways_out: pd.DataFrame) -> str:
    """Which accuracies some number of right answers gives."""
    paper, stored = _checked(grim)
    unreachable, cut = (paper[paper["verdict"] == v] for v in ("not reachable", "reachable only if truncated"))
    return (
        f"Of the {len(paper)} accuracies of the paper with a known test size, {len(unreachable)} can be had with no "
        f"number of right answers out of {N:,}: {_listed(unreachable)}. Only if cut off instead of rounded: "
        f"{_listed(cut)}. Of the {len(stored)} accuracies stored in the released notebooks, "
        f"{(stored['verdict'] == 'reachable').sum()} are reachable. A two-decimal number drawn at random would be "
        f"reachable with probability {_way(ways_out, 'luck'):.2f}. The {grim['n'].isna().sum()} accuracies of other "
        f"authors in Table 2 cannot be checked: {published.SIZE_NOT_STATED}."
    )


def innocent(ways_out: pd.DataFrame) -> str:
    """What else an unreachable accuracy may honestly be, as a list."""
    runs = ways_out[ways_out["way"] == "runs"].set_index("row")["value"]
    singles = ", ".join(f"{row}: {m:.0f}" for row, m in runs.drop("all").items())
    step = _way(ways_out, "batches")
    possible = "any printed value is possible" if step < 0.01 else "some values stay impossible"
    return (
        f"- *An average over runs.* With m runs the accuracy is k/({N:,} m). The fewest runs that make a value "
        f"reachable are, row by row: {singles}; one m for all six rows: {runs['all']:.0f}. The paper mentions no "
        "repetition.\n"
        "- *Another number of test images.* One size for all six rows would have to be "
        f"{_way(ways_out, 'images'):,.0f} or more; the paper names {N:,} only. Different rows may have had different "
        "sizes.\n"
        f"- *An average over batches.* The released code averages its F1 over batches of {published.BATCH_SIZE}. "
        f"Accuracies averaged so lie on a grid of {step:.4f} points, finer than two decimals, so that {possible}. "
        "Keras' own accuracy is not averaged so."
    )


def f1_table(f1_bound: pd.DataFrame) -> pd.DataFrame:
    """Printed F1 values beside their bound."""
    number = {c: f1_bound[c].map("{:.2f}".format) for c in ("precision", "recall", "f1")}
    shown = f1_bound[["place", "row"]].assign(**number).rename(columns={"f1": "F1"})
    return shown.assign(
        **{
            "(P + R)/2": f1_bound["bound"].map("{:.3f}".format),
            "F1 minus bound": f1_bound["excess"].map("{:+.3f}".format),
            "above the bound": np.where(f1_bound["violated"], "yes", "no"),
        }
    )


def f1_sentence(f1_bound: pd.DataFrame, stored: pd.DataFrame) -> str:
    """Which printed F1 exceed their bound, and how many of the stored ones, which are averages over batches."""
    over, batches = f1_bound[f1_bound["violated"]], stored.loc[stored["excess"] > 0, "excess"]
    cases = ", ".join(f"{r.row} by {r.excess:.3f}" for r in over.itertuples())
    least, most = f"{batches.min():.3f}", f"{batches.max():.3f}"
    return (
        f"{len(over)} of {len(f1_bound)} printed F1 values exceed their bound (in points): {cases}. So do "
        f"{len(batches)} of the {len(stored)} results that the authors' notebooks store, by {least} to {most}."
    )


def certainty(intervals: pd.DataFrame) -> str:
    """What one accuracy on so many images says."""
    majority = audits.majority_percent()
    below = intervals[intervals["above_majority"] < 0]
    inside = intervals[(intervals["ci_low"] <= majority) & (intervals["ci_high"] >= majority)]
    first, last = (intervals[intervals["row"] == row].iloc[0] for row in ("DenseNet-121", STEP[1]))
    half, mel = (first["ci_high"] - first["ci_low"]) / 2, np.diff(audits.wilson(50, MELANOMAS))[0] / 2
    return (
        f"A single accuracy is known to about ±{half:.1f} points ({first['row']}, {first['accuracy']:.2f}%); the "
        f"headline {last['accuracy']:.2f}% stands for [{last['ci_low']:.1f}, {last['ci_high']:.1f}]. Always answering "
        f"nevus scores {majority:.2f}%; below that lie {_listed(below)}, and its interval includes it for "
        f"{_listed(inside)}. A recall of 50% on the {MELANOMAS} melanomas is known to ±{mel:.0f} points."
    )


def power_table(power: pd.DataFrame) -> pd.DataFrame:
    """Powers for people; images are the difference in right answers."""
    names = {"unpaired": "unpaired", "independent": "independent", "assumed": "φ = 0.5", "best": "best case"}
    shown = {"comparison": power["comparison"], "from": power["lower"].map("{:.2f}".format)}
    shown |= {"to": power["higher"].map("{:.2f}".format), "n": power["n"]}
    shown["images"] = power["images"].map("{:.1f}".format)
    shown |= {title: power[f"power_{name}"].map("{:.2f}".format) for name, title in names.items()}
    shown |= {"told apart?": power["told_apart"]}
    shown |= {"images needed": power["needed_assumed"].map("{:,.0f}".format, na_action="ignore")}
    return pd.DataFrame(shown)


def power_sentence(power: pd.DataFrame, needed: pd.DataFrame) -> str:
    """Which differences these images could have shown, and what the last step would take."""
    steps = _steps(power)
    weak = steps[steps["power_assumed"] < POWER]
    last = steps[steps["comparison"] == " to ".join(STEP)].iloc[0]
    (independent, assumed), (largest, least) = (needed[needed["panel"] == p]["needed"] for p in ("images", "gain"))
    return (
        f"At φ = {audits.ASSUMED_CORRELATION}, {len(weak)} of the {len(steps)} differences in Table 1 looked at here "
        f"have a power below {POWER:.0%}: "
        + ", ".join(f"{r.comparison} ({100 * r.power_assumed:.0f}%)" for r in weak.itertuples())
        + f". The step from {STEP[0]} to {STEP[1]} is {last['images']:.0f} images; to find it with {POWER:.0%} power "
        f"takes about {assumed:,.0f} test images, or {independent:,.0f} if errors are independent. On {MELANOMAS} "
        f"melanomas, a gain of {least:.0f} to {largest:.0f} points of recall is the least that is found with "
        f"{POWER:.0%} power. In the best case the power for these differences is {steps['power_best'].min():.2f} or "
        "more: the printed numbers alone show neither that a step is noise nor that it is not, and the predictions "
        "that would show it are not published."
    )


def elsewhere_table(elsewhere: pd.DataFrame) -> pd.DataFrame:
    """What the same audits find in three other tables."""
    names = {"n": "test images", "truncated": "only cut off", "not_reachable": "not reachable", "f1": "F1 printed"}
    names |= {"f1_violated": "F1 above its bound", "pairs": "pairs of rows", "apart": "apart"}
    names |= {"apart_paired": "apart on the same images, at best", "not_apart": "not apart"}
    shown = elsewhere.drop(columns="provenance").assign(luck=elsewhere["luck"].map("{:.0%}".format))
    return shown.rename(columns=names | {"luck": "reachable by luck"})


def elsewhere(elsewhere: pd.DataFrame) -> str:
    total = elsewhere.sum(numeric_only=True)
    return (
        f"Of {total['accuracies']:.0f} accuracies in these {len(elsewhere)} tables {total['truncated']:.0f} are "
        f"reachable only if cut off instead of rounded, and {total['not_reachable']:.0f} not at all; of "
        f"{total['pairs']:.0f} pairs of rows on equally many images {total['not_apart']:.0f} cannot be told apart even "
        "in the best case. Cutting off is an everyday habit, and a number that was obtained on other images than "
        "assumed here is not wrong."
    )


def _checked(grim):
    known = grim[grim["n"].notna()]
    return [known[known["place"].str.startswith(place)] for place in ("Table", "released")]


def _listed(frame):
    return ", ".join(f"{r.row} ({r.accuracy:.2f})" for r in frame.itertuples()) or "none"


def _steps(power):
    return power[~power["comparison"].str.startswith("melanoma")]


def _way(ways_out, name):
    return ways_out.loc[(ways_out["way"] == name) & (ways_out["row"] == "all"), "value"].item()
