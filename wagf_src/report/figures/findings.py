"""What each plot shows, in a sentence computed from what it draws: the end of its alternative text."""

import numpy as np
import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.classes import CLASSES, MEL
from wagf_src.paper.directions import LEVEL
from wagf_src.report.text import percent, points
from wagf_src.stats import metrics
from wagf_src.stats.paired import POWER


def listed(phrases) -> str:
    text = "; ".join(phrases) + "."
    return text[0].upper() + text[1:]


def ladder(frame, lines=None):
    """Lowest and highest row, how the printed values stand to our intervals, and who is clear of each line."""
    ours = frame.dropna(subset="value").sort_values("value")
    if ours.empty:
        return "No row of ours."
    ends = [f"{row.label} {row.value:.1f}" for row in ours.iloc[[0, -1]].itertuples()]
    phrases = [f"Ours, {len(ours)} rows, go from {' to '.join(dict.fromkeys(ends))}"]
    if "paper" in ours and (printed := ours.dropna(subset="paper")).size:
        inside = printed["paper"].between(printed["low"], printed["high"]).sum()
        phrases.append(f"{inside} of {len(printed)} printed values lie within our interval of the same row")
    for name, value in (lines or {}).items():
        phrases.append(f"{(ours['low'] > value).sum()} of {len(ours)} intervals lie wholly above {name}")
    return listed(phrases)


def differences(frame):
    """Which differences are shown (by p, or by the interval where none was asked)."""
    asked = frame["p"].notna().any()
    full = frame["p"] < LEVEL if asked else (frame["low"] > 0) | (frame["high"] < 0)
    shown = [f"{row.label} {points(row.difference, row.low, row.high)}" for row in frame[full].itertuples()]
    how = f"have a corrected p below {LEVEL:g}" if asked else "have an interval that excludes 0"
    return listed([f"{len(shown)} of {len(frame)} {how}", *shown])


def recalls(frame):
    """Best and worst recognised class, over the arms."""
    mean = frame.groupby("class")["recall"].mean().sort_values()
    (low, lowest), (high, highest) = mean.iloc[[0, -1]].items()
    return f"Mean recall over the arms is least for {low}, {lowest:.0f}%, and greatest for {high}, {highest:.0f}%."


def maps(frame, row: str = "reading"):
    """How many of the pictured images were recognised; ``row``: the column that has a row of maps for each value."""
    images = frame.drop_duplicates([row, "image_id"])
    wrong = (images["class"] != images["predicted"]).sum()
    return f"Of {len(images)} maps, {wrong} are of an image taken for another class."


def mean_maps(frame):
    ranges = frame.groupby("map", sort=False)["value"].agg(["min", "max"])
    return listed(f"{name}: {low:.2f} to {high:.2f}" for name, low, high in ranges.itertuples())


def inside_by_class(frame):
    """Attention inside the lesion over all images, against a centred blob."""
    every = frame[frame["class"] == "all"].iloc[-1:]
    return listed(
        f"Over {row.n:,} images {percent(row.share_inside, row.ci_low, row.ci_high)}% of the attention lies inside the "
        f"lesion, {_lead(row)} points against a centred Gaussian"
        for row in every.itertuples()
    )


def leads(frame):
    every = frame[frame["class"] == "all"]
    more = (every["diff_gauss_low"] > 0).sum()
    return f"{more} of {len(every)} maps put more on the lesion than a centred Gaussian does, with the whole interval."


def _lead(row):
    return points(*(100 * value for value in (row.diff_gauss, row.diff_gauss_low, row.diff_gauss_high)))


def widths(curve, equivalents):
    """The curve's ends, and each map's share."""
    ends = curve.sort_values("sigma").iloc[[0, -1]]
    shares = [f"{100 * row.share_inside:.0f}% at {row.sigma:g} of the side" for row in ends.itertuples()]
    own = [f"{row.map} {100 * row.share_inside:.0f}%" for row in equivalents.itertuples()]
    return listed([f"The Gaussian falls from {' to '.join(shares)}", *own])


def reliability(arms):
    """Mean confidence minus accuracy; ``arms`` as of ``calibration.shown_arms``."""
    gaps = {label: 100 * (p.max(axis=1).mean() - np.mean(p.argmax(axis=1) == y)) for label, (y, p) in arms.items()}
    return listed(["Mean confidence minus accuracy", *(f"{label} {gap:+.1f} points" for label, gap in gaps.items())])


def roc(arms):
    """Sensitivity for melanoma where one in ten of the others is a false alarm."""

    def sensitivity(y, p):
        return np.mean(p[y == MEL, MEL] > np.quantile(p[y != MEL, MEL], 0.9))

    phrases = [f"{label} {100 * sensitivity(y, p):.0f}%" for label, (y, p) in arms.items()]
    return listed(["Sensitivity at 10% false alarms", *phrases])


def coverage(arms):
    """Accuracy on all images and on the more confident half."""

    def half(y, p):
        kept, accuracy = metrics.coverage_accuracy(y, p)
        return f"from {100 * accuracy[-1]:.0f}% to {100 * accuracy[np.searchsorted(kept, 0.5)]:.0f}%"

    phrases = [f"{label} {half(y, p)}" for label, (y, p) in arms.items()]
    return listed(["From all images to the more confident half, accuracy goes", *phrases])


