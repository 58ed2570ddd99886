"""What the paper and the released notebooks print, as data.

Nothing here looks at images or runs: every audit needs the printed numbers and the number of test images only.
Percentages are in percent (0-100) with the two decimals of the paper; counts are whole numbers.

"Paper" is Roy et al., "A wavelet guided attention module for skin cancer classification with gradient-based feature
fusion", ISBI 2024. "Released notebooks" are the stored outputs in the authors' repository AyushRoy2001/WAGF-Fusion,
commit ae954d8.
"""

import dataclasses
import math
from dataclasses import dataclass

from wagf_src.arms import PAPER_BACKBONE, parse_arm, table1_row
from wagf_src.errors import UserError
from wagf_src.stats.proportions import difference_percent

PROVENANCE = "published numbers; no data used"

SIZE_NOT_STATED = "test size not stated in the paper"


# Paper, section 3.1.
N_IMAGES = 10_015

N_CLASSES = 7

N_TEST = 1_103

N_LEFT = 8_912

N_AUGMENTED = 52_000

TRAIN_PERCENT = 70

BATCH_SIZE = 64


# Released notebooks: what the loaders and the classification reports print.
TRAINING_FILES = 36_411

VALIDATION_FILES = 15_601

TEST_SUPPORTS = {"akiec": 30, "bcc": 35, "bkl": 88, "df": 8, "mel": 46, "nv": 883, "vasc": 13}


@dataclass(frozen=True)
class Row:
    """One row of a published table. Metrics in percent, None where the table has a dash.

    ``n_test`` is None where the paper does not say on how many images the row was obtained. ``decimals`` are those that
    each metric is printed with.
    """

    place: str
    row: str
    model: str
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    n_test: int | None
    decimals: tuple[int, int, int, int] = (2, 2, 2, 2)

    @property
    def metrics(self) -> tuple:
        """Accuracy, precision, recall, F1."""
        return self.accuracy, self.precision, self.recall, self.f1


# Section 3.2, Table 1, "Ablation study on the HAM10000 dataset for selecting the best model configuration".
TABLE1 = (
    Row("Table 1", "MobileNet-v2", "MobileNet-v2", 79.03, 78.78, 79.39, 78.60, N_TEST),
    Row("Table 1", "ResNet50", "ResNet50", 84.66, 84.58, 85.72, 83.31, N_TEST),
    Row("Table 1", "DenseNet-121", "DenseNet-121", 85.89, 85.22, 85.87, 84.85, N_TEST),
    Row("Table 1", "(i)", "DenseNet-121 + soft attention", 87.21, 87.71, 86.76, 87.43, N_TEST),
    Row("Table 1", "(ii)", "(i) + gradient-based feature fusion", 89.48, 90.05, 89.78, 90.08, N_TEST),
    Row("Table 1", "(iii)", "(ii) + SaFA (proposed)", 90.75, 90.83, 90.75, 91.17, N_TEST),
)


# Section 3.3, Table 2, "Performance comparison between proposed model and existing methods on the HAM10000 dataset".
TABLE2 = (
    Row("Table 2", "Yao et al.", "Yao et al. [3]", 86.40, None, None, None, None),
    Row("Table 2", "Iqbal et al.", "Iqbal et al. [7]", 88.80, 88.80, 89.10, 90.50, None),
    Row("Table 2", "Shen et al.", "Shen et al. [4]", 85.30, None, None, None, None),
    Row("Table 2", "Sai Charan et al.", "Sai Charan et al. [5]", 88.60, None, None, None, None),
    Row("Table 2", "Mridha et al.", "Mridha et al. [6]", 82.00, None, None, None, None),
    Row("Table 2", "Roy et al.", "Roy et al. [8]", None, 70.60, 70.20, 72.30, None),
    Row("Table 2", "Proposed", "Proposed", 90.75, 90.83, 90.75, 91.17, N_TEST),
)


# ISIC-2018 Task 3: balanced multiclass accuracy (percent) on the official test set, and its images.
OFFICIAL_TEST = 1_512
OFFICIAL = {
    "best entry (external data)": 88.5,
    "best single model": 87.1,
    "best without external data (ensemble)": 84.5,
}


@dataclass(frozen=True)
class StoredResult:
    """A test result stored in a released notebook (n = 1,103); ``table1`` names the row of Table 1, if there is one.

    Accuracy in percent; macro F1 and melanoma recall between 0 and 1, as classification reports print them.
    """

    model: str
    accuracy: float
    macro_f1: float
    melanoma_recall: float
    table1: str | None


RELEASED_PARAMETERS = 11_987_929  # of the released model of row (iii), counted from its code

RELEASED = (
    StoredResult("MobileNetV2", 82.86, 0.62, 0.54, "MobileNet-v2"),
    StoredResult("ResNet-50", 85.68, 0.65, 0.46, "ResNet50"),
    StoredResult("DenseNet-121 + CBAM", 86.31, 0.63, 0.28, "DenseNet-121"),
    StoredResult("DenseNet-121 + SA", 88.30, 0.64, 0.30, "(i)"),
    StoredResult("NASNetMobile", 69.08, 0.42, 0.30, None),
    StoredResult("Xception", 84.41, 0.45, 0.22, None),
)


def row(name: str) -> Row:
    """The row of Table 1 or Table 2 with this label, e.g. ``"(iii)"``."""
    for candidate in TABLE1 + TABLE2:
        if candidate.row == name:
            return candidate
    raise UserError(f"no published row {name!r}; known: {', '.join(r.row for r in TABLE1 + TABLE2)}")


def step(kind: str, a: str, b: str) -> float:
    """Table 1's accuracy of arm ``a``'s row minus that of arm ``b``'s, in points; NaN where the paper has no such step.

    Args:
        kind: as in ``paper.comparisons``; the paper has steps of kinds ``ladder`` and ``backbone``.
    """
    if kind not in ("ladder", "backbone"):
        return math.nan
    rows = _step_rows(kind, a, b)
    return math.nan if None in rows else row(rows[0]).accuracy - row(rows[1]).accuracy


def gain(kind: str, a: str, b: str) -> tuple[float, float, float]:
    """``step`` with the 95% interval that two accuracies on 1,103 images each have: (points, low, high).

    Newcombe's (``proportions.difference_percent``): the paper gives no predictions, so that the two rows share images
    cannot be used.
    """
    if math.isnan(step(kind, a, b)):
        return (math.nan,) * 3
    upper, lower = (row(name).accuracy for name in _step_rows(kind, a, b))
    return difference_percent(upper, lower, N_TEST, N_TEST)


def _step_rows(kind, a, b):
    # The paper has one ladder, on DenseNet-121, whatever ours stands on.
    return [
        table1_row(arm.backbone if kind == "backbone" else PAPER_BACKBONE, arm.modules)
        for arm in (parse_arm(a), parse_arm(b))
    ]


def audited_rows() -> list[Row]:
    """Every printed row once: Tables 1 and 2 and the released notebooks.

    Table 2's last row repeats row (iii) of Table 1, so it is named there and not counted twice.
    """
    repeated = TABLE2[-1].metrics
    rows = [dataclasses.replace(r, place="Tables 1 and 2") if r.metrics == repeated else r for r in TABLE1]
    rows += TABLE2[:-1]
    return rows + [Row("released notebooks", s.model, s.model, s.accuracy, None, None, None, N_TEST) for s in RELEASED]
