"""Costs: images x operations / operations per second, worked out here by hand, with a counter that is faked."""

import dataclasses

import pandas as pd
import pytest
from bench.clockwork import Clockwork

from wagf_src.bench import costs
from wagf_src.data import dataset
from wagf_src.profile import Profile, load_profile


@pytest.fixture
def counter():
    return costs.Counter(Clockwork({"kind": "operations"}))


def test_hours_of_a_profile(counter):
    profile = Profile(
        name="none-such",
        description="",
        data="synthetic",
        synthetic_lesions=140,
        image_size=112,
        seeds=(0, 1),
        epochs=5,
        arms=("densenet121-base", "densenet121-base-lr0.01"),
        images_per_epoch=1000,
        test_views=8,
    )
    work = costs.profile_work(counter, profile)
    heads = [1e6 * len(arm) for arm in profile.arms] * 2  # the fake counts the letters of the name
    each = [3e9 / 4 + head for head in heads]
    assert len(work) == 4 and work["training"].tolist() == pytest.approx([3 * 5000 * n for n in each])
    held = work["evaluation"].iloc[0] / each[0] / (5 + 7)
    assert held == pytest.approx(round(held)) and 20 < held < 192
    published = costs.published_rates(counter)
    step = {"what": ["train"], "case": ["densenet121-base"], "pixels": [128], "seconds_per_image": [0.01]}
    here = costs.measured_rates(counter, pd.DataFrame(step))
    rows = {row["device"]: row for row in costs.profile_rows(profile, work, published, here, "AMD, 2 cores")}
    flops, head = (work["training"] + work["evaluation"]).sum(), heads[0]
    assert rows["RTX 3090"]["hours"] * 3600 == pytest.approx(flops / (3 * 913.65 * (3e9 + head)))
    # On the A100 only ResNet-50 was published: DenseNet-121 in the RTX 3090's proportion.
    resnet = 4e9 + 1e6 * len("resnet50-base")
    a100 = 3 * 2375 * resnet * (913.65 * (3e9 + head)) / (1218.01 * resnet)
    assert rows["A100 (40 GB)"]["hours"] * 3600 == pytest.approx(flops / a100)
    # One network, whatever the learning rate: the step measured for the plain name counts for both arms.
    assert rows["AMD, 2 cores"]["hours"] * 3600 == pytest.approx(flops / (3 * (3e9 * (128 / 224) ** 2 + head)) * 0.01)
    assert {row["basis"].split()[0] for row in rows.values()} == {"derived"}


def test_frozen_backbones_cost_their_features_once(counter):
    profile = dataclasses.replace(
        load_profile("demo"),
        train="frozen",
        augmentation="dihedral",
        validation="lesions",
        weights="none",
        arms=("mobilenetv2-probe", "mobilenetv2-base"),
        seeds=(0, 1),
    )
    work = costs.profile_work(counter, profile).set_index("run")
    assert len(work) == 1 + 2 + 1 and work.loc["mobilenetv2-probe-seed0", "training"] == 0
    features = work.loc["features", "evaluation"] / (3e8 * (64 / 224) ** 2)
    assert features == pytest.approx(8 * len(dataset.load_metadata(profile)))


def test_folds_together_test_every_image_once(counter):
    folds = {"test": "lesion-folds", "augmentation": "online", "validation": "lesions", "test_views": 1, "epochs": 1}
    profile = dataclasses.replace(load_profile("demo"), arms=("mobilenetv2-base",), seeds=(0, 1), **folds)
    work = costs.profile_work(counter, profile)
    n = len(dataset.load_metadata(profile))
    images = work["evaluation"].sum() / (3e8 * (profile.image_size / 224) ** 2 + 1e6 * len("mobilenetv2-base"))
    assert len(work) == 2 * 5 and 2 * n < images < 2 * n * (1 + 5 * profile.validation_fraction)  # with what validates


def test_hours_are_missing_where_a_network_was_not_measured(counter):
    profile = dataclasses.replace(load_profile("demo"), arms=("resnet50-base",))
    work = costs.profile_work(counter, profile)
    step = {"what": ["train"], "case": ["mobilenetv2-base"], "pixels": [128], "seconds_per_image": [0.01]}
    here = costs.measured_rates(counter, pd.DataFrame(step))
    [row] = costs.profile_rows(profile, work, {}, here, "AMD")
    assert pd.isna(row["hours"]) and row["petaflops"] > 0
