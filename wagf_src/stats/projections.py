"""Pooled features brought down to a few dimensions, without looking at the classes."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from wagf_src.stats.metrics import RELEASED_BATCH

# Many small decompositions: threads that wait for each other cost twenty times what they gain.
one_thread = threadpool_limits.wrap(limits=1)


@one_thread
def principal(features: np.ndarray, components: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of (n, d) features, at most n and d of them: points (n, k) and shares of variance (k,)."""
    pca = PCA(n_components=min(components, *features.shape), random_state=0).fit(features)
    return pca.transform(features), pca.explained_variance_ratio_


def batch_size(n: int) -> int:
    """Images in a batch as released; fewer where the test set is small."""
    return min(RELEASED_BATCH, max(8, n // 8))


def per_batch(features: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Three components fitted anew for each batch of images, as released: (n, 3), in the rows of ``features`` (n, d).

    ``order`` (n,): row numbers as they come. A batch of fewer than four images spans fewer components, which are 0.
    """
    points, size = np.zeros((len(order), 3)), batch_size(len(order))
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        k = min(3, len(batch) - 1, features.shape[1])
        if k > 0:
            points[batch, :k] = principal(features[batch], k)[0]
    return points


def ways(features: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Three components (n, 3), fitted once, and per batch with images shuffled (seeded) or in the order of classes."""
    shuffled = np.random.default_rng(0).permutation(len(y))
    return {
        "fitted once": principal(features)[0],
        "per batch, shuffled": per_batch(features, shuffled),
        "per batch, class by class": per_batch(features, np.argsort(y, kind="stable")),
    }


@one_thread  # and the same plot on every machine
def neighbour_embedding(features: np.ndarray) -> tuple[np.ndarray, float]:
    """t-SNE (fixed seed) of the fifty leading components: points (n, 2) and the perplexity, 30 or a third of n - 1."""
    perplexity = min(30, (len(features) - 1) / 3)
    tsne = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=0)
    return tsne.fit_transform(principal(features, 50)[0]), perplexity
