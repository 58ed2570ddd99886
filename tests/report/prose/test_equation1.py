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
        "run": ["a", "a", "b", "b", "c"],
        "profile": "lite",
        "condition": "here",
        "fusion": ["eq1"] * 4 + ["learned"],
        "epoch": [1, 2, 1, 2, 1],
        "g_w": [0.5, 0.5, 0.5, 0.5, 0.25],
        "g_sa": [0.5, 0.5, 0.5, 0.5, 0.75],
        "kept": [False, True, True, False, True],
        "provenance": "HAM10000",
    }
)
SA, GF = "mobilenetv2-sa-described", "mobilenetv2-sa-gf-described"
ARMS = {"none": SA, "haar": GF, "conv": f"{GF}-conv", "pool": f"{GF}-pool"}


def branches(condition="MobileNetV2, frozen, 160 px; n = 1,103; 3 seeds", seeds=3, **signs):
    """Differences of 2 points, of which those with the sign 0 are not shown, whatever their intervals say."""
    lines = []
    for pair, sign in signs.items():
        a, b = pair.split("_")
        lines.append(
            (
                "frozen",
                condition,
                a,
                b,
                ARMS[a],
                ARMS[b],
                2.0 * (sign or 1),
                1.0,
                3.0,
                seeds,
                0.2 if sign == 0 else 0.01,
            )
        )
    columns = ["profile", "condition", "branch_a", "branch_b", "arm_a", "arm_b", "difference", "ci_low", "ci_high"]
    return pd.DataFrame(lines, columns=[*columns, "n_seeds", "p_holm"]).assign(p=0.01, provenance="HAM10000")


def test_answer_says_what_was_measured_and_recorded():
    text = prose.answer(EXCHANGES, EXCHANGES.assign(new=3e-7), WEIGHTS, branches())
    assert "measured to 7 · 10<sup>-8</sup>; over 4 epochs of 2 runs they were exactly one half" in text
    assert "converted weights to 3 · 10<sup>-7</sup>" in text and "needs controls" in text
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
    assert "back where it was (to 0.001)" in text and "follow the formula to 0.001" in text
    assert "one half by 0 at most" in text


def test_weights_of_each_arm():
    table = prose.weights_table(WEIGHTS).set_index("fusion")
    assert table["g(F_w) in the epochs kept"].to_dict() == {"Equation 1": "0.500", "learned": "0.250"}
    assert table["furthest from 1/2 in any epoch"].tolist() == ["0", "0.25"] and table["runs"].tolist() == [2, 1]
    moved = WEIGHTS.assign(g_w=[0.5, 0.4, 0.6, 0.5, 0.25])
    assert prose.weights_table(moved)["g(F_w) in the epochs kept"].iloc[0] == "0.400 to 0.600"


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
        (
            {"conv_haar": 1, "conv_none": 1},
            "place is better than it; the branch with the convolution is better than none",
        ),
        (
            {"conv_haar": 0, "haar_none": 1},
            "place is not shown to differ from it; the branch with the wavelet is better",
        ),
        ({"conv_haar": -1}, "a strided convolution in the wavelet's place is worse than it** ("),
        ({"pool_none": 0}, "**the branch with pooling is not shown to differ from none**"),
    ],
)
def test_wavelet_or_layer(signs, said):
    text = prose.wavelet_or_layer(branches(**signs))
    assert said in text and "MobileNetV2, frozen, 160 px; n = 1,103; 3 seeds: **" in text
    assert "noise" not in text and "SYNTHETIC" not in text
    if "conv_haar" in signs:
        assert "convolution minus wavelet" in text and f"p = {0.2 if not signs['conv_haar'] else 0.01:.3f}" in text


def test_one_seed_and_synthetic_images_are_said():
    text = prose.wavelet_or_layer(branches("SYNTHETIC, end to end, 64 px; n = 9; one seed", seeds=1, conv_haar=1))
    assert "the noise of training is not in the intervals" in text and "SYNTHETIC images show how" in text


def test_pairs_are_drawn_with_their_corrected_p():
    pairs = prose.branch_pairs(branches(haar_none=1, conv_haar=0))
    assert pairs["label"].tolist() == ["wavelet against no branch", "convolution against wavelet"]
    assert pairs["p"].tolist() == [0.01, 0.2] and pairs["series"].iloc[0].startswith("frozen: MobileNetV2")


def test_both_weights_of_equation_1_are_held_against_one_half():
    text = prose.answer(EXCHANGES, EXCHANGES, WEIGHTS.assign(g_sa=[0.5, 0.47, 0.5, 0.5, 0.75]), branches())
    assert "over 4 epochs of 2 runs they were never further than 0.03 from one half" in text


def test_weights_are_those_of_the_epochs_kept():
    """Epochs 2 and 3 of four are kept."""
    moved = prose.weights_table(WEIGHTS.assign(g_w=[0.1, 0.4, 0.6, 0.9, 0.25])).iloc[0]
    assert moved["g(F_w) in the epochs kept"] == "0.400 to 0.600"
    assert moved["furthest from 1/2 in any epoch"] == "0.4"


def test_one_condition_with_one_seed_is_enough_to_say_so():
    rows = branches(conv_haar=1, haar_none=1).assign(n_seeds=[1, 3])
    assert "With one seed an arm, the noise of training is not in the intervals." in prose.wavelet_or_layer(rows)
