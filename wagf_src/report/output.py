"""Figures of a profile, written."""

import os
from pathlib import Path

from wagf_src import paths


def save_figure(figure, name: str, profile: str) -> Path:
    """Save a Matplotlib figure as ``results/<profile>/figures/<name>.png``, without dates, so that it is
    reproducible."""
    path = paths.RESULTS_DIR / profile / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp.png")
    figure.savefig(aside, dpi=144, bbox_inches="tight", metadata={"Software": None})
    os.replace(aside, path)
    return path
