"""Pairs of arms that differ in one thing, on the same test images, by the rule for directions."""

import pandas as pd

from wagf_src.paper import directions
from wagf_src.paper.directions import DIFFERENCE, PAPER
from wagf_src.report.evidence import Evidence
from wagf_src.report.figures.text import p_value, points
from wagf_src.runs import by_arm
from wagf_src.stats import paired

COLUMNS = ["kind", "comparison", "arm_a", "arm_b", *DIFFERENCE, "p", "family", "p_holm", *PAPER, "n_images", "n_seeds"]
MCNEMAR = ["mcnemar_b", "mcnemar_c", "mcnemar_p"]
OTHER_METRICS = ("balanced_accuracy", "f1_macro", "melanoma_sensitivity")


def sentence(line) -> str:
    """Does it help, by how much, how sure: a row of ``ablation`` in words."""
    verdict = "not shown to change accuracy"
    if directions.shown(line):
        verdict = f"accuracy is {'higher' if line['difference'] > 0 else 'lower'}"
    if directions.below_printed(line):
        verdict += f", and the difference is not as large as the {line['paper']:+.2f} that the paper prints"
    value = points(*line[DIFFERENCE]).replace(" [", " points [")
    name = line["comparison"][0].upper() + line["comparison"][1:]
    return f"{name}: {verdict} ({value}, {p_value(line['p_holm'], 'p = ')}; seeds: {line['n_seeds']})."


def ablation(evidence: Evidence) -> pd.DataFrame | None:
    """``paper.directions.compared`` for the profile's runs, with McNemar's test on mean probabilities, in words."""
    arms = by_arm(evidence.runs)
    frame = directions.compared(evidence.runs)[COLUMNS]
    tests = [
        paired.mcnemar(paired.correct(arms[a]), paired.correct(arms[b])) for a, b in zip(frame["arm_a"], frame["arm_b"])
    ]
    frame = pd.concat([frame, pd.DataFrame(tests, frame.index, MCNEMAR)], axis=1)
    frame["sentence"] = [sentence(line) for _, line in frame.iterrows()]
    return frame.assign(provenance=evidence.provenance) if arms else None


def ablation_balanced(evidence: Evidence) -> pd.DataFrame | None:
    """The same pairs under metrics that count all classes alike, in points; p corrected over a metric's rows (Holm)."""
    arms, pairs = by_arm(evidence.runs), evidence.table("ablation")
    if pairs is None:
        return None
    names, lines = ["comparison", "arm_a", "arm_b"], []
    for pair in pairs[names].itertuples(index=False):
        for metric in OTHER_METRICS:
            found = directions.tested(arms[pair.arm_a], arms[pair.arm_b], metric)
            lines.append((*pair, metric, *directions.points(found).values(), found.p))
    frame = pd.DataFrame(lines, columns=[*names, "metric", *DIFFERENCE, "p"])
    frame["p_holm"] = frame.groupby("metric")["p"].transform(paired.holm) if lines else frame["p"]
    return frame.assign(provenance=evidence.provenance)
