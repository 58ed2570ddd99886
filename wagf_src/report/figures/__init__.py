"""Every plot of the book, one function each: data in, Matplotlib figure out (one is HTML: the scatter plot to turn).

Figures are returned closed, so that a notebook shows one by naming it on the last line of a cell, and only once.
"""

from wagf_src.report.figures.accuracy import accuracy_ladder, always_nv, class_recall, differences
from wagf_src.report.figures.attention import (
    attention_by_class,
    attention_examples,
    attention_leads,
    attention_means,
    blob_widths,
    grad_cam_examples,
    image_grid,
)
from wagf_src.report.figures.calibration import coverage, decision_curve, reliability, roc_pr
from wagf_src.report.figures.equation1 import fusion_weights, haar_kernel, orbits, readings
from wagf_src.report.figures.features import (
    confusion,
    feature_batches,
    feature_embedding,
    feature_scatter,
    turning_scatter,
)
from wagf_src.report.figures.graphs import two_readings
from wagf_src.report.figures.protocol import class_counts, copies, leakage_by_class, populations, split_levels
from wagf_src.report.figures.published import f1_excess, power_curves, printed_accuracies
from wagf_src.report.figures.released import (
    batch_f1_orders,
    input_densities,
    pca_experiment,
    resizing,
    safa_miniature,
    soft_attention_channels,
    soft_attention_maps,
    validation_choice,
)
from wagf_src.report.figures.speed import cost_growth, speed_of_arms
from wagf_src.report.figures.stored_notebooks import stored_confusion, stored_logs, which_30
from wagf_src.report.figures.style import stamp
from wagf_src.report.figures.training import selection, training_curves
from wagf_src.report.text import table
