"""Sentences on which 30% validated, and the profiles that follow the verdict."""

import pandas as pd
import pytest

from wagf_src.paper import which30
from wagf_src.profile import load_profile
from wagf_src.report import tables
from wagf_src.report.evidence import collect
from wagf_src.report.prose import which30 as prose

COLUMNS = ["name", "stored", "training", "validation", "gap", "fits"]
OURS = [("which30-names", False, 0.9, 0.6, 0.3, ""), ("which30-random", False, 0.9, 0.91, -0.01, "")]


def made(*fits, ours=2):
    logs = [(f"m{k}", True, 0.99, 0.5, 0.4 + 0.1 * k, fit) for k, fit in enumerate(fits)]
    return pd.DataFrame(OURS[:ours] + logs, columns=COLUMNS)


@pytest.mark.parametrize(
    ("fits", "ours", "said"),
    [
        (("which30-names",) * 2, 2, "**The verdict: by file name.** All 2 logs"),
        (
            ("which30-names", "which30-random"),
            2,
            "**The verdict is open**: logs that fit by file name: 1, at random: 1.",
        ),
        (("", ""), 1, "**Not run yet**: `which30-random`"),
        (("", ""), 0, "**Not run yet**: `which30-names` and `which30-random`"),
    ],
)
def test_result(fits, ours, said):
    text = prose.result(made(*fits, ours=ours))
    assert said in text and text.startswith("In the 2 stored trainings validation accuracy lies 40 to 50 points below")
    if ours:
        assert "ours ends at 90.0% on training and 60.0% on validation files, +30.0 points apart: as expected." in text


def test_profiles_follow_the_verdict():
    """Once the two runs are at hand, ``paper`` and ``released`` validate as the verdict says."""
    verdict = which30.verdict(collect("demo", tables.TABLES).table("which30"))
    wanted = which30.VALIDATION.get(verdict, "copies")
    assert {load_profile(name).validation for name in prose.PROFILES} == {wanted}
