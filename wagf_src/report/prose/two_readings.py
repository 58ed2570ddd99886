"""What the page on the two readings says, from the tables of boxes and parts."""

import pandas as pd

from wagf_src.arms import READINGS

NAMES = {"model": "the joining of the parts", "soft_attention": "soft attention", "safa": "SaFA"}


def answer(boxes: pd.DataFrame, parts: pd.DataFrame) -> str:
    """Where the two part, and what each weighs."""
    total = parts.set_index("part").loc["in all"]
    apart = [name for graph, name in NAMES.items() if not boxes.loc[boxes["graph"] == graph, "shared"].all()]
    places = ", ".join(apart) or "nowhere"
    return (
        f"the two readings differ in {places}. As described the model has {total['described']:,} parameters, as "
        f"released {total['released']:,}; a box below is dashed where only one reading has it."
    )


def differences(boxes: pd.DataFrame) -> pd.DataFrame:
    """What only one reading has, part by part."""
    own = boxes[~boxes["shared"]]
    rows = [
        (NAMES[graph], *("; ".join(lines.loc[lines["reading"] == reading, "label"]) or "–" for reading in READINGS))
        for graph, lines in own.groupby("graph", sort=False)
    ]
    return pd.DataFrame(rows, columns=["part", "only as described", "only as released"])


def weights(parts: pd.DataFrame) -> pd.DataFrame:
    """Parameters of each part."""
    return parts.drop(columns="provenance").assign(
        difference=(parts["released"] - parts["described"]).map("{:+,}".format),
        described=parts["described"].map("{:,}".format),
        released=parts["released"].map("{:,}".format),
    )
