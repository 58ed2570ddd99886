"""Sentences and tables of the chapter on speed: numbers are the tables' own, and spreads decide what is said."""

import re

import numpy as np
import pandas as pd
import pytest

from wagf_src import paths
from wagf_src.report.prose import speed
from wagf_src.report.tables.speed import FILES

BENCH = {name: pd.read_csv(paths.ROOT / "results" / "bench" / f"{name}.csv") for name in FILES if name != "peers"}
EMPTY = pd.DataFrame(columns=["provenance"])


def row(case, ratio=None, what="train", pixels=128, **more):
    """A line of a comparison: ``ratio`` as (median, low, high), None for the reference."""
    value, low, high = ratio or (np.nan,) * 3
    return {
        "case": case,
        "what": what,
        "pixels": pixels,
        "batch": 64,
        "backend": "tensorflow",
        "precision": "float32",
        "images": 128,
        "seconds_per_image": 0.01,
        "seconds_low": 0.008,
        "seconds_high": 0.0125,
        "fit_share": np.nan,
        "start_seconds": 4.0,
        "first_seconds": 30.0,
        "peak_mib": 1000,
        "reference": np.nan,
        "ratio": value,
        "ratio_low": low,
        "ratio_high": high,
        "provenance": "HAM10000; machine; versions; commit 1234; load 0.5 at the start",
    } | more


