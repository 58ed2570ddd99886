"""Sentences of the protocol chapter from the committed tables and from made-up seeds."""

import pandas as pd
import pytest

from wagf_src import paths
from wagf_src.report.prose import protocol as prose
from wagf_src.report.tables.protocol import NAMED

COUNTS, LEAKAGE = (pd.read_csv(paths.REFERENCE_DIR / "protocol" / f"{n}.csv") for n in ("protocol_counts", "leakage"))
SIBLINGS = pd.DataFrame(
    {
        "class": ["df", "mel", "nv", "total"],
        "most_photographs": [3, 4, 6, 6],
        "expected": [0.5, 0.683, 0.3, 0.389],
        "lowest": [0.4, 0.636, 0.2, 0.369],
        "highest": [0.6, 0.712, 0.4, 0.399],
        "photographs_trained": [0, 0, 3416, 3416],
    }
)
SEEDS = pd.DataFrame(
    {
        "seed": [0, 1, 2, 3, 300],
        "used": [False, False, True, False, False],
        "holds_named": [False, True, True, False, True],
        "n_test": 1103,
        "pairs_divided": [9, 4, 2, 9, 9],
        "pairs_inside": [0, 1, 1, 0, 0],
        "id_digest": "3be35fb992caab61",
    }
)


def compared(*fits):
    """Table which30 of our two runs and of logs that fit them; without logs, of no run."""
    ours = [("which30-names", False, 0.3, ""), ("which30-random", False, 0.0, "")] if fits else []
    lines = ours + [("m", True, 0.4, fit) for fit in fits or ("",)]
    return pd.DataFrame(lines, columns=["name", "stored", "gap", "fits"])


SYNTHETIC = COUNTS.assign(provenance="SYNTHETIC: metadata of 382 images; test seed 12")


def test_answer_counts_what_comes_out_to_the_image():
    text = prose.answer(COUNTS, LEAKAGE, compared())
    assert text.startswith("10 of the 10 counts that the released notebooks print and 3 of the paper's 3 exact counts")
    assert (
        "the paper's 52,000 augmented files are 52,012, rounded. 80.1% of the test images are nv, against 66.9%" in text
    )
    assert "0.2% of the test images" in text and "90.4% of the validation files" in text and "21.8% of" in text
    assert text.endswith("Which it was, is not tested yet.")
    assert prose.answer(COUNTS, LEAKAGE, compared("which30-names")).endswith(
        "but 21.8% of the validation files, taken by name, show a photograph that trains too, 61.4% a lesion: the rule "
        "that the stored logs fit."
    )
    assert "but 90.4% of the" in prose.answer(COUNTS, LEAKAGE, compared("which30-random"))
    assert prose.answer(COUNTS, LEAKAGE, compared("which30-random", "which30-names")).endswith("Which it was, is open.")
    off = COUNTS.assign(count=COUNTS["count"] + (COUNTS["quantity"] == "training files"))
    assert prose.answer(off, LEAKAGE, compared()).startswith("9 of the 10")
    assert prose.answer(SYNTHETIC, LEAKAGE, compared()).startswith("synthetic metadata say nothing")
    others = COUNTS.assign(provenance="HAM10000's images under other labels: metadata of 10,015 images; test seed 12")
    said = "the metadata are not HAM10000's (HAM10000's images under other labels), so they say nothing about the paper"
    assert prose.answer(others, LEAKAGE, compared()).startswith(said)


def test_the_page_says_what_it_rests_on():
    assert prose.rests_on(COUNTS, SIBLINGS) == f"**This page rests on:** {COUNTS['provenance'][0]}."
    assert "tables are the committed ones" in prose.rests_on(COUNTS, SIBLINGS[:0])


def test_tables_for_people():
    shown = prose.counts_shown(COUNTS).set_index("quantity").astype(object)
    assert shown.loc["augmented files", ["total", "paper"]].tolist() == ["52,012", "52,000"]
    assert shown.loc["training files", "released notebooks"] == "36,411" and pd.isna(shown.loc["lesions", "paper"])
    pools = prose.pools(COUNTS).set_index("a fifth of")
    assert pools.loc["lesions photographed once", ["of", "test images, rounded up", "nv"]].tolist() == [
        "5,514",
        "1,103",
        "883.0",
    ]
    assert (pools.loc["drawn here"] == pools.loc["released notebooks"]).all()
    leakage = prose.leakage_shown(LEAKAGE)
    assert (
        leakage.iloc[0][["siblings by", "nv", "total"]].tolist() == ["photograph", "37.9", "90.4"] and len(leakage) == 8
    )


