"""Tables of attention maps: weight inside the lesion counted pixel by pixel, examples, means and widths."""

import shutil

import numpy as np
import pandas as pd
import pytest
from fabricate import discs, divide, fabricate, seal

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.report import evidence, photographs
from wagf_src.report.tables import TABLES
from wagf_src.report.tables import attention as tables
from wagf_src.stats import attention

ARMS = (
    "densenet121-base",
    "densenet121-sa-described",
    "densenet121-wagf-described",
    "densenet121-wagf-described-conv",
    "densenet121-wagf-released",
)
MAIN = "densenet121-wagf-described"


@pytest.fixture
def runs(results_dir):
    return fabricate(results_dir / "own" / "runs", ARMS, seeds=(0, 1))


@pytest.fixture
def masks(monkeypatch):
    found = discs(np.random.default_rng(0), 200, 40)
    monkeypatch.setattr(photographs, "lesion_masks", lambda *_: (found, ""))
    return found


def collect():
    return evidence.collect("own", TABLES)


def test_weight_inside_the_lesion_pixel_by_pixel(runs, masks):
    table = collect().table("attention_maps").set_index(["arm", "map", "class"])
    inside = []
    for run in runs:
        if run.arm == MAIN:
            maps = np.kron(run.attention()["safa"].astype(float), np.ones((20, 20)))  # 2 x 2 cells onto 40 x 40 pixels
            inside.append((maps * masks).sum(axis=(1, 2)) / maps.sum(axis=(1, 2)))
    assert table.loc[(MAIN, "safa", "all"), "share_inside"] == pytest.approx(np.mean(inside), rel=1e-6)
    is_mel = (runs[0].predictions()["dx"] == "mel").to_numpy()
    line = table.loc[(MAIN, "safa", "mel")]
    assert line["share_inside"] == pytest.approx(np.mean(inside, axis=0)[is_mel].mean(), rel=1e-6)
    assert line["area_share"] == pytest.approx(masks[is_mel].mean()) and line["n_seeds"] == 2
    kinds = table.groupby("arm").apply(lambda rows: set(rows.index.get_level_values("map")))
    assert kinds["densenet121-sa-described"] == {"soft_attention"} and kinds[MAIN] == set(tables.KINDS)


def test_the_main_map_is_that_of_the_arm_nearest_to_the_proposed_model(runs, masks):
    found = collect()
    main = found.table("attention")
    assert main["arm"].unique().tolist() == [MAIN] and main["map"].unique().tolist() == ["safa"]
    assert main["class"].tolist() == [*CLASSES, "all"]
    assert list(found.once(tables.maps).shown) == [MAIN, "densenet121-wagf-released"]


def test_examples_are_the_surest_correct_images_with_their_maps(runs, masks):
    table = collect().table("attention_examples")
    first = next(run for run in runs if run.arm == MAIN)
    frame, maps = first.predictions(), first.attention()["safa"]
    p = frame.filter(like="p_").set_axis(CLASSES, axis=1)
    for name, rows in table[table["reading"] == "described"].groupby("class"):
        of_class = p[(frame["dx"] == name) & (p.idxmax(axis=1) == name)]
        image = of_class[name].idxmax()
        assert rows["image_id"].unique().tolist() == [frame["image_id"][image]] and (rows["predicted"] == name).all()
        grid = rows.pivot(index="row", columns="column", values="value")
        np.testing.assert_allclose(grid, maps[image].astype(float))
    # The same images in the released reading.
    ids = table.groupby("reading")["image_id"].unique()
    assert set(ids["described"]) == set(ids["released"])


