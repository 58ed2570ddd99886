"""What Keras and TensorFlow compute, asked in a process of its own: this room and those above import neither.

Answers are kept in the cache folder: they depend on no run.
"""

import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wagf_src import array_cache, atomic
from wagf_src.code_digest import code_digest
from wagf_src.machine import processor, version

LIBRARIES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "jax")  # one answer is JAX's, where it is there
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
    asked = {f"{module}/{name}": v for module, values in questions.items() for name, v in values.items()}
    read, _ = array_cache.cached(f"keras-{_key(onednn, asked)}", None, np.uint8, lambda facts: _answer(onednn, asked))
    answers = {module: {} for module in questions}
    with np.load(io.BytesIO(read), allow_pickle=False) as arrays:
        for key, values in arrays.items():
            module, name = key.split("/")
            answers[module][name] = values
    return answers


def _key(onednn: bool, asked: dict[str, np.ndarray]) -> str:
    """Digest of all that an answer depends on: the question, the code, its libraries, the processor's kernels."""
    question = {key: [str(np.asarray(values).dtype), np.asarray(values).tolist()] for key, values in asked.items()}
    libraries = {name: version(name) for name in LIBRARIES}
    machine = [processor(), platform.node()]  # a cluster's machines may share the folder
    return atomic.digest([onednn, question, code_digest(("arms", "layers", "models")), libraries, machine, _QUIET])


def _answer(onednn: bool, asked: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    """The bytes of the answers' .npz file, in one part."""
    environment = os.environ | _QUIET | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("question.npz", "answer.npz")]
        np.savez(files[0], **asked)
        command = [sys.executable, "-m", "wagf_src.models.facts", *map(str, files)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"TensorFlow failed ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}")
        yield np.frombuffer(files[1].read_bytes(), np.uint8)
