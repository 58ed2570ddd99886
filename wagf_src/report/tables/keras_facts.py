"""What Keras and TensorFlow are asked for a report: in two processes at once, each with its own kernels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wagf_src.machine import processor
from wagf_src.paper import equation1, keras_process, released, released_experiments
from wagf_src.report.evidence import Evidence


def keras_facts(evidence: Evidence) -> dict[str, dict[str, np.ndarray]]:
    """``onednn`` and ``plain``: TensorFlow's two builds; ``released`` and the like: what these modules answer."""
    questions = {
        "conv3d_facts": released.build_question(),
        "released_facts": released.parts_question(released_experiments.photographs()),
        "equation1_facts": equation1.question(),
        "two_readings_facts": {"features": (8, 8, 1024)},  # of DenseNet-121 at 256 pixels
    }
    with ThreadPoolExecutor() as pool:
        onednn = pool.submit(released.tensorflow_build, True)
        answers = keras_process.ask(**questions)
        return {
            "onednn": onednn.result(),
            **dict(zip(("plain", "released", "equation1", "two_readings"), answers.values())),
        }


def random_features(evidence: Evidence) -> str:
    """What experiments on random numbers rest on."""
    keras, tensorflow = evidence.once(keras_facts)["released"]["versions"]
    return f"SYNTHETIC: random numbers in the place of features; no image; Keras {keras}, TensorFlow {tensorflow}"


def build(evidence: Evidence) -> str:
    """What the scores of TensorFlow's kernels rest on."""
    return f"random features; TensorFlow {evidence.once(keras_facts)['onednn']['version']}; {processor()}"
