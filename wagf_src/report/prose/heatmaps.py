"""What the chapter on the attention maps (figure 3) says and shows, from its tables."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.report.figures.attention import KINDS
from wagf_src.report.prose import conditions


def note(examples: pd.DataFrame, reason: str) -> str:
    """Whether there are maps, and why there are no masks (``photographs.lesion_masks``)."""
    if examples.empty:
        return "**No run of this profile has a SaFA map**, so there is nothing to show or measure here."
    missing = "maps have no outline, and what is measured is committed, if anything is."
    return f"**No lesion masks** ({reason}): {missing}" if reason else ""


def answer(main: pd.DataFrame, table: pd.DataFrame) -> str:
    """Does the map lie on the lesion, and more than a centred blob would?

    Args:
        main: the table ``attention``, SaFA's own map. table: ``attention_maps``, for the same map stretched.
    """
    if main.empty:
        return "nothing measured, so the question stays open here."
    raw = main.set_index("class")
    same = (table["profile"] == main["profile"].iloc[0]) & (table["arm"] == main["arm"].iloc[0])
    stretched = table[same & (table["map"] == "safa, stretched")].set_index("class")
    line, loud, classes = raw.loc["all"], stretched.loc["all"], raw.drop(index="all")
    better = list(classes.index[classes["diff_gauss_low"] > 0])
    decided = "yes" if line["diff_gauss_low"] > 0 else "no" if line["diff_gauss_high"] < 0 else "that cannot be told"
    if _word(line, "others") != "more":
        decided += (
            "; and that the lesion at hand draws it, rather than the place where lesions usually are, cannot be shown"
        )
    synthetic = main["provenance"].iloc[0].startswith("SYNTHETIC")
    return (
        ("these are synthetic lesions and say nothing about the paper. On them: " if synthetic else "")
        + f"**{decided}.** SaFA puts {_between(line, 'share_inside')}% of its weight inside the lesion, which covers "
        f"{100 * line['area_share']:.1f}% of the image. That is {_word(line, 'area')} than a map without preference "
        f"({_between(line, 'diff_area', '+')} points), {_word(line, 'gauss')} than the centred blob "
        f"({_between(line, 'diff_gauss', '+')}), and {_word(line, 'others')} than the maps of other images "
        f"({_between(line, 'diff_others', '+')}). It is ahead of the blob in {len(better)} of {len(classes)} classes"
        f"{' (' + ', '.join(better) + ')' if better else ''}. Stretched as in the figure, it puts "
        f"{_between(loud, 'share_inside')}% inside, {_word(loud, 'gauss')} than the blob "
        f"({_between(loud, 'diff_gauss', '+')} points).{_elsewhere(main, table)}"
    )


def _elsewhere(main, table):
    """What this answer is of, and where else the same map puts more or less on lesions than an even one."""
    profile, reading = main["profile"].iloc[0], parse_arm(main["arm"].iloc[0]).reading
    lines = table[(table["map"] == "safa") & (table["class"] == "all")]
    lines = conditions.real(lines[[parse_arm(arm).reading == reading for arm in lines["arm"]]])
    scope = f" All this is of `{profile}`"
    others = lines[lines["profile"] != profile]
    if others.empty:
        return f"{scope}."
    by_word = others.groupby([_word(line, "area") for _, line in others.iterrows()], sort=False)["profile"].agg(list)
    listed = "; ".join(f"{word} in {', '.join(f'`{name}`' for name in names)}" for word, names in by_word.items())
    return f"{scope}; in other conditions the same module's map puts on the lesion, against an even map: {listed}."


def _word(line, control):
    """By the interval in points, as far as two decimals show it: beyond them, equal maps differ by rounding alone."""
    low, high = (round(100 * line[f"diff_{control}_{end}"], 2) for end in ("low", "high"))
    return "more" if low > 0 else "less" if high < 0 else "not measurably more"


def _between(line, column, sign=""):
    """Percent or points with their interval; two decimals where all is below one, of which tenths would say little."""
    ends = ("ci_low", "ci_high") if column == "share_inside" else (f"{column}_low", f"{column}_high")
    values = 100 * line[[column, *ends]].to_numpy(float)
    decimals = 2 if np.nanmax(np.abs(values)) < 1 else 1
    value, low, high = (f"{round(v, decimals) + 0.0:{sign}.{decimals}f}" for v in values)
    return value if np.isnan(values[1]) else f"{value} [{low}, {high}]"


def classes_table(main: pd.DataFrame) -> pd.DataFrame:
    """SaFA's own map by class, with the controls and the paired differences (table ``attention``)."""
    columns = {
        "attention inside (%)": ("share_inside", ""),
        "lesion's area (%)": "area_share",
        "Gaussian (%)": "gaussian_share",
        "other images (%)": "others_share",
        "minus area": ("diff_area", "+"),
        "minus Gaussian": ("diff_gauss", "+"),
        "minus other images": ("diff_others", "+"),
    }
    lines = [
        {"class": line["class"], "images": f"{line['n']:,}"}
        | {k: f"{100 * line[c]:.1f}" if isinstance(c, str) else _between(line, *c) for k, c in columns.items()}
        for _, line in main.iterrows()
    ]
    return pd.DataFrame(lines)


def widths(curve: pd.DataFrame, equivalents: pd.DataFrame) -> str:
    """Which centred Gaussian each map amounts to (tables ``attention_widths`` and ``attention_equivalents``)."""
    if equivalents.empty:
        return "Nothing measured."
    parts, ends = [], {curve["sigma"].max(): "more than ", curve["sigma"].min(): "less than "}
    for line in equivalents.itertuples():
        width = f"{ends.get(line.sigma, '')}{line.sigma:.2f}"
        parts.append(f"{KINDS[line.map]} {'none, it has less than an even map' if np.isnan(line.sigma) else width}")
    text = f"Each map puts as much on the lesion as a centred Gaussian of this width: {', '.join(parts)}."
    if np.ptp(curve["share_inside"]) < 1e-9:
        text = "On a grid as coarse as SaFA's every centred blob is an even map, so widths cannot be compared."
    common = equivalents["common"].iloc[0]
    if np.isnan(common):
        return text
    return f"{text} Of the pattern of SaFA's map, {100 * common:.0f}% is the same for every test image."
