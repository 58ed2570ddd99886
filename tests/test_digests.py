"""When a finished run is out of date: exactly when something that its numbers depend on is another."""

import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from wagf_src import atomic, code_digest, digests, paths
from wagf_src.classes import CLASSES
from wagf_src.digests import TRAINING_CODE, inputs_digest, stale_runs
from wagf_src.profile import load_profile, resolve

RUN = "mobilenetv2-base-seed0"
DEMO = load_profile("demo")


def data(**changes):
    """What a data set is judged by; forty single-image lesions of every class."""
    metadata = pd.DataFrame(
        [(f"L{i}", f"ISIC_{i}", dx) for i, dx in enumerate(np.repeat(CLASSES, 40))],
        columns=["lesion_id", "image_id", "dx"],
    )
    facts = {"name": "SYNTHETIC", "metadata": metadata, "metadata_digest": "m", "image_digest": "d"}
    facts |= {"further_digest": lambda channels: None}
    return SimpleNamespace(**facts | changes)


def digest(profile=DEMO, run=RUN, on=None):
    return inputs_digest(resolve(profile, run), run, on or data())


def changed(key, value):
    return dataclasses.replace(DEMO, **{key: value})


def test_what_says_nothing_about_a_run_leaves_it_valid():
    same = {"seeds": (0, 1, 7), "description": "x", "arms": ("mobilenetv2-base",), "time_budget_seconds": 1.0}
    assert {digest(changed(key, value)) for key, value in same.items()} == {digest()}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 9),
        ("test_seed", 13),
        ("test", "lesion-folds"),
        ("batch_norm_momentum", 0.5),
        ("checkpoint", "last"),
        ("weight_decay", 0.1),
        ("validation_fraction", 0.25),
        ("weights", "imagenet"),
    ],
)
def test_every_setting_counts(key, value):
    run = "mobilenetv2-base-fold0-seed0" if key == "test" else RUN
    assert digest(changed(key, value), run) != digest()


def test_a_changed_default_makes_runs_stale():
    """The settings are taken in full: nothing hides behind the value that a key has anyway."""
    untouched = {f.name for f in dataclasses.fields(DEMO) if f.default == getattr(DEMO, f.name)} & set(DEMO.settings())
    assert "optimizer" in untouched
    before = digest()
    for key in untouched - {"synthetic_lesions", "max_images_per_class"}:
        other = SimpleNamespace(**vars(DEMO), settings=lambda key=key: {**DEMO.settings(), key: "another default"})
        assert inputs_digest(other, RUN, data()) != before, key


def test_seed_arm_fold_and_data_count():
    folds = changed("test", "lesion-folds")
    others = [
        digest(run="mobilenetv2-base-seed1"),
        digest(run="resnet50-base-seed0"),
        digest(run="mobilenetv2-base-lr0.5-seed0"),
        digest(folds, "mobilenetv2-base-fold0-seed0"),
        digest(folds, "mobilenetv2-base-fold1-seed0"),
        digest(on=data(image_digest="e")),
        digest(on=data(metadata_digest="e")),
        digest(on=data(name="HAM10000")),
        digest(on=data(metadata=data().metadata.iloc[::-1])),
    ]
    assert len({digest(), *others}) == len(others) + 1


def test_masks_count_where_a_network_is_given_them():
    masked = lambda digest: data(further_digest={3: None, 4: digest}.get)  # noqa: E731
    assert digest(on=masked("a")) == digest(on=masked("b"))
    run = "twopath-base-random-seed0"
    assert digest(run=run, on=masked("a")) != digest(run=run, on=masked("b"))


def test_other_weights_make_runs_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / "resnet50_imagenet_notop.h5").touch()  # another's: ours is downloaded
    start = changed("weights", "imagenet")
    file = tmp_path / "mobilenetv2_imagenet_notop.h5"
    downloaded = digest(start)
    file.write_bytes(b"one")
    one = digest(start)
    file.write_bytes(b"two")
    assert len({downloaded, one, digest(start)}) == 3
    random = digest(changed("weights", "none"))
    file.write_bytes(b"three")
    assert digest(changed("weights", "none")) == random, "a random start reads no file"


