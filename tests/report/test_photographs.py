"""Masks and photographs come from the data folder, or a reason does."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src.data import ham10000, synthetic
from wagf_src.report import photographs


@pytest.fixture
def run(results_dir):
    return fabricate(results_dir / "frozen" / "runs", ("mobilenetv2-wagf-described",))[0]


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    """A folder with images, which the run was made with."""
    folder = synthetic.generate(tmp_path / "data", 12)
    monkeypatch.setenv("HAM10000_DIR", str(folder))
    content = (folder / "HAM10000_metadata.csv").read_bytes()
    run.info["data"]["metadata_md5"] = hashlib.md5(content).hexdigest()
    return folder


def test_masks_and_photographs_of_a_folder(run, folder):
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
    masks, reason = photographs.lesion_masks("frozen", run, ["a"])
    assert masks is None and reason.startswith("no HAM10000_metadata.csv in ") and "\n" not in reason
    assert photographs.photographs("frozen", run, ["a"]) is None


def test_masks_that_are_missing_are_said(run, folder):
    masks, reason = photographs.lesion_masks("frozen", run, ["ISIC_unknown"])
    assert masks is None and "ISIC_unknown" in reason
    for mask in folder.rglob("*.png"):
        mask.unlink()
    assert photographs.lesion_masks("frozen", run, ["a"]) == (None, "the data folder holds none")


def test_images_of_elsewhere_are_not_the_run_s_although_they_have_its_names(run, folder):
    ids = ham10000.load_metadata(folder)["image_id"][:3]
    file = folder / "HAM10000_metadata.csv"
    frame = pd.read_csv(file, dtype=str)
    other = frame["dx"].map(lambda dx: "nv" if dx == "mel" else dx)
    frame.assign(dx=other).to_csv(file, index=False)
    said = f"the data folder holds other images than those of {run.path.name}"
    assert photographs.lesion_masks("frozen", run, ids) == (None, said)
    assert photographs.photographs("frozen", run, ids) is None


def test_metadata_are_known_by_what_they_say(run, folder, monkeypatch):
    """Written anew in another order they are the same, as far as the run recorded what they said."""
    file = folder / "HAM10000_metadata.csv"
    frame, metadata = pd.read_csv(file, dtype=str), ham10000.load_metadata(folder)
    frame[::-1].to_csv(file, index=False)
    assert not photographs.holds(folder, run), "an older run has the digest of the file alone"
    monkeypatch.setattr(ham10000, "METADATA_MD5", run.info["data"]["metadata_md5"])
    monkeypatch.setattr(ham10000, "LABELS_DIGEST", ham10000.labels_digest(metadata))
    assert photographs.holds(folder, run), "of Kaggle's file it is known what it says"
    run.info["data"]["metadata_digest"] = ham10000.metadata_digest(metadata)
    assert photographs.holds(folder, run)
    frame.assign(sex="male").to_csv(file, index=False)
    assert not photographs.holds(folder, run)


def test_a_profile_that_is_gone_stands_in_its_runs(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    run.info["settings"] |= {"synthetic_lesions": 70}
    assert photographs.folder("a reader's own, deleted", run) == tmp_path / "synthetic-70"
