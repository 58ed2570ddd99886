"""The proposed model in both readings as graphs of what was built (asked by ``report.tables.two_readings``)."""

import math

import keras

from wagf_src.arms import FUSIONS, parse_arm
from wagf_src.models.classifier import build_head

TITLES = {
    "DWT2D": "Haar transform",
    "SoftAttention": "soft attention",
    "SymmetryAwareFeatureAttention": "SaFA",
    "Concatenate": "concatenate",
    "GlobalAveragePooling2D": "mean over positions",
    "MaxPooling2D": "max-pool 2 x 2",
    "Transpose": "transpose",
    "Add": "sum",
    "Multiply": "product",
    "Matmul": "cosine similarity of rows",
    "Conv": "convolution 3 x 3",
    "Relu": "ReLU",
    "Softmax": "softmax over positions",
    "Sum": "sum over heads",
}
NORMALISE = {"Square", "Maximum", "Rsqrt"}


def answer(question: dict) -> dict:
    """Boxes and arrows of model, SaFA and soft attention on ``features`` (height, width, channels), in each reading.

    Returns:
        Arrays of one entry a box (``box_`` and graph, reading, box, label, parameters) and of one an arrow (``arrow_``
        and graph, reading, start, end, shape).
    """
    boxes, arrows = [], []
    for reading in ("described", "released"):
        model = build_head(parse_arm(f"densenet121-wagf-{reading}"), tuple(map(int, question["features"])))
        graphs = {"model": model}
        for name in ("safa", "soft_attention"):
            layer, features = model.get_layer(name), keras.Input(model.input.shape[1:], name="features")
            graphs[name] = keras.Model(features, layer.call(features)[0])
        for name, network in graphs.items():
            own, ends = _graph(network)
            boxes += [(name, reading, box, *facts) for box, facts in own.items()]
            arrows += [(name, reading, *arrow) for arrow in ends]
    columns = dict(zip(("graph", "reading", "box", "label", "parameters"), zip(*boxes)))
    arrows = [(*arrow, " x ".join(map(str, shape))) for *arrow, shape in arrows]
    ends = dict(zip(("graph", "reading", "start", "end", "shape"), zip(*arrows)))
    return {f"box_{k}": list(v) for k, v in columns.items()} | {f"arrow_{k}": list(v) for k, v in ends.items()}


def _graph(model):
    """{box: (label, parameters)} and [(start, end, shape)] of a functional model, without its plumbing."""
    layers = {entry["name"]: entry for entry in model.get_config()["layers"]}
    arrows = [
        (start, name, shape) for name, entry in layers.items() for start, shape in _inputs(entry["inbound_nodes"])
    ]
    kind = {name: entry["class_name"] for name, entry in layers.items()}
    count = {layer.name: layer.count_params() for layer in model.layers}
    labels = {name: _label(entry, arrows) for name, entry in layers.items()}

    def into(name):
        return [arrow for arrow in arrows if arrow[1] == name]

    for name in layers:
        before = [kind[start] for start, _, _ in into(name)]
        if kind[name] == "Dense" and before == ["DepthwiseConv2D"]:  # two factors of one separable convolution
            depthwise = into(name)[0][0]
            config = layers[depthwise]["config"]
            labels[name] = "separable {0} x {0} to {1}".format(
                config["kernel_size"][0], layers[name]["config"]["units"]
            )
            labels[name] += f", stride {config['strides'][0]}" * (config["strides"][0] > 1)
            count[name] += count[depthwise]
        elif "Rsqrt" in before:
            labels[name] = "rows to unit length"
        elif (
            kind[name] in NORMALISE
            or "Square" in before
            or labels[name] == ""
            or (kind[name], len(before)) == ("Add", 1)
        ):
            del labels[name]
    for name in set(layers) - set(labels):
        factor = kind[name] == "DepthwiseConv2D"
        after = [arrow for arrow in arrows if arrow[0] == name]
        through = [(a, end, coming if factor else going) for a, _, coming in into(name) for _, end, going in after]
        arrows = [arrow for arrow in arrows if name not in arrow[:2]] + through
    return {name: (labels[name], count.get(name, 0)) for name in labels}, list(
        {arrow[:2]: arrow for arrow in reversed(arrows)}.values()
    )


def _label(entry, arrows):
    """What a box says; empty for what only changes the shape or the type of a tensor."""
    kind, name, config = entry["class_name"], entry["name"], entry["config"]
    if kind in ("InputLayer", "LSTM"):
        return f"{'LSTM ' * (kind == 'LSTM')}{name.replace('_', ' ')}"
    if kind == "GradientFusion":
        return f"fusion: {FUSIONS[config['fusion']].title}"
    if kind == "Activation":
        return "ReLU"
    if kind == "Dense":
        return f"softmax, {config['units']} classes"
    if kind == "GetItem":
        (source,), (shape,) = zip(*_inputs(entry["inbound_nodes"]))
        result = next((s for start, _, s in arrows if start == name), shape)
        return "" if math.prod(shape) == math.prod(result) else f"first {result[-1]} channels"
    return TITLES.get(kind, "")


def _inputs(node):
    """The tensors among a layer's arguments in a model's configuration: (name of their layer, shape)."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        return [(node["config"]["keras_history"][0], tuple(node["config"]["shape"][1:]))]
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    return [tensor for part in parts for tensor in _inputs(part)]