@pytest.mark.parametrize(
    "value, text",
    [(0.5, "500 ms"), (1.64, "1.64 s"), (2, "2 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (np.nan, "–")],
)
def test_durations(value, text):
    assert speed.duration(value) == text


def test_sizes_and_labels():
    assert [speed.memory(n) for n in (36, 1990, 2.5e6, 7.69e8, 5.67e9)] == [
        "36 bytes",
        "1.99 kB",
        "2.5 MB",
        "769 MB",
        "5.67 GB",
    ]
    assert (
        speed.label("mobilenetv2-base, literal") == "MobileNetV2, literal"
        and speed.label("batch of 32") == "batch of 32"
    )


def test_quotient_reaches_as_far_as_both_spreads():
    assert speed.quotient((1.2, 1.0, 1.5), (1.0, 0.8, 1.25)) == pytest.approx((1.2, 0.8, 1.875))


@pytest.mark.parametrize(
    "low, high, at_most, said",
    [
        (1.3, 1.5, False, "met"),
        (1.0, 1.2, False, "missed"),
        (1.2, 1.3, False, "not decided by these rounds"),
        (1.0, 1.2, True, "met"),
        (1.3, 1.5, True, "missed"),
        (1.2, 1.3, True, "not decided by these rounds"),
    ],
)
def test_an_aim_is_judged_by_the_whole_spread(low, high, at_most, said):
    assert speed.aim(low, high, 1.25, at_most) == said


def test_missing_files_are_said_once_each():
    for sentence, frames in (
        (speed.answer, 2),
        (speed.peers, 1),
        (speed.data, 1),
        (speed.literal, 1),
        (speed.epoch, 1),
        (speed.backends, 2),
        (speed.tried, 1),
        (speed.cost, 1),
        (speed.sources, 2),
    ):
        assert sentence(*[EMPTY] * frames) == speed.NOT_MEASURED
    for table in (
        speed.hours,
        speed.peers_table,
        speed.data_table,
        speed.memory_table,
        speed.literal_table,
        speed.epoch_table,
        speed.backends_table,
        speed.tried_table,
        speed.flops_table,
        speed.devices_table,
        speed.derived_table,
        speed.ladder,
    ):
        assert table(EMPTY).empty, table.__name__
    assert speed.arms_table(EMPTY, "train").empty and speed.shown(EMPTY, EMPTY) == (None, None)
    assert speed.provenance(EMPTY) == "" and "Nothing is measured yet" in speed.rests_on(*[EMPTY] * len(FILES))


def test_page_names_machines_loads_and_what_is_missing():
    frames = [BENCH.get(name, EMPTY) for name in FILES]
    text = speed.rests_on(*frames)
    assert text.endswith("Missing: peers.") and "*arms* 0.5" in text and text.count("HAM10000") == 4
    assert speed.provenance(BENCH["arms"]) == BENCH["arms"]["provenance"].iloc[0]


def test_first_screen_has_hours_of_every_profile():
    profiles = BENCH["profiles"]
    text = speed.answer(profiles, BENCH["arms"])
    assert "PyTorch" in speed.not_yet(EMPTY) and not speed.not_yet(BENCH["arms"])
    assert (
        "2.66 h for `frozen`" in text
        and "`released`, come to 380 h on Intel(R)" in text
        and "2.08 h on one A100" in text
    )
    assert "15.1 s to 50.8 s" in text, "the literal form is no arm"
    table = speed.hours(profiles).set_index("profile")
    variants = {"frozen-folds", "lite-folds", "ours-folds", "released-random", "table2-gpu"}
    assert set(table.index) == set(profiles["profile"]) - variants and len(table) <= 10
    assert table.loc["frozen"].tolist() == [51, 160, "4.72 h", "2.66 h", "2.26 min"]
    assert table.loc["paper", "on a CPU, measured"] == "–"
    wide = speed.devices_table(profiles).set_index("profile")
    assert wide.loc["paper", "RTX 3090"] == "3.01 h" and wide.loc["lite", "measured here"] == "2.51 h"


def test_ratios_of_ratios_stand_beside_the_rates_of_their_table():
    """FINDINGS 10.9: 1.11 and 1.03 times stood alone, and disagreed with the rates beside them."""
    text = speed.literal(BENCH["arms"])
    steps = BENCH["arms"][(BENCH["arms"]["what"] == "train") & (BENCH["arms"]["pixels"] == 128)]
    rates = 1 / steps.drop_duplicates("case").set_index("case")["seconds_per_image"]
    fused = "densenet121-wagf-released, literal, fused batch normalisation"
    assert f"(by the rates in the tables {rates['densenet121-base'] / rates[fused]:.2f})" in text
    assert "comes to 1.11 [0.89, 1.33] times that form" in text
    assert "1.05 [0.96, 1.23] at 128 px" in text and "the rounds show no difference" in text
    assert "1.63 [1.51, 1.84] at 128 px" in text and "(aim at 128 px: 1.25, met)" in text
    text = speed.epoch(BENCH["epoch"])
    assert "1.03 [0.97, 1.09] times as fast" in text and "the rounds show no difference" in text
    rates = 1 / BENCH["epoch"].set_index("case")["seconds_per_image"]
    assert f"by the rates in the table, {rates.iloc[1] / rates.iloc[2]:.2f} times" in text
    assert "1.9 [-1.4, 5.4]%" in text and "not decided by these rounds" in text


def test_a_difference_beyond_the_spreads_is_said():
    literal = "densenet121-wagf-released, literal"
    arms = pd.DataFrame(
        [
            row(literal),
            row(f"{literal}, fused batch normalisation", (1.5, 1.4, 1.6), reference=literal),
            row("densenet121-wagf-released", (2.0, 1.9, 2.1), reference=literal),
        ]
    )
    text = speed.literal(arms)
    assert "1.33 [1.19, 1.50] at 128 px" in text and "show a difference at 128 px." in text
    assert "the gain is the normalisation" not in text and "Plain" not in text
    epoch = [row("images ready"), row("ours: x", (0.99, 0.98, 1.0)), row("released loaders", (0.9, 0.89, 0.91))]
    text = speed.epoch(pd.DataFrame(epoch))
    assert "(in every round)" in text and "1.0 [0.0, 2.0]%" in text and "(aim: at most 3%, met)" in text


def test_peers():
    arms = [
        row(f"{arm}, {case}", ratio, first_seconds=first, reference=f"{arm}, PyTorch" if ratio else np.nan)
        for arm in ("mobilenetv2-base", "densenet121-base")
        for case, ratio, first in (
            ("PyTorch", None, 3.0),
            ("ours", (0.9, 0.85, 0.95), 20.0),
            ("PyTorch, compiled", (1.4, 1.3, 1.5), 90.0),
        )
    ]
    text = speed.peers(pd.DataFrame(arms))
    assert "MobileNetV2 at 128 px: ours 0.90 [0.85, 0.95] times as fast (aim: 1, missed)" in text
    assert "DenseNet-121 at 128 px: ours 0.90 [0.85, 0.95] times as fast (aim: 0.8, met)" in text
    assert "PyTorch, compiled 1.40 [1.30, 1.50]; first step 20 s, PyTorch's 3 s" in text
    assert "by a factor of up to 1.6 between its rounds" in text  # 80 to 125 images/s
    table = speed.peers_table(pd.DataFrame(arms))
    assert table.loc[1, "network"] == "MobileNetV2, ours" and table.loc[1, "images/s"] == "100 [80, 125]"
    assert table.loc[0, "times as fast"] == "reference" and table.loc[0, "peak memory"] == "1.05 GB"


def test_data_is_scaled():
    text = speed.data(BENCH["data"])
    cases = BENCH["data"].set_index("case")
    seconds = 52_012 * cases.loc["offline copies on disk", "seconds_per_image"]
    assert f"52,012 files of the offline way would take {seconds:.3g} s" in text and "(aim: 20 s, met)" in text
    assert speed.data_table(BENCH["data"])["bytes, scaled"].tolist()[-1] == "769 MB"


def test_backends_say_what_is_faster_in_every_round():
    text = speed.backends(BENCH["backends"], BENCH["arms"])
    assert "TensorFlow, bfloat16 trains DenseNet-121 + SA + GF + SaFA 1.11 [1.11, 1.14] times" in text
    assert "another commit" in text
    alone = pd.DataFrame([row("mobilenetv2-base"), row("mobilenetv2-base", (1.2, 0.9, 1.3), backend="jax")])
    text = speed.backends(alone, alone)
    assert "nothing trains faster" in text and "another commit" not in text
    assert speed.backends_table(alone)["arm and backend"].tolist() == [
        "MobileNetV2: TensorFlow, float32",
        "MobileNetV2: JAX, float32",
    ]


def test_tried_lists_both_sides():
    tried = [row("as is"), row("a", (2, 1.5, 3)), row("b", (0.5, 0.4, 0.6)), row("c", (1.1, 0.9, 1.2))]
    text = speed.tried(pd.DataFrame(tried))
    assert "of 3 other ways, faster in every round: a (2.00); slower in every round: b (0.50)." in text


def test_arms_by_side():
    table = speed.arms_table(BENCH["arms"], "train").set_index("training step")
    assert not table.index.str.contains("literal").any() and len(table) == 9
    assert table.loc["MobileNetV2", "128 px, times as fast"] == "3.16 [2.99, 3.49]"
    assert table.loc["DenseNet-121", "160 px, times as fast"] == "reference"
    starts = speed.memory_table(BENCH["arms"]).set_index("arm")
    assert starts.loc["DenseNet-121", "128 px: first call (s)"] == "39"
    assert list(starts.columns[1::2]) == [f"{side} px: first call (s)" for side in (128, 160, 256)]
    assert speed.literal_table(BENCH["arms"])["what"].tolist() == ["training"] * 9 + ["inference"] * 9


def test_cost_and_operations():
    flops = BENCH["flops"]
    assert (
        "to the power of 2.00; all modules of the paper together add 3% to plain DenseNet-121 at 160 px"
        in speed.cost(flops)
    )
    assert speed.flops_table(flops).set_index("arm").loc["DenseNet-121", "224 px"] == "5.67"
    assert speed.shown(flops, BENCH["profiles"]) == (160, "A100 (40 GB)")


def test_derived_aims():
    table = speed.derived_table(BENCH["derived"])
    # Half an hour was the aim when a profile ran 25 epochs; the stored notebooks ran 50.
    assert table["met"].tolist() == ["–", "–", "yes", "yes", "–", "no", "–"]
    assert table["aim"].tolist()[2] == "at least 70%" and table["aim"].tolist()[5] == "at most 30 minutes"
    links = re.findall(r"\]\((.*?)\)", speed.sources(BENCH["profiles"], BENCH["derived"]))
    assert len(links) == 3 and all(link.startswith("https://") for link in links)
