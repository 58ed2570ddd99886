"""The first page: findings and tally follow from the tables, whatever these say."""

import pandas as pd

from wagf_src import paths
from wagf_src.paper import claim_tests
from wagf_src.report.prose import intro
from wagf_src.report.tables.protocol import AT_RANDOM, BY_NAME

TABLES = paths.REFERENCE_DIR / "frozen" / "tables"


def tables(**changed):
    return [changed.get(name, pd.read_csv(TABLES / f"{name}.csv")) for name in intro.NAMES]


def claims(*verdicts):
    return pd.DataFrame({"part": "claims", "id": [f"c{k}" for k in range(len(verdicts))], "verdict": verdicts})


def line(text, name):
    (found,) = [line for line in text.splitlines() if line.startswith("- ") and f"({name}.ipynb)" in line[:60]]
    return found


def test_the_tally_counts_claims_alone():
    ledger = pd.concat([claims(*claim_tests.VERDICTS, claim_tests.REPRODUCED), claims("agrees").assign(part="counts")])
    text = intro.answer(*tables(claims=ledger))
    assert "both readings of the model), 2 reproduced, 1 not reproduced, 1 contradicted" in line(text, "scorecard")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in intro.tally(ledger).splitlines()[2:]]
    assert [int(count) for _, count, _ in rows] == [2, 1, 1, 1]


def test_findings_follow_the_tables():
    intervals = pd.DataFrame(
        {"place": ["Table 1", "Table 2", "released"], "grim": ["not reachable", "reachable", "not reachable"]}
    ).assign(accuracy=[80, 90.5, 99], ci_low=[1, 88.04, 1], ci_high=[2, 92.5, 3])
    f1 = pd.DataFrame({"place": ["Table 1", "Table 1", "Table 2"], "violated": [True, False, True]})
    text = line(intro.answer(*tables(published_intervals=intervals, f1_bound=f1)), "published_numbers")
    assert (
        "1 of 2 accuracies" in text
        and "2 of 3 F1" in text
        and "allow (1 of them other authors', as printed there), and" in text
        and "90.50% stands for anything from 88.0% to 92.5%" in text
    )
    # Two folds of one seed are two runs, two epochs of one run are one.
    runs = {"profile": "x", "run": ["a-fold0-seed0", "a-fold1-seed0", "a-fold1-seed0"]}
    weights = pd.DataFrame({"fusion": "eq1", "arm": "a", "seed": 0, **runs, "g_w": 0.5})
    assert "exactly at one half in 2 training runs" in line(intro.answer(*tables(fusion_weights=weights)), "equation1")
    moved = weights.assign(g_w=[0.5, 0.51, 0.5])
    assert "at one half to 0.01" in line(intro.answer(*tables(fusion_weights=moved)), "equation1")
    assert "no run has it" in line(intro.answer(*tables(fusion_weights=weights[:0])), "equation1")


def test_generated_images_are_called_so_and_without_real_runs_there_is_no_best():
    leakage = pd.read_csv(TABLES / "leakage.csv").assign(provenance="SYNTHETIC: metadata")
    results = pd.read_csv(TABLES / "all_results.csv")[:0]
    text = intro.answer(*tables(leakage=leakage, all_results=results))
    assert "on generated images" in line(text, "protocol") and "none yet on real images" in text
    assert "on generated images" not in intro.answer(*tables())


def test_steps_on_generated_images_are_no_finding():
    steps = pd.read_csv(TABLES / "all_steps.csv")
    own = steps[steps["kind"] == "ladder"].assign(profile="demo", condition="SYNTHETIC, 64 px; one seed", p_holm=0.001)
    assert intro.answer(*tables(all_steps=pd.concat([own, steps]))) == intro.answer(*tables())
    results = pd.read_csv(TABLES / "all_results.csv")
    best = results[:1].assign(profile="demo", condition="SYNTHETIC, 64 px", accuracy=0.999)
    assert intro.answer(*tables(all_results=pd.concat([best, results]))) == intro.answer(*tables())


def test_the_protocol_s_line_follows_the_verdict_on_the_validation_files():
    compared = pd.read_csv(TABLES / "which30.csv")
    by_name = line(intro.answer(*tables()), "protocol")
    assert "% of the validation files (taken by file name, as the stored logs fit) show" in by_name
    ours = ~compared["stored"]
    turned = compared.assign(fits=compared["fits"].where(ours, "which30-random"))
    assert "(drawn at random, as the stored logs fit)" in line(intro.answer(*tables(which30=turned)), "protocol")
    assert "(drawn at random) or " in line(intro.answer(*tables(which30=compared[~ours])), "protocol")


