"""Arms: what a name says, labels and order; and that one entry of the registry is all that a part of an arm needs."""

import ast
import dataclasses

import keras
import numpy as np
import pytest

from wagf_src import arms, layers, paths
from wagf_src.arms import BACKBONES, BRANCHES, FUSIONS, MODULES, READINGS, arm_label, order_key, parse_arm
from wagf_src.errors import UserError
from wagf_src.layers.gradient_fusion import FUSIONS as LAYER_FUSIONS
from wagf_src.layers.readings import READINGS as LAYER_READINGS
from wagf_src.models.classifier import build_head, explain


@pytest.mark.parametrize(
    "name, expected",
    [
        ("densenet121-base", ("base", None, None, None, None, None)),
        ("densenet121-sa-released", ("sa", "released", None, None, None, None)),
        ("densenet121-sa-gf-described", ("sa-gf", "described", "eq1", "haar", None, None)),
        ("densenet121-wagf-released", ("wagf", "released", "released", "haar", None, None)),
        ("mobilenetv2-wagf-described-saliency-conv", ("wagf", "described", "saliency", "conv", None, None)),
        ("mobilenetv2-base-random-lr0.01", ("base", None, None, None, "none", 0.01)),
    ],
)
def test_arms_are_read_from_their_names(name, expected):
    arm = parse_arm(name)
    assert (arm.modules, arm.reading, arm.fusion, arm.branch, arm.weights, arm.learning_rate) == expected


@pytest.mark.parametrize(
    "name",
    ["densenet121", "densenet121-sa", "densenet121-base-described", "densenet121-sa-described-conv", "x-base-lr1.2.3"],
)
def test_impossible_arms(name):
    with pytest.raises(UserError, match="allowed"):
        parse_arm(name)


def test_a_mistake_in_a_name_is_answered_with_all_parts():
    with pytest.raises(UserError) as error:
        parse_arm("vgg16-base")
    message = str(error.value)
    assert "\n" not in message
    for part in [*BACKBONES, *MODULES, *READINGS, "-saliency|-learned", "-conv|-pool", "no reading for probe and base"]:
        assert part in message, part
    with pytest.raises(UserError, match="only with sa-gf or wagf"):
        parse_arm("densenet121-sa-described-conv")
    for rate in ("1.2.3", "0", "0.0", "2"):  # of nothing, a label would say what no training did
        with pytest.raises(UserError, match="must be a number between 0 and 1"):
            parse_arm(f"densenet121-base-lr{rate}")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("densenet121-base", "DenseNet-121"),
        ("mobilenetv2-probe", "linear probe on MobileNetV2"),
        ("densenet121-sa-gf-described", "DenseNet-121 + SA + GF"),
        ("resnet50-wagf-released", "ResNet-50 + SA + GF + SaFA (as released)"),
        ("efficientnetv2b0-sa-described", "EfficientNetV2-B0 + SA"),
        (
            "mobilenetv2-wagf-released-saliency-conv-random-lr0.01",
            "MobileNetV2 + SA + GF + SaFA (as released, saliency fusion, strided convolution for the wavelet, "
            "random initialisation, learning rate 0.01)",
        ),
        ("mobilenetv2-sa-gf-described-pool", "MobileNetV2 + SA + GF (pooling for the wavelet)"),
    ],
)
def test_labels(name, label):
    assert arm_label(name) == parse_arm(name).label == label


def test_order_is_that_of_table_1():
    ordered = [
        "mobilenetv2-probe",
        "mobilenetv2-base",
        "mobilenetv2-base-lr0.01",
        "mobilenetv2-base-random",
        "mobilenetv2-sa-described",
        "resnet50-base",
        "densenet121-base",
        "densenet121-sa-described",
        "densenet121-sa-released",
        "densenet121-sa-gf-described",
        "densenet121-sa-gf-described-learned",
        "densenet121-sa-gf-described-conv",
        "densenet121-wagf-described",
        "efficientnetv2b0-base",
    ]
    assert sorted(ordered[::-1], key=order_key) == ordered


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("densenet121-base", "DenseNet-121"),
        ("mobilenetv2-base-random", "MobileNet-v2"),
        ("mobilenetv2-wagf-released", "(iii)"),
        ("densenet121-sa-gf-described", "(ii)"),
        ("densenet121-sa-gf-described-conv", None),
        ("densenet121-probe", None),
        ("efficientnetv2b0-base", None),
        ("efficientnetv2b0-sa-described", "(i)"),
    ],
)
def test_rows_of_the_paper(name, row):
    assert parse_arm(name).paper_row == row


