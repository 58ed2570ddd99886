"""Tables and figures of a profile, written."""

import os
from pathlib import Path

import pandas as pd

from wagf_src import atomic, paths


def write_table(frame: pd.DataFrame, name: str, profile: str, provenance: str) -> pd.DataFrame:
    """Write ``results/<profile>/tables/<name>.csv`` with what it rests on in a last column, ``provenance``."""
    frame = frame.assign(provenance=provenance)
    atomic.write_csv(paths.RESULTS_DIR / profile / "tables" / f"{name}.csv", frame)
    return frame


def save_figure(figure, name: str, profile: str) -> Path:
    """Save a Matplotlib figure as ``results/<profile>/figures/<name>.png``, without dates, so that it is
    reproducible."""
    path = paths.RESULTS_DIR / profile / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp.png")
    figure.savefig(aside, dpi=144, bbox_inches="tight", metadata={"Software": None})
    os.replace(aside, path)
    return path
