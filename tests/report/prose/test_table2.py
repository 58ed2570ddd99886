"""What the chapter on Table 2 says, from the printed rows and two made by hand."""

import pandas as pd

from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import table2 as prose

PRINTED = Evidence("none", [], {}, tables.TABLES).table("table2")
PROBE = {"group": "probe", "row": "a probe", "accuracy": 86.0, "ci_low": 85.0, "ci_high": 87.0, "n_test": 1103}
PROBE |= {"balanced_accuracy": 45.0, "balanced_ci_low": 40.0, "balanced_ci_high": 50.0, "provenance": "HAM10000"}
PROBE |= {"arm": "mobilenetv2-probe", "profile": "frozen", "condition": "MobileNetV2, frozen"}
TABLE = pd.concat([PRINTED.assign(provenance="HAM10000"), pd.DataFrame([PROBE])], ignore_index=True)


def test_answer():
    text = prose.answer(TABLE)
    assert "stated for 1 of 7 rows" in text and "[88.9, 92.3] from its 1,103 images" in text
    assert "of 5 printed accuracies of others, taken as exact, 0 reach into it (the highest is 88.80)" in text
    # Yao, Shen: balanced; Sai Charan: eight classes. Roy's split is by image.
    assert "3 of them are another metric" in text and "4 rows certainly rest on other" in text
    assert "reaches 91.57% on as many images" in text and "nevus scores 80.05%" in text
    assert "images of the same kind (also the validation images);" in text
    probe = "(`frozen`, 1,103 images) reaches 86.0% [85.0, 87.0] accuracy (45.0% balanced): what such a level is worth"
    assert probe in text and text.endswith(", and no rank.")
    # A condition on other images stands first, as the stronger one; the paper's test images are spoken of.
    folds = pd.DataFrame([PROBE | {"profile": "frozen-folds", "n_test": 5_514, "accuracy": 99.0}])
    assert probe in prose.answer(pd.concat([folds, TABLE], ignore_index=True))
    assert "(`frozen-folds`, 5,514 images) reaches 99.0%" in prose.answer(
        pd.concat([folds, TABLE[:-1]], ignore_index=True)
    )
    assert prose.answer(TABLE[:-1]).endswith("no condition has a linear probe (the profile frozen has).")
    own = pd.DataFrame([PROBE | {"group": "ours", "arm": "mobilenetv2-base", "condition": "SYNTHETIC, 64 px"}])
    assert "own rows are synthetic" in prose.answer(pd.concat([own, TABLE])) and "synthetic" not in text


def test_tables_for_people():
    printed = prose.as_printed(TABLE).set_index("model")
    assert (
        printed.loc["Proposed", "test images"] == "1,103"
        and printed.loc["Yao et al. [3]", "test images"] == "not stated"
    )
    assert printed.iloc[-1][["accuracy", "test images"]].tolist() == [91.57, "1,103"]
    sources = prose.sources(TABLE).set_index("model")
    assert sources.loc["Yao et al. [3]", "what the number is"].startswith("balanced accuracy (86.4)")
    assert sources.index[-1] == "Datta et al., not in the paper: Inception-ResNet-v2 + soft attention"
    line = prose.ours(TABLE).set_index("model").loc["a probe"]
    assert line[["accuracy (%)", "balanced accuracy (%)"]].tolist() == ["86.0 [85.0, 87.0]", "45.0 [40.0, 50.0]"]
    assert prose.ours(TABLE).set_index("model").loc["always nv (paper)", "accuracy (%)"] == "80.1"


def test_ladders():
    ladder = prose.ladder(TABLE).set_index("label")
    steps = pd.DataFrame([PROBE | {"group": "ours", "arm": f"mobilenetv2-{name}"} for name in ("sa-described", "base")])
    assert len(prose.ladder(pd.concat([TABLE, steps]))) == 9  # a step of Table 1 is no rival of other methods
    assert len(ladder) == 8 and "Roy et al. [8]" not in ladder.index  # no accuracy is printed there
    assert ladder.loc["a probe: frozen", ["value", "low", "high"]].tolist() == [86, 85, 87]
    assert prose.balanced_ladder(TABLE).iloc[0].tolist() == [45, 40, 50, "a probe: frozen"]
    assert list(prose.official().values()) == [88.5, 87.1, 84.5]


def test_an_accuracy_below_the_proposed_one_can_lie_within_its_interval():
    """The interval begins at 88.9%."""
    near = TABLE.assign(accuracy=TABLE["accuracy"].mask(TABLE["row"] == "Iqbal et al.", 89.5))
    assert "of 5 printed accuracies of others, taken as exact, 1 reach into it" in prose.answer(near)
    below = TABLE.assign(accuracy=TABLE["accuracy"].mask(TABLE["row"] == "Iqbal et al.", 88.85))
    assert "of 5 printed accuracies of others, taken as exact, 0 reach into it" in prose.answer(below)


def test_variants_of_the_full_model_are_no_rivals_of_other_methods():
    names = ("wagf-described", "wagf-released", "wagf-described-learned")
    rows = [PROBE | {"group": "ours", "row": name, "arm": f"mobilenetv2-{name}"} for name in names]
    shown = prose.ours(pd.concat([TABLE, pd.DataFrame(rows)]))
    assert shown["model"].tolist()[:3] == ["a probe", "wagf-described", "wagf-released"]
    assert "wagf-described-learned" not in shown["model"].tolist()