def edited(monkeypatch, tmp_path, name, old, new):
    """The digest of a run if one file of the package read otherwise."""
    copy = tmp_path / name.replace("/", "-")
    for file in paths.ROOT.glob("wagf_src/**/*.py"):
        atomic.write_text(copy / file.relative_to(paths.ROOT / "wagf_src"), file.read_text())
    source = (copy / f"{name}.py").read_text()
    assert old in source
    (copy / f"{name}.py").write_text(source.replace(old, new, 1))
    monkeypatch.setattr(digests, "code_digest", lambda modules: code_digest.code_digest(modules, copy))
    return digest()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("data/augmentation", "\n\n\n", "\n\nextra = 1\n\n"),
        ("layers/soft_attention", "\n\n\n", "\n\nextra = 1\n\n"),
        ("models/classifier", "\n\n\n", "\n\nextra = 1\n\n"),
        ("train/trainer", "PREDICT_BATCH = 128", "PREDICT_BATCH = 64"),
        ("train/optimizers", "beta_1=0.9", "beta_1=0.8"),
        ("stats/metrics", "np.round(p)", "np.floor(p)"),  # batch F1, by which released profiles choose the epoch
    ],
)
def test_code_that_makes_numbers_counts(monkeypatch, tmp_path, name, old, new):
    before = digest()
    assert edited(monkeypatch, tmp_path, name, old, new) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train/trainer", "\n\n\n", "\n\n# a comment\n\n"),
        ("stats/metrics", "ECE_BINS = 15", "ECE_BINS = 10"),
        ("arms", "\n\n\n", "\n\nextra = 1\n\n"),
        ("report/publish", "\n\n\n", "\n\nextra = 1\n\n"),
        ("models/equation1_facts", "\n\n\n", "\n\nextra = 1\n\n"),
        ("train/sweep", "\n\n\n", "\n\nextra = 1\n\n"),
    ],
)
def test_code_that_makes_none_does_not(monkeypatch, tmp_path, name, old, new):
    before = digest()
    assert edited(monkeypatch, tmp_path, name, old, new) == before


def test_what_an_arms_name_means_counts(monkeypatch):
    from wagf_src import arms

    before = digest()
    entry = dataclasses.replace(arms.BACKBONES["mobilenetv2"], title="another title")
    monkeypatch.setitem(arms.BACKBONES, "mobilenetv2", entry)
    assert digest() == before
    monkeypatch.setitem(arms.BACKBONES, "mobilenetv2", dataclasses.replace(entry, imagenet_mode="caffe"))
    assert digest() != before


# Imported by training, but judged by what they give (settings, data, split, arm), or without part in a number.
JUDGED_OTHERWISE = {"arms", "array_cache", "atomic", "classes", "code_digest", "errors", "paths"}
JUDGED_OTHERWISE |= {"plain_yaml", "profile"}
JUDGED_OTHERWISE |= {f"data.{room}" for room in ("dataset", "download", "ham10000", "protocol", "reading", "store")}
JUDGED_OTHERWISE |= {"data.synthetic", "train.split_experiment", "stats.metrics"}


def test_all_code_that_training_imports_is_known():
    """Python itself says what fitting imports; whoever adds a module decides here whether it makes numbers."""
    code = "import sys, wagf_src.train.trainer; print(*(m for m in sys.modules if m.startswith('wagf_src.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=paths.ROOT)
    modules = {name.removeprefix("wagf_src.") for name in done.stdout.split()} - {"data", "models", "stats", "train"}
    covered = {m for m in modules if any((m + ".").startswith(c.replace("/", ".") + ".") for c in TRAINING_CODE)}
    assert modules - covered - JUDGED_OTHERWISE == set()


def test_runs_that_are_missing_or_changed_are_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    profile = dataclasses.replace(DEMO, arms=("mobilenetv2-base", "mobilenetv2-sa-described"), seeds=(0, 1))
    names = profile.runs()
    assert stale_runs(profile, data()) == names
    for run in fabricate(tmp_path / "demo" / "runs", profile.arms, profile.seeds):
        info = json.loads((run.path / "run.json").read_text())
        info["inputs_digest"] = digest(profile, run.name)
        (run.path / "run.json").write_text(json.dumps(info))
    assert stale_runs(profile, data()) == []
    assert stale_runs(dataclasses.replace(profile, epochs=7), data()) == names
    more = dataclasses.replace(profile, seeds=(0, 2))
    assert stale_runs(more, data()) == ["mobilenetv2-base-seed2", "mobilenetv2-sa-described-seed2"]
