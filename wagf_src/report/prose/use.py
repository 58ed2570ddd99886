"""What the chapters on the shipped model, on predicting and on other test sets say, from their tables."""

import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.classes import CLASS_NAMES, CLASSES
from wagf_src.report.figures.attention import KINDS
from wagf_src.report.text import METRIC_TITLES, percent, points

NOTHING_SHIPPED = "no model is shipped with this copy, so there is nothing to show here yet."


# --- predict ---


def _said(row: pd.DataFrame) -> pd.Series:
    """The one line, as it was written: an empty text comes back from a file as a missing value."""
    return row.astype(object).fillna("").iloc[0]


def predicted_answer(row: pd.DataFrame) -> str:
    if row.empty:
        return NOTHING_SHIPPED
    line = _said(row)
    best = max(CLASSES, key=lambda c: line[f"calibrated_{c}"])
    warned = f"It warns: {line['warning']}." if line["warning"] else "It raises no warning."
    return (
        f"yes, in one command and without any data. On a lesion that a program drew, the shipped model says "
        f"*{CLASS_NAMES[best]}* with a calibrated probability of {percent(line[f'calibrated_{best}'])}%. {warned} "
        "**Research, not diagnosis.**"
    )


def predicted_classes(row: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of one photograph for people, most probable first."""
    if row.empty:
        return pd.DataFrame()
    line = _said(row)
    order = sorted(CLASSES, key=lambda c: -line[f"p_{c}"])
    return pd.DataFrame(
        {
            "class": [f"{CLASS_NAMES[c]} ({c})" for c in order],
            "probability (%)": [percent(line[f"p_{c}"]) for c in order],
            "calibrated (%)": [percent(line[f"calibrated_{c}"]) for c in order],
        }
    )


def predicted_decisions(row: pd.DataFrame) -> str:
    """What each rule decides, and the nearest training lesions."""
    if row.empty:
        return ""
    line, columns = _said(row), list(row)
    rules = columns[columns.index(f"calibrated_{CLASSES[-1]}") + 1 : columns.index("nearest")]
    decided = "; ".join(f"*{rule}*: {line[rule]}" for rule in rules)
    return f"Decisions: {decided}.\n\nNearest training lesions (ids and classes): {line['nearest']}."


# --- model card, data card ---


def card_answer(facts: pd.DataFrame, subgroups: pd.DataFrame) -> str:
    if facts.empty:
        return NOTHING_SHIPPED
    known = facts.set_index("fact")["value"]
    text = (
        f"a research model, `{known['run']}`, with {known['parameters']} parameters, trained on {known['trained on']}. "
        "It must not be used to decide about anybody's skin."
    )
    if subgroups.empty:
        return text
    line = subgroups.iloc[0]
    return (
        f"{text} On its test set (n = {line['n']:,}) it is right in {_interval(line, 'accuracy')}% and finds "
        f"{_interval(line, 'melanoma_sensitivity')}% of {line['n_melanoma']:,} melanomas."
    )


def _interval(line, metric: str) -> str:
    return percent(*(float(line[f"{metric}{end}"]) for end in ("", "_low", "_high")))


def subgroups(frame: pd.DataFrame) -> pd.DataFrame:
    """The table ``shipped_subgroups`` for people, percent."""
    metrics = ("accuracy", "balanced_accuracy", "melanoma_sensitivity")
    shown = frame[["kind", "group"]].rename(columns={"kind": ""})
    shown["images"], shown["melanomas"] = (frame[c].map("{:,}".format) for c in ("n", "n_melanoma"))
    return shown.assign(
        **{f"{METRIC_TITLES[m]} (%)": [_interval(line, m) for _, line in frame.iterrows()] for m in metrics}
    )


def subgroup_note(frame: pd.DataFrame) -> str:
    """Which subgroups' intervals of accuracy leave out the accuracy of all; unadjusted, hence a look and no test."""
    if frame.empty:
        return "The subgroups need the metadata of HAM10000, which are not at hand."
    overall = frame.iloc[0]["accuracy"]
    rest = frame[(frame["kind"] != "all") & ~frame["group"].isin(["not known", "others"])]
    low, high = rest[rest["accuracy_high"] < overall], rest[rest["accuracy_low"] > overall]
    few = int((rest["n_melanoma"] < 10).sum())

    def named(lines):
        return ", ".join(f"{line.kind} {line.group}" for line in lines.itertuples()) or "none"

    return (
        f"Below the accuracy of all images with their whole interval: {named(low)}; above: {named(high)}. That is a "
        f"look at {len(rest)} groups without correction, and groups differ in their mix of classes: age and place go "
        f"with the diagnosis. In {few} of them there are fewer than ten melanomas, too few to say anything of "
        "sensitivity."
    )


def calibration(frame: pd.DataFrame) -> pd.DataFrame:
    """The table ``shipped_calibration`` for people."""
    titles = {"ece": "calibration error (points)", "brier": "Brier score", "log_loss": "log loss (nats)"}
    lines = {}
    for line in frame.itertuples():
        if line.metric == "ece":
            shown = percent(line.value, line.ci_low, line.ci_high)
        else:
            shown = f"{line.value:.3f} [{line.ci_low:.3f}, {line.ci_high:.3f}]"
        lines.setdefault(line.probabilities, {})[titles[line.metric]] = shown
    return pd.DataFrame(lines).T.rename_axis("probabilities").reset_index()


def data_answer(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "the metadata are not at hand."
    line = frame.set_index("class").loc["all"]
    return (
        f"{line['images']:,} dermoscopic photographs of {line['lesions']:,} lesions, {line['photographed_once']:,} of "
        f"them photographed once; {line['female']:,} of women, {line['male']:,} of men, {line['sex_unknown']:,} of "
        f"unknown sex; the middle age is {line['age_median']:.0f}. Skin type is not recorded."
    )


def data_classes(frame: pd.DataFrame) -> pd.DataFrame:
    """The table ``data_card`` for people."""
    if frame.empty:
        return frame
    return pd.DataFrame(
        {
            "class": frame["class"],
            "": frame["name"],
            "images": frame["images"].map("{:,}".format),
            "lesions": frame["lesions"].map("{:,}".format),
            "women / men / unknown": [
                f"{a:,} / {b:,} / {c:,}" for a, b, c in frame[["female", "male", "sex_unknown"]].to_numpy()
            ],
            "middle age": frame["age_median"].map("{:.0f}".format),
            "confirmed by histology (%)": [percent(share) for share in frame["histology"] / frame["images"]],
        }
    )


# --- other test sets ---


def external_answer(scores: pd.DataFrame, profile: str) -> str:
    if scores.empty:
        return (
            f"none was opened yet. `make external EXTERNAL=folder PROFILE={profile}` tests every model of that profile "
            "whose weights are here, and the shipped one."
        )
    whole = scores[(scores["metric"] == "accuracy") & (scores["subset"] == "all images")]
    sets = whole["set"].nunique()
    phrases = [f"on *{r.set}*, `{r.model}` is right in {_shown(r)}% of {r.n:,} images" for r in whole.itertuples()]
    return f"{sets} test set{'s were' if sets != 1 else ' was'} opened; {'; '.join(phrases)}."


def external_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and balanced accuracy of every model, there and on its own test set, percent."""
    chosen = scores[scores["metric"].isin(["accuracy", "balanced_accuracy"]) & ~scores["subset"].isin(PARTS)]
    return _wide(chosen, "metric")


PARTS = ("difference", "class mix", "the rest")


def external_classes(scores: pd.DataFrame) -> pd.DataFrame:
    """Recall of every class, percent, with the number of images."""
    chosen = scores[scores["metric"].str.startswith("recall_")]
    return _wide(chosen.assign(metric=chosen["metric"].str.removeprefix("recall_")), "metric")


def external_parts(scores: pd.DataFrame) -> pd.DataFrame:
    """What of the difference in accuracy is the mix of classes, points."""

    def cell(line):
        return points(*(round(100 * v, 1) + 0.0 for v in (line.value, line.ci_low, line.ci_high)))

    return _wide(scores[scores["subset"].isin(PARTS)], "subset", cell)


def _shown(line) -> str:
    return percent(line.value, line.ci_low, line.ci_high)


def _wide(frame, columns, cell=_shown):
    keys = [key for key in ("set", "model", "subset") if key != columns]
    lines = {}
    for line in frame.itertuples():
        lines.setdefault(tuple(getattr(line, key) for key in keys), {})[getattr(line, columns)] = cell(line)
    shown = [dict(zip(keys, key)) | cells for key, cells in lines.items()]
    return pd.DataFrame(shown).rename(columns=METRIC_TITLES | {"subset": "images"})


# --- Grad-CAM ---


def grad_cam(frame: pd.DataFrame) -> pd.DataFrame:
    """The table ``grad_cam`` over all classes for people, percent and points."""
    lines = frame[frame["class"] == "all"].reset_index(drop=True)
    if lines.empty:
        return lines
    shown = {
        "condition": lines["profile"],
        "map": [f"{KINDS.get(kind, 'Grad-CAM')}: {arm_label(arm)}" for kind, arm in zip(lines["map"], lines["arm"])],
        "seeds": lines["n_seeds"],
        "inside (%)": [percent(*values) for values in lines[["share_inside", "ci_low", "ci_high"]].to_numpy()],
    }
    for name, short in (("area", "area"), ("Gaussian", "gauss"), ("other images", "others")):
        values = 100 * lines[[f"diff_{short}{end}" for end in ("", "_low", "_high")]].to_numpy()
        shown[f"minus {name}"] = [points(*line) for line in values]
    return pd.DataFrame(shown)


def _and(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def grad_cam_answer(frame: pd.DataFrame) -> str:
    """Does a plain network already look at the lesion, and how does SaFA's map of the full one compare?"""
    lines = frame[frame["class"] == "all"]
    plain = lines[(lines["map"] == "grad_cam") & lines["arm"].str.endswith("-base")]
    if plain.empty:
        return (
            "No plain network's Grad-CAM is at hand; `python -m wagf_src gradcam <profile>` makes it from kept weights."
        )
    line = plain.iloc[0]
    controls = {"area": "the lesion's area", "gauss": "the centred Gaussian", "others": "the maps of other images"}
    ahead = [name for short, name in controls.items() if line[f"diff_{short}_low"] > 0]
    beyond = f"more than {_and(ahead)}" if ahead else "no more than any control"
    text = (
        f"**A plain {arm_label(line['arm'])} ({line['profile']}) puts {percent(line['share_inside'])}% of its Grad-CAM "
        f"inside the lesion**, {beyond}."
    )
    safa = lines[(lines["map"] == "safa") & (lines["profile"] == line["profile"])]
    if len(safa):
        full = safa.iloc[0]
        share = percent(full["share_inside"])
        text += f" SaFA's map of {arm_label(full['arm'])}, trained alike, puts {share}% there"
        alike = lines[(lines["map"] == "grad_cam") & (lines["arm"] == full["arm"])]
        alike = alike[alike["profile"] == full["profile"]]
        text += f", and the Grad-CAM of that model {percent(alike.iloc[0]['share_inside'])}%." if len(alike) else "."
    return text
