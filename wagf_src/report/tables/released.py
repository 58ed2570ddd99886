"""What the released code does instead of what the paper says: each difference measured."""

import numpy as np
import pandas as pd
from scipy.signal import correlate2d

from wagf_src.classes import CLASSES
from wagf_src.machine import processor
from wagf_src.paper import audits, released, released_experiments
from wagf_src.paper.released import CHANNELS, HEADS, LEFT_BEHIND, SIZES
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.cells import cells
from wagf_src.report.tables.keras_facts import build, keras_facts, random_features
from wagf_src.stats import metrics, separability

SMALL = "small experiments in the chapter; no photograph, no training run"
MODES = {
    "rescale": "released: x / 255",
    "torch": "DenseNet-121's own",
    "caffe": "ResNet-50's own",
    "tf": "MobileNetV2's own",
}
KERNELS = {"TensorFlow, oneDNN": "onednn", "TensorFlow, without oneDNN": "plain"}


def _released(evidence):
    return evidence.once(keras_facts)["released"]


def validation_choice(evidence: Evidence) -> pd.DataFrame:
    """Accuracy (percent) of one training run by epoch on four sets: epoch and a column for each set."""
    frame = released_experiments.validation_choice().rename_axis("epoch").reset_index()
    return frame.assign(provenance=random_features(evidence))


def learning_rate(evidence: Evidence) -> pd.DataFrame:
    """What Adam makes of the argument ``lr``, by TensorFlow's version; the last line is tried, others are on record."""
    facts = _released(evidence)
    default, rate = float(facts["default_rate"]), float(facts["rate"])
    keras, tensorflow = facts["versions"]
    tried = (str(facts["rate_error"]), "–") if np.isnan(rate) else ("accepted", f"{rate:g}")
    rows = [
        ("up to 2.10", "accepted", "0.01"),
        ("2.11 to 2.15 (Keras 2)", "accepted and ignored", f"{default:g}, the default"),
        (f"{tensorflow} with Keras {keras}, tried here", *tried),
    ]
    return pd.DataFrame(rows, columns=["TensorFlow", "Adam(lr=0.01)", "rate in force"]).assign(provenance=SMALL)


def soft_attention_builds(evidence: Evidence) -> pd.DataFrame:
    """Which channels each of TensorFlow's CPU kernels reads, and which it gives a gradient to."""
    facts = evidence.once(keras_facts)
    x, kernel = released.probe()
    by_rule = released.scores(x, kernel)
    by_middle = released.scores(x, kernel, released.middle_channel(CHANNELS))

    def channels(size):
        return ", ".join(map(str, np.flatnonzero(~(size <= 1e-5 * np.nanmax(size)))))  # NaN counts as an influence

    lines = []
    for name, answer, scores in (
        ("oneDNN's kernel (on in this book)", facts["onednn"], "scores"),
        ("TensorFlow's own kernel (oneDNN off)", facts["plain"], "scores"),
        ("compiled by XLA", facts["onednn"], "compiled"),
    ):
        own = scores == "scores"
        lines.append(
            {
                "TensorFlow on the CPU": name,
                "channels that change the output": channels(answer["influence"]) if own else "–",
                "channels that get a gradient": channels(answer["gradient"]) if own else "–",
                "largest score": f"{np.abs(answer[scores]).max():.3g}",
                "relative distance to the rule": f"{released.relative_distance(answer[scores], by_rule):.0e}",
                "to the middle channels": f"{released.relative_distance(answer[scores], by_middle):.0e}",
                "it reads": released.reads(answer[scores]),
            }
        )
    return pd.DataFrame(lines).assign(provenance=build(evidence))


