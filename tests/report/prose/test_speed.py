"""Sentences and tables of the chapter on speed: numbers are the tables' own, and spreads decide what is said."""

import re

import numpy as np
import pandas as pd
import pytest

from wagf_src import paths
from wagf_src.report.prose import speed
from wagf_src.report.tables.speed import FILES, MEASURED

BENCH = {name: pd.read_csv(paths.ROOT / "results" / "bench" / f"{name}.csv") for name in FILES if name != "peers"}
EMPTY = pd.DataFrame(columns=["provenance"])
HOURS = {"frozen": 2.66289, "lite": 2.51025}


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
    [
        (0.5, "500 ms"),
        (1.64, "1.64 s"),
        (2, "2 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (3600 * 999.8, "1,000 h"),
        (np.nan, "–"),
    ],
)
def test_durations(value, text):
    assert speed.duration(value) == text


def test_no_number_has_an_exponent():
    """Three digits of 999.7 are 1,000, and four of 12,345 images/s are not 1.234e+04."""
    assert [speed.number(value) for value in (999.4, 999.7, 1000, 12_345)] == ["999", "1,000", "1,000", "12,345"]
    assert speed.number(999.7, 4) == "999.7" and speed.memory(9.997e8) == "1,000 MB"
    fast = row("mobilenetv2-base", seconds_per_image=1 / 12_345, seconds_low=1 / 13_000, seconds_high=1 / 12_000)
    assert speed.arms_table(pd.DataFrame([fast]), "train")["128 px, images/s"].item() == "12,345"


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
    counted = BENCH["profiles"]
    took = {"basis": MEASURED, "device": "AMD EPYC, CPU, 2 cores"}
    rows = [counted[counted["profile"] == name].iloc[[0]].assign(hours=h, **took) for name, h in HOURS.items()]
    profiles = pd.concat([counted, *rows], ignore_index=True)
    text = speed.answer(profiles, BENCH["arms"])
    assert "PyTorch" in speed.not_yet(EMPTY) and not speed.not_yet(BENCH["arms"])
    assert (
        "2.66 h for `frozen`" in text
        and "`released`, come to 380 h on Intel(R)" in text
        and "2.08 h on one A100" in text
    )
    assert "15.1 s to 50.8 s" in text, "the literal form is no arm"
    steps = [("a, PyTorch", 2.0), ("a, ours", 4.6), ("b, ours", 10.2), ("b, ours on PyTorch", 30.0), ("c, ours", 7.0)]
    newest = pd.DataFrame([row(case, first_seconds=seconds) for case, seconds in steps])
    newest = pd.concat([newest, pd.DataFrame([row("b, ours", what="predict", first_seconds=1.0)])])
    assert "4.6 s to 10.2 s" in speed.answer(profiles, newest)
    table = speed.hours(profiles).set_index("profile")
    variants = {"frozen-folds", "lite-folds", "ours-folds", "released-random", "table2-gpu"}
    assert set(table.index) == set(profiles["profile"]) - variants and len(table) <= 10
    assert table.loc["frozen"].tolist() == [51, 160, "4.72 h", "2.66 h", "2.26 min"]
    assert table.loc["paper", "on a CPU, measured"] == "–"
    wide = speed.devices_table(profiles).set_index("profile")
    assert wide.loc["paper", "RTX 3090"] == "3.01 h" and wide.loc["lite", "measured here"] == "2.51 h"
    trained = profiles.set_index("profile").loc["frozen-folds", "training_images"].iloc[0]
    assert trained == 7_597_800 and wide.loc["frozen-folds", "images trained on (million)"] == "7.6"


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
    epoch[2]["seconds_per_image"] = 0.014
    text = speed.epoch(pd.DataFrame(epoch))
    assert "(in every round)" in text and "1.0 [0.0, 2.0]%" in text and "(aim: at most 3%, met)" in text
    assert "by the rates in the table, 1.40 times" in text  # 0.014 / 0.010 s


def test_a_difference_to_our_harm_is_one_too():
    literal = "densenet121-wagf-released, literal"
    fused = row(f"{literal}, fused batch normalisation", (2.0, 1.9, 2.1), reference=literal)
    text = speed.literal(pd.DataFrame([row(literal), fused, row(literal[:-9], (1.5, 1.4, 1.6), reference=literal)]))
    assert "0.75 [0.67, 0.84] at 128 px" in text and "show a difference at 128 px." in text
    epoch = [row("images ready"), row("ours: x", (0.8, 0.79, 0.81)), row("released loaders", (0.9, 0.89, 0.91))]
    assert "(in every round)" in speed.epoch(pd.DataFrame(epoch))


def test_shares_of_an_epoch_are_percent():
    lines = [row("images ready", fit_share=0.98), row("ours: x", (0.99, 0.98, 1.0))]
    table = speed.epoch_table(pd.DataFrame(lines))
    assert table["share of the epoch within fit (%)"].tolist() == ["98.0", "–"]
    assert table["share of the epoch that the input takes (%)"].tolist() == ["–", "1.0 [0.0, 2.0]"]


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


