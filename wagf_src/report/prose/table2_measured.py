"""What the chapter on Table 2's methods says and shows, from its tables."""

import pandas as pd

from wagf_src.arms import arm_label
from wagf_src.paper import directions, table2_measured
from wagf_src.paper.conditions import seed_range
from wagf_src.report.tables.table2_measured import SHOWN
from wagf_src.report.text import METRIC_TITLES, p_value, percent, percents, points
from wagf_src.stats.metrics import interval_columns

LITE, SMALL, FULL_SIZE = table2_measured.PROFILES
NOT_RUN = "not run"
ONE_SEED = " (with one seed, the noise of training is in no interval and no p)"


def answer(measured: pd.DataFrame, differences: pd.DataFrame) -> str:
    """One sentence: what the methods are worth on one network, budget and test set, as far as they were run."""
    rows = measured[measured["profile"] == LITE]
    run, works = rows[rows["accuracy"].notna()], measured.dropna(subset=["printed_is"])["row"].unique()
    left = measured[measured["profile"].isna()]["row"].tolist()
    followed = measured[measured["row"].isin(works)].groupby("row", sort=False)["accuracy"]
    waiting = [row for row, values in followed if values.isna().all() and row not in left]
    text = left_out(left, len(works)) + (f"; without a run so far: {', '.join(waiting)}" if waiting else "")
    text = text.removesuffix(".")  # of "et al."
    shown = differences[(differences["profile"] == LITE) & (differences["against"] == table2_measured.BASE)]
    if not len(shown):
        return f"not known yet, since {len(run)} of {len(rows)} models have been run on our test set; {text}."
    parts = [_moved(shown[shown["metric"] == metric], METRIC_TITLES[metric]) for metric in SHOWN[:2]]
    least, most = int(shown["n_seeds"].min()), int(shown["n_seeds"].max())
    seeds = seed_range(least, most)
    return (
        f"put on one network, one budget and one test set ({len(run)} of {len(rows)} models, {seeds}), "
        f"{', '.join(parts)}{ONE_SEED * (least == 1)}; {text}."
    )


def rests_on(measured: pd.DataFrame, profile: str, what: str) -> str:
    """What the runs of a profile rest on; how many seeds each model has stands in its table."""
    runs = measured[(measured["profile"] == profile) & measured["accuracy"].notna()]
    how = runs["provenance"].str.replace(r"; \d+ seeds?", "", regex=True).unique()
    return f"**{what} rests on:** {' / '.join(how) or f'no run of `{profile}` yet'}."


def left_out(rows: list[str], works: int) -> str:
    """Which works of Table 2 no arm can follow."""
    return f"{len(rows)} of the {works} rows of Table 2 ({', '.join(rows)}) cannot be reproduced from public text"


def _moved(shown, metric):
    """How many arms are shown to lie above and below the backbone, and which."""
    above, below = (
        shown[side & (shown["p_holm"] < directions.LEVEL)]["arm"]
        for side in (shown["difference"] > 0, shown["difference"] < 0)
    )
    verb = "are" if len(above) > 1 else "is"
    return f"in {metric} {_named(above)} {verb} shown to lie above the plain backbone and {_named(below)} below it"


def _named(arms):
    """``2 of them (MWNL; MAAW loss)``, without the network's name, which all of them have."""
    names = [arm_label(arm).partition(" ")[2].removeprefix("(").removesuffix(")") for arm in arms]
    return f"{len(names)} of them ({'; '.join(names)})" if names else "none"


def rows(measured: pd.DataFrame, profile: str) -> pd.DataFrame:
    """The printed number with what it is, beside ours; all of a profile, and the works that no arm can follow."""
    shown = measured[(measured["profile"] == profile) | (measured["profile"].isna() if profile == LITE else False)]
    ran = shown["accuracy"].notna()
    left = pd.DataFrame(
        {
            "row of Table 2": shown["row"].fillna("–").replace("", "–"),
            "printed": [percent(value / 100, decimals=2) for value in shown["printed"].astype(float)],
            "what the printed number is": shown["printed_is"].fillna("–"),
            "ours": shown["label"].fillna("not reproducible from public text"),
            "seeds": [f"{n:.0f}" if known else NOT_RUN for n, known in zip(shown["n_seeds"], ran)],
        }
    )
    return left.assign(**{title: values for title, values in percents(shown, SHOWN).items()})


def assumptions(measured: pd.DataFrame) -> pd.DataFrame:
    """What had to be assumed for each arm that follows a work of Table 2."""
    shown = measured[measured["assumes"].fillna("").ne("") & measured["label"].notna()]
    return shown[["row", "label", "assumes"]].set_axis(["follows", "ours", "assumed or changed"], axis=1)


def differences(frame: pd.DataFrame, profile: str) -> pd.DataFrame:
    """Each arm minus the base and minus (iii), in points with corrected p, of the seeds that both have."""
    frame = frame[frame["profile"] == profile]
    if not len(frame):
        return pd.DataFrame()
    lines = {}
    for line in frame.to_dict("records"):
        column = f"{METRIC_TITLES[line['metric']]} minus {line['against']}"
        text = points(*(line[name] for name in directions.DIFFERENCE))
        cells = lines.setdefault(line["arm"], {})
        cells[f"seeds, minus {line['against']}"] = str(line["n_seeds"])
        cells[column] = f"{text}, {p_value(line['p_holm'], 'p = ')}"
    shown = pd.DataFrame.from_dict(lines, orient="index").fillna("–")
    return shown.set_axis([arm_label(arm) for arm in lines], axis=0).rename_axis("ours").reset_index()


def yardsticks(frame: pd.DataFrame) -> pd.DataFrame:
    """Levels that stand apart, for people."""
    ends = frame[["accuracy", "ci_low", "ci_high"]].to_numpy(float) / 100
    return pd.DataFrame(
        {
            "yardstick": frame["yardstick"],
            "test images": [f"{n:,.0f}, {images}" for n, images in zip(frame["n"], frame["images"])],
            "accuracy (%)": [percent(*line) for line in ends],
            "balanced accuracy (%)": [percent(value / 100) for value in frame["balanced_accuracy"].astype(float)],
            "note": frame["note"].fillna(""),
            "source": frame["source"],
        }
    )


def ladder(measured: pd.DataFrame, metric: str, profile: str = LITE) -> pd.DataFrame:
    """A metric of the arms that were run, as ``figures.accuracy_ladder`` takes it; percent."""
    shown = measured[(measured["profile"] == profile) & measured["accuracy"].notna()]
    values = 100 * shown[interval_columns(metric)].astype(float)
    return values.set_axis(["value", "low", "high"], axis=1).assign(label=shown["label"])
