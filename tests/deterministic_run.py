"""Run as `python deterministic_run.py FOLDER OUT.npz`: two tiny runs on the images of a folder, their outputs kept.

What test_determinism.py compares between processes, each with an environment of its own.
"""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
from tiny_profiles import END_TO_END, FROZEN

from wagf_src import paths
from wagf_src.data import dataset, protocol
from wagf_src.machine import has_onednn
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.train import staging

RUNS = {
    "densenet17-wagf-described-seed0": dataclasses.replace(
        FROZEN, data="ham10000", synthetic_lesions=None, image_size=32, arms=("densenet17-wagf-described",)
    ),
    "mobilenetv2-base-seed0": dataclasses.replace(
        END_TO_END,
        data="ham10000",
        synthetic_lesions=None,
        arms=("mobilenetv2-base",),
        learning_rate=1e-6,
        batch_norm_momentum=0.01,
    ),
}


def outputs(folder: str) -> dict[str, np.ndarray]:
    os.environ["HAM10000_DIR"] = folder
    found = {"onednn": np.array(has_onednn())}
    for name, profile in RUNS.items():
        data = dataset.load(profile)
        files = protocol.split(data.metadata, profile, None)
        run = Run(staging.train(profile, name))
        test, history = run.predictions(), run.history()
        found |= {
            f"{name}/images": np.array(data.image_digest),
            f"{name}/split": np.array(protocol.id_digest(data.metadata["image_id"].to_numpy()[files.test])),
            f"{name}/inputs": np.array(run.info["inputs_digest"]),
            f"{name}/ids": test["image_id"].to_numpy(str),
            f"{name}/probabilities": test[PROBABILITY_COLUMNS].to_numpy(),
            f"{name}/features": run.features()["features"],
            f"{name}/loss": history["loss"].to_numpy(),
        }
    return found


if __name__ == "__main__":
    paths.RESULTS_DIR = Path(sys.argv[2]).with_suffix("")
    np.savez(sys.argv[2], **outputs(sys.argv[1]))
