"""What Keras and TensorFlow compute, asked in a process of its own: this room and those above import neither."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
}


def ask(onednn: bool = False, **questions: dict) -> dict[str, dict[str, np.ndarray]]:
    """What modules of ``models`` answer on TensorFlow's CPU kernels, one thread an operator: module to {name: array}.

    Args:
        onednn: with oneDNN's kernels (unset, only AVX-512 has them) or without; fixed on import.
        questions: module to {name: array}, in the order in which they are answered.

    Raises:
        RuntimeError: with the process's last line, if it fails.
    """
    environment = os.environ | _QUIET | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("question.npz", "answer.npz")]
        np.savez(files[0], **{f"{module}/{key}": v for module, asked in questions.items() for key, v in asked.items()})
        command = [sys.executable, "-m", "wagf_src.models.facts", *map(str, files)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"TensorFlow failed ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}")
        answers = {module: {} for module in questions}
        with np.load(files[1], allow_pickle=False) as arrays:
            for key, values in arrays.items():
                module, name = key.split("/")
                answers[module][name] = values
    return answers
