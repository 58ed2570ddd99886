"""What the chapter on the attention maps says, from tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from wagf_src.report.prose import heatmaps as prose


def table(area=0.02, gauss=-0.1, others=0.001, half=0.01, provenance="HAM10000"):
    """Two classes and all, SaFA's map and the same stretched: every class has the same leads and half widths."""
    lines = []
    for kind in ("safa", "safa, stretched"):
        for name, n in (("mel", 40), ("nv", 1000), ("all", 1040)):
            line = {
                "profile": "lite",
                "arm": "mobilenetv2-wagf-described",
                "map": kind,
                "class": name,
                "n": n,
                "share_inside": 0.3,
                "ci_low": 0.28,
                "ci_high": 0.32,
            }
            line |= {"area_share": 0.28, "gaussian_share": 0.4, "others_share": 0.3}
            for control, lead in (("area", area), ("gauss", gauss), ("others", others)):
                width = half if control != "others" else abs(others) / 2
                line |= {f"diff_{control}{end}": lead + k * width for k, end in enumerate(("", "_high"))}
                line[f"diff_{control}_low"] = lead - width
            lines.append(line)
    return pd.DataFrame(lines).assign(condition="MobileNetV2, 64 px", provenance=provenance)


NO_REACTION = "the lesion at hand draws it, rather than the place where lesions usually are, cannot be shown"


def answer(frame):
    return prose.answer(frame[frame["map"] == "safa"], frame)


def test_answer_no():
    text = answer(table())
    assert text.startswith("**no.** SaFA puts 30.0 [28.0, 32.0]% of its weight inside the lesion, which covers 28.0%")
    assert "more than a map without preference (+2.0 [+1.0, +3.0] points), less than the centred blob" in text
    assert "and more than the maps of other images (+0.10 [+0.05, +0.15])" in text
    assert "ahead of the blob in 0 of 2 classes." in text


def test_answer_yes_cannot_be_told_and_no_reaction():
    assert answer(table(gauss=0.1)).startswith("**yes.**") and "2 of 2 classes (mel, nv)" in answer(table(gauss=0.1))
    assert answer(table(gauss=0.001)).startswith("**that cannot be told.**")
    assert NO_REACTION in answer(table(others=-0.01))
    # Equal maps differ by rounding alone, and an interval that is printed as zero is not "more".
    equal = answer(table(others=1e-7))
    assert "not measurably more than the maps of other images (+0.00 [+0.00, +0.00])" in equal
    assert NO_REACTION in equal
    assert "not measurably more than a map without preference" in answer(table(area=0.001))


def test_where_else_the_map_prefers_what():
    """Of others only SaFA's own map in the same reading counts, all classes together, and no synthetic one."""
    assert answer(table()).endswith(" All this is of `lite`.")
    others = [
        table(area=-0.02).assign(profile="b"),
        table(area=0.02).assign(profile="c"),
        table(area=-0.03).assign(profile="d"),
        table(area=0.001).assign(profile="e"),
        table(area=0.02).assign(profile="f", arm="mobilenetv2-wagf-released"),
        table(area=0.02).assign(profile="g", condition="SYNTHETIC, 64 px"),
    ]
    frame = pd.concat([table(), *others], ignore_index=True)
    assert prose.answer(table()[:3], frame).endswith(
        "All this is of `lite`; in other conditions the same module's map puts on the lesion, against an even map: "
        "less in `b`, `d`; more in `c`; not measurably more in `e`."
    )


def test_synthetic_and_nothing():
    assert answer(table(provenance="SYNTHETIC; 64 px")).startswith("these are synthetic lesions")
    assert prose.answer(table()[:0], table()) == "nothing measured, so the question stays open here."


def test_a_single_image_has_no_interval():
    frame = table()
    frame.loc[:, [c for c in frame if c.endswith(("_low", "_high"))]] = np.nan
    line = prose.classes_table(frame[:1]).iloc[0]
    assert line["attention inside (%)"] == "30.0" and line["minus Gaussian"] == "-10.0" and line["images"] == "40"


def test_classes_table():
    line = prose.classes_table(table()[:1]).iloc[0]
    assert line["attention inside (%)"] == "30.0 [28.0, 32.0]" and line["Gaussian (%)"] == "40.0"
    assert line["minus area"] == "+2.0 [+1.0, +3.0]"


@pytest.mark.parametrize(("reason", "said"), [("", ""), ("the data are not here", "**No lesion masks** (the data are")])
def test_note(reason, said):
    note = prose.note(pd.DataFrame({"a": [1]}), reason)
    assert note.startswith(said) and (note == "") == (reason == "")
    assert prose.note(pd.DataFrame(), reason).startswith("**No run of this profile has a SaFA map**")


def test_widths():
    curve = pd.DataFrame({"sigma": [0.1, 0.6], "share_inside": [0.8, 0.3]})
    maps = ["safa", "safa, stretched", "soft_attention"]
    found = pd.DataFrame({"map": maps, "sigma": [0.25, 0.6, np.nan], "share_inside": 0.3, "common": 0.734})
    text = prose.widths(curve, found)
    assert "SaFA 0.25, stretched SaFA more than 0.60, soft attention none, it has less than an even map." in text
    assert "73% is the same for every test image" in text
    assert "so widths cannot be compared." in prose.widths(curve.assign(share_inside=0.3), found.assign(common=np.nan))
    assert "same for every" not in prose.widths(curve, found.assign(common=np.nan))
    assert prose.widths(curve, found[:0]) == "Nothing measured."


def test_the_stretched_map_speaks_for_itself():
    frame = table()
    loud = frame["map"] == "safa, stretched"
    better = {"share_inside": 0.6, "ci_low": 0.55, "ci_high": 0.65}
    better |= {"diff_gauss": 0.2, "diff_gauss_low": 0.15, "diff_gauss_high": 0.25}
    frame.loc[loud, list(better)] = list(better.values())
    text = answer(frame)
    assert text.startswith("**no.** SaFA puts 30.0 [28.0, 32.0]%")
    assert text.endswith(
        "Stretched as in the figure, it puts 60.0 [55.0, 65.0]% inside, more than the blob (+20.0 [+15.0, +25.0] "
        "points). All this is of `lite`."
    )
