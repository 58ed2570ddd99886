"""Published results of the same kind of task that are no rows of Table 2: what a level is worth (facts, read).

None of them was measured on the images of our test set, as far as is known, so none can be ranked with ours.
"""

from dataclasses import dataclass

SAME_RECIPE = "same split recipe and size, drawn anew"
OTHER_SPLIT = "another split of HAM10000, no lesion shared"
OFFICIAL = "official test set of ISIC-2018 Task 3"


@dataclass(frozen=True)
class Yardstick:
    """A result as its source states it.

    Attributes:
        name: of the method. images: what it was tested on. n: how many test images.
        hits: right answers, where they are stored. balanced: balanced accuracy in percent, where it is stated.
        note: what has to be known. source: what was read.
    """

    name: str
    images: str
    n: int
    hits: int | None
    balanced: float | None
    note: str
    source: str


YARDSTICKS = (
    Yardstick(
        "Datta et al.: Inception-ResNet-v2 + soft attention",
        SAME_RECIPE,
        1103,
        1010,
        None,
        "test images were the validation images too; melanoma weighs five times in training",
        "arXiv:2105.03358 and stored notebook of the 20% split "
        "(skrantidatta/Attention-based-Skin-Cancer-Classification, d57260ee)",
    ),
    Yardstick(
        "PanDerm, linear probe",
        OTHER_SPLIT,
        1232,
        1138,
        79.7,
        "a foundation model of dermatology; 77% nevi",
        "notebook HAM_clean_evaluation (SiyuanYan1/PanDerm, 97e09d0); Nature Medicine 2025",
    ),
    Yardstick(
        "first of the live board, October 2021",
        OFFICIAL,
        1512,
        None,
        89.5,
        "an ensemble with external data",
        "arXiv:2102.01284v2, Table IX",
    ),
    Yardstick(
        "Yao et al.: MWNL-CLS",
        OFFICIAL,
        1512,
        None,
        87.5,
        "a single model without external data; every setting was chosen by its score on this set",
        "arXiv:2102.01284v2",
    ),
    Yardstick(
        "EfficientNet-B4, 384 px, single models",
        OFFICIAL,
        1512,
        None,
        65.4,
        "the lowest of its single models, the highest is 67.3; nothing was tuned on the test",
        "heldem-dev/SC_EfficientNet, 1fdc0fc",
    ),
)
