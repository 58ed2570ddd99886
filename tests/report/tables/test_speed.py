"""Speed: files as the benchmark wrote them, and epochs that waited, by hand."""

import pandas as pd
import pytest
from fabricate import fabricate, seal

from wagf_src import paths
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.speed import FILES, MEASURED
from wagf_src.runs import provenance_line


def test_what_is_not_measured_has_no_rows(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "BENCH_DIR", tmp_path)
    nothing = Evidence("none", [], {}, tables.TABLES)
    for name in FILES:
        assert nothing.table(f"speed_{name}").empty and "provenance" in nothing.table(f"speed_{name}")
    (tmp_path / "peers.csv").write_text("case,provenance\na,here\n")
    assert Evidence("none", [], {}, tables.TABLES).table("speed_peers")["case"].tolist() == ["a"]


def test_hours_of_the_runs_themselves(monkeypatch, tmp_path):
    """Only of a profile whose planned runs are all there, however many others lie beside them."""
    (tmp_path / "bench").mkdir()
    monkeypatch.setattr(paths, "BENCH_DIR", tmp_path / "bench")
    monkeypatch.setattr(paths, "PROFILES_DIR", tmp_path)
    for name, arms in {"whole": "[mobilenetv2-base]", "some": "[mobilenetv2-base, resnet50-base]"}.items():
        (tmp_path / f"{name}.yaml").write_text(
            f"description: x\ndata: synthetic\nsynthetic_lesions: 90\nimage_size: 64\narms: {arms}\nseeds: [0, 1]\n"
        )
    lines = [f"{name},2,{hours},derived,here,commit 1" for name, hours in (("whole", 7), ("some", 8), ("gone", 9))]
    (tmp_path / "bench/profiles.csv").write_text("\n".join(["profile,runs,hours,basis,device,provenance", *lines]))
    runs = fabricate(tmp_path / "runs", ("mobilenetv2-base", "mobilenetv2-probe"), seeds=(0, 1, 2))
    for run in runs:
        run.info["wall_seconds"] = 3600 if run.name == "mobilenetv2-base-seed1" else 1800
    evidence = Evidence("mine", [], {"whole": runs, "some": runs, "gone": runs}, tables.TABLES)
    table = evidence.table("speed_profiles")
    assert table["profile"].tolist() == ["whole", "whole", "some", "gone"]
    line = table[table["basis"] == MEASURED].iloc[0]
    assert line["hours"] == 1.5 and line["runs"] == 2 and line["provenance"] == provenance_line(runs[:2])
    assert line["device"] == "{cpu}, {device}".format_map(runs[0].info["environment"])


def test_epochs_that_ended_as_the_thread_woke(tmp_path):
    """The thread wakes after 0.01 + 0.02 + ... s: 1.27, 2.55, 5.11 s and so on."""
    [run] = fabricate(tmp_path, ("mobilenetv2-base",), epochs=6)
    history = run.history().assign(seconds=[2.56, 2.56, 2.7, 5.15, 0.64, 1.5])  # the first compiles, the fifth is short
    history.to_csv(run.path / "history.csv", index=False)
    seal(run.path)
    [run] = [type(run)(run.path)]
    evidence = Evidence("mine", [], {"mine": [run]}, tables.TABLES)
    line = evidence.table("speed_waits").iloc[0]
    assert line[["profile", "epochs", "ended as the thread woke"]].tolist() == ["mine", 4, 2]
    assert line["expected by chance"] == pytest.approx(0.1 / 1.28 + 2 * 0.1 / 2.56 + 0.1 / 5.12)
    assert line["provenance"] == provenance_line([run])
    assert Evidence("none", [], {}, tables.TABLES).table("speed_waits").empty


def test_other_backends_have_no_such_thread(tmp_path):
    [run] = fabricate(tmp_path, ("mobilenetv2-base",))
    run.info["environment"]["backend"] = "jax"
    line = Evidence("mine", [], {"mine": [run]}, tables.TABLES).table("speed_waits").iloc[0]
    assert line["epochs"] == 0 and isinstance(line["provenance"], str) and not pd.isna(line["expected by chance"])
