"""What a plot of points with intervals shows, read off its artists."""

import numpy as np


def intervals(ax) -> list[dict[float, tuple[float, float, float]]]:
    """For each series in the order drawn: height to (value, low, high); NaN where there is no point, or no bar."""
    series = []
    for line in ax.lines:
        x, y = (np.asarray(values, float) for values in line.get_data())
        if line.get_marker() not in ("None", "", None) and line.get_linestyle() == "None":
            series.append({height: (value, np.nan, np.nan) for height, value in zip(y, x)})
        elif series and (height := np.nanmedian(y)) in series[-1]:
            series[-1][height] = series[-1][height][0], np.fmin.reduce(x), np.fmax.reduce(x)
    return series
