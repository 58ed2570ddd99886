"""How much of an accuracy on HAM10000 is the split: one classifier on the same features, under three ways of splitting.

Image-level splits put photographs of one lesion on both sides (leakage); the paper's test set (section 3.1) holds only
lesions that were photographed once (another population). A lesion-grouped split has neither.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from wagf_src.classes import CLASSES
from wagf_src.data import protocol
from wagf_src.errors import UserError

PROBE_C = 0.01


REPEATS = 10


TEST_FRACTION = 0.2


# Products with a matrix of seven columns: waiting for each other costs the threads ten times what they gain.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


def probe():
    """The linear probe: standardised features, logistic regression with C = 0.01; fit it under ``one_thread``."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=PROBE_C, max_iter=2000))


def nearest():
    """A classifier that memorises: the diagnosis of the nearest training image, by cosine."""
    return KNeighborsClassifier(n_neighbors=1, metric="cosine", algorithm="brute")


def splits(metadata: pd.DataFrame, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(training rows, test rows) of each way of splitting; all train on equally many images, as far as possible.

    "image": 20% of the images, stratified by diagnosis. "lesion": all images of 20% of the lesions, stratified,
    near-duplicates merged. "paper": 20% of the lesions photographed once; of the other images, as many as above train.

    Raises:
        UserError: too few images of a class.
    """
    dx, n = metadata["dx"].to_numpy(), len(metadata)
    groups = protocol.lesion_groups(metadata)
    lesions, first = np.unique(groups, return_index=True)

    def draw(rows, strata, **size):
        return train_test_split(rows, stratify=strata, random_state=seed, **size)

    try:
        image = draw(np.arange(n), dx, test_size=TEST_FRACTION)
        _, held = draw(lesions, dx[first], test_size=TEST_FRACTION)
        test = protocol.test_rows(metadata, seed)
        rest = np.setdiff1d(np.arange(n), test)
        if len(rest) > len(image[0]):
            rest, _ = draw(rest, dx[rest], train_size=len(image[0]))
    except ValueError as error:
        raise UserError(f"metadata: too few images of a class to compare splits ({error})") from None
    outside = np.isin(groups, held)
    return {"image": tuple(image), "lesion": (np.flatnonzero(~outside), np.flatnonzero(outside)), "paper": (rest, test)}


@one_thread
def run(features: np.ndarray, metadata: pd.DataFrame, repeats: int = REPEATS) -> pd.DataFrame:
    """Fit both classifiers under every split, again and again.

    Args:
        features: (n, d), one row an image of ``metadata``.
        metadata: HAM10000's columns.
        repeats: number of draws of every split; repeat r uses seed r.

    Returns:
        One row per classifier ("logistic", "nearest"), split, repeat and subset of the test images: "all",
        "single" and "multiple" (lesions photographed once, or more often), "sibling" and "no_sibling" (with an image
        of the same lesion in training, or without). Columns n_train, n_test, correct, accuracy, balanced_accuracy,
        melanoma_sensitivity (empty without melanomas), sibling_share; fractions.
    """
    dx = metadata["dx"].to_numpy()
    groups = protocol.lesion_groups(metadata)
    single = np.zeros(len(metadata), bool)
    single[protocol.single_image_rows(metadata)] = True
    rows = []
    for repeat in range(repeats):
        for split, (train, test) in splits(metadata, repeat).items():
            sibling = np.isin(groups[test], groups[train])
            subsets = {
                "all": np.ones(len(test), bool),
                "single": single[test],
                "multiple": ~single[test],
                "sibling": sibling,
                "no_sibling": ~sibling,
            }
            for name, classifier in (("logistic", probe()), ("nearest", nearest())):
                predicted = classifier.fit(features[train], dx[train]).predict(features[test])
                for subset, chosen in subsets.items():
                    if chosen.any():
                        case = {"classifier": name, "split": split, "repeat": repeat, "subset": subset}
                        scores = _scores(dx[test][chosen], predicted[chosen], sibling[chosen])
                        rows.append({**case, "n_train": len(train), **scores})
    return pd.DataFrame(rows)


def _scores(truth, predicted, sibling) -> dict:
    right = truth == predicted
    melanoma = truth == "mel"
    present = [c for c in CLASSES if (truth == c).any()]
    return {
        "n_test": len(truth),
        "correct": int(right.sum()),
        "accuracy": float(right.mean()),
        # The mean recall of the classes that are there; scikit-learn would warn of predicted classes that are not.
        "balanced_accuracy": float(np.mean([right[truth == c].mean() for c in present])),
        "melanoma_sensitivity": float(right[melanoma].mean()) if melanoma.any() else None,
        "sibling_share": float(sibling.mean()),
    }
