"""What a run needs to go on after an interruption."""

import json
import os
from pathlib import Path

import numpy as np

from wagf_src.errors import UserError

SAVE_SECONDS = 60.0  # state for resuming is written at most this often


class TrainingState:
    """Weights, optimizer, best weights and history; one file.

    Args:
        file: where the state is kept.
        inputs_digest: of what the run depends on; a state of other inputs is not taken up.
    """

    def __init__(self, file: Path, inputs_digest: str):
        self.file, self.inputs_digest = file, inputs_digest
        self.classifier = self.optimizer = None
        self.history: list[dict] = []
        self.best_score, self.best_epoch, self.best = -np.inf, 0, None
        self.earlier_seconds = 0.0

    def _variables(self):
        return self.classifier.variables + self.optimizer.variables

    def keep_if_best(self, score: float, epoch: int) -> None:
        if score > self.best_score:  # of equal epochs the first
            self.best_score, self.best_epoch = score, epoch
            self.best = [np.array(v) for v in self.classifier.variables]

    def restore_best(self) -> None:
        for variable, value in zip(self.classifier.variables, self.best, strict=True):
            variable.assign(value)

    def save(self, seconds: float) -> None:
        """Write the file, whole or not at all.

        Raises:
            UserError: no room or no permission; the last state stays.
        """
        arrays = {f"v{i}": np.array(v) for i, v in enumerate(self._variables())}
        arrays |= {f"b{i}": v for i, v in enumerate(self.best or [])}
        about = {
            "inputs_digest": self.inputs_digest,
            "history": self.history,
            "best": [float(self.best_score), self.best_epoch],
            "seconds": self.earlier_seconds + seconds,
        }
        aside = self.file.with_suffix(".tmp.npz")
        try:
            np.savez(aside, about=np.array(json.dumps(about)), **arrays)
            os.replace(aside, self.file)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise UserError(
                f"{self.file.name}: cannot be written ({error.strerror or error}); make room or access"
            ) from None

    def load(self, classifier, optimizer) -> None:
        """Take up the file's state for these, if it is whole and belongs to the same inputs; otherwise start afresh."""
        self.classifier, self.optimizer = classifier, optimizer
        if not self.file.is_file():
            return
        variables = self._variables()
        try:
            with np.load(self.file, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                if about["inputs_digest"] != self.inputs_digest:
                    return
                values = [saved[f"v{i}"] for i in range(len(variables))]  # each checked against its CRC
                best = [saved[f"b{i}"] for i in range(len(classifier.variables))]
            if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
                raise ValueError("another network's")
        except Exception as error:  # whatever a cut, emptied or zeroed file makes NumPy, zipfile and zlib raise
            print(f"{self.file.name} cannot be read ({type(error).__name__}); the run starts afresh", flush=True)
            return
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.best, self.history = best, about["history"]
        self.best_score, self.best_epoch = about["best"]
        self.earlier_seconds = about["seconds"]
        print(f"resumed after epoch {len(self.history)}", flush=True)
