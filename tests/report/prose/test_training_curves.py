"""What the chapter on training curves says, from a table made by hand."""

import numpy as np
import pandas as pd
from fabricate import FROZEN, fabricate

from wagf_src.report.prose import training_curves as prose

CHECKPOINTS = pd.DataFrame(
    {
        "arm": ["mobilenetv2-base", "mobilenetv2-base", "mobilenetv2-sa-described"],
        "epochs": 10,
        "best_epoch": [4, 7, 10],
        "kept": [80.0, 82.0, 84.0],
        "last": 80.0,
        "best": [81.0, 82.0, 86.0],
        "late_sd": [0.4, 0.6, 0.5],
        "sampling_se": [1.1, 1.2, 1.3],
        "rank_correlation": [0.1, 0.3, 0.2],
        "optimism": [-1.0, 1.0, 2.0],
    }
)


def test_answer_is_means_and_medians():
    assert prose.answer(CHECKPOINTS) == (
        "choosing the epoch on the test set would add 1.0 points on average; between later epochs of one run the test "
        "accuracy moves by 0.5 points (standard deviation), where the sampling error of the test set is 1.2; the rank "
        "correlation of validation and test accuracy over epochs is 0.20; validation reads +1.0 points against test at "
        "the kept epoch (medians over runs unless said otherwise)."
    )
    short = CHECKPOINTS.assign(epochs=1, late_sd=np.nan, rank_correlation=np.nan, optimism=np.nan)
    assert prose.answer(short) == (
        "choosing the epoch on the test set would add 1.0 points on average; runs this short say little about "
        "convergence (medians over runs unless said otherwise)."
    )


def test_table_gives_means_and_ranges():
    shown = prose.table(CHECKPOINTS).set_index("arm")
    line = shown.loc["MobileNetV2"]
    assert line["seeds"] == 2 and line["epochs"] == "10" and line["kept (%)"] == "81.00 (80.00 to 82.00)"
    assert line["last (%)"] == "80.00" and shown.loc["MobileNetV2 + SA", "kept epoch"] == "10"
    assert prose.table(CHECKPOINTS.assign(late_sd=np.nan))["SD over later epochs"].tolist() == ["–", "–"]


def test_note_says_how_epochs_are_kept(tmp_path):
    runs = fabricate(tmp_path, FROZEN[:3])
    assert prose.note(runs).startswith(
        "Epochs are kept by the best validation accuracy; validation shares no lesion with training."
    )
    runs[1].info["settings"] |= {"checkpoint": "last", "validation": "copies"}
    text = prose.note(runs)
    assert text.startswith("Epochs are kept by being the last or the best validation accuracy; validation holds copies")
    assert "as in the paper or validation shares no lesion with training." in text


def test_one_long_run_says_something_of_convergence():
    assert "this short" not in prose.answer(CHECKPOINTS.assign(epochs=[1, 10, 1]))
    assert "runs this short say little" in prose.answer(CHECKPOINTS.assign(epochs=[1, 2, 2]))


def test_between_the_ends_of_a_range_stands_the_mean():
    runs = CHECKPOINTS.assign(arm="mobilenetv2-base", kept=[80.0, 81.0, 88.0], best_epoch=[1, 2, 9])
    line = prose.table(runs).iloc[0]
    assert line["kept (%)"] == "83.00 (80.00 to 88.00)" and line["kept epoch"] == "4 (1 to 9)"
