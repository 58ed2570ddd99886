"""Small grids as tables."""

import numpy as np
import pandas as pd


def cells(grids: dict[tuple | str, np.ndarray], *names: str, value: str = "value") -> pd.DataFrame:
    """One line a cell of grids (h, w): their keys in columns ``names``, then row, column and ``value``."""
    rows = [
        (*(key if isinstance(key, tuple) else (key,)), *at, float(entry))
        for key, grid in grids.items()
        for at, entry in np.ndenumerate(grid)
    ]
    return pd.DataFrame(rows, columns=[*names, "row", "column", value])
