"""What the chapter on the released code says and shows, from its tables.

``fact`` is the table ``released_facts`` by name, ``parameters`` the table ``released_parameters`` (``values``).
"""

import numpy as np
import pandas as pd

from wagf_src.paper import audits
from wagf_src.paper.released import CHANNELS
from wagf_src.paper.released_experiments import OTHERS, SIBLINGS, TEST, TRAINED
from wagf_src.report.text import scientific

PROPOSED_SIDE, PHOTOGRAPH = 256, 600 * 450  # pixels, of the proposed model's notebook and of a photograph


def values(table: pd.DataFrame) -> pd.Series:
    """A table of names and numbers, by name."""
    return table.set_index(table.columns[0])[table.columns[1]]


def answer(findings: pd.DataFrame, fact: pd.Series) -> str:
    """In how many places, and what follows for the model and for what is reported (table ``released_code``)."""
    disagree = findings["measured in this chapter"].str.contains("disagree").any()
    kernels = ", which ones depends on TensorFlow's kernels" if disagree else ""
    return (
        f"in {len(findings)} places: {', '.join(findings['what'])}. The fusion is the fixed sum "
        f"{fact['coefficient_sa']:.2f} $F_{{sa}}$ + {fact['coefficient_w']:.2f} $F_w$ whatever the loss says, soft "
        f"attention is scored from three channels{kernels}, SaFA has no LSTM, and "
        "the epoch, the F1 and the plotted features are measured in ways that can show more than a classifier "
        "does. The table at the end of the page lists all."
    )


def validation(curves: pd.DataFrame) -> str:
    """The score of the epoch chosen on each set, there and on new lesions (table ``validation_choice``)."""
    chosen = [(curves[name].max(), curves[TEST][curves[name].idxmax()]) for name in (TRAINED, SIBLINGS, OTHERS)]
    seen, siblings, others = (f"{score:.1f}% there and {test:.1f}% on new lesions" for score, test in chosen)
    return (
        f"The epoch chosen on the training files scores {seen}; chosen on copies of the same lesions {siblings}; "
        f"chosen on other lesions {others}."
    )


def fusion(fact: pd.Series) -> str:
    """What the released fusion amounts to, beside the gradient of the loss on one batch."""
    return (
        f"The derivatives of random maps run from {fact['least_derivative']:g} to {fact['greatest_derivative']:g}. "
        f"Fitted to the outputs, $F_{{fuse}} = {fact['coefficient_sa']:.4f}\\,F_{{sa}} + "
        f"{fact['coefficient_w']:.4f}\\,F_w$ for every input (the coefficients vary by "
        f"{fact['coefficient_spread']:.1g}; our layer agrees to {fact['fusion_distance']:.1g}). The gradient of the "
        f"loss, for comparison, runs in one batch from {fact['least_loss_gradient']:.2g} to "
        f"{fact['greatest_loss_gradient']:.2g}, and {100 * fact['zero_loss_gradient']:.0f}% of its entries are zero."
    )


def builds_table(builds: pd.DataFrame) -> pd.DataFrame:
    """The table ``soft_attention_builds``, distances as powers of ten."""
    distances = builds[["relative distance to the rule", "to the middle channels"]].map("{:.0e}".format)
    return builds.drop(columns="provenance").assign(**distances)


def rule(fact: pd.Series) -> str:
    """Whether JAX follows the documented rule."""
    jax = f"JAX's literal three-dimensional convolution agrees with the rule to {scientific(fact['jax_distance'])}."
    if np.isnan(fact["jax_distance"]):
        jax = "JAX is not installed here (requirements/dev.txt holds it), so its convolution was not compared."
    return f"{jax} Largest score by the rule: {fact['largest_score']:.3g}."


def soft_attention(builds: pd.DataFrame, sizes: pd.DataFrame, fact: pd.Series, parameters: pd.Series) -> str:
    """Which channels each kernel reads, on what that depends, and what can learn."""
    onednn, plain = builds["it reads"][:2]
    text = f"On this machine TensorFlow computes scores with oneDNN from {onednn}; without oneDNN, from {plain}. "
    if onednn != plain:
        text += f"Their two maps above have {100 * fact['overlap']:.0f}% of their attention in common. "
    elsewhere = builds["channels that change the output"] != builds["channels that get a gradient"]
    if elsewhere.any():
        text += (
            f"In {' and '.join(builds['TensorFlow on the CPU'][elsewhere])}, the forward pass reads other channels "
            "than those that the backward pass gives a gradient to, so a backbone would be trained in three channels "
            "for what three others did. "
        )
    size = sizes["images"].astype(str) + " x " + sizes["channels"].astype(str)
    reads = dict(zip(size, sizes["oneDNN reads"]))
    alone, two, odd = (reads[f"{images} x {c:,}"] for images, c in ((1, 1024), (2, 1024), (2, CHANNELS + 1)))
    if len(set(reads.values())) > 1:
        text += (
            f"What oneDNN reads depends on the size: two images of 1,024 channels, the released number, give *{two}*, "
            f"one image *{alone}*, and two of {CHANNELS + 1} channels *{odd}*. "
        )
    if alone != two:
        text += "So the attention of a photograph depends on whether it is alone in its batch. "
    unsteady = size[sizes["its scores computed again"] != "the same"]
    if len(unsteady):
        text += (
            f"Computed again on the same input, its scores change (images x channels: {', '.join(unsteady)}): they "
            "depend on what the process computed or left in memory before. "
        )
    return text + (
        f"At the released size (8 x 8 x 1,024, 16 heads), {fact['kernel_learns']:,.0f} of "
        f"{fact['kernel_weights']:,.0f} kernel weights ever get a gradient, those in rows "
        f"{fact['kernel_first_row']:.0f} to {fact['kernel_last_row']:.0f} of the long axis. The parameter count does "
        f"not show it: {parameters['soft attention, released']:,} as released, "
        f"{parameters['soft attention, described']:,} as described."
    )


