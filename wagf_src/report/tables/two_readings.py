"""The proposed model as built in both readings: boxes, arrows, and parameters of each part."""

import pandas as pd

from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.keras_facts import keras_facts

PARTS = {"soft_attention": "soft attention", "wavelet": "wavelet branch", "fusion": "fusion", "safa": "SaFA"}
PARTS["probabilities"] = "softmax layer"


def _facts(evidence, kind):
    """The columns of boxes or arrows; rests on no image and no run."""
    facts = evidence.once(keras_facts)["two_readings"]
    keras, tensorflow = evidence.once(keras_facts)["released"]["versions"]
    columns = {name.removeprefix(f"{kind}_"): array for name, array in facts.items() if name.startswith(f"{kind}_")}
    return pd.DataFrame(columns).assign(provenance=f"the networks as built by Keras {keras}, TensorFlow {tensorflow}")


def boxes(evidence: Evidence) -> pd.DataFrame:
    """A row a box: graph (model, safa, soft_attention), reading, box, label, parameters; ``shared`` by both."""
    frame = _facts(evidence, "box")
    number = frame.groupby(["graph", "reading", "label"]).cumcount()
    readings = frame.groupby(["graph", "label", number])["reading"].transform("nunique")
    frame.insert(5, "shared", readings == 2)
    return frame


def arrows(evidence: Evidence) -> pd.DataFrame:
    """A row an arrow: graph, reading, start, end, shape of the tensor that goes along it."""
    # Keras lists a network's operations in an order that is not the same in every process.
    return _facts(evidence, "arrow").sort_values(["graph", "reading", "start", "end"], ignore_index=True)


def parts(evidence: Evidence) -> pd.DataFrame:
    """Parameters of each part of the proposed model in each reading."""
    frame = evidence.table("readings_boxes")
    counts = frame[(frame["graph"] == "model") & frame["box"].isin(PARTS)]
    counts = counts.assign(part=counts["box"].map(PARTS)).pivot(index="part", columns="reading", values="parameters")
    backbone = evidence.table("released_parameters").set_index("part")["parameters"]["DenseNet-121"]
    counts = pd.concat(
        [pd.DataFrame(backbone, index=["DenseNet-121"], columns=counts.columns), counts.loc[list(PARTS.values())]]
    )
    counts.loc["in all"] = counts.sum()
    return counts.rename_axis("part").reset_index().assign(provenance=frame["provenance"].iloc[0])
