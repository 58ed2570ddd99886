"""Pairs of arms that differ in one thing, on the same test images, by the rule for directions."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import conditions, directions
from wagf_src.paper.directions import DIFFERENCE
from wagf_src.report.evidence import Evidence
from wagf_src.report.text import p_value, points
from wagf_src.runs import by_arm
from wagf_src.stats import paired

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


def ablation(evidence: Evidence) -> pd.DataFrame:
    """The table ``all_steps``, each row in words, with McNemar's test on the mean probabilities of an arm's seeds.

    ``detectable`` is the step, in points, that so many images, seeds and folds show with a power of ``paired.POWER``,
    before any correction, at the noise that the two arms have (``paired.noise``).
    """
    steps, outcomes, power = evidence.table("all_steps"), [], []
    arms = {profile: by_arm(runs) for profile, runs in conditions.at_hand(evidence).items()}
    for line in steps.itertuples():
        pair = directions.of_shared_seeds(*(arms[line.profile][arm] for arm in (line.arm_a, line.arm_b)))
        outcomes.append(paired.mcnemar(*map(paired.correct, pair)))
        n, seeds, folds = line.n_images, line.n_seeds, line.n_folds
        power.append(100 * paired.detectable(n, seeds=seeds, folds=folds, **paired.noise(*pair)))
    tests = pd.DataFrame(outcomes, steps.index, MCNEMAR).assign(detectable=power)
    sentences = pd.Series([sentence(line) for _, line in steps.iterrows()], steps.index, dtype=object)
    return steps.drop(columns="provenance").join(tests).assign(sentence=sentences, provenance=steps["provenance"])


def ablation_balanced(evidence: Evidence) -> pd.DataFrame:
    """The same pairs under metrics that count all classes alike, in points.

    p is corrected over a metric's rows in one condition (Holm).
    """
    arms = {profile: by_arm(runs) for profile, runs in conditions.at_hand(evidence).items()}
    names, lines = ["profile", "condition", "comparison", "arm_a", "arm_b"], []
    for pair in evidence.table("all_steps")[names].itertuples(index=False):
        runs = arms[pair.profile]
        for metric in OTHER_METRICS:
            difference = directions.tested(runs[pair.arm_a], runs[pair.arm_b], metric)
            lines.append((*pair, metric, *directions.points(difference).values(), difference.p))
    frame = pd.DataFrame(lines, columns=[*names, "metric", *DIFFERENCE, "p"])
    frame["p_holm"] = frame.groupby(["profile", "metric"])["p"].transform(paired.holm) if lines else frame["p"]
    return frame.assign(provenance=evidence.table("all_steps")["provenance"].max() if lines else "no runs")


def branches(evidence: Evidence) -> pd.DataFrame:
    """What the branch does: rows of ``all_steps``, with the branches of both arms, ``branch_a`` and ``branch_b``.

    Of every condition with a control: each branch against none (for the wavelet that is the step from (i) to (ii)), and
    each control against the wavelet. Verdicts are those of the ablation, corrected as there.
    """
    steps = evidence.table("all_steps")
    a, b = (steps[side].map(lambda arm: parse_arm(arm).branch or "none") for side in ("arm_a", "arm_b"))
    steps = steps.assign(branch_a=a, branch_b=b)
    control = steps["kind"] == "branch"
    against = set(zip(steps["profile"][control], steps["arm_b"][control]))
    both = [{(line.profile, line.arm_a), (line.profile, line.arm_b)} <= against for line in steps.itertuples()]
    columns = ["profile", "condition", "branch_a", "branch_b", *directions.COLUMNS, "provenance"]
    return steps.loc[control | np.array(both, bool), columns].reset_index(drop=True)
