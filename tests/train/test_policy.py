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
