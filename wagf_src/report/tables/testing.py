"""How the project is tested: what `make torture` wrote into results/bench."""

from functools import partial

import pandas as pd

from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.speed import measured


def kills(evidence: Evidence) -> pd.DataFrame:
    """Lives of a reproduction by the moment of the kill, and of those that went on to the end."""
    lives = measured("torture", evidence)
    columns = ["moment", "lives", "killed", "resumed", "wrong", "provenance"]
    if lives.empty:
        return pd.DataFrame(columns=columns)
    lives = lives.assign(
        moment=lives["moment"].where(lives["killed"], "not killed: went on to the end"),
        lives=1,
        resumed=lives["resumed_after"] > 0,
        wrong=lives["wrong"].notna(),
    )
    sums = lives.groupby("moment", sort=False)[["lives", "killed", "resumed", "wrong"]].sum().reset_index()
    return sums.astype({name: int for name in columns[1:5]}).assign(provenance=lives["provenance"].iloc[0])


TABLES = {"testing_kills": kills, "testing_cases": partial(measured, "tests")}
