"""What a network is given beside the images."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wagf_src.data import dataset, store
from wagf_src.errors import UserError

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def data():
    metadata = pd.DataFrame({"image_id": ["a", "b"]})
    return dataset.Dataset("x", Path("somewhere"), metadata, "md5", "digest", IMAGES, "digest")


def test_masks_are_decoded_once_and_their_digest_is_theirs_alone(monkeypatch):
    masks, asked = np.zeros((2, 4, 4), bool), []
    masks[1, 2:, :3] = True
    monkeypatch.setattr(store, "load_masks", lambda *_: asked.append(1) or masks)
    one = data()
    assert one.further_digest(3) is None and one.channels(3) is IMAGES and not asked
    assert one.further_digest(4) == hashlib.sha256(masks.tobytes()).hexdigest()
    both = one.channels(4)
    np.testing.assert_array_equal(both[..., :3], IMAGES)
    np.testing.assert_array_equal(both[..., 3], np.where(masks, 255, 0))
    assert len(asked) == 1
    before, masks = one.further_digest(4), ~masks
    assert data().further_digest(4) != before, "other masks make a run stale"


def test_without_masks_one_line(monkeypatch):
    monkeypatch.setattr(store, "load_masks", lambda *_: None)
    for ask in (data().channels, data().further_digest):
        with pytest.raises(UserError, match="somewhere: no lesion masks, which this network is given; add them"):
            ask(4)
