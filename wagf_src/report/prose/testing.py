"""What the chapter on the tests says and shows, from its tables."""

import pandas as pd

from wagf_src.report.figures.findings import listed

NOT_YET = "Not written yet: `make torture` writes what this page shows."


def answer(kills: pd.DataFrame, cases: pd.DataFrame) -> str:
    """How much was tried, and how much of it went wrong."""
    parts = []
    if len(kills):
        killed, wrong, ends = kills["killed"].sum(), kills["wrong"].sum(), (kills["lives"] - kills["killed"]).sum()
        parts.append(
            f"a whole reproduction was killed {killed} {'time' if killed == 1 else 'times'} and started again; {ends} "
            f"went on to the end and {'was' if ends == 1 else 'were'} compared, bit by bit, with one that nobody "
            f"disturbed; {_none(wrong)} went wrong"
        )
    if len(cases):
        parts.append(
            f"{cases['cases'].sum():,} further cases were tried by {cases['tests'].sum():,} tests; "
            f"{_none(cases['failed'].sum())} failed"
        )
    return listed(parts) if parts else NOT_YET


def kills_table(kills: pd.DataFrame) -> pd.DataFrame:
    return kills.drop(columns="provenance").rename(
        columns={"moment": "killed as soon as (or when)", "resumed": "resumed a training", "wrong": "something wrong"}
    )


def cases_table(cases: pd.DataFrame) -> pd.DataFrame:
    shown = cases.get(["about", "tests", "cases", "failed", "skipped"], pd.DataFrame())
    return shown.rename(columns={"about": "what the tests hold"})


def rests_on(frame: pd.DataFrame) -> str:
    return f"Rests on: {frame['provenance'].iloc[0]}." if len(frame) else NOT_YET


def _none(number: int) -> str:
    return f"{number:,}" if number else "none"
