"""What is timed, each kind of case once for real; operations against independent counts."""

import numpy as np
import pytest

from wagf_src.bench import parts
from wagf_src.bench.cases import files, network
from wagf_src.bench.cases.operations import count_flops, operations

CASE = {"label": "x", "pixels": 32, "batch": 8, "quick": True}


def test_flops_of_single_layers_are_those_of_the_formula_and_of_tensorflows_profiler():
    import tensorflow as tf
    from keras import layers

    # Output places x kernel x channels in and out, two operations a multiply-add; whether the profiler has a rule.
    cases = [
        (layers.Conv2D(5, 3, padding="same", use_bias=False), (1, 8, 6, 3), 2 * 8 * 6 * 9 * 3 * 5, True),
        (layers.Conv2D(4, 3, strides=2, use_bias=False), (2, 9, 9, 2), 2 * 2 * 4 * 4 * 9 * 2 * 4, True),
        (layers.DepthwiseConv2D(3, padding="same", use_bias=False), (1, 8, 6, 3), 2 * 8 * 6 * 9 * 3, True),
        (layers.Conv3D(2, (3, 1, 1), padding="same", use_bias=False), (1, 4, 4, 4, 3), 2 * 64 * 3 * 3 * 2, False),
        (layers.Dense(7, use_bias=False), (1, 10), 2 * 10 * 7, True),
        (layers.Dense(7, use_bias=False), (1, 4, 4, 10), 2 * 16 * 10 * 7, True),
    ]
    for layer, shape, expected, has_rule in cases:
        layer.build(shape)
        assert count_flops(layer, shape) == expected, layer.name
        if has_rule:
            graph = tf.function(layer).get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
            builder = tf.compat.v1.profiler.ProfileOptionBuilder
            options = builder(builder.float_operation()).with_empty_output().build()
            assert tf.compat.v1.profiler.profile(graph, options=options).total_float_ops == expected, layer.name
    assert count_flops(lambda a, b: tf.matmul(a, b, transpose_b=True), (2, 3, 5), (2, 4, 5)) == 2 * 2 * 3 * 4 * 5
    with pytest.raises(ValueError, match="Einsum"):
        count_flops(lambda x: tf.einsum("ij,jk->ik", x, x), (3, 3))


@pytest.mark.parametrize(
    "arm, multiply_adds",
    [
        ("mobilenetv2-base", 300e6),  # Sandler et al. 2018, table 4
        ("resnet50-base", 3.8e9),  # He et al. 2016, table 1
    ],
)
def test_flops_of_the_backbones_are_the_published_ones(arm, multiply_adds):
    assert operations({})(arm, pixels=224)["flops"] == pytest.approx(2 * multiply_adds, rel=0.02)


def test_flops_of_a_head_by_hand():
    """Row (i) in the described reading on features of 4 x 4 x 8: one 3 x 3 convolution to 16 heads, one Dense."""
    counted = operations({})("densenet121-sa-described", shape=(4, 4, 8))
    assert counted["flops"] == 2 * 16 * 9 * 8 * 16 + 2 * 16 * 7
    assert counted["parameters"] == 9 * 8 * 16 + 16 + 16 * 7 + 7


def test_copies_and_reading(tmp_path):
    from PIL import Image

    case = {**CASE, "folder": str(tmp_path)}
    copies = {how: files.copies({**case, "how": how}) for how in ("offline", "virtual")}
    assert copies["offline"](images=12)["images"] == 12 and copies["offline"](images=5)["seconds"] > 0
    written = list(tmp_path.glob("*.jpg"))
    assert len(written) == 17
    with Image.open(written[0]) as image:
        assert image.size == (32, 32)
    assert copies["virtual"](images=12)["bytes_per_image"] == 4 + 8 * 4
    for how in ("files", "photographs", "store", "device"):
        answer = files.read({**case, "how": how})(images=16)
        assert answer["images"] == 16 and answer["seconds"] > 0 and answer["bytes_per_image"] > 0
    once = files.store_once(case)(images=0)
    assert once["images"] > 140 and once["bytes_per_image"] == 3 * 32 * 32


@pytest.mark.parametrize("source", ["device", "ready", "files"])
def test_network_cases_train(source):
    ask = network.network({**CASE, "arm": "mobilenetv2-base", "input": source})
    answer = ask(what="epoch", images=16)
    assert answer["images"] == 16 and 0 < answer.get("fit", 0.01) < answer["seconds"]
    if source == "device":
        assert ask(what="predict", images=16)["seconds"] > 0


def test_what_was_tried_reaches_the_compiled_step_or_the_process():
    known = {"compile", "batch", "environment", "keras", "input"}
    assert all(changes.keys() <= known and changes for _, changes in parts.TRIED)
    with pytest.raises(TypeError, match="no_such_setting"):
        network.network({**CASE, "arm": "mobilenetv2-base", "compile": {"no_such_setting": 1}})


def test_what_keras_does_itself_is_in_the_place_of_ours(monkeypatch):
    """Each of the three, by what the trained model holds or is given."""
    import keras

    seen = {}

    def fit(model, x, y=None, **_):
        batch_norms = {type(layer).__name__ for layer in model._flatten_layers() if "BatchNorm" in type(layer).__name__}
        seen.update(adam=type(model.optimizer).__name__, batch_norms=batch_norms, arrays=isinstance(x, dict), y=y)

    monkeypatch.setattr(keras.Model, "fit", fit)
    case = {**CASE, "arm": "mobilenetv2-base", "input": "ready"}
    network.network(case)(what="train", images=8)
    assert (seen["adam"], seen["batch_norms"], seen["arrays"]) == ("FlatAdam", {"FusedBatchNormalization"}, False)
    network.network({**case, "keras": ["optimizer", "normalisation", "batches"]})(what="train", images=8)
    assert (seen["adam"], seen["batch_norms"], seen["arrays"]) == ("Adam", {"BatchNormalization"}, True)
    assert len(seen["y"]) == 8


def test_photographs_are_looked_up_as_they_are(monkeypatch):
    """Where peers are compared, the map of every image is the identity."""
    import keras

    seen = []
    monkeypatch.setattr(keras.Model, "fit", lambda model, x, **_: seen.append(np.concatenate([b[0]["map"] for b in x])))
    for photographs in (False, True):
        network.network({**CASE, "arm": "mobilenetv2-base", "photographs": photographs})(what="train", images=8)
    identity = np.tile([1, 0, 0, 0, 1, 0, 0, 0], (8, 1))
    assert not np.array_equal(seen[0], identity) and np.array_equal(seen[1], identity)


def test_pytorchs_network_trains_and_predicts():
    pytest.importorskip("torch", reason="PyTorch is in an environment of its own (requirements/peers.txt)")
    from wagf_src.bench.cases import pytorch

    ask = pytorch.network({**CASE, "arm": "mobilenetv2-base"})
    assert all(ask(what=what, images=16)["seconds"] > 0 for what in ("train", "predict"))
