"""What the authors' notebooks store, read in full: training logs, evaluations, reports and confusion matrices.

Read from the stored outputs of AyushRoy2001/WAGF-Fusion, commit ae954d8: numbers only, kept as ``facts/stored_*.csv``.
The confusion matrices were read off six stored pictures; each sums to the 1,103 test images, and gives its stored
report and accuracy exactly (a test holds that). Accuracies here are fractions.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src.classes import CLASSES

FACTS = Path(__file__).parent / "facts"
PROVENANCE = "stored outputs of the authors' notebooks (AyushRoy2001/WAGF-Fusion, commit ae954d8)"
PYTHON = "3.10.12"  # in the notebooks' metadata
PROPOSED_EPOCHS = 25  # in the code of the notebook of row (iii), which stores no output

# A stored model summary and checkpoint name say what the notebook's last code does not.
CBAM_PARAMETERS, PLAIN_PARAMETERS = 7_306_922, 7_044_679
CBAM_CHECKPOINT = "densenet121_cbam.h5"


@dataclass(frozen=True)
class Notebook:
    """A notebook with stored outputs.

    Attributes:
        key: as the files of facts call it.
        model: what its outputs are of.
        code: what its cells build as published, where that is something else.
        row: of Table 1, by the notebook's name; None where the table has no such row.
        arm: ours for the same network.
    """

    key: str
    model: str
    row: str | None = None
    arm: str | None = None
    code: str | None = None


NOTEBOOKS = (
    Notebook("mobilenetv2", "MobileNetV2", "MobileNet-v2", "mobilenetv2-base"),
    Notebook("resnet50", "ResNet-50", "ResNet50", "resnet50-base"),
    Notebook("Densenet121", "DenseNet-121 + CBAM", "DenseNet-121", "densenet121-base", code="DenseNet-121"),
    Notebook("DenseNet-121+SA", "DenseNet-121 + SA", "(i)", "densenet121-sa-released"),
    Notebook("nasnetmobile", "NASNetMobile"),
    Notebook("xception", "Xception"),
)


def training_logs() -> pd.DataFrame:
    """Every epoch of the six trainings: model, epoch, steps, seconds, metrics on training and (``val_``) validation."""
    return _by_model(pd.read_csv(FACTS / "stored_training_logs.csv"))


def evaluations() -> pd.DataFrame:
    """The stored results of ``evaluate`` on the test images, one row a model: accuracy to f1_score, and loss."""
    names = {"F1-score": "f1"}
    return _by_model(pd.read_csv(FACTS / "stored_evaluate.csv").rename(columns=lambda c: names.get(c, c.lower())))


def reports() -> pd.DataFrame:
    """The stored classification reports: ``model``, ``class`` (or an average), precision, recall, f1, support."""
    return _by_model(pd.read_csv(FACTS / "stored_classification_reports.csv"))


def confusion() -> dict[str, np.ndarray]:
    """Test images by true (rows) and predicted class, (7, 7), by model."""
    frame = _by_model(pd.read_csv(FACTS / "stored_confusion_matrices.csv"))
    columns = [f"called_{c}" for c in CLASSES]
    return {
        model: rows.set_index("truth").loc[list(CLASSES), columns].to_numpy()
        for model, rows in frame.groupby("model", sort=False)
    }


def predictions(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth (n,) and one-hot predictions (n, 7) that a confusion matrix stands for, in some order of the images."""
    true, predicted = (np.repeat(k.ravel(), matrix.ravel()) for k in np.indices(matrix.shape))
    return true, np.eye(len(CLASSES))[predicted]


def discordance(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """What two confusion matrices on the same images say of the pairs: (difference, fewest, most).

    The difference is the hits of a minus those of b; on ``fewest`` to ``most`` images exactly one of the two is right
    (class by class: hits h and g of n images differ on |h - g| at least, and on min(h + g, 2n - h - g) at most).
    """
    h, g, n = np.diag(a), np.diag(b), a.sum(axis=1)
    return int((h - g).sum()), int(abs(h - g).sum()), int(np.minimum(h + g, 2 * n - h - g).sum())


def _by_model(frame: pd.DataFrame) -> pd.DataFrame:
    """Models by their names, in the order of ``NOTEBOOKS``."""
    order = {notebook.key: number for number, notebook in enumerate(NOTEBOOKS)}
    frame = frame.sort_values("notebook", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)
    frame.insert(0, "model", frame.pop("notebook").map({n.key: n.model for n in NOTEBOOKS}))
    return frame
