"""What the scorecard shows, from a ledger made by hand and from a profile without runs."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src.paper import claims
from wagf_src.report.prose import scorecard as prose

REAL, MATHEMATICS = "HAM10000; 96 px; profile x", claims.MATHEMATICS
LINES = [
    ("images", 10015, 10015, np.nan, np.nan, claims.REPRODUCED, "HAM10000; no training", "[protocol](protocol.ipynb)"),
    (
        "safa-described",
        1.27,
        -0.04,
        -1,
        0.9,
        claims.NOT_REPRODUCED,
        REAL,
        "[ablation](ablation.ipynb): A against B; own",
    ),
    ("safa-released", 1.27, *[np.nan] * 3, claims.NOT_TESTABLE, prose.NOTHING, "[ablation](ablation.ipynb): no runs"),
    ("wavelet", np.nan, 0, np.nan, np.nan, claims.CONTRADICTED, MATHEMATICS, "[equation1](equation1.ipynb): the same"),
]
LEDGER = pd.DataFrame(
    LINES, columns=["id", "paper_value", "our_value", "ci_low", "ci_high", "verdict", "rests_on", "evidence"]
)
LEDGER.insert(1, "claim", [prose.KNOWN[name].claim for name in LEDGER["id"]])
LEDGER["section"] = "3"


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_answer_counts_and_lists():
    text = prose.answer(LEDGER)
    assert text.startswith("1 reproduced, 1 not reproduced, 1 contradicted by construction, 1 not testable here, of 4")
    assert "*Not reproduced:* SaFA improves accuracy: (iii) over (ii) (as described)." in text
    assert "*Not testable" not in text


def test_every_claim_stands_in_one_table():
    parts = {part: cells(prose.table(LEDGER, part))[2:] for part in ("other", "described", "released", "counts")}
    assert {part: len(rows) for part, rows in parts.items()} == dict.fromkeys(parts, 1)
    claim, paper, ours, verdict = parts["described"][0]
    assert claim == "SaFA improves accuracy: (iii) over (ii) (3)<br>[ablation](ablation.ipynb): A against B"
    assert (paper, ours) == ("+1.27 points", "+0.0 points<br>[-1.0, 0.9]")  # no minus before a zero
    assert verdict.startswith('<span class="verdict not-reproduced">✘ not reproduced</span><br>rests on ')
    assert parts["released"][0][1:3] == ["+1.27 points", "–"] and parts["released"][0][3].endswith(
        "rests on nothing yet"
    )
    assert parts["counts"][0][1:3] == ["10,015", "10,015"] and parts["other"][0][2] == "largest difference: 0"


def test_letters_are_those_of_the_first_table():
    rows = {cells[1]: cells[0].strip("*") for cells in cells(prose.bases(LEDGER))[2:]}
    assert sorted(rows.values()) == ["", "A", "B", "C", "–"] and rows[prose.NOTHING] == "–"
    assert f"rests on {rows[REAL]}" in prose.table(LEDGER, "described")
    text = prose.in_full(LEDGER)
    assert f"**{rows[REAL]}** {REAL}\n\n- A against B: ✘ *SaFA improves" in text and "; own)" in text
    assert "10,015" not in text, "counts need no remark"


def test_tests_of_all_claims_but_once_for_both_readings():
    rows = cells(prose.tests())[2:]
    assert len(rows) == sum(not claim.id.endswith("-released") for claim in claims.LEDGER)
    assert all(len(row) == 4 and all(row) for row in rows)


@pytest.mark.parametrize("synthetic", [True, False])
def test_rests_on(results_dir, synthetic):
    assert "No runs yet" in prose.rests_on("own")
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",), synthetic=synthetic)
    text = prose.rests_on("own")
    assert "Runs: 1, of 1 arm(s), made on this machine" in text and "CPU, 2 cores (fabricated)" in text
    assert ("**SYNTHETIC" in text) == synthetic
