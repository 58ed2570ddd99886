"""The light model of our own: as trained, and under decision rules chosen on validation."""

import numpy as np
import pandas as pd

from wagf_src.profile import candidates, load_profile
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.conditions import SHOWN
from wagf_src.report.text import METRIC_TITLES
from wagf_src.runs import provenance_line, truth_and_probabilities, validation_predictions
from wagf_src.stats import bootstrap, calibration, decisions, metrics

# Of book/plans.md, before the runs.
AIMS = {"accuracy": 0.92, "balanced_accuracy": 0.75, "melanoma_sensitivity": decisions.MELANOMA_SENSITIVITY}
JUDGED = ("accuracy", "balanced_accuracy")
CHOSEN_FROM = 0.01  # a candidate must lie this far above ours to take its place
CHOSEN_AMONG = ("balance", "rate", "shape")  # the candidates that there was time for (book/plans.md)
TRADED = ["accuracy", "balanced_accuracy", "f1_macro", "melanoma_sensitivity"]


def _ours(evidence):
    return evidence.conditions.get("ours", [])


def _frame(evidence, lines, columns):
    return pd.DataFrame(lines, columns=columns).assign(provenance=provenance_line(_ours(evidence)))


def own_model(evidence: Evidence) -> pd.DataFrame:
    """Each metric (fraction) with its 95% interval, what was aimed at, and whether it is reached beyond chance."""
    runs, lines = _ours(evidence), []
    for metric in SHOWN:
        value, low, high = bootstrap.interval(runs, metric) if runs else (np.nan,) * 3
        aim = AIMS.get(metric)
        met = "" if aim is None or not runs else _outcome(low, high, aim)
        lines.append((METRIC_TITLES[metric], value, low, high, aim, met))
    return _frame(evidence, lines, ["metric", "value", "ci_low", "ci_high", "aim", "outcome"])


def _outcome(low, high, aim):
    if low >= aim:
        return "reached"
    return "not reached" if high < aim else "undecided: the interval holds the aim"


def own_model_curve(evidence: Evidence) -> pd.DataFrame:
    """Test metrics (fractions) of each seed as the correction for class frequencies grows."""
    lines = []
    for run in _ours(evidence):
        (y, p), shares = truth_and_probabilities(run), decisions.class_shares(run)
        for strength in calibration.STRENGTHS:
            values = metrics.metrics(y, calibration.corrected(p, shares, strength))
            lines.append({"seed": run.seed, "strength": strength} | values)
    return _frame(evidence, lines, ["seed", "strength", *TRADED])


def own_model_rules(evidence: Evidence) -> pd.DataFrame:
    """Test metrics (fractions) of each seed under rules that its validation images chose."""
    lines = []
    for run in _ours(evidence):
        y, p = truth_and_probabilities(run)
        rules = decisions.choose(run).rules(p)
        lines += [{"rule": rule, "seed": run.seed} | metrics.metrics(y, q) for rule, q in rules.items()]
    return _frame(evidence, lines, ["rule", "seed", *TRADED])


def own_model_tried(evidence: Evidence) -> pd.DataFrame:
    """``ours`` and its candidates on validation images alone (fractions, means over seeds), as trained.

    ``score`` is what the plan judges by, the mean of accuracy and balanced accuracy; ``lead`` is over ``ours``. NaN:
    not run.
    """
    by_profile, lines = {"ours": _ours(evidence), **evidence.tried}, []
    for profile in (load_profile("ours"), *candidates()):
        runs = by_profile.get(profile.name, [])
        line = {"profile": profile.name, "description": profile.description, "n_seeds": len(runs)}
        for metric in JUDGED:
            values = [metrics.metrics(*validation_predictions(run))[metric] for run in runs]
            line[metric] = np.mean(values) if values else np.nan
        rests = provenance_line(runs)
        lines.append(line | {"score": np.mean([line[metric] for metric in JUDGED]), "provenance": rests})
    frame = pd.DataFrame(lines)
    frame.insert(frame.columns.get_loc("provenance"), "lead", frame["score"] - frame["score"].iloc[0])
    return frame
