"""Numbers and tables for people."""

import re

import numpy as np
from IPython.display import HTML


def table(frame):
    """A data frame as an HTML table for people: no index, dashes for what is missing, scrolls sideways if it must."""
    html_table = frame.rename_axis(columns=None).to_html(index=False, na_rep="–", border=0, justify="left")
    html_table = re.sub(r"\[(-?[\d.,]+), (-?[\d.])", r"[\1,&nbsp;\2", html_table)  # an interval is not broken
    return HTML(f'<div style="overflow-x:auto">{html_table}</div>')


def percent(value: float, low: float | None = None, high: float | None = None, decimals: int = 1) -> str:
    """Fractions as percent, for tables and sentences: ``85.9 [83.7, 87.8]``; a dash for NaN."""
    if np.isnan(value):
        return "–"
    text = f"{100 * value:.{decimals}f}"
    return text if low is None else f"{text} [{100 * low:.{decimals}f}, {100 * high:.{decimals}f}]"


def p_value(p: float, equals: str = "") -> str:
    """A p value for tables (``0.012``, ``< 0.001``) and, with ``equals`` = "p = ", sentences (``p = 0.012``, ``p < 0.001``)."""
    if np.isnan(p):
        return "–"
    return f"{equals}{p:.3f}" if p >= 0.001 else f"{equals.replace('=', '<')}0.001" if equals else "< 0.001"
