"""Shared code of the executable, audited replication of the WAGF paper (ISBI 2024)."""

import os

# TensorFlow computes with oneDNN unasked only where a processor has AVX-512; where it has AVX2 alone, the same training
# step takes 1.3 to 2 times as long without. Read when TensorFlow is imported; a value of the reader's own stays.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
