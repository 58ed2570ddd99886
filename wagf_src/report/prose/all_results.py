"""What the chapter on all real runs says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.arms import arm_label
from wagf_src.paper.plans import PROVEN
from wagf_src.profile import load_profile
from wagf_src.report.tables.conditions import SHOWN
from wagf_src.report.text import percents
from wagf_src.runs import Run, n_images, provenance_line
from wagf_src.stats.metrics import interval_columns


def rests_on(conditions: dict[str, list[Run]]) -> str:
    """How many runs of which profiles the page rests on, or how to make some."""
    if not conditions:
        return "No profile has runs on real images yet; `make reproduce PROFILE=frozen` makes some."
    one, *folds = (f"{n:,}" for n in sorted({n_images(runs) for runs in conditions.values()}))
    sizes = " or, all folds together, ".join([f"{one} images", *folds])
    return (
        f"**This page rests on:** {sum(map(len, conditions.values()))} runs on real images in {len(conditions)} "
        f"profiles ({', '.join(conditions)}), tested on {sizes}."
    )


def answer(everything: pd.DataFrame, expected: pd.DataFrame) -> str:
    """The best models, the range between models, and how many expectations held."""
    if not len(everything):
        return "none yet."
    best = []
    for metric in ("accuracy", "balanced_accuracy"):
        top = everything.loc[[everything[metric].idxmax()]]
        [(title, [value])] = percents(top, [metric]).items()
        best.append(
            f"the highest {title} is that of {arm_label(top['arm'].item())} in profile {top['profile'].item()}, "
            f"{value}%"
        )
    whole = (expected["held"] & expected["certain"]).sum()
    follow = "follow from the proof on [Equation 1](equation1.ipynb)"
    proven = expected["expected"].str.startswith(PROVEN).sum()
    return (
        f"{'; '.join(best)}. Between the best and the worst model of the table lie "
        f"{100 * np.ptp(everything['accuracy']):.1f} points. Of {len(expected)} expectations, {expected['held'].sum()} "
        f"came as expected, {whole} of them with the whole interval, which holds the noise of training only where "
        f"there are two seeds or more{f'; {proven} of these {follow}' if proven else ''}."
    )


def about(profile: str, runs: list[Run]) -> str:
    """The line above a profile's table: what it rests on, and what is still missing."""
    file = paths.PROFILES_DIR / f"{profile}.yaml"
    planned = len(load_profile(profile).runs()) if file.is_file() else len(runs)
    some = f" {len(runs)} of the {planned} runs of this profile are here." if len(runs) < planned else ""
    return f"**Profile {profile}.** {provenance_line(runs)}.{some}"


def accuracy(part: pd.DataFrame) -> pd.DataFrame:
    """One profile's arms, percent with 95% intervals."""
    frame = pd.DataFrame({"model": part["arm"].map(arm_label), "seeds": part["n_seeds"]})
    return frame.assign(**percents(part, [m for m in SHOWN if m != "auc_melanoma"]))


def ladder(everything: pd.DataFrame) -> pd.DataFrame:
    """Best first, as ``figures.accuracy_ladder`` takes them."""
    order = everything.sort_values("accuracy", ascending=False)
    values = 100 * order[interval_columns("accuracy")].set_axis(["value", "low", "high"], axis=1)
    return values.assign(label=[f"{arm_label(a)}: {p}" for a, p in zip(order["arm"], order["profile"])])


def outcomes(expected: pd.DataFrame) -> pd.DataFrame:
    """What was expected, what came, and whether chance could have decided."""
    held = expected["held"].map({True: "as expected", False: "otherwise"})
    certain = expected["certain"].map({True: ", with the whole interval", False: ", by the estimate"})
    return expected[["profile", "expected", "measured"]].assign(outcome=held + certain)


def cost(everything: pd.DataFrame) -> pd.DataFrame:
    """Size and time of every arm; minutes of all its seeds together."""
    return pd.DataFrame(
        {
            "profile": everything["profile"],
            "model": everything["arm"].map(arm_label),
            "parameters": everything["parameters"].map("{:,}".format),
            "seeds": everything["n_seeds"],
            "minutes": everything["minutes"].round(1),
            "ms an image": everything["predict_milliseconds"].round(2),
        }
    )
