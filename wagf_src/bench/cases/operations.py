"""Operations counted from the graph of a network."""

import numpy as np

from wagf_src.arms import parse_arm
from wagf_src.models.backbones import build_backbone
from wagf_src.models.classifier import build_head


def count_flops(function, *shapes) -> float:
    """Floating-point operations of all convolutions and matrix products of a TensorFlow function, two a multiply-add.

    Everything else (normalisation, activation, pooling, resampling) is left out, as is usual.

    Args:
        function: of tensors.
        shapes: of its float32 arguments, batch included, all known.

    Raises:
        ValueError: for an operation that this cannot count (a loop or a call).
    """
    import tensorflow as tf

    graph = tf.function(function).get_concrete_function(*(tf.TensorSpec(shape, tf.float32) for shape in shapes)).graph
    total = 0.0
    for op in graph.get_operations():
        kind = op.type
        if kind in ("Einsum", "While", "StatelessWhile", "PartitionedCall", "StatefulPartitionedCall"):
            raise ValueError(f"operations inside {kind} are not counted")
        if kind in ("Conv2D", "Conv3D"):
            each = np.prod(op.inputs[1].shape.as_list()[:-1])
        elif kind == "DepthwiseConv2dNative":
            each = np.prod(op.inputs[1].shape.as_list()[:2])
        elif kind in ("MatMul", "BatchMatMulV2"):
            transposed = op.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
            each = op.inputs[0].shape.as_list()[-2 if transposed else -1]
        else:
            continue
        total += 2.0 * each * np.prod(op.outputs[0].shape.as_list())  # a None among the factors is a TypeError
    return total


def operations(_: dict):
    """{"flops", "parameters", "shape"} of an arm's backbone, or of its head on features of a shape."""

    def count(arm, pixels=None, shape=None):
        arm = parse_arm(arm)
        model = build_head(arm, tuple(shape)) if shape else build_backbone(arm.backbone, pixels, "none")
        flops = count_flops(lambda x: model(x, training=False), (1, *model.input_shape[1:]))
        return {"flops": flops, "parameters": model.count_params(), "shape": None if shape else model.output_shape[1:]}

    return count