def soft_attention_sizes(evidence: Evidence) -> pd.DataFrame:
    """The same operator for other numbers of images and channels, and whether its scores come out the same again."""
    facts, lines = evidence.once(keras_facts), []

    def again(change):
        changed = f"changed by {change:.2g}" if change < LEFT_BEHIND / 10 else "changed by a million or more"
        return "the same" if change == 0 else changed

    for images, channels in SIZES:
        wanted, size = released.scores(*released.probe(images, channels)), f"{images}_{channels}"
        onednn, plain = (facts[name][f"scores_{size}"].astype(float) for name in ("onednn", "plain"))
        by_rule = np.isclose(onednn, wanted, atol=1e-4 * np.abs(wanted).max()).all(axis=-1)
        lines.append(
            {
                "images": images,
                "channels": f"{channels:,}",
                "oneDNN reads": released.reads(onednn, images, channels),
                "of its positions as by the rule": f"{100 * by_rule.mean():.0f}%",
                "its scores computed again": again(facts["onednn"][f"again_{size}"]),
                "without oneDNN it reads": released.reads(plain, images, channels),
                "computed again": again(facts["plain"][f"again_{size}"]),
            }
        )
    return pd.DataFrame(lines).assign(provenance=build(evidence))


def soft_attention_channels(evidence: Evidence) -> pd.DataFrame:
    """The largest change of a score when a channel is raised by one: operator, channel, influence (percent), gradient.

    ``gradient`` says whether the backward pass of TensorFlow's own kernels gives the channel any; empty for the others.
    """
    facts = evidence.once(keras_facts)
    x, kernel = released.probe()
    wide = np.random.default_rng(1).normal(scale=0.2, size=(3, 3, CHANNELS, HEADS)).astype("float32")
    ones, base = np.ones(x.shape[1:3]), released.scores(x, kernel)
    raised = np.moveaxis(wide, (0, 1), (2, 3))  # each channel's kernel for each head, on a map of ones
    described = [max(np.abs(correlate2d(ones, k, mode="same")).max() for k in heads) for heads in raised]
    rule = [np.abs(released.scores(x + one, kernel) - base).max() for one in np.eye(CHANNELS, dtype="float32")]
    operators = {"as described in the literature: a 3 x 3 kernel over all channels": (described, [None] * CHANNELS)}
    operators["released operator, by the documented rule"] = rule, [None] * CHANNELS
    for how, answer in (("with", facts["onednn"]), ("without", facts["plain"])):
        name = f"released operator, TensorFlow {answer['version']} {how} oneDNN"
        operators[name] = np.nan_to_num(answer["influence"].astype(float)), answer["gradient"] != 0
    parts = [
        pd.DataFrame({"operator": name, "channel": range(CHANNELS), "influence": influence, "gradient": gradient})
        for name, (influence, gradient) in operators.items()
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["influence"] *= 100 / frame.groupby("operator")["influence"].transform("max")
    return frame.assign(provenance=build(evidence))


def soft_attention_maps(evidence: Evidence) -> pd.DataFrame:
    """One attention map of the same features with the same weights by three kernels: kernel, row, column, attention."""
    facts = evidence.once(keras_facts)
    grids = {name: released.attention(facts[key]["scores"])[0] for name, key in KERNELS.items()}
    grids = {"our layer (the rule)": facts["released"]["attention"][0], **grids}
    return cells(grids, "kernel", value="attention").assign(provenance=build(evidence))


def safa_miniature(evidence: Evidence) -> pd.DataFrame:
    """The layers of the released SaFA module in miniature: layer, in_model (whether Keras lists it in the model)."""
    facts = _released(evidence)
    layers = facts["in_intended"]
    frame = pd.DataFrame({"layer": layers, "in_model": np.isin(layers, facts["in_model"])})
    return frame.assign(provenance=f"computed from a Keras {facts['versions'][0]} model's own list of layers")


def released_parameters(evidence: Evidence) -> pd.DataFrame:
    """Numbers of parameters: part, parameters. At the released size, 8 x 8 x 1,024; the miniatures at 8 x 8."""
    facts = _released(evidence)
    return pd.DataFrame({"part": facts["parts"], "parameters": facts["parameters"]}).assign(provenance=SMALL)


def pca_experiment(evidence: Evidence) -> pd.DataFrame:
    """Features of seven classes in a plane, by one PCA and by one a batch: class, and x and y of each way."""
    planes, y = released_experiments.pca_planes()
    frame = pd.DataFrame({"class": np.array(CLASSES)[y]})
    for name, plane in planes.items():
        frame[[f"{name}: x", f"{name}: y"]] = plane
    return frame.assign(provenance=random_features(evidence))


def _batch_f1(evidence):
    return released_experiments.batch_f1()


def batch_f1_orders(evidence: Evidence) -> pd.DataFrame:
    """Batch-averaged F1 of one set of predictions minus its bound (points) in many orders: low, high, orders."""
    excess = evidence.once(_batch_f1)[2] - evidence.once(facts)["f1_bound"]
    tenths = np.arange(np.floor(10 * excess.min()), np.ceil(10 * excess.max()) + 1)
    orders, edges = np.histogram(excess, bins=tenths / 10)
    frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "orders": orders})
    return frame.assign(provenance="SYNTHETIC: random predictions with the paper's class counts")


