"""Splits against their definitions, and scores against scikit-learn, on a small made-up set of lesions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.preprocessing import StandardScaler

from wagf_src.classes import CLASSES
from wagf_src.data import protocol
from wagf_src.data.protocol import NEAR_DUPLICATES
from wagf_src.errors import UserError
from wagf_src.train import split_experiment


@pytest.fixture(scope="module")
def metadata():
    rows = []
    for number, name in enumerate(CLASSES):
        for lesion in range(25):
            for _ in range(1 + (lesion % 3 == 0) * 2):  # a third of the lesions was photographed three times
                rows.append({"lesion_id": f"HAM_{number}{lesion:03}", "image_id": f"ISIC_{len(rows):07}", "dx": name})
    return pd.DataFrame(rows).sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def features(metadata):
    """Photographs of one lesion are close together, lesions of one class less so."""
    rng = np.random.default_rng(0)
    lesions, number = np.unique(metadata["lesion_id"], return_inverse=True)
    of_class = rng.normal(size=(7, 12))[protocol.labels(metadata)]
    return of_class + 2.0 * rng.normal(size=(len(lesions), 12))[number] + 0.1 * rng.normal(size=(len(metadata), 12))


def test_each_split_is_what_it_says(metadata):
    lesion = metadata["lesion_id"].to_numpy()
    sizes = pd.Series(lesion).map(pd.Series(lesion).value_counts()).to_numpy()
    found = split_experiment.splits(metadata, seed=3)
    for train, test in found.values():
        assert not set(train) & set(test) and len(set(test)) == len(test)
    assert {len(train) for name, (train, _) in found.items() if name != "lesion"} == {int(len(metadata) * 0.8)}
    assert set(lesion[found["image"][0]]) & set(lesion[found["image"][1]])
    train, test = found["lesion"]
    assert not set(lesion[train]) & set(lesion[test]) and len(train) + len(test) == len(metadata)
    assert len(set(lesion[test])) == 35  # 20% of 175 lesions
    train, test = found["paper"]
    assert (sizes[test] == 1).all() and not set(lesion[train]) & set(lesion[test])
    assert sorted(test) == protocol.test_rows(metadata, 3).tolist()


def test_near_duplicates_stay_together(metadata):
    first, second = NEAR_DUPLICATES[0]
    twins = metadata.copy()
    a, b = np.flatnonzero((metadata["dx"] == "nv") & ~metadata["lesion_id"].duplicated(keep=False))[:2]
    twins.loc[a, "image_id"], twins.loc[b, "image_id"] = first, second
    for seed in range(12):
        train, _ = split_experiment.splits(twins, seed)["lesion"]
        assert (a in train) == (b in train)


def test_scores_are_scikit_learns(metadata, features):
    frame = split_experiment.run(features, metadata, repeats=1)
    train, test = split_experiment.splits(metadata, 0)["image"]
    dx, lesion = metadata["dx"].to_numpy(), metadata["lesion_id"].to_numpy()
    scale = StandardScaler().fit(features[train])
    model = LogisticRegression(C=0.01, max_iter=2000).fit(scale.transform(features[train]), dx[train])
    predicted = model.predict(scale.transform(features[test]))
    row = frame.set_index(["classifier", "split", "subset"]).loc[("logistic", "image", "all")]
    assert row["accuracy"] == pytest.approx(accuracy_score(dx[test], predicted)) and row["n_test"] == len(test)
    assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(dx[test], predicted))
    recall = recall_score(dx[test], predicted, labels=["mel"], average=None)[0]
    assert row["melanoma_sensitivity"] == pytest.approx(recall)
    assert row["sibling_share"] == pytest.approx(np.mean([x in set(lesion[train]) for x in lesion[test]]))
    # By cosine to the nearest training image, written out.
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    neighbour = dx[train][(unit[test] @ unit[train].T).argmax(1)]
    row = frame.set_index(["classifier", "split", "subset"]).loc[("nearest", "image", "all")]
    assert row["correct"] == (neighbour == dx[test]).sum()


def test_leakage_shows_where_lesions_look_alike(metadata, features):
    """The nearest image of a photograph with a sibling in training is that sibling; without one, it is not."""
    frame = split_experiment.run(features, metadata, repeats=2)
    nearest = frame[frame["classifier"] == "nearest"].groupby(["split", "subset"])["accuracy"].mean()
    assert nearest["image", "sibling"] > 0.95 > nearest["image", "no_sibling"] + 0.2
    assert ("lesion", "sibling") not in nearest.index and ("paper", "multiple") not in nearest.index
    parts = frame.set_index(["classifier", "split", "repeat", "subset"])["n_test"].unstack()
    assert (parts["single"] + parts["multiple"].fillna(0) == parts["all"]).all()


def test_too_few_images_are_one_line(metadata):
    few = metadata.groupby("dx").head(1)
    with pytest.raises(UserError, match="too few") as error:
        split_experiment.run(np.zeros((len(few), 2)), few, repeats=1)
    assert "\n" not in str(error.value)
