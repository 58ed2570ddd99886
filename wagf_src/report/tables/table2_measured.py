"""The methods of Table 2 on one test set, their differences, and yardsticks that stand apart."""

import pandas as pd

from wagf_src.arms import arm_label, parse_arm
from wagf_src.paper import audits, published, table2_measured, yardsticks
from wagf_src.profile import load_profile
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.accuracy import with_intervals
from wagf_src.runs import by_arm, provenance_line
from wagf_src.stats import proportions
from wagf_src.stats.metrics import interval_columns

SHOWN = ("accuracy", "balanced_accuracy", "f1_macro", "melanoma_sensitivity")
COLUMNS = ["profile", "row", "printed", "printed_is", "arm", "label", "assumes", "n_seeds", "n_test"]
COLUMNS += interval_columns(*SHOWN)

PROPOSED = published.TABLE2[-1].row


def measured(evidence: Evidence) -> pd.DataFrame:
    """One row an arm of the profiles for Table 2, and one a work of Table 2 that no arm can follow.

    ``printed`` in percent, ``printed_is`` as its source has it, ours as fractions (NaN: not run).
    """
    printed = evidence.table("table2").query("group == 'paper'").set_index("row")
    lines, followed = [], set()
    for profile in table2_measured.PROFILES:
        runs = by_arm(evidence.conditions.get(profile, []))
        for name in load_profile(profile).arms:
            arm = parse_arm(name)
            row = PROPOSED if name == table2_measured.yardstick_arms([name]).get(table2_measured.FULL) else arm.follows
            followed.add(row)
            line = {"profile": profile, "row": row, "arm": name, "label": arm_label(name), "assumes": arm.assumes}
            if name in runs:
                line |= {"n_seeds": len(runs[name]), "n_test": runs[name][0].info["data"]["n_test"]}
                line |= with_intervals(runs[name], SHOWN)
            lines.append(line)
    lines += [
        {"row": row, "assumes": "not reproducible from public text"} for row in printed.index.difference(followed)
    ]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame["printed"] = pd.to_numeric(frame["row"].map(printed["accuracy"]))
    frame["printed_is"] = frame["row"].map(printed["metric"])
    return _resting(frame, evidence)


def measured_differences(evidence: Evidence) -> pd.DataFrame:
    """``table2_measured.compared`` of each profile for Table 2 that has runs."""
    runs = {p: evidence.conditions[p] for p in table2_measured.PROFILES if p in evidence.conditions}
    columns = ["profile", *table2_measured.COLUMNS]
    frames = [table2_measured.compared(of_profile).assign(profile=profile) for profile, of_profile in runs.items()]
    return _resting(pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns), evidence)


def measured_yardsticks(evidence: Evidence) -> pd.DataFrame:
    """Levels to set a row beside, none of them a row: percent, with Wilson's interval where hits are known."""
    lines = []
    for known in yardsticks.YARDSTICKS:
        line = {"yardstick": known.name, "images": known.images, "n": known.n, "balanced_accuracy": known.balanced}
        if known.hits is not None:
            low, high = proportions.wilson(known.hits, known.n)
            line |= {"accuracy": 100 * known.hits / known.n, "ci_low": 100 * low, "ci_high": 100 * high}
        lines.append(line | {"note": known.note, "source": known.source, "provenance": f"published: {known.source}"})
    chance = {"accuracy": audits.majority_percent(), "balanced_accuracy": 100 / published.N_CLASSES}
    constant = {"yardstick": "always nv", "images": "ours", "n": published.N_TEST, "source": "counted"} | chance
    lines.append(constant | {"provenance": published.PROVENANCE})
    for profile in ("frozen", "ours"):
        for name, runs in by_arm(evidence.conditions.get(profile, [])).items():
            if profile == "frozen" and parse_arm(name).is_network:
                continue
            value = with_intervals(runs, SHOWN)
            line = {"yardstick": f"{arm_label(name)}, profile {profile}", "images": "ours", "source": "run here"}
            line |= {"provenance": provenance_line(runs)}
            line |= {"n": runs[0].info["data"]["n_test"], "balanced_accuracy": 100 * value["balanced_accuracy"]}
            ends = (100 * value[end] for end in interval_columns("accuracy"))
            lines.append(line | dict(zip(("accuracy", "ci_low", "ci_high"), ends)))
    columns = ["yardstick", "images", "n", "accuracy", "ci_low", "ci_high", "balanced_accuracy", "note", "source"]
    columns.append("provenance")
    return pd.DataFrame(lines, columns=columns).astype({"balanced_accuracy": float, "accuracy": float})


def _resting(frame, evidence):
    rests = {p: provenance_line(evidence.conditions.get(p, [])) for p in table2_measured.PROFILES}
    return frame.assign(provenance=frame["profile"].map(rests).fillna(published.PROVENANCE))
