"""Confusion and separability of made-up runs against scikit-learn and a plain singular value decomposition."""

import numpy as np
import pytest
from fabricate import fabricate
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, silhouette_score

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.report import evidence
from wagf_src.report.tables import TABLES, features
from wagf_src.stats import separability

ARMS = ("densenet121-base", "densenet121-wagf-described", "densenet121-wagf-released")


@pytest.fixture
def runs(results_dir):
    return fabricate(results_dir / "own" / "runs", ARMS, seeds=(0, 1))


def neighbours(points, y):
    distances = cdist(points, points) + np.diag(np.full(len(y), np.inf))
    nearest = y[np.argsort(distances, axis=1)[:, :5]]
    return balanced_accuracy_score(y, [np.bincount(votes).argmax() for votes in nearest])


def test_the_proposed_model_is_shown_among_runs_with_features_own_ones_first(runs, results_dir):
    others = {"other": fabricate(results_dir / "other" / "runs", ARMS[:1], seeds=(3,), synthetic=False)}
    assert features.shown_run(runs, others).name == "densenet121-wagf-described-seed0"
    for run in runs[2:4]:
        (run.path / "features.npz").unlink()
    assert features.shown_run(runs, others).name == "densenet121-wagf-released-seed0"
    for run in runs:
        (run.path / "features.npz").unlink(missing_ok=True)
    assert features.shown_run(runs, others).name == "densenet121-base-seed3"
    assert not features.kept(runs, {})
    with pytest.raises(UserError, match="no run at hand kept its features"):
        features.shown_run(runs, {})


def test_a_book_without_features_of_its_own_shows_those_of_another_condition(runs, results_dir):
    """As of committed runs, which keep features in one profile only."""
    fabricate(results_dir / "reference" / "lite" / "runs", ARMS, seeds=(1,), synthetic=False)
    for run in runs:
        (run.path / "features.npz").unlink()
    gathered = evidence.collect("own", TABLES)
    assert set(gathered.table("separability")["arm"]) == set(ARMS) and len(gathered.table("features_lead")) == 1
    for name in ("separability", "features_lead", "components", "pca_per_batch"):
        assert gathered.table(name)["provenance"].str.startswith("HAM10000").all(), name
    assert gathered.provenance.startswith("SYNTHETIC")


def test_confusion_is_scikit_learns(runs):
    table = evidence.collect("own", TABLES).table("confusion")
    counts = np.zeros((7, 7))
    for run in runs[2:4]:
        frame = run.predictions()
        predicted = frame.filter(like="p_").idxmax(axis=1).str.removeprefix("p_")
        counts += confusion_matrix(frame["dx"], predicted, labels=CLASSES) / 2
    assert set(table["profile"]) == {"own"}
    pivot = table.pivot(index="true", columns="predicted", values="images")
    np.testing.assert_allclose(pivot.loc[list(CLASSES), list(CLASSES)], counts)
    assert table["arm"].unique().tolist() == ["densenet121-wagf-described"]
    assert "2 seeds" in table["provenance"].iloc[0]


def test_separability_and_components(runs):
    gathered = evidence.collect("own", TABLES)
    table = gathered.table("separability").set_index(["arm", "measure"])["value"]
    values, y = features.features_and_truth(runs[2])
    assert set(table.index.get_level_values("arm")) == set(ARMS)
    assert table["densenet121-wagf-described", "silhouette"] == pytest.approx(silhouette_score(values, y))
    assert table["densenet121-wagf-described", "knn_balanced_accuracy"] == pytest.approx(neighbours(values, y))
    squared = np.linalg.svd(values - values.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(gathered.table("components")["variance_share"], squared[:3] / squared.sum())
    u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    per_batch = gathered.table("pca_per_batch").set_index("plot")
    assert per_batch.loc["fitted once", "value"] == pytest.approx(neighbours(u[:, :3] * s[:3], y))
    assert list(per_batch.index) == ["fitted once", "per batch, shuffled", "per batch, class by class"]


def test_the_lead_over_the_plain_backbone_is_of_the_same_images(runs):
    [line] = evidence.collect("own", TABLES).table("features_lead").to_dict("records")
    assert (line["arm_a"], line["arm_b"]) == ("densenet121-wagf-described", "densenet121-base")
    (a, y), (b, _) = features.features_and_truth(runs[2]), features.features_and_truth(runs[0])
    assert line["difference"] == pytest.approx(neighbours(a, y) - neighbours(b, y))
    assert line["ci_low"] < line["difference"] < line["ci_high"] and 0 < line["p"] <= 1
    same = separability.neighbours_lead(a, a, y)
    assert same == (0, 0, 0, 1)


def test_nothing_without_runs_or_features(results_dir):
    gathered = evidence.collect("own", TABLES)
    assert gathered.table("confusion") is gathered.table("pca_per_batch") is gathered.table("components") is None
    assert not len(gathered.table("separability")) and not len(gathered.table("features_lead"))
