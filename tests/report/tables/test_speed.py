"""Speed: files as the benchmark wrote them, and epochs that waited, by hand."""

import pandas as pd
import pytest
from fabricate import fabricate, seal

from wagf_src import paths
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.speed import FILES
from wagf_src.runs import provenance_line


def test_what_is_not_measured_has_no_rows(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "BENCH_DIR", tmp_path)
    nothing = Evidence("none", [], {}, tables.TABLES)
    for name in FILES:
        assert nothing.table(f"speed_{name}").empty and "provenance" in nothing.table(f"speed_{name}")
    (tmp_path / "peers.csv").write_text("case,provenance\na,here\n")
    assert Evidence("none", [], {}, tables.TABLES).table("speed_peers")["case"].tolist() == ["a"]


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
