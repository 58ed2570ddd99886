"""What chapters that show every condition at hand have in common."""

import pandas as pd

from wagf_src.paper.conditions import ORDER, is_own


def heads(frame: pd.DataFrame) -> pd.Series:
    """For each row of a pooled table, its condition as the head of a column or the name of a series."""
    return frame["profile"] + ": " + frame["condition"]


def real(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a pooled table that rest on photographs: what a reader's generated images show is no finding."""
    return frame[~frame["condition"].str.startswith("SYNTHETIC")]


def leading(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the condition that stands first in a pooled table (``paper.conditions.at_hand``)."""
    return frame[frame["profile"] == frame["profile"].iloc[0]] if len(frame) else frame


def called(rows: pd.DataFrame) -> str:
    """What a sentence calls the leading condition: only of the committed ones is the first the strongest."""
    return "this book's own condition" if is_own(rows["profile"].iloc[0]) else "the strongest condition"


def rests_on(frame: pd.DataFrame) -> str:
    """The conditions of a pooled table, and what limits some of them."""
    if not len(frame):
        return "**This page rests on** no runs yet; `make reproduce PROFILE=frozen` makes some."
    order = f"this book's own first, then {ORDER}" if is_own(frame["profile"].iloc[0]) else ORDER
    return f"**This page rests on** these conditions, {order}:\n\n{listing(frame)}\n\n{caveats(frame)}".rstrip()


def listing(frame: pd.DataFrame) -> str:
    """A line for each profile of a pooled table: its condition."""
    named = frame.drop_duplicates("profile")
    return "\n".join(f"- `{profile}`: {condition}" for profile, condition in zip(named["profile"], named["condition"]))


def made_of(frame: pd.DataFrame) -> str:
    """On which images the rows of a pooled table rest and on what they were computed, from their provenance."""
    parts = frame["provenance"].str.replace(r"^[\w.-]+: ", "", regex=True).str.split("; ")
    images, devices = (" / ".join(dict.fromkeys(parts.str[end])) for end in (0, -1))
    return f"Images: {images}. Computed on: {devices}."


def caveats(frame: pd.DataFrame) -> str:
    """What a reader must know of the images, of conditions with one seed, and of those with folds."""
    one = frame[has_one_seed(frame)].drop_duplicates("profile")
    one = one["profile"].where(one["condition"].str.contains("one seed"), one["profile"] + " in part")
    folds = frame.loc[frame["condition"].str.contains(" folds;"), "profile"].unique()
    text = f"{made_of(frame)} "
    text += f"With one seed ({', '.join(one)}), the noise of training is in no interval and no p. " if len(one) else ""
    if len(folds):
        text += (
            f"In folds ({', '.join(folds)}), every image is tested once a seed, by a model that was not trained on it; "
            "the models of different folds share most of their training images, which no interval shows."
        )
    return text.rstrip()


def has_one_seed(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of a condition with one seed, be it of some arms only (``paper.conditions.seed_range``)."""
    return frame["condition"].str.contains(r"one seed|\b1 to \d+ seeds")


def columns(frame: pd.DataFrame) -> pd.Series:
    """For each row of a pooled table, its profile as the head of a column, marked where the images are generated."""
    synthetic = frame["condition"].str.startswith("SYNTHETIC")
    return frame["profile"] + synthetic.map({True: ": SYNTHETIC", False: ""})


def wide(frame: pd.DataFrame, row: str, text: str) -> pd.DataFrame:
    """One line a value of ``row`` and one column a profile, holding ``text``; a dash where there is none.

    A profile's condition stands in the list at the top of the page (``rests_on``).
    """
    headed = frame.assign(head=columns(frame))
    return headed.pivot_table(text, row, "head", aggfunc="first", fill_value="–", sort=False).reset_index()
