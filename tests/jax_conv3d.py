"""Run as `python jax_conv3d.py IN.npz OUT.npz`: the released soft attention's 3-D convolution, literally, by JAX.

IN holds pairs x_<i> (B, H, W, C) and kernel_<i> (C, 3, 3, 1, heads); OUT the results <i>, (B, H, W, 1, heads).
"""

import sys

import jax
import numpy as np

given = np.load(sys.argv[1])
scores = {}
for i in range(len(given) // 2):
    x = given[f"x_{i}"]
    scores[str(i)] = jax.lax.conv_general_dilated(
        x[..., None],
        given[f"kernel_{i}"],
        window_strides=(1, 1, x.shape[-1]),
        padding="SAME",
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        precision="highest",
    )
np.savez(sys.argv[2], **scores)
