"""What the chapter on Table 1 says, from tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from wagf_src.classes import CLASSES
from wagf_src.report.prose import table1 as prose

REAL = "HAM10000; 96 px"


def table1(ours, provenance=REAL):
    """Rows (i) and (iii), and an arm beside row (iii): accuracy printed 87.21 and 90.75, ours with ±1 point."""
    frame = pd.DataFrame({"row": ["(i)", "(iii)", "(iii), as released"], "arm": list("abc"), "n_seeds": 2})
    for name in ("accuracy", "f1"):
        frame[f"{name}_paper"] = [87.21, 90.75, 90.75]
        frame[f"{name}_released_notebook"] = [88.3, np.nan, np.nan] if name == "accuracy" else np.nan
        frame[f"{name}_ours"] = ours
        frame[f"{name}_ci_low"], frame[f"{name}_ci_high"] = np.array(ours) - 1, np.array(ours) + 1
    return frame.assign(provenance=provenance)


PER_CLASS = pd.DataFrame(
    [(arm, c, 10, 50.0, 20.0, 80.0) for arm in "abc" for c in CLASSES],
    columns=["arm", "class", "n_test", "recall", "ci_low", "ci_high"],
)
ARMS = pd.DataFrame({"arm": list("cab"), "row": ["third", "first", "second"]})


def test_answer_counts_rows_of_the_paper_only():
    text = prose.answer(table1([87.0, 80.0, 90.7]), PER_CLASS)
    assert "of the paper's 6 rows, 2 were run in the described reading on their own backbone ((i), (iii))" in text
    assert "of which 1 agrees with the printed accuracy" in text
    assert "about ±1.0 points with 70 test images" in text
    text = prose.answer(table1([87.0, np.nan, 90.7]), PER_CLASS)
    assert "1 was run" in text and "of which 1 agrees" in text
    assert "nothing is said about the paper" in prose.answer(table1([87.0, 80.0, 90.7], "SYNTHETIC; 64 px"), PER_CLASS)


def test_rows_stand_beside_the_paper():
    frame = prose.side_by_side(table1([87.0, 80.0, np.nan]), "accuracy").set_index("row")
    assert frame.loc["(i)"].tolist() == [87.21, 88.3, "87.0 [86.0, 88.0]", "-0.2", 2, "agrees within noise"]
    assert frame.loc["(iii)", "verdict"] == "ours is lower" and frame.iloc[2]["verdict"] == "not run"
    assert "released notebook" not in prose.side_by_side(table1([87.0, 80.0, 90]), "f1")
    synthetic = prose.side_by_side(table1([87.0, 80.0, np.nan], "SYNTHETIC"), "accuracy")
    assert synthetic["verdict"].tolist() == ["none: synthetic", "none: synthetic", "not run"]


def test_ladder_leaves_out_what_was_not_run():
    ladder = prose.ladder(table1([87.0, np.nan, 90.0]))
    assert ladder["label"].tolist() == ["(i)", "(iii), as released"]
    assert ladder[["value", "low", "high", "paper", "notebook"]].iloc[0].tolist() == [87, 86, 88, 87.21, 88.3]


def test_overview_and_cost_for_people():
    metrics = (
        "balanced_accuracy",
        "precision_macro",
        "f1_macro",
        "f1_weighted",
        "melanoma_sensitivity",
        "auc_melanoma",
    )
    arms = pd.DataFrame(
        {"row": ["first"]} | {f"{m}{end}": [0.5] for m in metrics for end in ("", "_ci_low", "_ci_high")}
    )
    assert prose.overview(arms).iloc[0].tolist() == ["first"] + ["50.0 [50.0, 50.0]"] * 6
    costs = {"total": 1_234_567, "trainable": 9, "epochs": 3, "epochs_kept": "2, 3", "minutes": 1.26}
    arms = arms.assign(**costs, images_per_second=np.nan)
    assert prose.cost(arms).iloc[0].tolist() == ["first", "1,234,567", "9", 3, "2, 3", "1.3", "–"]


def test_recalls_by_class_and_arm():
    frame = prose.recalls(PER_CLASS, ARMS)
    assert frame["row"].tolist() == ["third", "first", "second"]
    assert list(frame.columns) == ["row", *(f"{c} (n = 10)" for c in CLASSES)] and frame.iloc[0, 1] == "50 [20, 80]"
    points = prose.recall_points(PER_CLASS, pd.DataFrame({"arm": ["a", "a", "c"]}), ARMS)
    assert set(points["label"]) == {"first", "third"} and len(points) == 14


def test_which_average():
    columns = {"row": ["x", "y"], "weighted": ["possible", "cannot be"], "macro": ["implausible", "possible"]}
    none = pd.DataFrame(columns | {"as released": ["possible", "cannot be"], "provenance": "p"})
    assert prose.averages_possible(none) == (
        "No candidate can have given all 2 rows. Of 2 rows, weighted averages are possible in 1, macro averages in 1, "
        "and the released notebooks' own metrics in 1."
    )
    one = none.assign(**{"as released": "possible"})
    assert prose.averages_possible(one).startswith("Only as released could have given all rows.")


def test_averages_and_their_bound():
    averages = pd.DataFrame(
        {
            "arm": ["a", "a"],
            "average": ["micro", "as released"],
            "precision": [50.0, 60],
            "recall": 70.0,
            "f1": [60.0, 66],
        }
    )
    shown = prose.averages_measured(averages, ARMS)
    assert shown["row"].tolist() == ["first", "first"] and shown["F1 above (P + R)/2"].tolist() == ["no", "yes"]
    text = prose.averages_matter(averages)  # steps of Table 1's F1: 4.71, 1.54, 2.58, 2.65, 1.09
    assert "by up to 6.0 points" in text and "more than the median step of Table 1 (2.6 points)" in text
    assert "not more than" in prose.averages_matter(averages.assign(f1=[60.0, 61.0]))


def test_row_names_are_the_paper_s():
    assert prose.TABLE1_ROWS == ["MobileNet-v2", "ResNet50", "DenseNet-121", "(i)", "(ii)", "(iii)"]
    with pytest.raises(KeyError):
        prose.side_by_side(table1([1, 2, 3]), "specificity")
