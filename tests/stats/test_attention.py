"""Attention on the lesion: areas and shares against plain pixel counting, intervals against scipy's and Student's."""

import numpy as np
import pandas as pd
import pytest
from fabricate import discs
from scipy import stats

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.stats import attention


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("cells", [(1, 1), (4, 8), (3, 5), (20, 20)])
def test_coverage_is_the_mean_of_finely_divided_pixels(rng, cells):
    masks = rng.random((3, 20, 20)) < 0.4
    height, width = cells
    # Every pixel is divided so finely that the cells' borders fall between parts.
    fine = masks.repeat(height, axis=1).repeat(width, axis=2)
    expected = fine.reshape(3, height, 20, width, 20).mean(axis=(2, 4))
    np.testing.assert_allclose(attention.coverage(masks, height, width), expected, atol=1e-6)


@pytest.mark.parametrize("cells", [4, 5, 3])
def test_share_inside_is_the_weight_of_lesion_pixels_in_the_stretched_map(rng, cells):
    maps, masks = rng.random((6, cells, cells)), discs(rng, 6, 60)
    pixels = maps.repeat(60 // cells, axis=1).repeat(60 // cells, axis=2)
    expected = [p[m].sum() / p.sum() for p, m in zip(pixels, masks)]
    found = attention.shares(maps, masks)
    np.testing.assert_allclose(found["map"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["area"], masks.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(attention.shares(17 * maps, masks)["map"], found["map"])


def test_maps_on_off_and_without_preference(rng):
    masks = np.zeros((4, 8, 8), bool)
    masks[:, :4, :4] = True
    on = np.zeros((4, 2, 2))
    on[:, 0, 0] = 0.3
    np.testing.assert_allclose(attention.shares(on, masks)["map"], 1)
    np.testing.assert_allclose(attention.shares(on.max() - on, masks)["map"], 0, atol=1e-12)
    for even in (np.full((4, 2, 2), 0.7), np.zeros((4, 2, 2))):
        np.testing.assert_allclose(attention.shares(even, masks)["map"], 0.25)


def test_others_is_the_mean_over_the_other_images_maps(rng):
    maps, masks = rng.random((5, 3, 3)), discs(rng, 5, 30)
    by_pair = np.array([[attention.shares(m[None], k[None])["map"][0] for m in maps] for k in masks])
    expected = (by_pair.sum(axis=1) - by_pair.diagonal()) / 4
    np.testing.assert_allclose(attention.shares(maps, masks)["others"], expected, rtol=1e-6)
    assert np.isnan(attention.shares(maps[:1], masks[:1])["others"][0])


@pytest.mark.parametrize("shape", [(5, 5), (4, 10)])
def test_gaussian_is_a_truncated_normal_over_the_cells(shape):
    sigma = attention.GAUSSIAN_WIDTH
    normal = stats.truncnorm(-0.5 / sigma, 0.5 / sigma, loc=0.5, scale=sigma)
    y, x = (np.diff(normal.cdf(np.linspace(0, 1, cells + 1))) for cells in shape)
    np.testing.assert_allclose(attention.gaussian(*shape), np.outer(y, x), rtol=1e-9)
    assert attention.gaussian(*shape).sum() == pytest.approx(1)
    assert sigma == 0.25, "frozen before the runs; changing it changes a published verdict"


def test_a_gaussian_map_equals_its_control_and_a_wide_one_the_area(rng):
    masks = discs(rng, 7, 40)
    same = attention.shares(np.repeat(attention.gaussian(8, 8)[None], 7, axis=0), masks)
    np.testing.assert_allclose(same["map"], same["gaussian"])
    np.testing.assert_allclose(same["others"], same["gaussian"])
    wide = np.repeat(attention.gaussian(8, 8, sigma=1e4)[None], 7, axis=0)
    np.testing.assert_allclose(attention.shares(wide, masks)["map"], same["area"], rtol=1e-6)


def test_stretching_shows_any_contrast(rng):
    maps = 0.5 + 1e-3 * rng.random((3, 4, 4))
    maps[2] = 0.5
    stretched = attention.stretched(maps)
    np.testing.assert_allclose([m.min() for m in stretched[:2]], 0)
    np.testing.assert_allclose([m.max() for m in stretched[:2]], 1)
    assert not stretched[2].any()
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 1 - 1e-9 for a, b in zip(maps[:2], stretched))


def test_common_part(rng):
    one = rng.random((1, 5, 5))
    assert attention.common_part(np.repeat(one, 9, axis=0)) == pytest.approx(1)
    assert np.isnan(attention.common_part(np.full((9, 5, 5), 0.2)))
    # Independent noise of equal spread shares nothing but its mean, 1/n of the pattern.
    assert attention.common_part(rng.random((20, 15, 15))) == pytest.approx(1 / 20, rel=0.1)


def test_interval_agrees_with_scipys_bootstrap_on_a_large_sample(rng):
    values = rng.gamma(2, size=600)
    mean, low, high = attention.interval(values, np.zeros(600), resamples=9000)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(tuple(expected), abs=0.012)


def test_interval_of_eight_images_is_as_wide_as_students(rng):
    ratios = []
    for _ in range(40):
        values = rng.normal(size=8)
        _, low, high = attention.interval(values, np.zeros(8))
        student = stats.t.interval(0.95, 7, values.mean(), stats.sem(values))
        ratios.append((high - low) / (student[1] - student[0]))
    # Plain percentiles would give 0.78 of Student's width.
    assert 0.88 < np.mean(ratios) < 1.05


def test_interval_keeps_the_strata_and_adds_the_spread_of_seeds(rng):
    strata = np.repeat([0, 1], [90, 10])
    apart = np.where(strata == 1, 10.0, 0.0)
    assert attention.interval(apart, strata) == pytest.approx((1, 1, 1)), "class counts are fixed by design"
    assert attention.interval(apart, np.zeros(100))[1] < 0.7
    values = rng.normal(size=100)
    alike = attention.interval(np.stack([values] * 5), strata)
    spread = attention.interval(np.stack([values + shift for shift in (-1, -0.5, 0, 0.5, 1)]), strata)
    assert spread[2] - spread[1] > 2 * (alike[2] - alike[1])
    assert np.isnan(attention.interval(values[:1], strata[:1])[1])
    assert np.isnan(attention.interval(values[:0], strata[:0])[0])


def test_summary_of_maps_that_follow_the_lesion(rng):
    masks = discs(rng, 84, 48)
    dx = np.array([*np.repeat(CLASSES[:6], 13), *["nv"] * 6])
    follow = attention.coverage(masks, 6, 6) + 0.05
    per_seed = [attention.shares(maps, masks) for maps in (follow, follow**2)]
    table = attention.summary(per_seed, dx).set_index("class")
    assert list(table.index) == [*CLASSES[:6], "all"], "no row for a class without images"
    assert table["n"].to_dict() == {**dict.fromkeys(CLASSES[:5], 13), "nv": 19, "all": 84}
    assert (table["n_seeds"] == 2).all()
    low, high = (table[f"ci_{side}"] for side in ("low", "high"))
    assert ((low < table["share_inside"]) & (table["share_inside"] < high)).all()
    for control, short in (("area", "area"), ("gaussian", "gauss"), ("others", "others")):
        lead = table["share_inside"] - table[f"{control}_share"]
        np.testing.assert_allclose(table[f"diff_{short}"], lead)
        assert (table[f"diff_{short}_low"] > 0).all(), "maps that follow every lesion are ahead of each control"
    assert table.loc["all", "share_inside"] == pytest.approx(np.mean([frame["map"].mean() for frame in per_seed]))


def test_summary_of_a_map_that_never_changes(rng):
    masks = discs(rng, 30, 48)
    same = np.repeat(rng.random((1, 6, 6)), 30, axis=0)
    table = attention.summary([attention.shares(same, masks)], np.full(30, "mel"))
    assert table["diff_others"].abs().max() < 1e-9
    assert table[["diff_others_low", "diff_others_high"]].abs().to_numpy().max() < 1e-9


def test_examples_are_the_surest_correct_images():
    dx = np.array(["mel", "mel", "mel", "nv", "df", "df"])
    mel, nv, df = (CLASSES.index(c) for c in ("mel", "nv", "df"))
    p = np.full((6, 7), 0.05)
    p[0, mel], p[1, mel], p[2, mel] = 0.4, 0.6, 0.7
    p[2, nv] = 0.8  # the highest probability of melanoma, but taken for a nevus
    p[3, nv] = 0.3
    p[4, df], p[5, df] = 0.2, 0.3
    p[4:, nv] = 0.6  # none right
    chosen = dict(zip(CLASSES, attention.examples(dx, p)))
    assert chosen == {"mel": 1, "nv": 3, "df": 5, **dict.fromkeys(("akiec", "bcc", "bkl", "vasc"))}


@pytest.mark.parametrize(
    "maps", [np.ones((2, 3)), np.full((2, 3, 3), np.nan), np.full((2, 3, 3), -1.0)], ids=["shape", "nan", "negative"]
)
def test_bad_maps_are_refused(maps):
    with pytest.raises(UserError, match=r"attention maps \(2, 3.*must be"):
        attention.shares(maps, np.ones((2, 6, 6), bool))


def test_maps_and_masks_of_different_images_are_refused():
    with pytest.raises(UserError, match="2 attention maps, but 3 lesion masks"):
        attention.shares(np.ones((2, 3, 3)), np.ones((3, 6, 6), bool))


def test_half_precision_maps_from_a_run_folder(rng):
    maps, masks = rng.random((50, 5, 5)), discs(rng, 50, 40)
    stored = attention.shares(maps.astype(np.float16), masks)
    pd.testing.assert_frame_equal(stored, attention.shares(maps, masks), atol=2e-4, rtol=0)


def test_leads_of_all_images_are_resampled_within_classes():
    """Leads that are one number a class: class counts are fixed, so nothing is left to chance."""
    dx = np.repeat(["mel", "nv"], [10, 40])
    frame = pd.DataFrame({"map": np.where(dx == "mel", 0.9, 0.3), "area": 0.1, "gaussian": 0.2, "others": 0.0})
    line = attention.summary([frame], dx).set_index("class").loc["all"]
    for short, lead in (("area", 0.32), ("gauss", 0.22), ("others", 0.42)):  # (10 * 0.9 + 40 * 0.3) / 50 = 0.42
        assert line[[f"diff_{short}{end}" for end in ("", "_low", "_high")]].tolist() == pytest.approx([lead] * 3)
