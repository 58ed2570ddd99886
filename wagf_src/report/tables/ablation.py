"""Pairs of arms that differ in one thing, image by image."""

import pandas as pd

from wagf_src.paper import comparisons
from wagf_src.report.evidence import Evidence
from wagf_src.report.figures.text import p_value, points
from wagf_src.runs import by_arm
from wagf_src.stats import bootstrap, paired

DIFFERENCE = ["difference", "ci_low", "ci_high"]
COLUMNS = ["comparison", "arm_a", "arm_b", *DIFFERENCE, "mcnemar_b", "mcnemar_c", "p", "p_holm", "n_seeds", "sentence"]
OTHER_METRICS = ("balanced_accuracy", "f1_macro", "melanoma_sensitivity")


def difference(arms, a: str, b: str, metric: str) -> dict[str, float]:
    """Arm a minus arm b (points) with its 95% interval, by the names of ``DIFFERENCE``."""
    return dict(zip(DIFFERENCE, (100 * v for v in bootstrap.paired_difference(arms[a], arms[b], metric))))


def sentence(line) -> str:
    """Does it help, by how much, how sure: a row of ``ablation`` in words."""
    certain = line["ci_low"] > 0 or line["ci_high"] < 0, line["p_holm"] < 0.05
    sign = "higher" if line["difference"] > 0 else "lower"
    verdict = (
        f"accuracy is {sign}, by interval and by test"
        if all(certain)
        else f"accuracy seems {sign}, but interval and corrected test do not both say so"
        if any(certain)
        else "no difference that these test images can show"
    )
    value = points(*line[DIFFERENCE]).replace(" [", " points [")
    name = line["comparison"][0].upper() + line["comparison"][1:]
    return f"{name}: {verdict} ({value}, {p_value(line['p_holm'], 'p = ')}; seeds: {line['n_seeds']})."


def ablation(evidence: Evidence) -> pd.DataFrame | None:
    """Differences in accuracy (points), McNemar's test on mean probabilities, and p corrected over all rows (Holm)."""
    arms = by_arm(evidence.runs)
    lines = []
    for _, what, a, b in comparisons.comparisons(list(arms)):
        line = {"comparison": what, "arm_a": a, "arm_b": b} | difference(arms, a, b, "accuracy")
        test = paired.mcnemar(paired.correct(arms[a]), paired.correct(arms[b]))
        lines.append(line | dict(zip(("mcnemar_b", "mcnemar_c", "p"), test)))
        lines[-1]["n_seeds"] = min(len(arms[a]), len(arms[b]))
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame["p_holm"] = paired.holm(frame["p"])
    frame["sentence"] = [sentence(line) for _, line in frame.iterrows()]
    return frame.assign(provenance=evidence.provenance) if arms else None


def ablation_balanced(evidence: Evidence) -> pd.DataFrame | None:
    """The same pairs under metrics that count all classes alike; differences in points."""
    arms, pairs = by_arm(evidence.runs), evidence.table("ablation")
    if pairs is None:
        return None
    names = ["comparison", "arm_a", "arm_b"]
    lines = [
        (*pair, metric, *difference(arms, *pair[1:], metric).values())
        for pair in pairs[names].itertuples(index=False)
        for metric in OTHER_METRICS
    ]
    return pd.DataFrame(lines, columns=[*names, "metric", *DIFFERENCE]).assign(provenance=evidence.provenance)
