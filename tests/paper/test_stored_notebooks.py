"""The stored notebooks' numbers agree with each other, with scikit-learn and with what the paper's study prints."""

import numpy as np
import pytest
from sklearn.metrics import classification_report

from wagf_src.classes import CLASSES
from wagf_src.paper import published, stored_notebooks

MATRICES = stored_notebooks.confusion()


@pytest.mark.parametrize("notebook", stored_notebooks.NOTEBOOKS, ids=lambda n: n.key)
def test_a_matrix_gives_its_report_and_its_accuracy(notebook):
    matrix = MATRICES[notebook.model]
    y, p = stored_notebooks.predictions(matrix)
    assert np.bincount(y).tolist() == [published.TEST_SUPPORTS[c] for c in CLASSES]
    accuracy = stored_notebooks.evaluations().set_index("model").loc[notebook.model, "accuracy"]
    assert np.mean(p.argmax(axis=1) == y) == pytest.approx(accuracy, abs=1e-7)
    ours = classification_report(y, p.argmax(axis=1), target_names=CLASSES, output_dict=True, zero_division=0)
    stored = stored_notebooks.reports()
    lines = stored[stored["model"] == notebook.model].to_dict("records")
    assert [line["class"] for line in lines] == [*CLASSES, "macro avg", "weighted avg"]
    for line in lines:
        values = ours[line["class"]]
        expected = [values[name] for name in ("precision", "recall", "f1-score", "support")]
        assert [line[name] for name in ("precision", "recall", "f1", "support")] == pytest.approx(
            expected, abs=0.005001
        )


def test_logs_are_whole_and_count_the_papers_files():
    logs = stored_notebooks.training_logs()
    assert logs.groupby("model")["epoch"].apply(list).map(lambda e: e == list(range(1, 51))).all()
    assert (logs["steps"] == -(-published.TRAINING_FILES // published.BATCH_SIZE)).all()
    assert list(logs["model"].unique()) == [n.model for n in stored_notebooks.NOTEBOOKS]


def test_the_short_list_says_the_same():
    """``published.RELEASED`` holds the three numbers that other chapters use."""
    mel = CLASSES.index("mel")
    for short, notebook in zip(published.RELEASED, stored_notebooks.NOTEBOOKS, strict=True):
        matrix = MATRICES[notebook.model]
        assert (short.model, short.table1) == (notebook.model, notebook.row)
        assert short.accuracy == round(100 * np.trace(matrix) / matrix.sum(), 2)
        assert short.melanoma_recall == pytest.approx(matrix[mel, mel] / matrix[mel].sum(), abs=0.005)


def test_discordance_holds_whatever_the_pairs_are():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(7), 20)
    for _ in range(20):
        a, b = (np.where(rng.random(140) < rng.random(), truth, rng.integers(7, size=140)) for _ in range(2))
        matrices = [np.histogram2d(truth, guess, bins=[range(8)] * 2)[0].astype(int) for guess in (a, b)]
        difference, fewest, most = stored_notebooks.discordance(*matrices)
        hits_a, hits_b = a == truth, b == truth
        assert difference == hits_a.sum() - hits_b.sum()
        assert fewest <= (hits_a != hits_b).sum() <= most
    same = stored_notebooks.discordance(matrices[0], matrices[0])
    assert same[:2] == (0, 0)
