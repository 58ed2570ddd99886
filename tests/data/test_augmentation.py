"""Virtual copies: the same parameters and the same pixels everywhere, moved as SciPy would move them."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from wagf_src.data import augmentation
from wagf_src.data.augmentation import IDENTITY
from wagf_src.models.device import AffineTransform, DeviceArray
from wagf_src.profile import Profile


def profile(**changes):
    values = {"name": "t", "description": "", "data": "ham10000", "image_size": 64, "arms": ("mobilenetv2-base",)}
    return Profile(**{**values, **changes})


def test_a_copy_depends_on_seed_image_and_number_alone():
    rows, copies = np.array([5, 5, 9, 5]), np.array([1, 2, 1, 0])
    maps = augmentation.affine_parameters(rows, copies, 7, profile())
    assert maps.dtype == np.float32 and maps.shape == (4, 8)
    order = np.array([2, 0, 3, 1])
    assert (augmentation.affine_parameters(rows[order], copies[order], 7, profile()) == maps[order]).all()
    assert (augmentation.affine_parameters(rows[:1], copies[:1], 7, profile()) == maps[:1]).all()
    assert len({m.tobytes() for m in maps}) == 4
    assert (augmentation.affine_parameters(rows, copies, 8, profile())[:3] != maps[:3]).any(axis=1).all()
    assert (maps[3] == IDENTITY).all()


def test_the_parameters_are_frozen():
    """Written down on another day: a new machine or library version must give these very numbers."""
    found = augmentation.affine_parameters(np.array([0, 1, 9999]), np.array([1, 2, 3]), 12, profile(image_size=160))
    expected = [
        [0.34732, -0.93692, 137.08449, -0.94882, -0.34297, 185.99571, 0.0, 0.0],
        [-0.13959, -0.97015, 163.73055, 1.0802, -0.12537, -12.24382, 0.0, 0.0],
        [-1.05861, 0.10626, 166.66966, 0.10669, 1.05434, 1.71457, 0.0, 0.0],
    ]
    assert found.tolist() == np.array(expected, np.float32).tolist()


def test_ranges():
    maps = augmentation.affine_parameters(
        np.arange(20000), np.ones(20000, int), 0, profile(rotation_degrees=90, shift=0.1, zoom=0.2)
    )
    linear = maps[:, [0, 1, 3, 4]].reshape(-1, 2, 2).astype(float)
    zoom = np.linalg.norm(linear, axis=1)  # columns: zoom of x and of y
    assert zoom.min() == pytest.approx(0.8, abs=0.01) and zoom.max() == pytest.approx(1.2, abs=0.01)
    centre = np.array([31.5, 31.5])
    shift = linear @ centre + maps[:, [2, 5]] - centre
    assert np.abs(shift).max() == pytest.approx(6.4, abs=0.05)
    flipped = np.linalg.det(linear) < 0  # one flip of the two
    assert flipped.mean() == pytest.approx(0.5, abs=0.02)
    still = augmentation.affine_parameters(
        np.arange(9), np.ones(9, int), 0, profile(rotation_degrees=0.0, shift=0.0, zoom=0.0, flip=False)
    )
    assert np.allclose(still, IDENTITY, atol=1e-5)


def test_pixels_are_scipys():
    rng = np.random.default_rng(0)
    images = ndimage.gaussian_filter(rng.integers(0, 256, (4, 64, 64, 3)).astype(float), (0, 2, 2, 0)).astype(np.uint8)
    maps = augmentation.affine_parameters(np.arange(4), np.arange(4), 3, profile())
    moved = np.array(AffineTransform()([DeviceArray(images)(np.arange(4)), maps]))
    y, x = np.mgrid[:64, :64]
    for image, m, found in zip(images, maps.astype(float), moved):
        at = [m[3] * x + m[4] * y + m[5], m[0] * x + m[1] * y + m[2]]
        expected = np.stack(
            [ndimage.map_coordinates(image[..., c].astype(float), at, order=1, mode="nearest") for c in range(3)], -1
        )
        assert np.abs(found - expected).max() < 2e-3
    assert (moved[0] == images[0]).all()


def test_device_array_is_not_trained_and_keeps_its_type():
    for dtype in ("uint8", "float16"):
        array = np.arange(24).reshape(4, 3, 2).astype(dtype)
        layer = DeviceArray(array)
        assert not layer.trainable_weights and keras.backend.standardize_dtype(layer.array.dtype) == dtype
        found = np.array(layer(np.array([2, 0])))
        assert found.dtype == np.float32 and (found == array[[2, 0]]).all()


def test_the_eight_views_are_numpys_flips_and_turns():
    image = np.random.default_rng(2).integers(0, 256, (6, 6, 3)).astype("float32")
    maps = augmentation.dihedral_parameters(np.arange(8), 6)
    views = np.asarray(AffineTransform()([np.stack([image] * 8), maps]))
    for number, view in enumerate(views):
        expected = np.rot90(np.fliplr(image) if number >= 4 else image, number % 4)
        np.testing.assert_array_equal(view, expected)
    assert len({view.tobytes() for view in views}) == 8
