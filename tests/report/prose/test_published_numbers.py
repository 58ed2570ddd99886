"""What the chapter on the printed numbers says. They are printed, so its sentences are known."""

import pandas as pd
import pytest

from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import published_numbers as prose


@pytest.fixture(scope="module")
def table():
    return Evidence("none", [], {}, tables.TABLES).table


def test_answers(table):
    assert prose.answer(table("grim"), table("f1_bound"), table("power")) == (
        "of the 6 accuracies of the paper with a known test size, 3 are no number of right answers out of 1,103; 5 of "
        "8 printed F1 values exceed what their precision and recall allow; the headline accuracy stands for [88.9, "
        "92.3]; and 4 of the 6 differences in Table 1 looked at have a power below 80%, if errors correlate as "
        "assumed. "
        "None of this says why."
    )
    text = prose.reachable(table("grim"), table("ways_out"))
    assert (
        "MobileNet-v2 (79.03), ResNet50 (84.66), DenseNet-121 (85.89). Only if cut off instead of rounded: (i)" in text
    )
    assert (
        "Of the 6 accuracies stored in the released notebooks, 6 are reachable" in text and "probability 0.11" in text
    )
    text = prose.f1_sentence(table("f1_bound"), pd.DataFrame({"excess": [0.30, -0.8, 0.13]}))
    assert "(i) by 0.195, (ii) by 0.165, (iii) by 0.380, Iqbal et al. by 1.550, Roy et al. by 1.900. So" in text
    assert text.endswith("So do 2 of the 3 results that the authors' notebooks store, by 0.130 to 0.300.")
    text = prose.certainty(table("published_intervals"))
    assert "±2.1 points (DenseNet-121, 85.89%)" in text and "known to ±14 points" in text
    assert "below that lie MobileNet-v2 (79.03), NASNetMobile (69.08), and its interval includes it for Mob" in text
    text = prose.power_sentence(table("power"), table("power_needed"))
    assert "(ii) to (iii) (26%). The step from (ii) to (iii) is 14 images" in text
    assert "4,500 test images, or 8,900 if" in text and "a gain of 22 to 32 points" in text


def test_ways_out_are_a_list(table):
    lines = prose.innocent(table("ways_out")).splitlines()
    assert [line[:6] for line in lines] == ["- *An ", "- *Ano", "- *An "]
    assert "(i): 8, (ii): 1, (iii): 1; one m for all six rows: 8" in lines[0] and "3,925 or more" in lines[1]
    assert "a grid of 0.0058 points" in lines[2] and "any printed value is possible" in lines[2]


def test_tables_for_people(table):
    grim = prose.grim_table(table("grim")).set_index("row")
    assert grim.loc["(i)", ["k, rounded", "k, cut off", "nearest k/n"]].tolist() == ["–", "962", "87.126, 87.217"]
    assert grim.loc["Yao et al.", ["accuracy", "n", "nearest k/n"]].tolist() == ["86.40", "–", "–"]
    line = prose.f1_table(table("f1_bound")).set_index("row").loc["(iii)"]
    assert line[["F1", "(P + R)/2", "F1 minus bound", "above the bound"]].tolist() == [
        "91.17",
        "90.790",
        "+0.380",
        "yes",
    ]
    line = prose.power_table(table("power")).iloc[4]
    assert line["images"] == "14.0" and line["told apart?"] == "only on the same images, at best"
    assert line["images needed"] == "4,500"
    assert prose.elsewhere_table(table("audited_elsewhere"))["reachable by luck"][1] == "8%"
    assert "Of 16 accuracies in these 3 tables 4 are reachable only if cut off" in prose.elsewhere(
        table("audited_elsewhere")
    )
