"""ImageNet weights from a folder of the reader's: which file is taken, and what is said where none can be."""

import h5py
import keras
import numpy as np
import pytest

from wagf_src.arms import parse_arm
from wagf_src.errors import UserError
from wagf_src.models.backbones import build_backbone
from wagf_src.models.classifier import build_model
from wagf_src.models.weights import _local_weights, weights_name


def tiny_network(weights, input_shape, name=None, filters=4, **_):
    """In the place of a keras.applications model, without a network: asking for ImageNet fails as a download does."""
    if weights == "imagenet":
        raise Exception("URL fetch failure\non a host: None -- name resolution")
    x = image = keras.Input(input_shape)
    for i in range(2):
        x = keras.layers.Conv2D(filters, 3, strides=2, name=f"conv_{i}")(x)
        x = keras.layers.BatchNormalization(name=f"norm_{i}")(x)
    return keras.Model(image, x, name=name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(keras.applications, "MobileNetV2", tiny_network)
    return tmp_path


def save_as_published(model, path):
    """The layout of Keras's published .h5 files, which are not today's .weights.h5."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{i}:0" for i, _ in enumerate(layer.weights)]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


@pytest.mark.parametrize(
    "name", ["MobileNetV2_imagenet_notop.h5", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"]
)
def test_local_weights_are_loaded(folder, name):
    source = tiny_network(None, (32, 32, 3))
    source.set_weights([np.full(w.shape, i, "float32") for i, w in enumerate(source.weights)])
    save_as_published(source, folder / name)

    def first_weights(modules):
        return build_model(parse_arm(f"mobilenetv2-{modules}"), 32, "imagenet").get_layer("backbone").get_weights()

    for found, expected in zip(first_weights("base"), source.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert first_weights("base-random")[0].std() > 0  # the arm's own choice goes first


def test_a_corrupt_file_is_named(folder):
    (folder / "mobilenetv2_imagenet_notop.h5").write_bytes(b"not a weights file")
    with pytest.raises(UserError, match="mobilenetv2_imagenet_notop.h5 in WAGF_WEIGHTS_DIR cannot be read") as error:
        build_backbone("mobilenetv2", 32, "imagenet")
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(folder):
    save_as_published(tiny_network(None, (32, 32, 3), filters=5), folder / "mobilenetv2_notop.h5")
    with pytest.raises(UserError, match="mobilenetv2_notop.h5 .* cannot be read as mobilenetv2"):
        build_backbone("mobilenetv2", 32, "imagenet")


@pytest.mark.parametrize("with_folder", [True, False])
def test_missing_weights_name_every_way_out(with_folder, folder, monkeypatch):
    (folder / "weights.h5").write_bytes(b"a name that says nothing is not taken")
    if not with_folder:
        monkeypatch.delenv("WAGF_WEIGHTS_DIR")
    with pytest.raises(UserError, match="could not download.*WAGF_WEIGHTS_DIR.*weights: none") as error:
        build_backbone("mobilenetv2", 32, "imagenet")
    assert "\n" not in str(error.value)


def test_two_candidates_are_not_guessed_between(folder):
    for name in ("resnet50_a_notop.h5", "resnet50_b_notop.h5"):
        (folder / name).touch()
    with pytest.raises(UserError, match="resnet50_a_notop.h5, resnet50_b_notop.h5"):
        _local_weights("resnet50")


def test_a_later_version_is_another_backbone(folder):
    (folder / "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5").touch()
    assert _local_weights("resnet50") is None
    kept = folder / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    kept.touch()
    assert _local_weights("resnet50") == kept


def test_kerass_own_name_of_a_file_is_recognised_though_it_differs_from_ours(folder):
    (folder / "efficientnetv2-b0_notop.h5").touch()
    assert _local_weights("efficientnetv2b0").name == "efficientnetv2-b0_notop.h5"


@pytest.mark.parametrize(("place", "says"), [("gone", "is no folder"), ("", "holds no weights file")])
def test_a_folder_without_weights_is_not_taken_for_a_download(folder, monkeypatch, place, says):
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", str(folder / place))
    with pytest.raises(UserError, match=f"WEIGHTS=.* {says}.*leave it out"):
        weights_name("mobilenetv2", "imagenet")
    assert weights_name("mobilenetv2", "none") == "none"
