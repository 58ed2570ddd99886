"""Speed and cost: what the benchmark measured, and epochs that waited for nothing."""

from functools import partial

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.profile import load_profile
from wagf_src.report.evidence import Evidence
from wagf_src.runs import provenance_line

MEASURED = "measured: wall time of the runs"


def measured(file: str, _: Evidence) -> pd.DataFrame:
    """A file of results/bench as ``make bench`` writes it; no rows where it is not there."""
    path = paths.BENCH_DIR / f"{file}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["provenance"])


def profiles(evidence: Evidence) -> pd.DataFrame:
    """``profiles.csv``, and the hours that the runs themselves took, of every profile that has all planned ones."""
    counted, parts = measured("profiles", evidence), []
    for name in dict.fromkeys(counted.get("profile", ())):
        rows = counted[counted["profile"] == name]
        parts.append(rows)
        if not (paths.PROFILES_DIR / f"{name}.yaml").is_file():
            continue
        planned = load_profile(name).runs()
        runs = {run.name: run for run in evidence.conditions.get(name, [])}
        if set(planned) <= set(runs):
            runs = [runs[run] for run in planned]
            line = rows.iloc[0].to_dict() | {"basis": MEASURED, "provenance": provenance_line(runs), "source": np.nan}
            machines = dict.fromkeys("{cpu}, {device}".format_map(run.info["environment"]) for run in runs)
            hours = sum(run.info["wall_seconds"] for run in runs) / 3600
            parts.append(pd.DataFrame([line | {"device": " / ".join(machines), "hours": hours}]))
    return pd.concat(parts, ignore_index=True) if parts else counted


def waits(evidence: Evidence) -> pd.DataFrame:
    """Epochs of each profile that ended within 0.1 s after tf.data's tuning thread woke, and how many would by chance.

    First epochs, which compile, and epochs of a second or less are left out, and so are other backends.
    """
    wakes = np.cumsum([0.01 * 2**k for k in range(13)] + [60.0] * 60)  # seconds after the start of an epoch
    lines = []
    for name, runs in evidence.conditions.items():
        histories = [run.history() for run in runs if run.info["environment"]["backend"] == "tensorflow"]
        seconds = np.concatenate([history["seconds"].iloc[1:] for history in histories] or [[]])
        seconds = seconds[seconds > 1]
        after = np.searchsorted(wakes, seconds)
        by_chance = (0.1 / (wakes[after] - wakes[after - 1])).sum()
        woken = (seconds - wakes[after - 1] < 0.1).sum()
        lines.append([name, len(seconds), woken, by_chance, provenance_line(runs)])
    columns = ["profile", "epochs", "ended as the thread woke", "expected by chance", "provenance"]
    return pd.DataFrame(lines, columns=columns)


FILES = ("data", "arms", "epoch", "backends", "tried", "peers", "flops", "profiles", "derived")
TABLES = {f"speed_{file}": partial(measured, file) for file in FILES}
TABLES |= {"speed_profiles": profiles, "speed_waits": waits}
