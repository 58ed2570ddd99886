"""What the chapter on the light model says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.paper import published
from wagf_src.report.tables.own_model import AIMS, CHOSEN_AMONG, CHOSEN_FROM, JUDGED, TRADED
from wagf_src.report.text import METRIC_TITLES, percent
from wagf_src.runs import Run, provenance_line

EXPECTED = {"accuracy": 0.91, "balanced_accuracy": 0.70}  # book/plans.md


def rests_on(runs: list[Run]) -> str:
    """What the page rests on, or how to make it."""
    if runs:
        return f"**This page rests on:** {provenance_line(runs)}."
    return "The profile `ours` has no runs yet; `make reproduce PROFILE=ours` makes them. The cells below stay empty."


def rule_means(rules: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds (fractions), one row a rule."""
    return rules.groupby("rule", sort=False)[TRADED].mean()


def answer(rules: pd.DataFrame) -> str:
    """Which aims one rule reaches together, and the best value of each aim, with the seeds that reach it.

    Args:
        rules: the table ``own_model_rules``.
    """
    if not len(rules):
        return "none yet."
    means, seeds = rule_means(rules), rules["seed"].nunique()
    reached = means[list(AIMS)] >= pd.Series(AIMS)
    most = reached.sum(axis=1).idxmax()
    names = [METRIC_TITLES[m] for m in AIMS if reached.loc[most, m]]
    how_many = "all are" if len(names) == len(AIMS) else f"{len(names)} at most are"
    best = []
    for metric, aim in AIMS.items():
        rule = means[metric].idxmax()
        alone = (rules.loc[rules["rule"] == rule, metric] >= aim).sum()
        best.append(
            f"{METRIC_TITLES[metric]} {percent(means[metric].max(), decimals=2)}% ({rule}; aim {aim:.0%}, which "
            f"{alone or 'none'} of {seeds} seeds {'reaches' if alone < 2 else 'reach'} alone)"
        )
    return (
        f"by the estimates, means over seeds, of the {len(AIMS)} aims {how_many} reached by one rule ({most}: "
        f"{', '.join(names) or 'none'}). The best points are {'; '.join(best)}."
    )


def expected(rules: pd.DataFrame) -> str:
    """What the plan expected, and what came; ``rules``: the table ``own_model_rules``."""
    if not len(rules):
        return "Nothing came yet of what was expected."
    means = rule_means(rules)
    both = [f"{EXPECTED[metric]:.0%} {METRIC_TITLES[metric]}" for metric in EXPECTED]
    came = [f"{percent(means[metric].iloc[0])}%" for metric in EXPECTED]
    reached = (means[list(AIMS)] >= pd.Series(AIMS)).all(axis=1)
    return (
        f"Expected beforehand (*Plans*): about {' and '.join(both)} by the most probable class, and no rule that "
        f"reaches all {len(AIMS)} aims. Came, as means over {rules['seed'].nunique()} seeds: {' and '.join(came)}; "
        f"{reached.sum() or 'none'} of {len(means)} rules reaches all."
    )


def as_trained(own_model: pd.DataFrame) -> pd.DataFrame:
    """Each metric in percent with its interval, beside the aim."""
    values = own_model[["value", "ci_low", "ci_high"]].to_numpy(float)
    return pd.DataFrame(
        {
            "": own_model["metric"],
            "ours [95% interval]": [percent(*line) for line in values],
            "aim": [percent(aim, decimals=0) for aim in own_model["aim"]],
            "outcome": own_model["outcome"].fillna(""),
        }
    )


def size(runs: list[Run]) -> str:
    """Parameters and time, beside the paper's model and what the released notebooks store."""
    if not runs:
        return "No runs yet."
    info, paper = runs[0].info, published.row("(iii)")
    parameters = info["parameters"]["total"]
    times = [run.info.get("predict_milliseconds_per_image") for run in runs]
    stored = [f"{100 * r.melanoma_recall:.0f}% for {r.model}" for r in published.RELEASED if r.table1]
    return (
        f"It has {parameters:,} parameters, {parameters / published.RELEASED_PARAMETERS:.0%} of the released model's, "
        f"and takes {np.mean(times):.1f} ms an image on {info['environment']['device']}, all "
        f"{info['settings']['test_views']} views together. The paper prints {paper.accuracy:.2f}% for its model, on "
        "another draw of the same population and without a melanoma sensitivity; the released notebooks store "
        f"{', '.join(stored)}."
    )


def decisions(means: pd.DataFrame) -> pd.DataFrame:
    """The rules for people, percent."""
    return (100 * means).round(1).rename(columns=METRIC_TITLES).reset_index()


def tried(tried: pd.DataFrame) -> str:
    """Which candidate takes the place of ``ours`` after the rule of the plan."""
    candidates = tried[tried["profile"] != "ours"]
    run = candidates.dropna(subset="lead").sort_values("lead", ascending=False, kind="stable")
    chosen_among = run[run["profile"].isin(CHOSEN_AMONG)]
    if not len(chosen_among):
        return f"None of the {len(CHOSEN_AMONG)} candidates that can be chosen has been run yet."
    best, missing = chosen_among.iloc[0], [name for name in CHOSEN_AMONG if name not in set(run["profile"])]
    if missing:
        choice = f"the choice waits for {' and '.join(missing)}"
    else:
        choice = "so it takes its place" if best["lead"] > CHOSEN_FROM else "so none takes its place"
    return (
        f"Run: {len(run)} of {len(candidates)} candidates. The choice is among {', '.join(CHOSEN_AMONG)}. On "
        f"validation images the best of them, {best['profile']}, lies {100 * best['lead']:+.1f} points from `ours`; "
        f"more than {100 * CHOSEN_FROM:+.1f} is asked for, {choice}."
    )


def tried_table(tried: pd.DataFrame) -> pd.DataFrame:
    """Ours and what was tried, on validation images, percent; best first."""
    shown = tried.sort_values("lead", ascending=False, kind="stable")
    left = pd.DataFrame(
        {
            "profile": shown["profile"],
            "what it changes": shown["description"].str.removeprefix("Tried for our own model on validation: "),
            "seeds": shown["n_seeds"].map(lambda n: str(n) if n else "not run"),
        }
    )
    left.loc[shown["profile"] == "ours", "what it changes"] = "–"
    titles = {metric: METRIC_TITLES[metric] for metric in JUDGED} | {"score": "mean of both"}
    return left.assign(**{title: [percent(value) for value in shown[metric]] for metric, title in titles.items()})