def test_means_are_relative_to_an_even_map(runs, masks):
    table = collect().table("attention_means")
    assert table["map"].unique().tolist() == [
        "lesions",
        "SaFA as described",
        "SaFA as released",
        "soft attention",
        "the Gaussian control",
    ]
    np.testing.assert_allclose(table.groupby("map")["value"].mean(), 1)
    lesions = table[table["map"] == "lesions"].pivot(index="row", columns="column", values="value").to_numpy()
    expected = masks.mean(axis=0).reshape(20, 2, 20, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(lesions, expected / expected.mean(), rtol=1e-5)


def test_a_gaussian_map_is_given_its_own_width(runs, masks):
    for run in runs:
        if run.arm == MAIN:
            blob = np.repeat(attention.gaussian(10, 10, 0.3)[None], 200, axis=0)
            np.savez_compressed(run.path / "attention.npz", safa=blob, soft_attention=np.ones((200, 10, 10)))
            seal(run.path)
    found = collect()
    line = found.table("attention_equivalents").set_index("map")
    assert line.loc["safa", "sigma"] == pytest.approx(0.3, abs=0.002) and line.loc["safa", "common"] == pytest.approx(1)
    curve = found.table("attention_widths")
    assert (np.diff(curve["share_inside"]) < 0).all()


def test_a_map_that_avoids_the_lesions_has_no_width(runs, masks):
    """Less than an even map on the lesions, in the middle: no centred Gaussian does that."""
    for run in runs:
        if run.arm == MAIN:
            away = np.repeat(
                (1 - attention.gaussian(10, 10, 0.2) / attention.gaussian(10, 10, 0.2).max())[None], 200, 0
            )
            np.savez_compressed(run.path / "attention.npz", safa=away, soft_attention=np.ones((200, 10, 10)))
            seal(run.path)
    line = collect().table("attention_equivalents").set_index("map").loc["safa"]
    assert np.isnan(line["sigma"]) and line["share_inside"] < masks.mean()


def test_without_masks_nothing_is_measured_but_maps_are_shown(runs, monkeypatch):
    monkeypatch.setattr(photographs, "lesion_masks", lambda *_: (None, "the data are not here"))
    found = collect()
    for name in ("attention_maps", "attention", "attention_widths", "attention_equivalents"):
        assert found.table(name).empty, name
    assert len(found.table("attention_examples")) and "lesions" not in set(found.table("attention_means")["map"])


def test_committed_runs_without_masks_keep_their_committed_table(results_dir, monkeypatch):
    monkeypatch.setattr(photographs, "lesion_masks", lambda *_: (None, "the data are not here"))
    fabricate(results_dir / "reference" / "own" / "runs", ARMS)
    committed = pd.DataFrame(
        {"profile": ["own"], "arm": [MAIN], "map": "safa", "class": "all", "provenance": "committed"}
    )
    (results_dir / "reference" / "own" / "tables").mkdir()
    committed.to_csv(results_dir / "reference" / "own" / "tables" / "attention_maps.csv", index=False)
    pd.testing.assert_frame_equal(collect().table("attention"), committed)
    fabricate(results_dir / "own" / "runs", ARMS)  # a reader's own runs are not those of the committed table
    assert collect().table("attention_maps").empty


def test_committed_lines_stand_in_for_committed_runs_alone(results_dir, monkeypatch):
    """The reader has runs of another profile, and a first fold, which is not shown, of this one."""
    monkeypatch.setattr(photographs, "lesion_masks", lambda *_: (None, "the data are not here"))
    committed = fabricate(results_dir / "reference" / "own" / "runs", ARMS)
    fabricate(results_dir / "reference" / "lite" / "runs", ARMS, synthetic=False)
    lines = [(profile, MAIN, "safa", "all", "committed") for profile in ("lite", "own", "gone")]
    table = pd.DataFrame(lines, columns=["profile", "arm", "map", "class", "provenance"])
    (results_dir / "reference" / "own" / "tables").mkdir()
    table.to_csv(results_dir / "reference" / "own" / "tables" / "attention_maps.csv", index=False)
    assert collect().table("attention_maps")["profile"].tolist() == ["lite", "own"]
    fabricate(results_dir / "lite" / "runs", ARMS, synthetic=False)
    divide(committed[:1], results_dir / "own" / "runs")
    for fold in range(1, 5):
        shutil.rmtree(results_dir / "own" / "runs" / f"{ARMS[0]}-fold{fold}-seed0")
    assert collect().table("attention_maps")["profile"].tolist() == ["own"]


def test_without_safa_there_is_nothing(results_dir):
    fabricate(results_dir / "own" / "runs", ("densenet121-sa-described",))
    found = collect()
    assert all(found.table(name).empty for name in TABLES if name.startswith("attention"))


def test_runs_of_different_test_images_are_refused(runs, results_dir, masks):
    fabricate(results_dir / "own" / "runs", ["mobilenetv2-wagf-described"], counts={"mel": 200})
    with pytest.raises(UserError, match="different images"):
        collect().table("attention_maps")


def test_folds_are_measured_each_on_its_own_images(results_dir, monkeypatch):
    whole = fabricate(results_dir / "whole", (MAIN,), seeds=(0, 1), synthetic=False)
    divide(whole, results_dir / "x-folds" / "runs")
    drawn = dict(zip(whole[0].predictions()["image_id"], discs(np.random.default_rng(0), 200, 40)))
    monkeypatch.setattr(photographs, "lesion_masks", lambda _, run, ids: (np.array([drawn[i] for i in ids]), ""))
    table = evidence.collect("x-folds", TABLES).table("attention_maps").set_index(["map", "class"])
    maps = np.mean([attention.normalised(run.attention()["safa"]) for run in whole], axis=0)
    inside = attention.coverage(np.array(list(drawn.values())), 2, 2)
    line = table.loc[("safa", "all")]
    assert line["share_inside"] == pytest.approx((maps * inside).sum(axis=(1, 2)).mean(), rel=1e-5)
    assert line["n"] == 200 and line["n_seeds"] == 2 and "n = 200 in 5 folds; 2 seeds" in line["condition"]
    # The control is the mean of the other maps of the same network, which are those of the fold.
    first = [run for run in evidence.collect("x-folds", TABLES).runs if (run.fold, run.seed) == (0, 0)]
    assert len(first[0].predictions()) == 40
    controls = []
    for run in evidence.collect("x-folds", TABLES).runs:
        own = attention.normalised(run.attention()["safa"])
        lesions = attention.coverage(np.array([drawn[i] for i in run.predictions()["image_id"]]), 2, 2)
        controls += [(np.delete(own, k, axis=0).mean(axis=0) * lesions[k]).sum() for k in range(len(own))]
    assert line["others_share"] == pytest.approx(np.mean(controls), rel=1e-6)
    assert len(evidence.collect("x-folds", TABLES).table("attention")) == 8  # seven classes and all
