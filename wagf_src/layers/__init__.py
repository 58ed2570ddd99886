"""The layers of the model, in both readings: as the paper describes them and as the released code computes them."""

from wagf_src.layers.dwt2d import DWT2D
from wagf_src.layers.fused_batch_normalization import FusedBatchNormalization, with_fused_batch_normalization
from wagf_src.layers.gradient_fusion import GradientFusion
from wagf_src.layers.soft_attention import SoftAttention
from wagf_src.layers.symmetry_aware_feature_attention import SymmetryAwareFeatureAttention

__all__ = [
    "DWT2D",
    "FusedBatchNormalization",
    "GradientFusion",
    "SoftAttention",
    "SymmetryAwareFeatureAttention",
    "with_fused_batch_normalization",
]
