"""Masks and photographs come from the data folder, or a reason does."""

import numpy as np
import pytest
from fabricate import fabricate

from wagf_src.data import ham10000, synthetic
from wagf_src.report import photographs


@pytest.fixture
def run(results_dir):
    return fabricate(results_dir / "frozen" / "runs", ("mobilenetv2-wagf-described",))[0]


def test_masks_and_photographs_of_a_folder(run, tmp_path, monkeypatch):
    folder = synthetic.generate(tmp_path / "data", 12)
    monkeypatch.setenv("HAM10000_DIR", str(folder))
    ids = ham10000.load_metadata(folder)["image_id"][:3]
    masks, reason = photographs.lesion_masks("frozen", run, ids)
    assert masks.shape == (3, 160, 160) and masks.any(axis=(1, 2)).all() and not masks.all() and reason == ""
    pictures = photographs.photographs("frozen", run, ids)
    assert pictures.shape == (3, 200, 200, 3) and pictures.dtype == np.uint8
    assert len(photographs.photographs("frozen", run, [])) == 0


def test_what_is_missing_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path / "nowhere"))
    assert photographs.lesion_masks("frozen", run, ["a"]) == (None, "the data are not here")
    assert photographs.photographs("frozen", run, ["a"]) is None
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path / "empty"))
    assert photographs.lesion_masks("frozen", run, ["a"]) == (None, "the data folder holds none")
    folder = synthetic.generate(tmp_path / "data", 12)
    monkeypatch.setenv("HAM10000_DIR", str(folder))
    masks, reason = photographs.lesion_masks("frozen", run, ["ISIC_unknown"])
    assert masks is None and "ISIC_unknown" in reason


def test_a_profile_that_is_gone_stands_in_its_runs(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    run.info["settings"] |= {"synthetic_lesions": 70}
    assert photographs.folder("a reader's own, deleted", run) == tmp_path / "synthetic-70"