def lstms(graph: pd.DataFrame, parameters: pd.Series) -> str:
    """How much of the SaFA module is in no model (table ``safa_miniature``)."""
    head, backbone = parameters["head, released"], parameters["DenseNet-121"]
    return (
        f"Of the miniature's {len(graph)} layers, {graph['in_model'].sum()} are in the model; connecting the LSTMs "
        f"would raise its parameters from {parameters['miniature']:,} to {parameters['miniature, connected']:,}. At "
        f"the released size (8 x 8 x 1,024) {parameters['LSTMs of SaFA, released']:,} of the released module's "
        f"{parameters['SaFA, released']:,} parameters are in LSTMs, {parameters['LSTMs of SaFA, described']:,} of the "
        f"described one's {parameters['SaFA, described']:,}. The released model as we built it from the code has "
        f"{head + backbone:,} parameters, {head:,} on top of DenseNet-121's {backbone:,}, none of them in LSTMs; its "
        "notebook stores no total to hold this against."
    )


def pca(fact: pd.Series) -> str:
    """How many points find their class by their neighbours in each plane."""
    once, shuffled, ordered = (f"{100 * fact[f'pca_{how}']:.1f}%" for how in ("once", "shuffled", "sorted"))
    return (
        f"By the five nearest neighbours in the plane, {once} of the points find their class when PCA is fitted once, "
        f"{shuffled} when it is fitted to each shuffled batch and {ordered} when the batches come sorted by class."
    )


def batch_f1(fact: pd.Series) -> str:
    """How far batch-averaged F1 goes, and by how much the printed ones exceed their bound."""
    printed = audits.f1_excess()
    return (
        f"Precision {fact['f1_precision']:.2f}, recall {fact['f1_recall']:.2f}, so no report over all images can have "
        f"an F1 above {fact['f1_bound']:.2f}. Averaged over batches, the same predictions score between "
        f"{fact['f1_least']:.2f} and {fact['f1_greatest']:.2f} ({fact['f1_sorted']:.2f} class by class; the last batch "
        f"holds {fact['f1_last_batch']:.0f} images), and exceed the bound in {100 * fact['f1_above_bound']:.0f}% of "
        f"the orders. {len(printed)} rows of Table 1 exceed theirs, by up to {max(printed.values()):.2f} points; in "
        f"{100 * fact['f1_as_printed']:.1f}% of the orders the excess here is as large."
    )


def scaling_table(scaling: pd.DataFrame) -> pd.DataFrame:
    """The table ``input_scaling`` with two decimals."""
    numbers = scaling.select_dtypes("number").map("{:.2f}".format)
    return scaling[["input"]].join(numbers).rename(columns={"sd": "standard deviation"})


def scaling(scaling: pd.DataFrame) -> str:
    """How many times less the input varies than each backbone's weights expect."""
    densenet, resnet, mobilenet = scaling["sd"][1:] / scaling["sd"][0]
    return (
        f"Divided by 255, the input varies {densenet:.1f} times less than DenseNet-121's weights expect, "
        f"{mobilenet:.1f} times less than MobileNetV2's and {resnet:.0f} times less than ResNet-50's; its least value "
        f"is {scaling['least'][0]:.2f}."
    )


def resizing(fact: pd.Series) -> str:
    """What nearest-neighbour resizing drops, and how it reacts to a shift by one pixel."""
    here, proposed = (f"{100 * share:.0f}%" for share in (fact["pixels_kept"], PROPOSED_SIDE**2 / PHOTOGRAPH))
    return (
        f"Nearest neighbour uses {here} of the pixels at this size, and {proposed} at {PROPOSED_SIDE} x "
        f"{PROPOSED_SIDE}. The two small pictures differ by {fact['resizing_noise']:.1f} grey levels (root mean "
        f"square), {100 * fact['resizing_noise_share']:.0f}% of the picture's own standard deviation. Moving the "
        f"camera by one pixel changes the antialiased picture by {fact['shift_antialiased']:.1f} grey levels on "
        f"average and the other by {fact['shift_nearest']:.1f}."
    )