def decisions(rules):
    """Where each rule stands; ``rules`` in percent."""
    return listed(
        f"{name}: accuracy {row.accuracy:.1f}%, balanced accuracy {row.balanced_accuracy:.1f}%, melanoma "
        f"sensitivity {row.melanoma_sensitivity:.1f}%"
        for name, row in rules.iterrows()
    )


def orbits(frame):
    """Where the last step ends, for each momentum."""
    last = frame[frame["step"] == frame["step"].max()].groupby("momentum")["g_w"].agg(["min", "max"])
    return listed(f"momentum {m:g}: g ends between {low:.2f} and {high:.2f}" for m, low, high in last.itertuples())


def readings(frame):
    last = frame[frame["step"] == frame["step"].max()]
    return listed(f"{row.case}, {row.fusion}: g ends at {row.g_w:.2f}" for row in last.itertuples())


def weights(frame):
    """Range of g after the last epoch of each run, by fusion."""
    ends = frame[frame["epoch"] == frame.groupby(["profile", "run"])["epoch"].transform("max")]
    lines = ends.groupby("fusion", sort=False)["g_w"].agg(["min", "max", "size"]).itertuples()
    return listed(f"{fusion}: g ends between {low:.2f} and {high:.2f} in {n} runs" for fusion, low, high, n in lines)


def kernel(frame):
    *parts, whole = (cells["value"].to_numpy() for _, cells in frame.groupby("panel", sort=False))
    off = np.abs(np.sum(parts, axis=0) - whole).max()
    return f"The patterns sum to the kernel to within {off:.0e}; its largest weight is {np.abs(whole).max():.3f}."


def per_step(frame):
    """Rarest and most frequent class at each step; ``frame``: class, quantity, count."""
    texts = []
    for step, lines in frame.groupby("quantity", sort=False):
        counts = lines.set_index("class")["count"].sort_values()
        texts.append(f"{step} from {counts.iloc[0]:,} {counts.index[0]} to {counts.iloc[-1]:,} {counts.index[-1]}")
    return listed(texts)


def nevi(frame):
    """Share of nevi in each set; ``frame``: class, quantity, share (percent)."""
    nv = frame[frame["class"] == "nv"].set_index("quantity")["share"]
    return listed(f"nevi are {share:.0f}% of {step}" for step, share in nv.items())


def leaking(frame):
    """Share with a sibling in training over all classes; ``frame``: way, class, percent."""
    total = frame[frame["class"] == "total"]
    return listed(f"{row.way}: {row.percent:.0f}% in all" for row in total.itertuples())


def levels(effects):
    """Lowest and highest level of splitting (column level), by metric, over both classifiers."""
    texts = []
    for metric, lines in effects.groupby("metric", sort=False):
        lines = lines.sort_values("value")
        ends = [
            f"{percent(value)}% ({level.replace(chr(10), ' ')})"
            for level, value in lines[["level", "value"]].to_numpy()[[0, -1]]
        ]
        texts.append(f"{metric.replace('_', ' ')} from {' to '.join(ends)}")
    return listed(texts)


def f1_excess(frame):
    over = frame[frame["violated"]].sort_values("excess")
    most = f"; the most {over['row'].iloc[-1]}, by {over['excess'].iloc[-1]:.2f} points" if len(over) else ""
    return f"{len(over)} of {len(frame)} printed F1 lie above their bound{most}."


def printed(frame):
    """How many accuracies no count of images can give, and the widest overlap."""
    kinds = frame["grim"].value_counts()
    return listed(f"{count} of {len(frame)} accuracies: {kind}" for kind, count in kinds.items())


def power(frame):
    """Where each curve first reaches ``POWER``."""
    texts = []
    for (panel, errors), curve in frame.groupby(["panel", "errors"], sort=False):
        enough = curve[curve["power"] >= POWER]["x"]
        unit = "test images" if panel == "images" else "points of melanoma recall"
        where = f"reached by {enough.min():,.0f} {unit}" if len(enough) else f"not up to {curve['x'].max():,.0f} {unit}"
        texts.append(f"power of {POWER:.0%}, {errors}: {where}")
    return listed(texts)


def last_epoch(curves):
    return listed(f"{name}: {value:.0f}% after the last epoch" for name, value in curves.iloc[-1].items())


def channels(frame):
    texts = []
    for operator, rows in frame.groupby("operator", sort=False):
        used, learns = (rows["influence"] > 0).sum(), (rows["gradient"].astype(str) == "True").sum()
        texts.append(f"{operator}: {used} of {len(rows)} channels count" + (f", {learns} learn" if learns else ""))
    return listed(texts)


def kernels(frame):
    """How alike the maps are to the first."""
    grids = {name: cells["attention"].to_numpy() for name, cells in frame.groupby("kernel", sort=False)}
    (first, reference), *others = grids.items()
    alike = [f"{name}: largest difference {np.abs(grid - reference).max():.2g}" for name, grid in others]
    return listed([f"Against {first}", *alike])


