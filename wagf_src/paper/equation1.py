"""What mathematics decides: Equation 1 only swaps its weights, and the wavelet is a strided convolution."""

import numpy as np
import pywt

# What ``question`` asks about: arms by their row of Table 1, losses, starts of the weights, readings, maps, branches.
ROWS = {"(ii)": "densenet121-sa-gf-described", "(iii)": "densenet121-wagf-described"}
LOSSES = ("cross entropy", "squared error", "focal")
STARTS, STEPS = (0.05, 0.3, 0.5, 0.8), 16
READINGS = ("eq1", "saliency", "learned")
CASES = ("class in the wavelet branch", "class in the soft attention branch", "both, wavelet three times as large")
MAPS = ((8, 8), (5, 5), (3, 3), (7, 4), (1, 1))
BRANCHES = ("haar", "conv", "pool")


def equation1_orbit(start: float, steps: int, seed: int = 0) -> np.ndarray:
    """The weight g(F_w) of Eq. 1 over training steps, (steps + 1,), by finite differences through the paper's head.

    Every step has new random maps F_w, F_sa (2 x 2 x 3), SaFA features and label. The fusion
    (1 - g_w) F_w + (1 - g_sa) F_sa, joined with the SaFA features, goes through ReLU, global average pooling, Dense(7)
    and softmax cross-entropy; the mean magnitudes of dL/dF_w and dL/dF_sa, normalised to sum 1, are the next weights.
    Nothing about the derivative is assumed.
    """
    rng = np.random.default_rng(seed)
    weights = [start]
    for _ in range(steps):
        maps = rng.normal(1, 1, (2, 2, 2, 3))  # [F_w, F_sa]
        safa = rng.uniform(0, 1, (2, 2, 3))
        kernel, bias, label = rng.normal(size=(6, 7)), rng.normal(size=7), rng.integers(7)
        g = np.array([weights[-1], 1 - weights[-1]])

        def loss(maps, g=g, safa=safa, kernel=kernel, bias=bias, label=label):
            fused = np.tensordot(1 - g, maps, axes=1)
            pooled = np.maximum(np.concatenate([safa, fused], axis=-1), 0).mean(axis=(0, 1))
            logits = pooled @ kernel + bias
            return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]

        gradient, h = np.zeros_like(maps), 1e-5
        for index in np.ndindex(maps.shape):
            step = np.zeros_like(maps)
            step[index] = h
            gradient[index] = (loss(maps + step) - loss(maps - step)) / (2 * h)
        magnitude = np.abs(gradient).mean(axis=(1, 2, 3))
        weights.append(magnitude[0] / magnitude.sum())
    return np.array(weights)


def haar_as_convolution(height: int, width: int, channels: int, filters: int, seed: int = 0) -> float:
    """Largest difference between Haar + linear 1x1 mixing and Conv2D(filters, 2, strides=2), converted both ways.

    PyWavelets computes the wavelet (``mode="symmetric"``) on a random map (height, width, channels); odd sizes repeat
    the last row or column. The depthwise scale of a separable 1x1 convolution is part of the mixing matrix.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(height, width, channels))

    def bands(image):
        low, high = pywt.dwt2(image, "haar", mode="symmetric", axes=(0, 1))
        return np.stack([low, *high], axis=2)  # (h, w, 4, channels)

    # Column s: what sub-band s takes from the four pixels of a patch; square, and invertible (np.linalg.inv below).
    basis = np.stack([bands(pixel.reshape(2, 2, 1)).ravel() for pixel in np.eye(4)])
    even = np.pad(x, ((0, height % 2), (0, width % 2), (0, 0)), mode="symmetric")
    h, w = even.shape[0] // 2, even.shape[1] // 2
    patches = even.reshape(h, 2, w, 2, channels).transpose(0, 2, 1, 3, 4).reshape(h, w, 4, channels)
    mixing = rng.normal(size=(4, channels, filters))
    kernel = rng.normal(size=(4, channels, filters))
    apply = "hwsc,scf->hwf"
    to_kernel = np.einsum("ps,scf->pcf", basis, mixing)
    to_mixing = np.einsum("sp,pcf->scf", np.linalg.inv(basis), kernel)
    return max(
        np.abs(np.einsum(apply, bands(x), mixing) - np.einsum(apply, patches, to_kernel)).max(),
        np.abs(np.einsum(apply, bands(x), to_mixing) - np.einsum(apply, patches, kernel)).max(),
    )


def question() -> dict:
    """What ``models.equation1_facts`` is asked: the same by automatic differentiation of the trained layers."""
    question = {"arms": list(ROWS.values()), "losses": LOSSES, "starts": STARTS, "steps": STEPS, "fusions": READINGS}
    return {name: np.array(values) for name, values in (question | {"maps": MAPS, "branches": BRANCHES}).items()}
