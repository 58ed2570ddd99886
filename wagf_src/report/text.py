"""Numbers and tables for people."""

import re

import numpy as np
from IPython.display import HTML

from wagf_src.stats.metrics import METRICS, interval_columns

METRIC_TITLES = {name: metric.title for name, metric in METRICS.items()}


def table(frame):
    """A data frame as an HTML table for people: no index, dashes for what is missing, scrolls sideways if it must."""
    html_table = frame.rename_axis(columns=None).to_html(index=False, na_rep="–", border=0, justify="left")
    html_table = re.sub(r"\[(-?[\d.,]+), (-?[\d.])", r"[\1,&nbsp;\2", html_table)  # an interval is not broken
    return HTML(f'<div style="overflow-x:auto">{html_table}</div>')


def markdown_table(head, rows) -> str:
    """Cells as a table in Markdown, for those that hold Markdown themselves."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def percent(value: float, low: float | None = None, high: float | None = None, decimals: int = 1) -> str:
    """Fractions as percent, for tables and sentences: ``85.9 [83.7, 87.8]``; a dash for NaN.

    No interval where its ends are NaN.
    """
    if np.isnan(value):
        return "–"
    text = f"{100 * value:.{decimals}f}"
    return text if low is None or np.isnan(low) else f"{text} [{100 * low:.{decimals}f}, {100 * high:.{decimals}f}]"


def percents(frame, metrics) -> dict[str, list[str]]:
    """Columns for people of metrics (fractions) and their intervals: title to ``percent`` of each row."""
    columns = {METRIC_TITLES[m]: frame[interval_columns(m)].to_numpy(float) for m in metrics}
    return {title: [percent(*line) for line in values] for title, values in columns.items()}


def points(value: float, low: float, high: float) -> str:
    """A difference in points with its interval: ``+1.2 [+0.4, +2.1]``; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def p_value(p: float, equals: str = "") -> str:
    """A p value for tables (``0.012``, ``< 0.001``) and, with ``equals`` = "p = ", sentences (``p < 0.001``)."""
    if np.isnan(p):
        return "–"
    return f"{equals}{p:.3f}" if p >= 0.001 else f"{equals.replace('=', '<')}0.001" if equals else "< 0.001"


def scientific(value: float, decimals: int = 0) -> str:
    """A number for sentences, below a thousandth as a power of ten in Markdown: ``7 · 10<sup>-8</sup>``."""
    if np.isnan(value):
        return "–"
    if not value or abs(value) >= 1e-3:
        return f"{value:.{decimals + 1}g}"
    digits, _, exponent = f"{value:.{decimals}e}".partition("e")
    return f"{digits} · 10<sup>{int(exponent)}</sup>"
