"""The linear probe: logistic regression on pooled features."""

import time

import numpy as np
import pandas as pd

from wagf_src.classes import CLASSES
from wagf_src.data import dataset, protocol
from wagf_src.stats import metrics
from wagf_src.train import split_experiment


@split_experiment.one_thread
def fit_probe(features: np.ndarray, data: dataset.Dataset, files: protocol.Split) -> dict:
    """Logistic regression on standardised average-pooled features; nothing is chosen, so validation trains too."""
    started = time.perf_counter()
    y = data.labels
    pooled = features[: len(y)].mean(axis=(1, 2), dtype=np.float32)  # of the photographs, not of their other views
    rows = np.unique(np.concatenate([files.train["row"], files.validation["row"]]))
    probe = split_experiment.probe()
    probe.fit(pooled[rows], y[rows])
    seconds = time.perf_counter() - started

    def read(at):
        at = np.asarray(at)
        probabilities = np.zeros((len(at), len(CLASSES)), np.float32)
        probabilities[:, probe.classes_] = probe.predict_proba(pooled[at])
        return {"probabilities": probabilities, "features": pooled[at]}

    clock = time.perf_counter()
    test = read(files.test)
    predict_seconds = time.perf_counter() - clock
    fitted = read(rows)
    history = {
        "epoch": 1,
        "loss": metrics.log_loss(y[rows], fitted["probabilities"]),
        "accuracy": float((fitted["probabilities"].argmax(1) == y[rows]).mean()),
        "test_loss": metrics.log_loss(y[files.test], test["probabilities"]),
        "test_accuracy": float((test["probabilities"].argmax(1) == y[files.test]).mean()),
        "seconds": seconds,
        "images": len(rows),
    }
    coefficients = probe[-1].coef_.size + probe[-1].intercept_.size
    return {
        "test": test,
        "validation": read(files.validation["row"]),
        "history": pd.DataFrame([history]),
        "best_epoch": 1,
        "parameters": {"total": coefficients, "trainable": coefficients},
        "earlier_seconds": 0.0,
        "images_per_second": {"compute": None, "total": round(len(rows) / seconds, 2)},
        "predict_milliseconds": round(1000 * predict_seconds / len(files.test), 3),
        "splits": split_experiment.run(pooled, data.metadata),
    }
