"""The closing words of `make reproduce`."""

import json
import time

import fabricate

from wagf_src import paths
from wagf_src.report.summary import summary


def test_the_summary_counts_what_was_made(results_dir):
    for run in fabricate.fabricate(results_dir / "demo" / "runs", ["mobilenetv2-base"], seeds=(0, 1)):
        scores = {"accuracy": 0.8, "balanced_accuracy": 0.7, "f1_macro": 0.6}
        (run.path / "run.json").write_text(json.dumps({**run.info, "test_metrics": scores}))
    folder = results_dir / "demo"
    for name in ("tables/a.csv", "tables/b.csv", "tables/c.csv", "figures/a.png", "chapters/a.ipynb", ".work/started"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(time.time()))
    lines = summary("demo").splitlines()
    assert any("mobilenetv2-base-seed1" in line for line in lines)
    where = f"In {paths.short(folder)}, each in the folder of its name: "
    assert lines[-2] == f"{where}2 runs, 3 tables, 1 figures, 1 chapters."
    assert lines[-1].startswith("Book: ") and lines[-1].endswith("index.html")
    (folder / ".work" / "started").unlink()  # asked for alone
    assert summary("demo").splitlines() == [line for line in lines if not line.startswith("Done in")]
