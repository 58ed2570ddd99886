"""What the chapter on Equation 1 says, from tables made by hand."""

import pandas as pd
import pytest

from wagf_src.report.prose import equation1 as prose

EXCHANGES = pd.DataFrame(
    {"row": ["(ii)"], "loss": ["focal"], "new": [7e-8], "closed": [float("nan")], "provenance": "x"}
)
WEIGHTS = pd.DataFrame(
    {
        "arm": ["densenet121-sa-gf-described"] * 4 + ["densenet121-sa-gf-described-learned"],
        "seed": [0, 0, 1, 1, 0],
        "fusion": ["eq1"] * 4 + ["learned"],
        "epoch": [1, 2, 1, 2, 1],
        "g_w": [0.5, 0.5, 0.5, 0.5, 0.25],
        "g_sa": [0.5, 0.5, 0.5, 0.5, 0.75],
        "kept": [False, True, True, False, True],
        "provenance": "HAM10000",
    }
)
BRANCH = "densenet121-sa-gf-described"
PAIRS = {
    ("haar", "none"): (BRANCH, "densenet121-sa-described"),
    ("conv", "none"): (f"{BRANCH}-conv", "densenet121-sa-described"),
    ("haar", "conv"): (BRANCH, f"{BRANCH}-conv"),
    ("pool", "none"): (f"{BRANCH}-pool", "densenet121-sa-described"),
}


def branches(provenance="HAM10000", seeds=3, model="(ii), DenseNet-121", **signs):
    """Differences of 2 points with intervals that lie on the side that is asked for, or hold 0."""
    lines = []
    for pair, sign in signs.items():
        arms = PAIRS[tuple(pair.split("_"))]
        lines.append((model, *arms, 2.0 * sign, 2.0 * sign - 1, 2.0 * sign + 1, seeds))
    frame = pd.DataFrame(lines, columns=["model", "arm_a", "arm_b", "difference", "low", "high", "n_seeds"])
    return frame.assign(provenance=provenance)


def test_answer_says_what_was_measured_and_recorded():
    text = prose.answer(EXCHANGES, EXCHANGES.assign(new=3e-7), WEIGHTS, branches())
    assert "measured to 7e-08; over 4 epochs of 2 runs they were exactly one half" in text
    assert "converted weights to 3e-07" in text and "needs controls" in text
    off = prose.answer(EXCHANGES, EXCHANGES, WEIGHTS.assign(g_w=0.52), branches())
    assert "never further than 0.02 from one half" in off
    none = prose.answer(EXCHANGES, EXCHANGES, WEIGHTS[WEIGHTS["fusion"] == "learned"], branches())
    assert "epochs" not in none
    assert "contradicts the proofs" in prose.answer(EXCHANGES.assign(new=0.1), EXCHANGES, WEIGHTS, branches())


def test_differences_are_powers_of_ten():
    assert prose.differences(EXCHANGES).iloc[0].tolist() == ["(ii)", "focal", "7e-08", "–"]


def test_orbit_by_hand():
    lines = [(0.0, 0.2, t, (0.2, 0.8)[t % 2] + (t == 4) * 1e-3, (0.2, 0.8)[t % 2]) for t in range(5)]
    lines += [(0.9, 0.2, t, 0.4, 0.4) for t in range(5)]
    text = prose.orbit(pd.DataFrame(lines, columns=["momentum", "start", "step", "g_w", "formula"]))
    assert "back where it was (to 1e-03)" in text and "follow the formula to 1e-03" in text
    assert "one half by 0e+00 at most" in text


def test_weights_of_each_seed():
    table = prose.weights_table(WEIGHTS).set_index("fusion")
    column = "g(F_w) of each seed in the epoch kept"
    assert table[column].to_dict() == {"Equation 1": "0.500, all alike", "learned": "0.250"}
    assert table["furthest from 1/2 in any epoch"].tolist() == ["0", "0.25"] and table["seeds"].tolist() == [2, 1]


def test_readings_name_the_end_and_the_excursion():
    courses = {("eq1", "a"): [0.5, 0.5], ("eq1", "b"): [0.5, 0.5], ("learned", "a"): [0.5, 0.1]}
    courses["learned", "b"] = [0.5, 0.9, 0.2]
    lines = [(*key, step, g) for key, course in courses.items() for step, g in enumerate(course)]
    table = prose.readings_table(pd.DataFrame(lines, columns=["fusion", "case", "step", "g_w"]))
    assert table.to_numpy().tolist() == [["Equation 1", "0.50", "0.50"], ["learned", "0.10", "0.20 (after 0.90)"]]


def test_controls_by_hand():
    table = pd.DataFrame(
        {"branch": ["haar", "conv", "pool"], "parameters": [9000, 5000, 70], "spread": [0.1, 2.0, 1.0]}
    )
    text = prose.controls(table)
    assert "9,000 parameters with Haar, 5,000 with the convolution (4,000 were redundant) and 70" in text
    assert "20 times smaller" in text


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        ({"haar_conv": 1, "conv_none": 1}, "better than the layer without it, which is better than none"),
        ({"haar_conv": 0, "conv_none": 1}, "not shown to differ from the layer without it, which is better than none"),
        ({"haar_conv": -1, "conv_none": 0}, "worse than the layer without it, which is not shown to help"),
        ({"haar_conv": 0, "conv_none": -1}, "not shown to differ from the layer without it, which is worse than none"),
        ({"haar_conv": 1}, "the wavelet is better than the layer without it** ("),
        ({"pool_none": 1}, "this cannot be told"),
    ],
)
def test_wavelet_or_layer(signs, said):
    text = prose.wavelet_or_layer(branches(**signs))
    assert said in text and "noise" not in text and "synthetic" not in text
    if "haar_conv" in signs:
        assert f"wavelet minus convolution {2.0 * signs['haar_conv']:+.1f} [" in text and "3 seeds" in text


def test_one_seed_and_synthetic_images_are_said():
    text = prose.wavelet_or_layer(branches("SYNTHETIC; 64 px", seeds=1, haar_conv=1))
    assert "the noise of training is not in the intervals" in text and "images are synthetic" in text


def test_pairs_are_labelled():
    pairs = prose.branch_pairs(branches(model="(ii), DenseNet-121, as released", haar_none=1, haar_conv=0))
    assert pairs["label"].tolist() == [
        "(ii): wavelet against no branch (as released)",
        "(ii): wavelet against convolution (as released)",
    ]
    assert pairs[["a", "b"]].to_numpy().tolist() == [["haar", "none"], ["haar", "conv"]]