def input_scaling(evidence: Evidence) -> pd.DataFrame:
    """Pixel values of generated photographs as networks get them: input, mean, sd, least, greatest, channel means."""
    rows = []
    for mode, name in MODES.items():
        v = _released(evidence)[f"input_{mode}"]
        rows.append((name, v.mean(), v.std(), v.min(), v.max(), *v.mean(axis=(0, 1, 2))))
    columns = ["input", "mean", "sd", "least", "greatest", "first channel", "second", "third"]
    return pd.DataFrame(rows, columns=columns).assign(provenance="SYNTHETIC: seven generated photographs")


def input_densities(evidence: Evidence) -> pd.DataFrame:
    """Their histograms, by 255 and as DenseNet-121 expects them: input, channel, low, high, density."""
    rows = []
    for mode in ("rescale", "torch"):
        for k, channel in enumerate(("red", "green", "blue")):
            density, edges = np.histogram(_released(evidence)[f"input_{mode}"][..., k], bins=60, density=True)
            rows += zip([MODES[mode]] * 60, [channel] * 60, edges, edges[1:], density)
    columns = ["input", "channel", "low", "high", "density"]
    return pd.DataFrame(rows, columns=columns).assign(provenance="SYNTHETIC: seven generated photographs")


def facts(evidence: Evidence) -> dict[str, float]:
    """The single numbers of the chapter, by name."""
    measured = {name: v.item() for name, v in _released(evidence).items() if v.ndim == 0 and v.dtype.kind in "fi"}
    x, kernel = released.probe()
    by_rule = released.scores(x, kernel)
    maps = evidence.table("soft_attention_maps").pivot(index=["row", "column"], columns="kernel", values="attention")
    planes, classes = released_experiments.pca_planes()
    purity = [separability.separability(plane, classes)["knn_accuracy"][0] for plane in planes.values()]
    y, p, orders = evidence.once(_batch_f1)
    whole = 100 * metrics.averages(y, p).set_index("average").loc["as released"].astype(float)
    bound = audits.f1_bound(whole["precision"], whole["recall"])
    printed = max(audits.f1_excess().values())
    small, moved = released_experiments.resized(), released_experiments.resized(shift=1)
    change = [np.abs(moved[k].astype(float) - small[k])[:, 1:].mean() for k in released_experiments.METHODS]
    antialiased, nearest = (small[k].astype(float) for k in released_experiments.METHODS)
    noise = np.sqrt(((nearest - antialiased) ** 2).mean())
    return {
        **measured,
        "largest_score": np.abs(by_rule).max(),
        "jax_distance": np.abs(_released(evidence)["jax_scores"] - by_rule).max(),
        "overlap": maps[list(KERNELS)].min(axis=1).sum() / HEADS,
        **dict(zip(("pca_once", "pca_shuffled", "pca_sorted"), purity)),
        "f1_precision": whole["precision"],
        "f1_recall": whole["recall"],
        "f1_sorted": 100 * metrics.batch_f1(y, p),
        "f1_bound": bound,
        "f1_least": orders.min(),
        "f1_greatest": orders.max(),
        "f1_above_bound": np.mean(orders > bound),
        "f1_as_printed": np.mean(orders - bound > printed),
        "f1_last_batch": len(y) % metrics.RELEASED_BATCH,
        "pixels_kept": nearest[..., 0].size / small["photograph"][..., 0].size,
        "resizing_noise": noise,
        "resizing_noise_share": noise / antialiased.std(),
        **dict(zip(("shift_antialiased", "shift_nearest"), change)),
    }