def test_test_rule():
    text = prose.test_rule(COUNTS, SIBLINGS)
    assert text.startswith("Only the 5,514 lesions that were photographed once give 1,103 images")
    # 10,015 - 5,514 images of 7,470 - 5,514 lesions.
    assert "the 4,501 images (45%) of 1,956 lesions" in text and "(2.3 photographs each on average, 6 at most)" in text
    assert prose.test_rule(SYNTHETIC, SIBLINGS[:0]).startswith("The same rule applied here draws 1,103 of 5,514")


def test_seeds():
    text = prose.seed(SEEDS)
    assert text.startswith(f"{NAMED} is in the test set of 2 of the seeds 0 to 299") and "first of 1, 2." in text
    assert "seed 2, one of them. Seed 101" in text and "does not. The 1,103 ids of seed 2 have the SHA-256 3be3" in text
    assert "seed 1, the first of them" in prose.seed(SEEDS.assign(used=SEEDS["seed"] == 1))
    assert "seed 3, **none of them**" in prose.seed(SEEDS.assign(used=SEEDS["seed"] == 3))
    assert "cannot be tried here" in prose.seed(SEEDS[:0])


def test_generator():
    columns = ["class", "target", "batch", "images left, n", "batches, b", "batches a pass, p", "whole passes"]
    columns += ["batches over", "files, N", "validation", "training", "provenance"]
    df = ["df", 8000, 50, 107, 158, 3, 52, 2, 5771, 1731, 4040, "HAM10000"]
    table = pd.DataFrame([df, ["mel", 8000, 50, 1067, 139, 22, 6, 7, 7819, 2345, 5474, "HAM10000"]], columns=columns)
    assert prose.generator_shown(table)["files, N"].tolist() == ["5,771", "7,819", "13,590"]
    assert prose.generator_shown(table)["batches, b"].tolist()[:2] == ["158", "139"]
    text = prose.generator_example(table, COUNTS)
    assert "(8,000 − 107)/50 makes 158 batches" in text and "the last one of 7; 158 = 52 · 3 + 2" in text
    assert "107 + 52 · 107 + 2 · 50 = **5,771** files" in text and "**The table differs from**" in text


def test_augmentation_and_populations():
    text = prose.augmentation(COUNTS)
    assert "from 54 to 1 down to 1.4 to 1" in text  # 5,822 / 107; 8,022 / 5,771
    assert "every photograph of df then stands for 54 files, every one of nv for 1.4." in text
    assert "15.4% of the training files are nv." in prose.populations(COUNTS)
    assert "80.1% accurate on this test set" in prose.populations(COUNTS)


def test_leakage():
    text = prose.leakage(LEAKAGE, SIBLINGS)
    assert "By file name, 2 classes (df, mel) would be trained on copies alone" in text
    assert "Expected over all draws: 38.9% (68.3% of the melanomas); the 10 drawn here had 36.9 to 39.9%" in text
    assert text.endswith("Grouped by lesion, 0.4% leak, all of them near-duplicates with different lesion ids.")
    assert "Expected" not in prose.leakage(LEAKAGE, SIBLINGS[:0])
    synthetic = LEAKAGE.assign(provenance="SYNTHETIC", share=0.0)
    assert prose.leakage(synthetic, SIBLINGS).startswith("By the same rules, on synthetic metadata: the test images")
    assert prose.leakage(synthetic, SIBLINGS).endswith("Grouped by lesion, 0.0% leak.")


def test_near_duplicates():
    text = prose.near_duplicates(pd.DataFrame({"image": ["a"] * 18}), SEEDS)
    assert text.startswith("Of the 18 pairs, 2 have one image in the test set and the other outside it; 1 has both")
    assert "Over the 2 seeds" in text and "2 to 4 pairs are split so (mean 3.0)" in text
    assert "by more than 0.4 points" in text and 100 * 4 / 1103 == pytest.approx(0.36, abs=0.01)
    assert "nothing is counted" in prose.near_duplicates(pd.DataFrame(), SEEDS)


def test_the_rounded_count_is_not_among_the_exact_ones():
    of_files = (COUNTS["quantity"] == "augmented files") & COUNTS["paper"].notna()
    even = COUNTS.assign(count=COUNTS["count"].mask(of_files, COUNTS["paper"]).astype(int))
    assert "3 of the paper's 3 exact counts" in prose.answer(even, LEAKAGE, compared())


def test_what_the_test_images_hold_is_said_class_by_class():
    fewer = COUNTS["quantity"].eq("training files") & COUNTS["class"].eq("total")
    text = prose.populations(COUNTS.assign(count=COUNTS["count"].mask(fewer, 20_000)))
    assert text.startswith("28.1% of the training files are nv.")  # 5,616 of 20,000
    assert text.endswith("Melanoma recall rests on 46 images, that of dermatofibroma on 8.")


def test_melanomas_have_leaks_of_their_own():
    assert "the 10 drawn here had 36.9 to 39.9% (63.6 to 71.2%)." in prose.leakage(LEAKAGE, SIBLINGS)
