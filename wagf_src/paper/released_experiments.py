"""Small experiments on what the released code does, with random numbers and generated pictures.

Each is always the same. Accuracies are in percent.
"""

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

from wagf_src.classes import CLASSES
from wagf_src.data import synthetic
from wagf_src.paper import published
from wagf_src.stats import metrics

TRAINED, SIBLINGS = "files trained on (released, proposed model)", "other files of the same lesions (paper)"
OTHERS, TEST = "files of other lesions", "test: new lesions"
METHODS = {"antialiased": Image.Resampling.BILINEAR, "nearest neighbour": Image.Resampling.NEAREST}


def validation_choice(epochs: int = 30) -> pd.DataFrame:
    """Accuracy by epoch (rows) on four sets of files (columns): what each choice of a validation set can see.

    A lesion is a point of seven overlapping classes, a file a lesion with a little noise; a small network trains on 70%
    of the files of most lesions.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=0.8, size=(7, 16))

    def lesions(n):
        y = rng.integers(7, size=n)
        return centres[y] + rng.normal(size=(n, 16)), y

    def files(x, y, copies=6):
        return np.repeat(x, copies, axis=0) + rng.normal(scale=0.2, size=(copies * len(x), 16)), np.repeat(y, copies)

    x, y = files(*lesions(200))
    trained = rng.random(len(x)) < 0.7
    sets = {TRAINED: (x[trained], y[trained]), SIBLINGS: (x[~trained], y[~trained])}
    sets |= {OTHERS: files(*lesions(60)), TEST: lesions(1000)}
    network = MLPClassifier(64, learning_rate_init=0.005, random_state=0)
    scores = []
    for _ in range(epochs):
        network.partial_fit(*sets[TRAINED], classes=range(7))
        scores.append({name: 100 * network.score(*points) for name, points in sets.items()})
    return pd.DataFrame(scores, index=range(1, epochs + 1))


def pca_planes(batch: int = 64) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The same features of seven classes in a plane (448, 2), by one PCA and by one a batch; and their classes."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(7), 64)
    points = (rng.normal(scale=1.6, size=(7, 32))[y] + rng.normal(size=(len(y), 32))).astype("float32")

    def fitted(order, size):
        plane = np.empty((len(y), 2))
        for start in range(0, len(y), size):
            part = order[start : start + size]
            plane[part] = PCA(2, random_state=0).fit_transform(points[part])
        return plane

    ordered = np.arange(len(y))
    return {
        "fitted once": fitted(ordered, len(y)),
        "per batch, shuffled files": fitted(rng.permutation(len(y)), batch),
        "per batch, files sorted by class": fitted(ordered, batch),
    }, y


def batch_f1(orders: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One set of random predictions in many orders.

    Returns:
        y (1103,), classes as in the paper's test set, in the order of class folders; p (1103, 7), their probabilities;
        their batch-averaged F1 (percent) in each random order.
    """
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(7), [published.TEST_SUPPORTS[c] for c in CLASSES])
    logits = rng.normal(size=(len(y), 7)) + 1.2 * (np.arange(7) == CLASSES.index("nv"))
    logits[np.arange(len(y)), y] += 2
    p = np.exp(3 * logits)
    p /= p.sum(axis=1, keepdims=True)
    draws = [rng.permutation(len(y)) for _ in range(orders)]
    return y, p, np.array([100 * metrics.batch_f1(y[order], p[order]) for order in draws])


def photographs() -> np.ndarray:
    """One generated photograph of each class, (7, 150, 200, 3) uint8."""
    rng = np.random.default_rng(0)
    return np.stack([synthetic.photograph(synthetic.make_lesion(c, rng), rng)[0] for c in CLASSES])


def resized(shift: int = 0) -> dict[str, np.ndarray]:
    """A generated photograph, moved by some columns, and reduced by each method as 600 x 450 are to 160 x 160."""
    rng = np.random.default_rng(2)
    photograph = np.roll(synthetic.photograph(synthetic.make_lesion("mel", rng), rng)[0], shift, axis=1)
    side = round(photograph.shape[0] * 160 / 450)
    image = Image.fromarray(photograph)
    return {"photograph": photograph} | {k: np.asarray(image.resize((side, side), m)) for k, m in METHODS.items()}