def released_facts(evidence: Evidence) -> pd.DataFrame:
    """The single numbers of the chapter: fact, value."""
    frame = pd.DataFrame(evidence.once(facts).items(), columns=["fact", "value"]).astype({"value": float})
    return frame.assign(provenance=f"{SMALL}; {processor()}")


def released_code(evidence: Evidence) -> pd.DataFrame:
    """One line a difference: what, what the paper says, what the released code does, what was measured."""
    fact, curves = evidence.once(facts), evidence.table("validation_choice")
    seen = curves[released_experiments.TRAINED]
    size = evidence.table("released_parameters").set_index("part")["parameters"]
    agree = "agree" if evidence.table("soft_attention_builds")["it reads"][:2].nunique() == 1 else "disagree"
    scaled, own = evidence.table("input_scaling")["sd"][:2]
    today = "refused" if np.isnan(fact["rate"]) else f"accepted, {fact['rate']:g} in force"
    once, shuffled, ordered = (f"{100 * fact[f'pca_{how}']:.0f}%" for how in ("once", "shuffled", "sorted"))
    shift = fact["shift_nearest"] / fact["shift_antialiased"]
    measured = {
        ("validation files", "30% of the augmented files", "the training folder (proposed model)"): (
            f"score of the chosen epoch {seen.max():.0f}%, "
            f"on new lesions {curves[released_experiments.TEST][seen.idxmax()]:.0f}%"
        ),
        ("learning rate", "0.01", "argument lr, ignored from TensorFlow 2.11 on"): (
            f"default {fact['default_rate']:g}; today {today}"
        ),
        ("gradient layer", "weights from gradients of the loss", "a tensor's derivative by itself"): (
            f"F_fuse = {fact['coefficient_sa']:.4f} F_sa + {fact['coefficient_w']:.4f} F_w, always"
        ),
        ("soft attention", "attention over the features", "scores from three of the C channels"): (
            f"{fact['kernel_learns']:,} of {fact['kernel_weights']:,} kernel weights can learn; "
            f"the kernels of one TensorFlow {agree} on which channels"
        ),
        ("LSTMs in SaFA", "two, over rows and columns", "built, connected to nothing"): (
            f"{size['LSTMs of SaFA, released']:,} LSTM weights in the module "
            f"({size['LSTMs of SaFA, described']:,} if connected)"
        ),
        ("PCA of the features", "not described", "fitted anew for each batch"): (
            f"class found by neighbours: {once} (fitted once), {shuffled} (by batch), {ordered} (by sorted batch)"
        ),
        ("F1", "F1-score, average not stated", "micro F1 averaged over batches"): (
            f"exceeds its bound in {100 * fact['f1_above_bound']:.0f}% of the orders, "
            f"by up to {fact['f1_greatest'] - fact['f1_bound']:.2f} points"
        ),
        ("input scaling", "not stated", "x / 255, with ImageNet weights"): (
            f"standard deviation {scaled:.2f}; DenseNet-121's own {own:.2f}"
        ),
        ("resizing", "256 x 256, method not stated", "nearest neighbour"): (
            f"{100 * fact['pixels_kept']:.0f}% of the pixels used; a shift by one pixel changes "
            f"{shift:.1f} times as much"
        ),
    }
    lines = [(*about, text) for about, text in measured.items()]
    columns = ["what", "paper", "released code", "measured in this chapter"]
    return pd.DataFrame(lines, columns=columns).assign(provenance=SMALL)