def test_the_picture_shows_single_steps_of_the_described_ladder_in_its_order():
    frame = intro.steps(pd.read_csv(TABLES / "all_steps.csv"))
    assert not frame["label"].str.contains("released|together").any() and frame["paper"].notna().all()
    first = [label.split(" (")[0] for label in frame["label"]]
    assert list(dict.fromkeys(first)) == ["soft attention", "gradient-based fusion with the wavelet branch", "SaFA"]


def test_the_best_row_is_the_most_accurate_with_its_melanomas():
    results = pd.DataFrame(
        {
            "profile": ["a", "b"],
            "condition": "end to end",
            "arm": ["mobilenetv2-base", "resnet50-base"],
            "accuracy": [0.9, 0.8],
            "balanced_accuracy": [0.5, 0.7],
            "melanoma_sensitivity": [0.4, 0.6],
        }
    )
    for metric in ("accuracy", "balanced_accuracy", "melanoma_sensitivity"):
        results[f"{metric}_ci_low"], results[f"{metric}_ci_high"] = results[metric] - 0.1, results[metric] + 0.1
    assert (
        "MobileNetV2 (`a`) reaches 90.0 [80.0, 100.0]% accuracy and finds 40.0 [30.0, 50.0]% of the melanomas."
        in intro.answer(*tables(all_results=results))
    )


def test_the_shares_of_both_ways_to_validate_are_those_of_photographs():
    lines = [
        (AT_RANDOM, "image", "total", 0.9),
        (AT_RANDOM, "lesion", "total", 0.95),
        (AT_RANDOM, "image", "mel", 0.99),
        (BY_NAME, "image", "total", 0.2),
        (BY_NAME, "lesion", "total", 0.6),
    ]
    leakage = pd.DataFrame(lines, columns=["protocol", "grouping", "class", "share"]).assign(provenance="HAM10000")
    compared = pd.read_csv(TABLES / "which30.csv")
    ours = ~compared["stored"]
    text = line(intro.answer(*tables(leakage=leakage, which30=compared[~ours])), "protocol")
    assert "90.0% of the validation files (drawn at random) or 20.0% (taken by file name) show a photograph" in text
    for fits, said in (
        ("which30-names", "20.0% of the validation files (taken by"),
        ("which30-random", "90.0% of the"),
    ):
        turned = compared.assign(fits=compared["fits"].where(ours, fits))
        assert said in line(intro.answer(*tables(leakage=leakage, which30=turned)), "protocol")


def test_the_fusion_s_coefficients_are_not_exchanged():
    facts = {"coefficient_sa": 0.5, "coefficient_w": 0.33, "kernel_weights": 9000, "kernel_learns": 90}
    frame = pd.DataFrame(facts.items(), columns=["fact", "value"])
    text = line(intro.answer(*tables(released_facts=frame)), "released_code")
    assert "0.50 F<sub>sa</sub> + 0.33 F<sub>w</sub>, and of the 9,000 weights of soft attention 90 ever learn" in text


def test_steps_are_shown_by_their_corrected_p():
    steps = pd.read_csv(TABLES / "all_steps.csv")
    steps = steps[steps["kind"] == "ladder"][:2].assign(p=0.01, p_holm=[0.2, 0.04])
    assert "1 of 2 steps change accuracy: in " in intro.answer(*tables(all_steps=steps))
    assert "0 of 2 steps change accuracy." in intro.answer(*tables(all_steps=steps.assign(p_holm=0.2)))


def test_what_is_open_among_the_counts_is_no_open_claim():
    ledger = pd.concat([claims(claim_tests.REPRODUCED), claims(claim_tests.NOT_TESTABLE).assign(part="counts")])
    said = line(intro.answer(*tables(claims=ledger)), "scorecard")
    assert "of 1 claims" in said and "1 reproduced, " in said and "0 not testable here" in said


def test_accuracies_that_no_number_of_right_answers_gives_are_counted():
    intervals = pd.DataFrame({"place": "Table 1", "grim": ["not reachable"] * 2 + ["reachable"], "accuracy": 80.0})
    text = line(intro.answer(*tables(published_intervals=intervals.assign(ci_low=1, ci_high=2))), "published_numbers")
    assert "2 of 3 accuracies are no number of right answers" in text


def test_weights_of_another_fusion_say_nothing_of_equation_1():
    weights = pd.DataFrame({"profile": "x", "run": ["a", "b"], "fusion": ["eq1", "learned"], "g_w": [0.5, 0.2]})
    said = line(intro.answer(*tables(fusion_weights=weights)), "equation1")
    assert "exactly at one half in 1 training runs" in said


def test_the_picture_takes_corrected_p_values():
    steps = pd.read_csv(TABLES / "all_steps.csv").assign(p=0.01, p_holm=0.3)
    assert set(intro.steps(steps)["p"]) == {0.3}
