"""The chapter on the tests says what its files hold."""

import pytest

from wagf_src import paths
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import testing as prose
from wagf_src.report.tables import TABLES

LIVES = """story,killed,moment,seconds,reached,epochs_saved,resumed_after,epochs_trained,wrong,provenance
1,True,run staged,9,run staged,3,1,2,,a machine
1,True,random,9,book begun,3,0,0,other results than undisturbed,a machine
1,True,random,9,nothing,0,0,0,,a machine
1,False,random,9,book recorded,3,3,0,,a machine
"""
CASES = """file,about,tests,cases,failed,skipped,provenance
tests/test_a.py,What a holds.,2,1200,0,1,a machine
tests/test_b.py,What b holds.,1,1,1,0,a machine
"""


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "BENCH_DIR", tmp_path)
    return Evidence("demo", [], {}, TABLES)


def test_what_was_tried_is_counted(evidence, tmp_path):
    (tmp_path / "torture.csv").write_text(LIVES)
    (tmp_path / "tests.csv").write_text(CASES)
    kills, cases = evidence.table("testing_kills"), evidence.table("testing_cases")
    assert kills.iloc[:, :-1].to_numpy().tolist() == [
        ["run staged", 1, 1, 1, 0],
        ["random", 2, 2, 0, 1],
        ["not killed: went on to the end", 1, 0, 1, 0],
    ]
    assert set(kills["provenance"]) == {"a machine"}
    assert prose.answer(kills, cases) == (
        "A whole reproduction was killed 3 times and started again; 1 went on to the end and was compared, bit by bit, "
        "with one that nobody disturbed; 1 went wrong; 1,201 further cases were tried by 3 tests; 1 failed."
    )
    assert len(prose.kills_table(kills)) == 3 and len(prose.cases_table(cases)) == 2
    assert prose.rests_on(kills) == "Rests on: a machine."


def test_what_is_not_written_is_said(evidence):
    kills, cases = evidence.table("testing_kills"), evidence.table("testing_cases")
    assert prose.answer(kills, cases) == prose.rests_on(kills) == prose.NOT_YET
    assert prose.kills_table(kills).empty and prose.cases_table(cases).empty
