"""What a run needs to go on after an interruption."""

import json
import os
from pathlib import Path

import numpy as np

SAVE_SECONDS = 60.0  # state for resuming is written at most this often


class TrainingState:
    """What a run needs to go on after an interruption: weights, optimizer, best weights, history; one file."""

    def __init__(self, file: Path, inputs_digest: str, classifier, optimizer):
        self.file, self.inputs_digest = file, inputs_digest
        self.classifier, self.optimizer = classifier, optimizer
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
        arrays = {f"v{i}": np.array(v) for i, v in enumerate(self._variables())}
        arrays |= {f"b{i}": v for i, v in enumerate(self.best or [])}
        about = {
            "inputs_digest": self.inputs_digest,
            "history": self.history,
            "best": [float(self.best_score), self.best_epoch],
            "seconds": self.earlier_seconds + seconds,
        }
        aside = self.file.with_suffix(".tmp.npz")
        np.savez(aside, about=np.array(json.dumps(about)), **arrays)
        os.replace(aside, self.file)

    def load(self) -> None:
        """Take up an earlier state if it belongs to the same inputs; otherwise start afresh."""
        if not self.file.is_file():
            return
        try:
            with np.load(self.file, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                if about["inputs_digest"] != self.inputs_digest:
                    return
                values = [saved[f"v{i}"] for i in range(len(self._variables()))]
                self.best = [saved[f"b{i}"] for i in range(len(self.classifier.variables))]
        except (OSError, KeyError, ValueError):
            print(f"{self.file.name} cannot be read; the run starts afresh", flush=True)
            return
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self.history = about["history"]
        self.best_score, self.best_epoch = about["best"]
        self.earlier_seconds = about["seconds"]
        print(f"resumed after epoch {len(self.history)}", flush=True)
