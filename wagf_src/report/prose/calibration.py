"""Sentences and tables of the chapter on calibration and decisions, from its tables and that of all arms."""

import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.report.text import percent
from wagf_src.stats.metrics import interval_columns

CURVES = (
    "Curves show the first seed of a few arms, the plain backbones, the full model and the probe; tables are means "
    "over the seeds of all arms."
)
MEASURES = {"ece": "expected calibration error (%)", "brier": "Brier score", "log_loss": "log loss (nats)"}


def answer(scores: pd.DataFrame, arms: pd.DataFrame, decisions: pd.DataFrame, covered: pd.DataFrame) -> str:
    """Whether probabilities can be believed, melanomas found at a specificity, and what abstaining gains."""
    ece = scores[scores["metric"] == "ece"].set_index("arm")["value"]
    return (
        f"the expected calibration error lies between {percent(ece.min())}% ({arm_label(ece.idxmin())}) and "
        f"{percent(ece.max())}% ({arm_label(ece.idxmax())}). {melanoma(arms, decisions)} {_gain(covered)}."
    )


def scores_shown(scores: pd.DataFrame) -> pd.DataFrame:
    """Calibration error, Brier score and log loss, one row an arm."""
    intervals = scores[["metric", "value", "ci_low", "ci_high"]].itertuples(index=False)
    cells = [percent(*v) if metric == "ece" else "{:.3f} [{:.3f}, {:.3f}]".format(*v) for metric, *v in intervals]
    return _wide(scores.assign(cell=cells), "metric", list(MEASURES)).rename(columns=MEASURES)


def confidence(scores: pd.DataFrame, arms: pd.DataFrame, confidences: pd.DataFrame) -> str:
    """How many arms are more confident than right, and the worst calibrated one."""
    worst = scores[scores["metric"] == "ece"].set_index("arm")["value"].idxmax()
    confident, accuracy = confidences.set_index("arm")["confidence"], arms.set_index("arm")["accuracy"]
    return (
        f"{(confident > accuracy[confident.index]).sum()} of {len(confident)} arms are on average more confident than "
        f"right (the arm with the largest error, {arm_label(worst)}: {percent(confident[worst])}% confident, "
        f"{percent(accuracy[worst])}% right)."
    )


def decisions_shown(decisions: pd.DataFrame) -> pd.DataFrame:
    """Specificity and sensitivity at each wanted specificity, one row an arm."""
    parts = []
    for name in ("specificity", "sensitivity"):
        cells = [percent(*v) for v in decisions[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)]
        at = [f"{name}, {100 * wanted:g}% wanted" for wanted in decisions["specificity_validation"]]
        parts.append(decisions.assign(cell=cells, at=at))
    both = pd.concat(parts).sort_values("specificity_validation", kind="stable")
    return _wide(both, "at", both["at"].unique())


def thresholds(decisions: pd.DataFrame, scores: pd.DataFrame) -> str:
    """How to read that table, and which arms cannot be in it."""
    missing = [arm_label(arm) for arm in scores["arm"].unique() if arm not in set(decisions["arm"])]
    kept = (
        f"No validation predictions were kept for: {', '.join(missing)}; no threshold can be chosen fairly there."
        if missing
        else "Every arm kept its validation predictions."
    )
    return (
        "In percent, with intervals: what a threshold chosen for the wanted specificity on validation keeps on the "
        f"test images, and the melanomas it finds there. {kept}"
    )


def melanoma(arms: pd.DataFrame, decisions: pd.DataFrame) -> str:
    """The best ranking of melanomas, and what a threshold makes of it at the middle of the wanted specificities."""
    if arms["auc_melanoma"].isna().all():
        return "The test set holds no melanomas, so nothing can be said about them."
    best = arms.loc[arms["auc_melanoma"].idxmax()]
    auc, argmax = (percent(*best[interval_columns(name)]) for name in ("auc_melanoma", "melanoma_sensitivity"))
    ranking = f"The best ranking of melanomas is that of {arm_label(best['arm'])} (AUC {auc}%)"
    at = decisions[decisions["arm"] == best["arm"]].sort_values("specificity_validation")
    if at.empty:
        return f"{ranking}."
    row = at.iloc[len(at) // 2]
    hits = percent(*row[["sensitivity", "sensitivity_low", "sensitivity_high"]])
    return (
        f"{ranking}; a threshold for {100 * row['specificity_validation']:.0f}% specificity on validation, which has "
        f"{percent(row['specificity'])}% on the test images, finds {hits}% of {row['n_melanoma']} melanomas there, "
        f"where taking the most probable class finds {argmax}%. Had it kept the wanted specificity, it would find "
        f"{percent(row['sensitivity_if_kept'])}% (a description of these images, which chooses nothing)."
    )


def coverage_shown(covered: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at each share of images answered, one row an arm."""
    cells = [percent(*v) for v in covered[["accuracy", "ci_low", "ci_high"]].to_numpy()]
    at = [f"accuracy at {100 * share:.0f}% answered (%)" for share in covered["coverage"]]
    return _wide(covered.assign(cell=cells, at=at), "at", dict.fromkeys(at))


def abstaining(covered: pd.DataFrame, confidences: pd.DataFrame) -> str:
    """What the model that gains most still answers."""
    arm, least = _gainer(covered), covered["coverage"].min()
    nevi = confidences.set_index("arm").loc[arm]
    melanomas = covered[(covered["arm"] == arm) & (covered["coverage"] == least)]["melanomas_answered"].iloc[0]
    return (
        f"{_gain(covered)}; nevi make up {percent(nevi['nevi_answered'], decimals=0)}% of the images that it still "
        f"answers, against {percent(nevi['nevi'], decimals=0)}% of all; {percent(melanomas, decimals=0)}% of the "
        "melanomas are among them."
    )


def _gain(covered):
    arm, full, least = _gainer(covered), covered["coverage"].max(), covered["coverage"].min()
    accuracy = covered[covered["arm"] == arm].set_index("coverage")["accuracy"]
    return (
        f"Answering {100 * least:.0f}% of the images instead of {100 * full:.0f}% raises accuracy most for "
        f"{arm_label(arm)}, from {percent(accuracy[full])}% to {percent(accuracy[least])}%"
    )


def _gainer(covered):
    at = covered.pivot(index="arm", columns="coverage", values="accuracy")
    return (at[at.columns.min()] - at[at.columns.max()]).idxmax()


def _wide(frame, columns, order):
    """The column ``cell``, one row an arm in the order given, labelled for people."""
    wide = frame.pivot(index="arm", columns=columns, values="cell").reindex(frame["arm"].unique())
    return wide[list(order)].rename(index=arm_label).reset_index()