def graph(frame):
    out = frame.loc[~frame["in_model"].astype(bool), "layer"]
    return f"{len(out)} of {len(frame)} layers are part of no model: {', '.join(out)}."


def _between(points, classes) -> str:
    points = pd.DataFrame(points)
    means = points.groupby(np.asarray(classes)).transform("mean")
    return f"{100 * means.var(ddof=0).sum() / points.var(ddof=0).sum():.0f}%"


def orders(frame):
    above = frame.loc[frame["low"] >= 0, "orders"].sum() / frame["orders"].sum()
    return f"F1 lies above the bound in {100 * above:.0f}% of {frame['orders'].sum():,} orders."


def inputs(frame):
    ranges = frame[frame["density"] > 0].groupby("input", sort=False).agg({"low": "min", "high": "max"})
    return listed(f"{name}: {low:.1f} to {high:.1f}" for name, low, high in ranges.itertuples())


def speeds(steps):
    steps = steps.assign(rate=1 / steps["seconds_per_image"]).dropna(subset="rate").sort_values("rate")
    ends = [f"{row.rate:.1f} ({arm_label(row.case)}, {row.pixels} px)" for row in steps.iloc[[0, -1]].itertuples()]
    return f"Training images per second go from {' to '.join(ends)}."


def costs(flops, profiles, side, device):
    hours = profiles[profiles["device"] == device].sort_values("hours")
    ends = [f"{row.hours:.2g} hours ({row.profile})" for row in hours.iloc[[0, -1]].itertuples()] if len(hours) else []
    at = flops[flops["pixels"] == side].assign(g=flops["flops_training"] / 1e9).sort_values("g")
    arms = [f"{row.g:.1f} GFLOP ({arm_label(row.arm)})" for row in at.iloc[[0, -1]].itertuples()] if len(at) else []
    return listed(filter(None, [f"At {side} px from {' to '.join(arms)}", " to ".join(ends)]))


def curves(runs):
    """Test accuracy at the epoch that was kept, over all runs."""
    kept = []
    for run in runs:
        history = run.history().set_index("epoch")
        if "test_accuracy" in history and run.info["best_epoch"] in history.index:
            kept.append(100 * history["test_accuracy"][run.info["best_epoch"]])
    if not kept:
        return "No run has test curves."
    return f"At the epoch kept, test accuracy lies between {min(kept):.1f}% and {max(kept):.1f}% in {len(kept)} runs."


def chosen(frame):
    lost = (frame["best"] - frame["kept"]).mean()
    return f"The epoch kept is on average {lost:.1f} points below the best on the test set, in {len(frame)} runs."


def matrix(table):
    """Share of each true class that is recognised."""
    counts = table.pivot(index="true", columns="predicted", values="images")
    right = {c: counts.loc[c, c] / counts.loc[c].sum() for c in CLASSES if counts.loc[c].sum()}
    return listed(["Recognised", *(f"{c} {100 * share:.0f}%" for c, share in right.items())])


def spread(panels: dict[str, tuple]) -> str:
    """How much of each panel's spread lies between classes; ``panels``: title to points (n, k) and classes (n,)."""
    texts = [f"{title.replace(chr(10), ' ')} {_between(*panel)}" for title, panel in panels.items()]
    return listed(["Share of the spread that lies between the classes", *texts])


def stored_logs(logs, results):
    """The epoch kept of each stored training: its accuracy on validation files and on test images."""
    tested = results.set_index("model")["accuracy"]
    return listed(
        f"{row.model}: epoch {row.epoch} kept, {100 * row.val_accuracy:.0f}% on validation files, "
        f"{tested[row.model]:.0f}% on test images"
        for row in logs[logs["kept"]].itertuples()
    )


def melanomas(table):
    """How many melanomas each stored confusion matrix has as such."""
    rows = table[table["true"] == CLASSES[MEL]]
    right = rows[rows["predicted"] == CLASSES[MEL]].set_index("model")["images"]
    every = rows.groupby("model", sort=False)["images"].sum()
    return listed(f"{model}: {right[model]} of {n} melanomas recognised" for model, n in every.items())


def gaps(compared, rules: dict[str, str]):
    """Training minus validation accuracy: the range of the stored logs, and ours by what was validated."""
    ours, stored = (100 * compared.loc[compared["stored"] == kind].set_index("name")["gap"] for kind in (False, True))
    ends = f"The {len(stored)} stored logs lie between {stored.min():+.1f} and {stored.max():+.1f} points"
    return listed([ends, *(f"ours, validated {rules[name]}: {gap:+.1f}" for name, gap in ours.items())])


def resized(difference):
    """How far apart two reductions of one photograph are; ``difference``: (Y, X), grey levels."""
    return f"The two differ by {difference.mean():.1f} grey levels on average, {difference.max():.0f} at most, of 255."


def boxes(frame):
    """What only one reading of a graph has."""
    own = {reading: rows.loc[~rows["shared"], "label"] for reading, rows in frame.groupby("reading", sort=False)}
    return listed(f"only as {reading}: {', '.join(labels) or 'nothing'}" for reading, labels in own.items())