def test_peers_are_compared_on_one_side_and_in_training():
    """Another side and inference have rows of their own, and only PyTorch's rounds are PyTorch's pace."""
    ours, theirs = "mobilenetv2-base, ours", "mobilenetv2-base, PyTorch"
    lines = [
        row(theirs, first_seconds=3.0),
        row(ours, (0.9, 0.85, 0.95), first_seconds=20.0, reference=theirs, seconds_high=0.08),
        row(theirs, pixels=160, first_seconds=5.0, seconds_high=0.02),
        row(ours, (1.2, 1.1, 1.3), pixels=160, first_seconds=30.0, reference=theirs),
        row(theirs, what="predict", seconds_high=0.8),
        row(ours, (7.0, 6.0, 8.0), what="predict", reference=theirs),
    ]
    text = speed.peers(pd.DataFrame(lines))
    assert "128 px: ours 0.90 [0.85, 0.95] times as fast (aim: 1, missed), none; first step 20 s, PyTorch's 3 s" in text
    assert "160 px: ours 1.20 [1.10, 1.30] times as fast (aim: 1, met), none; first step 30 s, PyTorch's 5 s" in text
    assert "7.00" not in text and "factor of up to 2.5 between" in text  # 0.02 / 0.008 s


def test_data_by_hand():
    about = {"what": "copies", "scaled_to": 50_000, "bytes_per_image": 36}
    lines = [
        row("offline copies on disk", seconds_per_image=0.002, **about | {"bytes_per_image": 4000}),
        row("virtual copies", (2.0, 1.0, 3.0), seconds_per_image=1e-6, **about),
        row("decoding all images, once", what="store", seconds_per_image=0.003, scaled_to=1000, bytes_per_image=7e4),
        row(
            "decoded store, resampled on the device",
            (0.4, 0.3, 0.5),
            what="read",
            seconds_per_image=0.004,
            scaled_to=1000,
            bytes_per_image=0,
        ),
    ]
    frame = pd.DataFrame(lines)
    text = speed.data(frame)
    assert "50,000 files of the offline way would take 100 s and 200 MB of disk" in text
    assert "as virtual copies they take 50 ms and 1.8 MB" in text
    assert "at 250 images/s; the released loaders read files, which they do not transform any more, 2.5 times" in text
    assert "decoded once, in 3 s (aim: 20 s, met)" in text
    table = speed.data_table(frame)
    assert table["time, scaled"].tolist() == ["100 s", "50 ms", "3 s", "4 s"]
    assert table["bytes, scaled"].tolist() == ["200 MB", "1.8 MB", "70 MB", "–"]


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


def test_of_several_faster_backends_the_fastest_is_named():
    found = [row("mobilenetv2-base"), *(row("mobilenetv2-base", (1.1, 1.05, 1.2), backend=b) for b in ("jax", "torch"))]
    found[1] |= {"ratio": 1.5, "ratio_high": 1.6}
    text = speed.backends(pd.DataFrame(found), pd.DataFrame(found))
    assert "JAX, float32 trains MobileNetV2 1.50 [1.05, 1.60] times as fast" in text and "PyTorch" not in text


def test_tried_lists_both_sides():
    tried = [row("as is"), row("a", (2, 1.5, 3)), row("b", (0.5, 0.4, 0.6)), row("c", (1.1, 0.9, 1.2))]
    tried += [row("d", (4, 3, 5)), row("e", (0.1, 0.1, 0.2))]
    text = speed.tried(pd.DataFrame(tried))
    assert "of 5 other ways, faster in every round: d (4.00), a (2.00); slower" in text, "the fastest first"
    assert "slower in every round: e (0.10), b (0.50)." in text, "the slowest first"


def test_arms_by_side():
    table = speed.arms_table(BENCH["arms"], "train").set_index("training step")
    assert not table.index.str.contains("literal").any() and len(table) == 9
    assert table.loc["MobileNetV2", "128 px, times as fast"] == "3.16 [2.99, 3.49]"
    assert table.loc["DenseNet-121", "160 px, times as fast"] == "reference"
    starts = speed.memory_table(BENCH["arms"]).set_index("arm")
    assert starts.loc["DenseNet-121", "128 px: first call (s)"] == "39"
    assert list(starts.columns[1::2]) == [f"{side} px: first call (s)" for side in (128, 160, 256)]
    assert speed.literal_table(BENCH["arms"])["what"].tolist() == ["training"] * 9 + ["inference"] * 9


def test_arms_and_memory_by_hand():
    """Rates are those of the median, and the time to a network is the median over its sides."""
    lines = [row("mobilenetv2-base", pixels=side, start_seconds=s) for side, s in ((128, 4), (160, 5), (256, 9))]
    table = speed.arms_table(pd.DataFrame(lines), "train")
    assert table[["128 px, images/s", "256 px, images/s"]].to_numpy().tolist() == [["100", "100"]]
    assert speed.memory_table(pd.DataFrame(lines))["to the network (s)"].tolist() == ["5.0"]


def test_operations_of_training_grow_by_hand():
    """From 64 to 128 px eight times as many in training: the power is 3, whatever one image forward takes."""
    about = {"arm": "mobilenetv2-base", "parameters": 2_000_000, "provenance": "here"}
    frame = pd.DataFrame(
        about | {"pixels": side, "flops_training": t, "flops_forward": 1e9} for side, t in ((64, 1e9), (128, 8e9))
    )
    assert "to the power of 3.00" in speed.cost(frame)
    table = speed.flops_table(frame)
    assert table["parameters (million)"].item() == "2.00" and table["128 px"].item() == "1"


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
    assert table["derived value"].tolist()[2] == "99.6%" and table["derived value"].tolist()[5] == "52.21 minutes"
    links = re.findall(r"\]\((.*?)\)", speed.sources(BENCH["profiles"], BENCH["derived"]))
    assert len(links) == 3 and all(link.startswith("https://") for link in links)
