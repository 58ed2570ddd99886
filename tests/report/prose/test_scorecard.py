"""What the scorecard shows, from a ledger made by hand and from a profile without runs."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src.paper import claims
from wagf_src.paper.claim_tests import AGREES, CONTRADICTED, DIFFERS, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from wagf_src.report.prose import scorecard as prose

ELSEWHERE = "on DenseNet-121 (`a`, 1 seed): +1.0 [+0.5, +1.5], p = 0.010; on MobileNetV2 (`b`, 5 seeds): -1.0"
NAN = np.nan
LINES = [
    (
        "safa-described",
        1.27,
        -1.2,
        3.8,
        -0.04,
        -1,
        0.9,
        0.4,
        NOT_REPRODUCED,
        "[ablation](ablation.ipynb): A; own",
        ELSEWHERE,
    ),
    (
        "accuracy-released",
        90.75,
        88.9,
        92.3,
        *[NAN] * 4,
        NOT_TESTABLE,
        "[x](x.ipynb): not the paper's conditions (so)",
        "",
    ),
    ("wavelet", *[NAN] * 3, 0, *[NAN] * 3, CONTRADICTED, "[equation1](equation1.ipynb): adds nothing; more", ""),
    ("images", 10015, NAN, NAN, 10015, *[NAN] * 3, AGREES, "[protocol](protocol.ipynb)", ""),
    ("classes", 7, NAN, NAN, 6, *[NAN] * 3, DIFFERS, "[protocol](protocol.ipynb)", ""),
]
COLUMNS = ["id", "paper_value", "paper_low", "paper_high", "our_value", "ci_low", "ci_high", "p_holm", "verdict"]
KNOWN = {claim.id: claim for claim in claims.LEDGER}
LEDGER = pd.DataFrame(LINES, columns=[*COLUMNS, "evidence", "elsewhere"]).replace({"elsewhere": {"": NAN}})
for name in ("part", "claim", "section", "unit"):
    LEDGER[name] = [getattr(KNOWN[claim], name) for claim in LEDGER["id"]]
BASE, FUSED, FULL = (f"mobilenetv2-{name}" for name in ("base", "sa-gf-described", "wagf-described"))
STEPS = pd.DataFrame(
    [
        ("a", "ladder", "SaFA", FULL, FUSED, 1.0, 0.2, 1.8, 0.03),
        ("b", "ladder", "SaFA", FULL, FUSED, 1.0, 0.2, 1.8, 0.30),
        ("b", "reading", "described against released", FULL, FULL, 1.0, 0.2, 1.8, 0.01),
    ],
    columns=["profile", "kind", "comparison", "arm_a", "arm_b", "difference", "ci_low", "ci_high", "p_holm"],
).assign(condition="end to end")


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_answer_tallies_claims_and_counts_apart():
    text = prose.answer(LEDGER, STEPS)
    assert text.startswith(
        "of 3 claims (2 different ones, 1 of them asked of both readings of the model), 0 reproduced, 1 not "
        "reproduced, 1 contradicted by construction, 1 not testable here. Of 2 counts of files and images, which are "
        "no claims about the model, 1 agrees, 1 differs.\n\nIn the strongest condition, a: end to end, 1 of 1 steps "
        "are shown. Of 2 steps of ladders and between backbones, in all conditions, 1 is shown: SaFA, +1.0 [+0.2, "
        "+1.8] (`a`)."
    )
    assert "*Not reproduced:* SaFA improves accuracy: (iii) over (ii) (as described)." in text
    assert "*Not testable" not in text and "HAM10000" not in text
    undecided = prose.answer(LEDGER[1:], STEPS[1:])
    assert "No condition at hand can decide a claim about modules or backbones" in undecided
    assert "1 steps of ladders and between backbones, in all conditions, 0 are shown." in undecided
    assert "steps" not in prose.answer(LEDGER, STEPS[:0])


def test_every_claim_stands_in_one_table():
    (row,) = cells(prose.table(LEDGER, "described"))[2:]
    assert row == [
        "SaFA improves accuracy: (iii) over (ii) (3.2, Table 1)",
        "+1.27 points [-1.2, 3.8]",
        '<span class="verdict not-reproduced">✘ not reproduced</span><br>ours: +0.0 points [-1.0, 0.9], p = 0.400<br>'
        "[ablation](ablation.ipynb): A",
        ELSEWHERE.replace("; ", "<br>"),
    ]
    (row,) = cells(prose.table(LEDGER, "released"))[2:]
    assert row[1] == "90.75% [88.9, 92.3]" and row[3] == "–"
    assert row[2].endswith("? not testable here</span><br>[x](x.ipynb): not the paper's conditions")
    (row,) = cells(prose.table(LEDGER))[2:]
    assert row[1] == "–" and "ours: largest difference: 0<br>[equation1](equation1.ipynb): adds nothing" in row[2]


def test_counts_say_what_agreement_says():
    rows = cells(prose.counts(LEDGER))[2:]
    assert rows[0][1:3] == ["10,015", "10,015"] and "= agrees" in rows[0][3] and rows[0][4] == "a fact of HAM10000"
    assert rows[1][1:3] == ["7", "6"] and "≠ differs" in rows[1][3]


def test_conditions():
    frame = pd.DataFrame(
        {"profile": ["a"], "runs": 3, "nearest_arm": "HAM10000; 96 px", "obstacle": [NAN], "departures": "epochs"}
    )
    assert cells(prose.conditions(frame))[2] == ["`a`", "3", "HAM10000; 96 px", "nothing", "epochs"]
    assert prose.conditions(frame[:0]) == "No runs are at hand, of any profile."


def test_tests_of_all_claims_but_once_for_both_readings():
    rows = cells(prose.tests())[2:]
    assert len(rows) == sum(claim.part == "claims" and claim.reading != "released" for claim in claims.LEDGER)
    assert all(len(row) == 4 and all(row) for row in rows)
    assert any("after values had been seen" in row[3] for row in rows)


def test_every_verdict_has_its_mark():
    for verdict in (REPRODUCED, NOT_REPRODUCED, CONTRADICTED, NOT_TESTABLE, AGREES, DIFFERS):
        assert verdict in prose.mark(verdict)


@pytest.mark.parametrize("synthetic", [True, False])
def test_rests_on(results_dir, synthetic):
    assert "No runs of this profile yet" in prose.rests_on("own")
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",), synthetic=synthetic)
    text = prose.rests_on("own")
    assert "\n\n1 run of 1 arm, made on this machine" in text and "CPU, 2 cores (fabricated)" in text
    assert ("**SYNTHETIC" in text) == synthetic


def test_what_one_seed_shows_is_said_to_be_of_those_networks():
    one, several = "end to end; n = 1,103; one seed", "end to end; n = 1,103; 3 seeds"
    warning = "is shown of those networks, not of training such networks."
    assert prose.answer(LEDGER, STEPS.assign(condition=[one, several, several])).count(warning) == 1
    # Condition b shows nothing, so its one seed needs no warning.
    assert warning not in prose.answer(LEDGER, STEPS.assign(condition=[several, one, one]))


def test_what_the_steps_that_are_shown_share_is_said():
    share, none = "add the fusion with its branch, wavelet and all", "steps trained end to end, none is shown"
    assert share not in prose.answer(LEDGER, STEPS) and none not in prose.answer(LEDGER, STEPS), "SaFA, end to end"
    fused = STEPS.assign(arm_b=BASE, condition=["frozen", "end to end", "end to end"])
    text = prose.answer(LEDGER, fused)
    assert f"(`a`). It adds{share.removeprefix('add')}. Of the 1 {none}." in text
    both = prose.answer(LEDGER, fused.assign(p_holm=0.01, condition="frozen"))
    assert f"All of these {share}." in both and none not in both
    mixed = prose.answer(LEDGER, fused.assign(p_holm=0.01, arm_b=[BASE, FUSED, BASE]))
    assert share not in mixed and none not in mixed, "one of those shown is a step of SaFA, and is trained end to end"
    assert none not in prose.answer(LEDGER, fused.assign(p_holm=0.5)), "nothing is shown"


def test_a_single_run_on_generated_images_is_warned_of(results_dir):
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",), synthetic=False)
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-sa-described",), synthetic=True)
    text = prose.rests_on("own")
    assert "2 runs of 2 arms" in text and "**SYNTHETIC: the images are generated." in text
