"""What the shipped model says of a drawn lesion, asked as a reader would: ``python -m wagf_src predict``."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src import paths
from wagf_src.data import synthetic
from wagf_src.errors import UserError
from wagf_src.report.evidence import Evidence
from wagf_src.use.card import is_shipped

DRAWN = "mel"  # what the lesion was drawn as
SEED = 0


def picture() -> np.ndarray:
    """A drawn lesion, (150, 200, 3) uint8; no photograph of anybody."""
    rng = np.random.default_rng(SEED)
    return synthetic.photograph(synthetic.make_lesion(DRAWN, rng), rng)[0]


def predicted_example(evidence: Evidence) -> pd.DataFrame:
    """The row of ``use.predict.predict`` for :func:`picture`, by a process of its own; empty if no model is shipped."""
    if not is_shipped():
        return pd.DataFrame(columns=["image", "provenance"])
    with tempfile.TemporaryDirectory() as folder:
        image, out = Path(folder) / "lesion.png", Path(folder) / "out.csv"
        Image.fromarray(picture()).save(image)
        command = [sys.executable, "-m", "wagf_src", "predict", str(image), "--out", str(out)]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"predict failed: {done.stderr.strip().splitlines()[-1:]}")
        frame = pd.read_csv(out, keep_default_na=False)
    return frame.assign(image="lesion.png", provenance="SYNTHETIC: a drawn lesion, and the shipped model")