def test_arms_that_differ_in_start_and_rate_only_share_a_network():
    def key(name):
        return parse_arm(name).network_key

    assert key("mobilenetv2-wagf-described") == key("mobilenetv2-wagf-described-random-lr0.01")
    others = ["resnet50-wagf-described", "mobilenetv2-wagf-released", "mobilenetv2-wagf-described-conv"]
    assert len({key(name) for name in ["mobilenetv2-wagf-described", "mobilenetv2-base", *others]}) == 5


def test_registry_and_layers_know_the_same_choices():
    """Layers import nothing of the package, so what they accept stands there too."""
    assert tuple(FUSIONS) == LAYER_FUSIONS and tuple(READINGS) == LAYER_READINGS
    for module in MODULES.values():
        for part in module.parts:
            assert part in ("features", "pooled", "fusion") or part.split(":")[1] in layers.__all__
        assert module.below is None or module.below in MODULES


@keras.saving.register_keras_serializable(package="test")
class Brightness(keras.layers.Layer):
    """An attention layer as a new module brings it: F times the mean of its channels, and that mean."""

    def call(self, inputs):
        attention = keras.ops.mean(inputs, axis=-1)
        return inputs * attention[..., None], attention


def test_a_module_is_a_layer_and_an_entry(monkeypatch):
    monkeypatch.setattr(layers, "Brightness", Brightness, raising=False)
    entry = arms.Module("{} + brightness", "brightness", ("pooled", "brightness:Brightness"), below="base")
    monkeypatch.setitem(MODULES, "bright", entry)
    arm = parse_arm("resnet50-bright-random")
    assert arm.reading is None and arm.label == "ResNet-50 + brightness (random initialisation)"
    x = np.abs(np.random.default_rng(0).normal(size=(2, 4, 4, 3))).astype("float32")
    outputs = explain(build_head(arm, x.shape[1:]))(x)
    np.testing.assert_allclose(outputs["brightness"], x.mean(axis=-1), rtol=1e-5)
    assert set(outputs) == {"probabilities", "features", "brightness"}
    # Global means of the 2 x 2 maxima of F and of F times its mean.
    halves = [f.reshape(2, 2, 2, 2, 2, 3).max(axis=(2, 4)).mean(axis=(1, 2)) for f in (x, x * x.mean(-1)[..., None])]
    np.testing.assert_allclose(outputs["features"], np.concatenate(halves, axis=-1), rtol=1e-5)


def test_a_fusion_is_an_entry_and_a_backbone_too(monkeypatch):
    monkeypatch.setitem(FUSIONS, "twice", arms.Variant("twice", "fused twice"))
    monkeypatch.setitem(BRANCHES, "none", arms.Variant("nothing", "nothing for the wavelet"))
    monkeypatch.setitem(BACKBONES, "tiny", dataclasses.replace(BACKBONES["resnet50"], title="Tiny", paper_row=None))
    arm = parse_arm("tiny-wagf-described-twice-none")
    assert (arm.fusion, arm.branch) == ("twice", "none")
    assert arm.label == "Tiny + SA + GF + SaFA (fused twice, nothing for the wavelet)"
    assert arm.order > parse_arm("densenet121-base").order


def test_no_other_file_maps_backbones_or_modules():
    """No table in code from their names to anything else."""
    names = {*BACKBONES, *MODULES}
    for file in (paths.ROOT / "wagf_src").rglob("*.py"):
        tables = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Dict)]
        keys = {key.value for table in tables for key in table.keys if isinstance(key, ast.Constant)}
        assert file.name == "arms.py" or not keys & names, file


@pytest.mark.parametrize(
    ("run", "parts"),
    [
        ("densenet121-base-seed3", ("densenet121-base", None, 3)),
        (
            "mobilenetv2-wagf-described-saliency-conv-random-lr0.01-fold4-seed12",
            ("mobilenetv2-wagf-described-saliency-conv-random-lr0.01", 4, 12),
        ),
    ],
)
def test_runs_are_read_from_their_names(run, parts):
    assert arms.split_run(run) == parts


@pytest.mark.parametrize("run", ["densenet121-base", "densenet121-base-seed", "densenet121-base-fold-seed0", "x-seed0"])
def test_impossible_runs(run):
    with pytest.raises(UserError):
        arms.split_run(run)
