"""Tables of the printed numbers: same in every profile, and their answers to questions that printing can check."""

import numpy as np
import pytest
from scipy import stats

from wagf_src.paper import published
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence

NAMES = ("grim", "f1_bound", "published_intervals", "power", "ways_out", "power_curves", "power_needed")


@pytest.fixture(scope="module")
def nothing():
    return Evidence("none", [], {}, tables.TABLES)


def test_they_need_no_run_and_say_so(nothing):
    for name in NAMES:
        table = nothing.table(name)
        assert len(table) and table.columns[-1] == "provenance", name
        assert table["provenance"].unique().tolist() == ["published numbers; no data used"]


def test_ways_out_print_the_accuracies(nothing):
    ways = nothing.table("ways_out").set_index(["way", "row"])["value"]
    for row in published.TABLE1:
        n = int(ways["runs", row.row]) * 1103
        prints = {m: {f"{100 * k / (m * 1103):.2f}" for k in range(m * 1103 + 1)} for m in range(1, n // 1103 + 1)}
        assert [m for m in prints if f"{row.accuracy:.2f}" in prints[m]] == [n // 1103]
    assert ways["images", "all"] == 3925 and ways["batches", "all"] == pytest.approx(100 / 17280)


def test_curves_follow_the_normal_approximation_and_grow(nothing):
    curves = nothing.table("power_curves").query("panel == 'images'")
    p, q = 0.9075, 0.8948
    n, power = curves.query("errors == 'unpaired'")[["x", "power"]].to_numpy().T
    normal = stats.norm.cdf((p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / n) - stats.norm.ppf(0.975))
    np.testing.assert_allclose(power[n > 1000], normal[n > 1000], atol=0.01)
    share = p * (1 - q) + q * (1 - p)  # McNemar with independent errors (Connor, 1987)
    n, power = curves.query("errors == 'independent errors'")[["x", "power"]].to_numpy().T
    spread = np.sqrt(share - (p - q) ** 2)
    normal = stats.norm.cdf(((p - q) * np.sqrt(n) - stats.norm.ppf(0.975) * np.sqrt(share)) / spread)
    np.testing.assert_allclose(power[n > 1000], normal[n > 1000], atol=0.02)


def test_what_is_needed_is_where_the_curves_cross(nothing):
    curves, needed = nothing.table("power_curves"), nothing.table("power_needed")
    assert needed["panel"].tolist() == ["images", "gain"] * 2
    for line in needed.itertuples():
        x, power = curves.query("panel == @line.panel and errors == @line.errors")[["x", "power"]].to_numpy().T
        assert np.interp(line.needed, x, power) == pytest.approx(0.8, abs=0.03)
        assert power[x < line.needed].max() < 0.805


def test_three_other_tables(nothing):
    """FixCaps prints k/828 cut off: 745, 774, 796, 799; and 86.82, which is no k/828."""
    lines = nothing.table("audited_elsewhere").set_index("paper")
    assert lines.loc["Lan et al., 2022", ["accuracies", "reachable", "truncated", "not_reachable"]].tolist() == [
        6,
        1,
        4,
        1,
    ]
    for k, printed in ((745, 89.97), (774, 93.47), (796, 96.13), (799, 96.49)):
        assert np.floor(10000 * k / 828) / 100 == printed != round(100 * k / 828, 2)
    assert lines.loc["Datta et al., 2021", ["f1", "f1_violated", "pairs"]].tolist() == [1, 0, 6]
    assert lines.loc["Manzari et al., 2025, DermaMNIST", "luck"] == 1  # one decimal says little on 2,005 images
