"""The verdicts, and the conditions that they could rest on."""

import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.paper import claims as ledger
from wagf_src.paper import conditions
from wagf_src.report.evidence import Evidence
from wagf_src.runs import by_arm, provenance_line


def claims(evidence: Evidence) -> pd.DataFrame:
    """Every claim and count with its verdict (``paper.claims.evaluate``)."""
    return ledger.evaluate(evidence).assign(provenance=evidence.provenance)


def conditions_at_hand(evidence: Evidence) -> pd.DataFrame:
    """Every profile with runs, the nearest to the paper first: what it rests on, and why it decides nothing.

    ``obstacle`` keeps its arm nearest to the paper's from deciding claims about modules (empty: nothing does),
    ``departures`` keep it from deciding levels.
    """
    lines = []
    for profile, runs in conditions.at_hand(evidence).items():
        networks = [run for run in runs if parse_arm(run.arm).is_network] or runs
        nearest = min(by_arm(networks).values(), key=lambda arm: (conditions.nearness(arm), -len(arm)))
        obstacle = conditions.obstacle(nearest) or ""
        departures = ", ".join(conditions.departures(nearest[0]))
        line = (profile, len(runs), provenance_line(nearest), obstacle, departures)
        lines.append((conditions.nearness(nearest), *line, provenance_line(runs)))
    columns = ["nearness", "profile", "runs", "nearest_arm", "obstacle", "departures", "provenance"]
    frame = pd.DataFrame(lines, columns=columns).sort_values("nearness", ignore_index=True)
    return frame.drop(columns="nearness")
