"""Answers what ``paper.keras_process.ask`` asks of modules of this room, each by its function ``answer``.

python -m wagf_src.models.facts question.npz answer.npz
"""

import sys
from importlib import import_module

import keras
import numpy as np


def answers(question: dict) -> dict:
    """{"<module>/<name>": array} of question and answer alike; random weights are always the same."""
    found = {}
    for module in dict.fromkeys(key.split("/")[0] for key in question):
        keras.utils.set_random_seed(0)
        own = {key.split("/")[1]: values for key, values in question.items() if key.startswith(f"{module}/")}
        answer = import_module(f"wagf_src.models.{module}").answer(own)
        found |= {f"{module}/{name}": values for name, values in answer.items()}
    return found


if __name__ == "__main__":
    np.savez(sys.argv[2], **answers(dict(np.load(sys.argv[1], allow_pickle=False))))
