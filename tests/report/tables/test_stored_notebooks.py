"""Tables of the stored notebooks against scikit-learn, statsmodels and the figures of FINDINGS 7; their sentences."""

import numpy as np
import pytest
from fabricate import FROZEN, fabricate
from sklearn.metrics import balanced_accuracy_score, f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from wagf_src.paper import stored_notebooks, which30
from wagf_src.report import figures, tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import stored_notebooks as prose
from wagf_src.report.prose import which30 as which30_prose

BALANCED = [63.0, 65.3, 62.1, 63.1, 41.4, 35.7]


@pytest.fixture(scope="module")
def table():
    return Evidence("none", [], {}, tables.TABLES).table


def test_results(table):
    results = table("stored_results")
    assert results["balanced_accuracy"].round(1).tolist() == BALANCED
    assert (results["excess"] > 0).sum() == 4 and (
        results["balanced_accuracy_ci_low"] < results["balanced_accuracy"]
    ).all()
    for line in results.itertuples():
        y, p = stored_notebooks.predictions(stored_notebooks.confusion()[line.model])
        guess = p.argmax(axis=1)
        assert line.balanced_accuracy == pytest.approx(100 * balanced_accuracy_score(y, guess))
        assert line.f1_macro == pytest.approx(100 * f1_score(y, guess, average="macro"))
        assert line.f1_weighted == pytest.approx(100 * f1_score(y, guess, average="weighted"))
        interval = proportion_confint(line.hits, 1103, method="wilson")
        assert (line.accuracy_ci_low, line.accuracy_ci_high) == pytest.approx(tuple(100 * np.array(interval)))


def test_recalls_and_pairs(table):
    recalls = table("stored_recalls").query("model == 'DenseNet-121 + SA' and condition == 'stored'").set_index("class")
    assert recalls.loc["mel", "recall"] == pytest.approx(100 * 14 / 46) and recalls.loc["vasc", "n"] == 13
    for line in table("stored_pairs").itertuples():
        for images, p in ((line.fewest, line.p_least), (line.most, line.p_most)):
            only_a, only_b = (images + line.images) // 2, (images - line.images) // 2
            assert only_a - only_b == line.images and only_a + only_b == images
            assert p == pytest.approx(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)


def test_training(table):
    training = table("stored_training").set_index("model")
    log = stored_notebooks.training_logs().query("model == 'MobileNetV2'").set_index("epoch")
    assert training.loc["MobileNetV2", "kept"] == log["val_f1_score"].idxmax() == 48
    later = 100 * log.loc[26:, "val_accuracy"]
    assert training.loc["MobileNetV2", ["median", "sd"]].tolist() == pytest.approx([later.median(), later.std()])
    line, last = training.loc["MobileNetV2"], 100 * log["val_accuracy"]
    assert line[["training", "validation"]].tolist() == pytest.approx([100 * log.loc[48, "accuracy"], last[48]])
    assert line[["last", "lowest", "highest"]].tolist() == pytest.approx([last[50], later.min(), later.max()])
    assert (
        line["step"] == pytest.approx(np.median(np.abs(np.diff(later)))) and line["luck"] == last[48] - later.median()
    )
    assert line["hours"] == pytest.approx(log["seconds"].sum() / 60 / 60) and 0.1 < line["hours"] < 24
    assert table("stored_logs")["kept"].sum() == 6


def test_sentences(table):
    results, training, recalls = map(table, ("stored_results", "stored_training", "stored_recalls"))
    text = prose.answer(results, training)
    assert text.startswith("6 trainings of 50 epochs") and "None is of rows DenseNet-121, (ii), (iii) of" in text
    assert "DenseNet-121 + CBAM" in text and "between 36 and 65%" in text and "In 4 of 6" in text
    assert "7,306,922" in prose.label(results) and "86.31% belong" in prose.label(results)
    assert "50 epochs of 569 steps" in prose.length(training) and "say 25" in prose.length(training)
    assert "88.58 above 88.41" in prose.f1_sentence(results) or "88.58 above 88.42" in prose.f1_sentence(results)
    text = prose.melanomas(table("stored_confusion"), recalls)
    assert text.startswith("Of 46 melanomas the run DenseNet-121 + SA calls 14 melanoma, 15 nevus and 12 benign")
    # "accuracy rises from row to row while melanoma recall does not"
    rows = results.dropna(subset="row")
    assert rows["accuracy"].is_monotonic_increasing and not rows["melanoma_recall"].is_monotonic_increasing
    assert rows["melanoma_recall"].iloc[-1] < rows["melanoma_recall"].iloc[0]
    assert prose.recalls_shown(recalls)["mel (46)"][0] == "54 [40, 68]"
    assert len(prose.results_shown(results)) == len(prose.f1_shown(results)) == len(prose.training_shown(training)) == 6
    assert "7 to 19 points above the median" in prose.noise(training)
    assert prose.pairs_shown(table("stored_pairs"))["images told apart"][0] == "26 to 218"


def test_figures_are_drawn(table):
    assert len(figures.stored_logs(table("stored_logs"), table("stored_results")).axes) == 6
    assert len(figures.stored_confusion(table("stored_confusion")).axes) == 6
    figures.which_30(table("which30"))


def test_which30_reads_the_runs_of_its_two_profiles(tmp_path):
    runs = {name: fabricate(tmp_path / name, FROZEN[1:2], seeds=(0,)) for name in which30.RULES}
    gathered = Evidence("made-up", [], runs, tables.TABLES)
    table = gathered.table("which30")
    assert table["name"].tolist()[:2] == list(which30.RULES) and len(table) == 8
    last = runs[which30.NAMES][0].history().iloc[-1]
    assert table.loc[0, "gap"] == pytest.approx(last["accuracy"] - last["val_accuracy"])
    # Both runs are alike here, so nothing is decided.
    assert which30.verdict(table) == which30.OPEN and "ours ends at" in which30_prose.result(table)
    # Recalls stand beside runs of the same network.
    beside = gathered.table("stored_recalls").query("model == 'MobileNetV2'")
    assert beside["condition"].nunique() == 3 and "provenance" == beside.columns[-1]
