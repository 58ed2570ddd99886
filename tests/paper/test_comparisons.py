"""The rows of Table 1 and the pairs of arms, for sets of arms whose rows and pairs are written out here."""

import dataclasses

from fabricate import FROZEN, LADDER

from wagf_src.arms import MODULES
from wagf_src.paper import comparisons, published


def test_table_1_rows_name_what_differs():
    rows = comparisons.table1_rows(list(FROZEN))
    assert rows[0] == ("MobileNet-v2", "mobilenetv2-base", "MobileNet-v2")
    assert ("DenseNet-121", None, "DenseNet-121") in rows and ("(iii)", None, "(iii)") in rows
    assert ("(iii), on MobileNetV2", "mobilenetv2-wagf-described", "(iii)") in rows
    assert rows[-1] == ("linear probe on MobileNetV2", "mobilenetv2-probe", None)

    rows = comparisons.table1_rows(
        [
            "densenet121-base-random",
            "densenet121-wagf-described-random",
            "mobilenetv2-base-random",
            "mobilenetv2-base",
            "densenet121-wagf-released-random",
            "densenet121-wagf-described-saliency-random",
        ]
    )
    assert ("MobileNet-v2", "mobilenetv2-base-random", "MobileNet-v2") in rows
    assert ("MobileNet-v2, the profile's initialisation", "mobilenetv2-base", "MobileNet-v2") in rows
    assert ("(iii), as released", "densenet121-wagf-released-random", "(iii)") in rows
    assert rows[-1][1:] == ("densenet121-wagf-described-saliency-random", None)

    rows = comparisons.table1_rows(["densenet121-base", "densenet121-base-lr0.01"])
    assert ("DenseNet-121", "densenet121-base", "DenseNet-121") in rows
    assert "learning rate 0.01" in rows[3][0] and rows[3][1] == "densenet121-base-lr0.01"


def test_comparisons_differ_in_one_thing():
    found = comparisons.comparisons(list(LADDER))
    ladder = [c[1:] for c in found if c[0] == "ladder"]
    d = "densenet121-"
    assert ladder[:5] == [
        ("soft attention", f"{d}sa-described", f"{d}base"),
        ("gradient-based fusion with the wavelet branch", f"{d}sa-gf-described", f"{d}sa-described"),
        ("SaFA", f"{d}wagf-described", f"{d}sa-gf-described"),
        ("soft attention and fusion together", f"{d}sa-gf-described", f"{d}base"),
        ("all modules together", f"{d}wagf-described", f"{d}base"),
    ]
    # Row (ii) was not released: that ladder goes from (i) to (iii).
    assert ladder[5:] == [
        ("soft attention (as released)", f"{d}sa-released", f"{d}base"),
        ("fusion and SaFA together (as released)", f"{d}wagf-released", f"{d}sa-released"),
        ("all modules together (as released)", f"{d}wagf-released", f"{d}base"),
    ]
    assert [c[2:] for c in found if c[0] == "backbone"] == [
        ("resnet50-base", "mobilenetv2-base"),
        (f"{d}base", "mobilenetv2-base"),
        (f"{d}base", "resnet50-base"),
    ]
    assert [c[2:] for c in found if c[0] == "reading"] == [
        (f"{d}sa-described", f"{d}sa-released"),
        (f"{d}wagf-described", f"{d}wagf-released"),
    ]
    assert {c[0] for c in found} == {"ladder", "backbone", "reading"}

    variants = [
        "mobilenetv2-probe",
        "mobilenetv2-base",
        "mobilenetv2-base-random",
        "mobilenetv2-base-lr0.01",
        "mobilenetv2-sa-gf-described",
        "mobilenetv2-sa-gf-described-saliency",
        "mobilenetv2-sa-gf-described-conv",
    ]
    found = [
        (kind, a.removeprefix("mobilenetv2-"), b.removeprefix("mobilenetv2-"))
        for kind, _, a, b in comparisons.comparisons(variants)
    ]
    assert ("fusion", "sa-gf-described-saliency", "sa-gf-described") in found
    assert ("branch", "sa-gf-described-conv", "sa-gf-described") in found
    assert ("training", "base-random", "base") in found and ("training", "base-lr0.01", "base") in found
    assert ("probe", "base", "probe") in found and ("ladder", "sa-gf-described", "base") in found
    assert len(found) == 6
    # A control against no branch, where the module below was run; other fusions and branches differ in more.
    below = [*variants[4:], "mobilenetv2-sa-described", "mobilenetv2-wagf-described-conv"]
    against = [row[1:] for row in comparisons.comparisons(below) if "against no branch" in row[1]]
    gf = "mobilenetv2-sa-gf-described"
    assert against == [("strided convolution against no branch, (ii)", f"{gf}-conv", "mobilenetv2-sa-described")]
    assert comparisons.comparisons(["mobilenetv2-base"]) == []


def test_a_backbone_and_a_module_that_the_paper_has_not_stand_beside_its_rows(monkeypatch):
    other = dataclasses.replace(MODULES["sa"], label="{} + X", adds="X", has_reading=False, paper_row=None)
    monkeypatch.setitem(MODULES, "x", other)
    arms = [
        "densenet121-base",
        "densenet121-sa-described",
        "densenet121-sa-released",
        "densenet121-x",
        "efficientnetv2b0-base",
        "efficientnetv2b0-wagf-described",
    ]
    rows = comparisons.table1_rows(arms)
    assert ("(iii), on EfficientNetV2-B0", "efficientnetv2b0-wagf-described", "(iii)") in rows
    assert rows[-2:] == [
        ("DenseNet-121 + X", "densenet121-x", None),
        ("EfficientNetV2-B0", "efficientnetv2b0-base", None),
    ]
    d, e = "densenet121-", "efficientnetv2b0-"
    pairs = comparisons.comparisons(arms)
    assert sorted(pairs) == [
        ("backbone", "EfficientNetV2-B0 against DenseNet-121", f"{e}base", f"{d}base"),
        ("ladder", "X", f"{d}x", f"{d}base"),
        ("ladder", "all modules together", f"{e}wagf-described", f"{e}base"),
        ("ladder", "soft attention", f"{d}sa-described", f"{d}base"),
        ("ladder", "soft attention (as released)", f"{d}sa-released", f"{d}base"),
        ("reading", "described against released, (i)", f"{d}sa-described", f"{d}sa-released"),
    ]
    assert [str(published.step(kind, a, b)) for kind, _, a, b in sorted(pairs)[:2]] == ["nan", "nan"]
    assert round(published.step("ladder", f"{d}sa-described", f"{d}base"), 2) == 1.32  # 87.21 - 85.89
