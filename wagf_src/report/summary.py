"""The closing lines of ``make reproduce``."""

import time

import pandas as pd

from wagf_src import paths
from wagf_src.paths import short, work_dir
from wagf_src.report import book
from wagf_src.runs import load_runs, provenance_line


def summary(profile: str) -> str:
    """The closing words of ``make reproduce``: the table, the seconds, what was made and where."""
    runs = load_runs(profile)
    rows = [
        {
            "run": run.name,
            "accuracy %": f"{100 * run.info['test_metrics']['accuracy']:.2f}",
            "balanced accuracy %": f"{100 * run.info['test_metrics']['balanced_accuracy']:.2f}",
            "macro F1 %": f"{100 * run.info['test_metrics']['f1_macro']:.2f}",
            "parameters": f"{run.info['parameters']['total']:,}",
            "best epoch": run.info["best_epoch"],
            "seconds": f"{run.info['wall_seconds']:.0f}",
        }
        for run in runs
    ]
    started = work_dir(profile) / "started"  # written by ``prepare``; not there where the summary is asked for alone
    took = time.time() - float(started.read_text()) if started.is_file() else None
    folder = paths.RESULTS_DIR / profile
    kinds = {"runs": "*/run.json", "tables": "*.csv", "figures": "*.png", "chapters": "*.ipynb"}
    made = [f"{len(list((folder / kind).glob(files)))} {kind}" for kind, files in kinds.items()]
    return (
        f"\nTest results: {provenance_line(runs)}\n{pd.DataFrame(rows).to_string(index=False)}\n\n"
        + (f"Done in {took:.0f} s (installation not counted).\n" if took is not None else "")
        + f"In {short(folder)}, each in the folder of its name: {', '.join(made)}.\nBook: {book.page(profile)}"
    )
