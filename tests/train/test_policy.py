"""Augmentation policies: operations against Pillow and NumPy, draws against their distributions."""

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageEnhance

from wagf_src.arms import parse_arm
from wagf_src.data.augmentation import affine_parameters
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_head
from wagf_src.profile import load_profile
from wagf_src.train.methods import policy

SIDE = 24


def maps(n, epoch=1, seed=1000):
    return affine_parameters(np.arange(n), np.full(n, epoch), seed, load_profile("lite"))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.uniform(30, 225, (3, SIDE // 4, SIDE // 4, 3)), np.ones((1, 4, 4, 1)))
    return np.clip(np.round(smooth + rng.normal(0, 8, smooth.shape)), 0, 255).astype("float32")


class Given:
    """Draws that are all alike: this share of the way from low to high."""

    def __init__(self, share):
        self.share = share

    def __call__(self, low=0.0, high=1.0):
        return ops.ones((1, 1, 1, 1)) * (low + self.share * (high - low))

    def normal(self, shape):
        return ops.ones((1, *shape))


def pillow(images, change):
    return np.stack([np.asarray(change(Image.fromarray(image.astype("uint8"))), float) for image in images])


@pytest.mark.parametrize(
    ("name", "enhance", "within"),
    [
        ("saturation", ImageEnhance.Color, 1.5),
        ("contrast", ImageEnhance.Contrast, 1.5),
        ("brightness", ImageEnhance.Brightness, 1.01),
        ("sharpness", ImageEnhance.Sharpness, 1.5),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.9])
def test_enhancers_are_pillows(images, name, enhance, within, share):
    wanted = pillow(images, lambda image: enhance(image).enhance(0.6 + 0.8 * share))
    got = np.clip(policy.COLOUR[name](images, Given(share)), 0, 255)
    if name == "sharpness":  # Pillow leaves the edge as it is
        got, wanted = got[:, 1:-1, 1:-1], wanted[:, 1:-1, 1:-1]
    assert abs(got - wanted).max() <= within


def test_equalisation_is_of_each_image_and_channel(images):
    got = np.array(policy.COLOUR["equalise"](images, Given(0)))
    for image, changed in zip(images, got):
        for c in range(3):
            values = image[..., c].astype(int)
            below = np.array([(values <= level).sum() for level in range(256)])
            lowest, n = below[values.min()], values.size
            assert changed[..., c] == pytest.approx(np.round(255 * (below - lowest) / (n - lowest))[values], abs=1.01)
    flat = np.full((1, SIDE, SIDE, 3), 77, "float32")
    assert np.array_equal(policy.COLOUR["equalise"](flat, Given(0)), flat)
    luma = np.array(policy.COLOUR["equalise_luma"](images, Given(0)))
    assert luma - images == pytest.approx((luma - images)[..., :1] * np.ones(3), abs=1e-3), "chroma stays"


def test_pointwise_colours_by_hand(images):
    def at(name, share):
        return np.array(policy.COLOUR[name](images, Given(share)))

    assert np.array_equal(at("posterise", 0.7), images // 4 * 4)  # round(2.1) bits
    assert np.array_equal(at("posterise", 0.1), images)
    assert np.array_equal(at("solarise", 0), np.where(images >= 128, 255 - images, images))
    stretched = at("autocontrast", 0)
    assert stretched.min(axis=(1, 2, 3)) == pytest.approx(0) and stretched.max(axis=(1, 2, 3)) == pytest.approx(255)
    assert at("mix", 0.5) == pytest.approx(0.9 * images + 0.1 * images[[2, 0, 1]], rel=1e-5)
    assert at("noise", 0.5) == pytest.approx(images + 5)
    # The first draw chooses the last channel; the others have 0.9 > 1/3, so they stay.
    assert at("cast", 0.9) - images == pytest.approx(np.array([0, 0, 24]) * np.ones((3, SIDE, SIDE, 3)), abs=1e-4)
    dark = at("vignetting", 0.5) / images
    assert dark[:, 10:14, 10:14].min() == pytest.approx(1)
    r = np.hypot(11.5, 11.5)  # the middle of the corner's pixel; beyond 6 pixels it grows darker
    wanted = 1 - 0.3 * ((r - 6) / (SIDE / np.sqrt(2) - 6)) ** 1.2
    assert dark[:, 0, 0] == pytest.approx(wanted * np.ones((3, 3)), rel=1e-4)


def shape(images, share, *names):
    return np.array(policy.change_shape(images, {name: ops.ones((3, 1, 1, 1), "bool") for name in names}, Given(share)))


def test_shapes_by_hand(images):
    assert shape(images, 0.3) == pytest.approx(images, abs=1e-3), "nothing active"
    assert shape(images, 0.0, "flip") == pytest.approx(images[:, :, ::-1], abs=1e-2)
    assert shape(images, 0.5, "flip") == pytest.approx(images[:, ::-1], abs=1e-2)
    assert shape(images, 0.9, "flip") == pytest.approx(images[:, ::-1, ::-1], abs=1e-2)
    ramp = np.broadcast_to(np.arange(SIDE, dtype="float32")[None, None, :, None], images.shape)
    middle = (SIDE - 1) / 2
    inner = slice(9, 15)
    larger = shape(ramp, 1.0, "scale")[:, inner, inner]
    assert larger == pytest.approx(middle + (ramp[:, inner, inner] - middle) / 1.2, abs=1e-3)
    turned = shape(ramp, 1.0, "rotate")[:, inner, inner]  # 40 degrees
    away = np.arange(SIDE)[inner] - middle
    wanted = middle + np.cos(np.deg2rad(40)) * away[None, :] - np.sin(np.deg2rad(40)) * away[:, None]
    assert turned == pytest.approx(np.broadcast_to(wanted[None, :, :, None], turned.shape), abs=1e-3)
    sheared = shape(ramp, 1.0, "shear_x")[:, inner, inner]
    wanted = middle + away[None, :] + np.tan(np.deg2rad(15)) * away[:, None]
    assert sheared == pytest.approx(np.broadcast_to(wanted[None, :, :, None], sheared.shape), abs=1e-3)
    # Half a side of 25 px of 450: 1.33 of 24 px about the middle, so the inner 2 x 2 pixels go.
    holed = shape(images, 0.5, "cutout")
    assert (abs(holed - images) > 0.1).any(axis=-1).sum(axis=(1, 2)).tolist() == [4, 4, 4]
    assert holed[0, 11, 11] == pytest.approx(policy.FILL)
    assert shape(images, 1.0, "rotate")[:, 0, 0] == pytest.approx(np.array([policy.FILL] * 3))
    bent = shape(ramp, 1.0, "lens")
    assert np.isfinite(bent).all() and abs(bent - ramp).max() > 1


def test_draws_are_uniform_normal_and_each_copys_own():
    u = policy.Draws(maps(4000))
    first, second = (np.array(u()).ravel() for _ in range(2))
    for values in (first, second):
        assert np.histogram(values, 10, (0, 1))[0] == pytest.approx(np.full(10, 400), abs=90)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
    normal = np.array(policy.Draws(maps(50)).normal((20, 20, 3)))
    assert normal.shape == (50, 20, 20, 3) and abs(normal.mean()) < 0.02 and normal.std() == pytest.approx(1, abs=0.02)
    assert (abs(normal) > 1.96).mean() == pytest.approx(0.05, abs=0.005)
    assert len(np.unique(normal[:, 0, 0, 0])) > 45
    again, other = (np.array(policy.Draws(maps(4000, seed=seed))()).ravel() for seed in (1000, 1001))
    assert np.array_equal(again, first) and abs(np.corrcoef(other, first)[0, 1]) < 0.06


def test_the_modified_policy_draws_one_of_each_group_and_carries_it_out_in_seven_of_ten():
    for active, group in zip(policy.modified(policy.Draws(maps(4000))), (policy.COLOUR, policy.SHAPE)):
        counts = {name: int(np.sum(np.array(mask))) for name, mask in active.items()}
        assert list(counts) == list(group) and len(group) in (13, 8)
        assert sum(counts.values()) / 4000 == pytest.approx(0.7, abs=0.03)
        assert list(counts.values()) == pytest.approx(np.full(len(group), 2800 / len(group)), rel=0.25)
        assert np.sum([np.array(mask) for mask in active.values()], axis=0).max() == 1


def test_shens_policy_draws_each_on_its_own():
    colour, shape = policy.shen(policy.Draws(maps(4000)))
    assert len(colour) == 10 and list(shape) == ["rotate", "flip", "cutout", "shear_x", "shear_y", "scale"]
    shares = [np.mean(np.array(mask)) for mask in (colour | shape).values()]
    assert shares == pytest.approx(np.full(16, 0.3), abs=0.03)


@pytest.mark.parametrize("name", policy.POLICIES)
def test_the_layer_changes_in_training_only_and_each_copy_alike_in_any_batch(name, images):
    layer = policy.Policy(name)
    x, m = np.tile(images, (6, 1, 1, 1)), maps(18)
    assert np.array_equal(layer([x, m]), x)
    out = np.array(layer([x, m], training=True))
    assert out.shape == x.shape and out.min() >= 0 and out.max() <= 255 and out.dtype == "float32"
    assert (abs(out - x).max(axis=(1, 2, 3)) > 1).mean() > 0.7
    active = getattr(policy, name)(policy.Draws(m))[0]["mix"]
    unmixed = ~np.array(active).ravel()
    order = np.arange(18)[::-1]
    turned = np.array(layer([x[order], m[order]], training=True))[order]
    assert turned[unmixed] == pytest.approx(out[unmixed], abs=0.05)
    assert policy.Policy.from_config(layer.get_config()).policy == name
    with pytest.raises(ValueError, match="one of modified, shen"):
        policy.Policy("other")


@pytest.mark.parametrize("build", [policy.build_mwnl, policy.build_shen])
def test_a_trainer_changes_copies_and_the_classifier_none(build, images):
    keras.utils.set_random_seed(0)
    model = build_head(parse_arm("mobilenetv2-base"), (SIDE, SIDE, 3))
    image, by = keras.Input((SIDE, SIDE, 3), name="image"), keras.Input((8,), name="map")
    trainer = build(model, {"image": image, "map": by}, image)
    trainer.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    trainer.begin_epoch(1, 4, np.arange(1, 8), [])
    x = {"image": np.tile(images, (3, 1, 1, 1)), "map": maps(9)}
    assert np.isfinite(trainer.fit(x, np.arange(9) % 7, verbose=0).history["loss"][0])
    plain = model.predict(x["image"], verbose=0)["features"]
    assert trainer.predict(x, verbose=0)["features"] == pytest.approx(plain, rel=1e-5)
    with pytest.raises(UserError, match="augmentation to online"):
        build(model, {"image": image}, image)
    masked = keras.Input((SIDE, SIDE, 4), name="masked")
    with pytest.raises(UserError, match="fourth channel"):
        build(model, {"image": masked, "map": by}, masked)


class Told:
    """Draws that are told one after the other, as shares of the way from low to high."""

    def __init__(self, *shares):
        self.shares = list(shares)

    def __call__(self, low=0.0, high=1.0):
        return ops.ones((1, 1, 1, 1)) * (low + self.shares.pop(0) * (high - low))


COLUMNS, ROWS = np.meshgrid(np.arange(SIDE, dtype="float32"), np.arange(SIDE, dtype="float32"))
INNER = (slice(9, 15), slice(9, 15))


def test_darkness_grows_from_a_middle_that_lies_anywhere_near_the_images():
    """The middle is at 9.6 and 14.4 of 24 pixels, darkening begins 6 pixels from it and ends at the half diagonal."""
    grey = np.full((1, SIDE, SIDE, 3), 200, "float32")
    got = np.array(policy.COLOUR["vignetting"](grey, Told(0, 1, 0.5, 0.5)))
    r = np.hypot(COLUMNS + 0.5 - 9.6, ROWS + 0.5 - 14.4)
    wanted = 200 * (1 - 0.3 * np.clip((r - 6) / (SIDE / np.sqrt(2) - 6), 0, 1) ** 1.2)
    assert got[0] == pytest.approx(wanted[..., None] * np.ones(3), rel=1e-4)


@pytest.mark.parametrize(("share", "wanted"), [(0.3, [-12, -12, -12]), (0.6, [0, 6, 0])])
def test_a_cast_takes_one_channel_and_a_third_of_the_others(images, share, wanted):
    got = np.array(policy.COLOUR["cast"](images, Given(share)))
    assert got - images == pytest.approx(np.array(wanted) * np.ones(images.shape), abs=1e-3)


def test_colours_change_in_one_order_whatever_the_order_of_their_names():
    dark = np.full((1, 1, 1, 3), 100, "float32")
    on = {name: ops.ones((1, 1, 1, 1), "bool") for name in ("solarise", "brightness")}
    # First 1.4 times as bright, then 255 minus that, as it is above 128; the other way round it would be 140.
    assert np.array(policy.change_colour(dark, on, Told(1, 0))) == pytest.approx(np.full((1, 1, 1, 3), 115), abs=1e-3)


def sampled(name, *shares):
    """Columns and rows of the photograph that the inner pixels show."""
    image = np.stack([COLUMNS, ROWS, 0 * ROWS], axis=-1)[None]
    out = np.array(policy.change_shape(image, {name: ops.ones((1, 1, 1, 1), "bool")}, Told(*shares)))
    return out[0][INNER][..., 0], out[0][INNER][..., 1]


# Draws: rotation, both shears, scale, both scales apart, flip, and then those of the lens.
@pytest.mark.parametrize(
    ("name", "shares", "columns", "rows"),
    [
        ("rotate", [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], (0.7660444, -0.6427876), (0.6427876, 0.7660444)),  # 40 degrees
        ("shear_x", [0.5, 1, 0.5, 0.5, 0.5, 0.5, 0.5], (1, 0.2679492), (0, 1)),  # 15 degrees
        ("shear_y", [0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5], (1, 0), (0.2679492, 1)),
        ("scale", [0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5], (1 / 1.2, 0), (0, 1 / 1.2)),
        ("scale_xy", [0.5, 0.5, 0.5, 0.5, 1, 0, 0.5], (1 / 1.2, 0), (0, 1 / 0.8)),
    ],
)
def test_columns_and_rows_move_by_the_matrix_of_the_shape(name, shares, columns, rows):
    dx, dy = COLUMNS[INNER] - (SIDE - 1) / 2, ROWS[INNER] - (SIDE - 1) / 2
    for got, (a, b) in zip(sampled(name, *shares), (columns, rows)):
        assert got == pytest.approx((SIDE - 1) / 2 + a * dx + b * dy, abs=1e-3)


def test_the_lens_is_browns():
    k1, k2, p1, p2 = 0.09, -0.09, 0.03, -0.03
    x, y = ((2 * v[INNER] + 1 - SIDE) / SIDE for v in (COLUMNS, ROWS))
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2
    wanted_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    wanted_y = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y**2)
    columns, rows = sampled("lens", *[0.5] * 7, 1, 0, 0.75, 0.25)
    assert columns == pytest.approx((SIDE * wanted_x + SIDE - 1) / 2, abs=1e-3)
    assert rows == pytest.approx((SIDE * wanted_y + SIDE - 1) / 2, abs=1e-3)


def test_a_hole_is_of_pixels_of_the_photograph_and_of_imagenets_mean(images):
    """50 of 450 pixels to each side are 2.67 of 24; about (12, 19.2) that is rows 9 to 14 and columns 17 to 21."""
    hole = {"cutout": ops.ones((3, 1, 1, 1), "bool")}
    changed = np.array(policy.change_shape(images, hole, Told(*[0.5] * 7, 1, 1, 0.5)))
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[9:15, 17:22] = True
    for image, before in zip(changed, images):
        assert np.array_equal((abs(image - before) > 0.05).any(axis=-1), wanted)
        assert image[wanted] == pytest.approx(np.array([[0.485, 0.456, 0.406]] * 30) * 255, rel=1e-5)


def test_draws_are_those_of_the_hash_to_the_bit():
    """The hash and the numbers made of it in whole numbers of Python."""
    word = 2**32 - 1

    def mixed(z):
        z = (z ^ z >> 16) * 0x21F0AAAD & word
        z = (z ^ z >> 15) * 0xD35A2D97 & word
        return z ^ z >> 15

    m = maps(5)
    u = policy.Draws(m)
    uniform, _, normal = (np.array(v) for v in (u(), u(), u.normal((2, 2, 1))))
    for row, one, several in zip(np.round(m.astype(float) * 1e5).astype(int).tolist(), uniform, normal):
        key = 0
        for number in row[:6]:
            key = mixed(key ^ number & word)
        assert one.item() == (mixed(key + 0x1E3779B1 & word) >> 8) / 2**24
        for place, value in enumerate(several.ravel()):
            bits = mixed(mixed(key + 3 * 0x1E3779B1 & word) ^ place)
            radius = np.sqrt(-2 * np.log((bits & 0xFFFF) / 2**16 + 2**-17))
            assert value == pytest.approx(radius * np.cos(2 * np.pi * (bits >> 16) / 2**16), abs=1e-4)


def test_shens_operations_are_those_that_descriptions_name():
    colour, shape = policy.shen(policy.Draws(maps(1)))
    named = "mix noise saturation contrast brightness sharpness equalise posterise autocontrast solarise"
    assert sorted(colour) == sorted(named.split())
    assert sorted(shape) == ["cutout", "flip", "rotate", "scale", "shear_x", "shear_y"]


@pytest.mark.parametrize(
    ("build", "name", "kind"),
    [
        (policy.build_mwnl, "modified", "MWNLClassifier"),
        (policy.build_shen, "shen", "WeightedClassifier"),
        (policy.build_modified, "modified", "Classifier"),
    ],
)
def test_every_method_has_its_policy_and_its_loss(build, name, kind):
    model = build_head(parse_arm("mobilenetv2-base"), (SIDE, SIDE, 3))
    image, by = keras.Input((SIDE, SIDE, 3), name="image"), keras.Input((8,), name="map")
    trainer = build(model, {"image": image, "map": by}, image)
    assert trainer.get_layer("policy").policy == name and type(trainer).__name__ == kind
