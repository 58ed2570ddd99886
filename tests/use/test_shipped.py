"""The model that is committed: small, whole, and on the paper's test set as good as its run was."""

import os

import numpy as np
import pytest

from wagf_src import atomic, paths
from wagf_src.data import dataset, protocol
from wagf_src.profile import Profile
from wagf_src.use import ship
from wagf_src.use.card import is_shipped, read_card

pytestmark = pytest.mark.skipif(not is_shipped(), reason="no model is shipped")


def test_it_is_small_and_whole():
    card = read_card()
    assert sum(file.stat().st_size for file in paths.SHIPPED.iterdir()) <= ship.LARGEST
    assert {name: atomic.file_digest(paths.SHIPPED / name) for name in card["files"]} == card["files"]
    assert card["data"]["name"].startswith("HAM10000"), "never one that was trained on drawings"
    for name in ("/root", "/home", "/tmp", "/work"):
        assert name not in (paths.SHIPPED / "model.json").read_text()


@pytest.mark.skipif("HAM10000_DIR" not in os.environ, reason="needs the images")
@pytest.mark.timeout(1800)
def test_its_accuracy_on_the_test_set_is_its_runs():
    card = read_card()
    profile = Profile(card["profile"], "", arms=(card["arm"],), **card["settings"])
    data = dataset.load(profile)
    if data.image_digest != card["data"]["image_digest"]:
        pytest.skip("other copies of the images")
    rows = protocol.split(data.metadata, profile, card["fold"]).test
    assert protocol.id_digest(data.metadata["image_id"].to_numpy()[rows]) == card["data"]["test_id_digest"]
    kept = ship.shipped()
    p = kept.model.predict(data.images[rows].astype(np.float32), batch_size=64, verbose=0)["probabilities"]
    accuracy = (p.argmax(axis=1) == data.labels[rows]).mean()
    assert abs(accuracy - card["test_metrics"]["accuracy"]) <= 0.002
    # The paper's test set, whatever the fold is called: the shipped run was tested on it and saw none of it.
    paper = protocol.test_rows(data.metadata, card["settings"]["test_seed"])
    np.testing.assert_array_equal(rows, paper)
    assert not set(kept.companions.image_ids) & set(data.metadata["image_id"].iloc[rows])
