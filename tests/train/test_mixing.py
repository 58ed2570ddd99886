"""mixup and CutMix: pixels and targets against their definitions, worked out in NumPy."""

import keras
import numpy as np
import pytest

from wagf_src.arms import parse_arm
from wagf_src.data import augmentation
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_head
from wagf_src.profile import load_profile
from wagf_src.train.methods import mixing

SIDE, N = 20, 512


@pytest.fixture(scope="module")
def maps():
    rows = np.arange(N)
    return augmentation.affine_parameters(rows, rows + 1, 1000, load_profile("ours"))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_half_of_the_copies_are_mixed_in_uniform_shares(maps, kind):
    own = np.array(mixing.kept(maps, kind, SIDE))
    assert own.shape == (N, SIDE, SIDE, 1)
    share = own.mean(axis=(1, 2, 3))
    mixed = share[share < 1]
    assert len(mixed) == pytest.approx(N / 2, abs=4 * (N / 4) ** 0.5)
    if kind == "mixup":
        np.testing.assert_allclose(own, np.broadcast_to(share[:, None, None, None], own.shape), rtol=1e-5)
        assert mixed.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / len(mixed)) ** 0.5)
        assert mixed.min() < 0.05 and mixed.max() > 0.95
    else:
        assert set(np.unique(own)) == {0, 1}
        for of_image in own[share < 1, ..., 0]:
            rows, columns = np.flatnonzero((of_image == 0).any(1)), np.flatnonzero((of_image == 0).any(0))
            assert (of_image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 0).all(), "one rectangle"
            assert (of_image == 0).sum() == len(rows) * len(columns)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_pixels_are_the_copys_and_its_neighbours_in_training_only(maps, kind):
    images = np.random.default_rng(0).uniform(0, 255, (N, SIDE, SIDE, 3)).astype("float32")
    layer = mixing.Mixing(kind)
    own = np.array(mixing.kept(maps, kind, SIDE))
    neighbours = images[np.arange(N) - 1]
    np.testing.assert_allclose(layer([images, maps], training=True), own * images + (1 - own) * neighbours, atol=1e-3)
    assert (np.array(layer([images, maps], training=False)) == images).all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_loss_takes_both_targets_in_the_pixels_shares(maps, kind):
    keras.utils.set_random_seed(0)
    model = build_head(parse_arm("mobilenetv2-base"), (SIDE, SIDE, 3))
    inputs = {"image": keras.Input((SIDE, SIDE, 3), name="image"), "map": keras.Input((8,), name="map")}
    trainer = getattr(mixing, f"build_{kind}")(model, inputs, inputs["image"])
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = {"image": rng.uniform(0, 1, (N, SIDE, SIDE, 3)).astype("float32"), "map": maps.astype("float32")}
    y = rng.integers(7, size=N)
    p = rng.dirichlet(np.ones(7), N).astype("float32")
    share = np.array(mixing.kept(maps, kind, SIDE)).mean(axis=(1, 2, 3))
    numbers = np.arange(N)
    wanted = np.mean(-share * np.log(p[numbers, y]) - (1 - share) * np.log(p[numbers, y[numbers - 1]]))
    y_pred = {"probabilities": keras.ops.convert_to_tensor(p)}
    assert float(trainer.compute_loss(x, y, y_pred, training=True)) == pytest.approx(wanted, rel=1e-4)
    plain = np.mean(-np.log(p[numbers, y]))
    assert float(trainer.compute_loss(x, y, y_pred, training=False)) == pytest.approx(plain, rel=1e-4)
    before = [np.array(v) for v in model.trainable_variables]
    trainer.fit(x, y, batch_size=64, verbose=0)
    assert any((np.array(v) != b).any() for v, b in zip(model.trainable_variables, before, strict=True))


def test_what_cannot_be_mixed_is_refused():
    model = build_head(parse_arm("mobilenetv2-wagf-described"), (4, 4, 3))
    image, maps = keras.Input((4, 4, 3)), keras.Input((8,))
    with pytest.raises(UserError, match="virtual copies"):
        mixing.build_mixup(model, {"image": image}, image)
    with pytest.raises(UserError, match="Equation 1"):
        mixing.build_cutmix(model, {"image": image, "map": maps}, image)


def drawing(monkeypatch, *numbers):
    """Draws that are these, one after the other: is it mixed, the share, and the square's row and column."""
    left = iter(numbers)
    monkeypatch.setattr(mixing, "Draws", lambda maps: lambda: keras.ops.full((1, 1, 1, 1), next(left)))


def test_the_square_has_the_neighbours_share_of_the_area_and_a_middle_of_its_own(monkeypatch):
    """A share of 0.36 is a square of 0.6 of the side: 12 rows about 0.5, 11 columns about 0.25, cut by the edge."""
    drawing(monkeypatch, 0.2, 0.64, 0.5, 0.25)
    wanted = np.ones((1, SIDE, SIDE, 1))
    wanted[:, 4:16, :11] = 0
    assert np.array_equal(mixing.kept(np.zeros((1, 8)), "cutmix", SIDE), wanted)


@pytest.mark.parametrize(("mixed", "wanted"), [(0.49, 0.64), (0.51, 1.0)])
def test_a_copy_keeps_the_share_that_is_drawn(monkeypatch, mixed, wanted):
    drawing(monkeypatch, mixed, 0.64)
    own = np.array(mixing.kept(np.zeros((1, 8)), "mixup", SIDE))
    assert own == pytest.approx(np.full((1, SIDE, SIDE, 1), wanted))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_layer_made_again_mixes_in_the_same_way(kind):
    assert mixing.Mixing.from_config(mixing.Mixing(kind).get_config()).kind == kind
