"""The published numbers and their audits, against hand-made values, brute force, statsmodels and simulation."""

import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paper import audits, published


def test_told_apart_asks_first_whether_the_same_images_could_tell():
    """95 against 100 of 100: five discordant images give p = 1/16 at best, whatever a test on other images says."""
    [line] = audits.power_table((("a - b", 95.0, 100.0, 100),)).to_dict("records")
    assert line["p_unpaired"] < 0.05 and line["p_best"] == 1 / 16 and line["told_apart"] == "no"


def test_supports_are_the_papers_test_set():
    assert tuple(published.TEST_SUPPORTS) == CLASSES
    assert sum(published.TEST_SUPPORTS.values()) == published.N_TEST
    assert published.N_IMAGES - published.N_TEST == published.N_LEFT
    assert audits.majority_percent() == pytest.approx(80.05, abs=0.005)
    # What the released loaders print divides the 52,012 files 70 to 30.
    files = published.TRAINING_FILES + published.VALIDATION_FILES
    assert files == 52_012 and round(100 * published.TRAINING_FILES / files) == published.TRAIN_PERCENT


@pytest.mark.parametrize(
    "value, expected",
    [
        (79.03, (None, None)),
        (84.66, (None, None)),
        (85.89, (None, None)),
        (87.21, (None, 962)),
        (89.48, (987, 987)),
        (90.75, (1001, 1001)),
        # The released notebooks' own accuracies, rounded.
        *(
            (v, (k, None if 100 * k / 1103 < v else k))
            for v, k in [(82.86, 914), (85.68, 945), (86.31, 952), (88.30, 974), (69.08, 762), (84.41, 931)]
        ),
    ],
)
def test_grim_finds_what_the_paper_allows(value, expected):
    assert audits.grim(value, published.N_TEST) == expected


@pytest.mark.parametrize("n, decimals", [(7, 2), (46, 0), (46, 1), (333, 2), (1103, 2)])
def test_grim_agrees_with_printing_every_k(n, decimals):
    rounded = {f"{100 * k / n:.{decimals}f}": k for k in range(n + 1)}
    unit = 10**decimals
    truncated = {math.floor(100 * k * unit / n): k for k in range(n, -1, -1)}
    # Some values of the grid (1 in 7 at two decimals), the ends included.
    for step in range(0, 100 * unit + 1, 7 if decimals == 2 else 1):
        k_rounded, k_truncated = audits.grim(step / unit, n, decimals)
        text = f"{step / unit:.{decimals}f}"
        if k_rounded is None:
            assert text not in rounded
        else:
            assert abs(100 * k_rounded / n - step / unit) <= 0.5 / unit + 1e-9
        if text in rounded:  # a tie may round either way, so this direction only
            assert k_rounded is not None
        assert (k_truncated is None) == (step not in truncated)
        assert k_truncated is None or math.floor(100 * k_truncated * unit / n) == step


@pytest.mark.parametrize(
    "value, n, named",
    [
        (101, 10, "value"),
        (-1, 10, "value"),
        (float("nan"), 10, "value"),
        (79.031, 10, "79.031"),
        (50, 0, "n is"),
        (50, 2.5, "n is"),
        (50, True, "n is"),
    ],
)
def test_grim_refuses_what_is_no_percentage(value, n, named):
    with pytest.raises(UserError, match=named) as error:
        audits.grim(value, n)
    assert "\n" not in str(error.value)


def test_grim_table_says_what_cannot_be_checked():
    table = audits.grim_table().set_index("row")
    assert list(table.index[table["verdict"] == "not reachable"]) == ["MobileNet-v2", "ResNet50", "DenseNet-121"]
    assert list(table.index[table["verdict"] == "reachable only if truncated"]) == ["(i)"]
    others = table[table["place"] == "Table 2"]
    assert len(others) == 5 and (others["verdict"] == published.SIZE_NOT_STATED).all()
    assert others[["n", "k_rounded", "k_truncated"]].isna().all(axis=None)
    known = table.dropna(subset="n")
    below, above = (known[c].to_numpy(float) * 11.03 for c in ("nearest_below", "nearest_above"))
    assert np.allclose(below, np.round(below)) and np.allclose(above - below, 1)
    assert ((known["nearest_below"] <= known["accuracy"] + 0.005) & (known["accuracy"] < known["nearest_above"])).all()


def test_ways_out_of_an_unreachable_accuracy():
    values = [r.accuracy for r in published.TABLE1]

    def printable(n):
        return {f"{100 * k / n:.2f}" for k in range(n + 1)}

    m = audits.runs_averaged(values, published.N_TEST)
    assert {f"{v:.2f}" for v in values} <= printable(m * published.N_TEST)
    assert not {f"{v:.2f}" for v in values} <= printable((m - 1) * published.N_TEST)
    n = audits.other_size(values)
    assert {f"{v:.2f}" for v in values} <= printable(n)
    assert audits.other_size(values, up_to=n - 1) is None
    assert audits.share_reachable(1103) == len(printable(1103)) / 10_001
    # 17 batches of 64 and one of 15: any such mean is a multiple of the step, and so of 1/17280.
    step = audits.batch_average_step()
    rng = np.random.default_rng(0)
    for _ in range(20):
        mean = 100 * np.mean([*(rng.integers(65, size=17) / 64), rng.integers(16) / 15])
        assert mean / step == pytest.approx(round(mean / step), abs=1e-6)
    assert step == pytest.approx(100 / 17280)


def test_no_report_exceeds_the_f1_bound():
    """The bound holds for scikit-learn's averages on random predictions, so a violation is no such average."""
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(0)
    for _ in range(30):
        y, guess = rng.integers(7, size=(2, 200))
        guess = np.where(rng.random(200) < rng.random(), y, guess)
        for average in ("micro", "macro", "weighted"):
            p, r, f1, _ = precision_recall_fscore_support(y, guess, average=average, zero_division=0)
            assert f1 <= audits.f1_bound(p, r) + 1e-12


def test_f1_bound_is_violated_in_five_rows():
    table = audits.f1_bound_table().set_index("row")
    violated = table[table["violated"]]
    assert list(violated.index) == ["(i)", "(ii)", "(iii)", "Iqbal et al.", "Roy et al."]
    assert violated["bound"].tolist() == pytest.approx([87.235, 89.915, 90.79, 88.95, 70.4])
    assert len(table) == 8 and "Tables 1 and 2" in table["place"].to_numpy()
    # Printed numbers may each be half a unit off; a violation must be more than that can make.
    slack = 0.005
    possible = (table["precision"] + table["recall"]) / 2 + slack >= table["f1"] - slack
    assert (possible == ~table["violated"]).all()


def test_intervals_and_distances():
    assert audits.wilson(90.75, 1103) == pytest.approx((88.9, 92.3), abs=0.05)
    low, high = audits.wilson(85.89, 1103)
    assert (high - low) / 2 == pytest.approx(2.1, abs=0.06)
    # Wilson's formula, written out.
    p, n, z = 0.9075, 1103, 1.959964
    centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = [100 * (centre + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert audits.wilson(90.75, 1103) == pytest.approx(expected)
    assert round(audits.images_between(89.48, 90.75)) == 1001 - 987
    table = audits.interval_table().set_index("row")
    assert table.loc["MobileNet-v2", "above_majority"] < 0 < table.loc["ResNet50", "above_majority"]
    assert "Yao et al." not in table.index


def test_released_results_name_rows_of_table_1():
    assert [published.row(s.table1).row for s in published.RELEASED if s.table1] == [
        "MobileNet-v2",
        "ResNet50",
        "DenseNet-121",
        "(i)",
    ]
    assert published.TABLE2[-1].metrics == published.row("(iii)").metrics
    with pytest.raises(UserError, match="known"):
        published.row("(iv)")


def test_discordance_is_what_a_two_by_two_table_says():
    p, q, phi = 0.9, 0.85, 0.4
    both = p * q + phi * math.sqrt(p * (1 - p) * q * (1 - q))
    assert audits.discordance(p, q, phi) == pytest.approx((p - both) + (q - both))
    assert audits.discordance(p, q, None) == pytest.approx(0.05)
    with pytest.raises(UserError, match="cannot"):
        audits.discordance(0.9, 0.5, 0.9)
    with pytest.raises(UserError, match="between 0 and 1"):
        audits.discordance(1.0, 0.5, 0)


@pytest.mark.parametrize("p, q, n, phi", [(0.9075, 0.8948, 1103, 0.5), (0.9, 0.85, 400, 0.0), (0.54, 0.28, 46, 0.5)])
def test_mcnemar_power_against_simulation(p, q, n, phi):
    share = audits.discordance(p, q, phi)
    cells = [(share + p - q) / 2, (share - p + q) / 2, 1 - share]
    draws = np.random.default_rng(1).multinomial(n, cells, size=3000)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    significant = [mcnemar([[0, b], [c, 0]], exact=True).pvalue <= 0.05 for b, c in pairs]
    simulated = counts @ np.array(significant) / len(draws)
    assert audits.mcnemar_power(p, q, n, phi) == pytest.approx(simulated, abs=4 * math.sqrt(0.25 / len(draws)))


def test_power_has_the_right_limits():
    assert audits.mcnemar_power(0.9, 0.9, 1103, 0.5) <= 0.05
    assert audits.mcnemar_power(0.9, 0.9, 1103, None) == 0
    assert audits.mcnemar_power(0.9, 0.5, 1103, 0.0) > 0.999
    # Six discordant images, all one way, are the fewest that reach 5% (2/64).
    assert audits.mcnemar_power(0.999, 0.001, 5, None) == 0
    assert audits.mcnemar_power(0.999, 0.001, 6, None) == pytest.approx(0.998**6)
    p, q, n = 0.9075, 0.8948, 1103
    z = abs(p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / n)
    normal = 0.5 * (1 + math.erf((z - 1.959964) / math.sqrt(2)))
    assert audits.unpaired_power(p, q, n) == pytest.approx(normal, abs=0.01)


def test_power_table_answers_for_every_claimed_step():
    table = audits.power_table().set_index("comparison")
    step = table.loc["(ii) to (iii)"]
    assert round(step["images"]) == 14 and step["power_assumed"] < 0.5
    assert table.loc["DenseNet-121 to (iii)", "power_assumed"] > 0.95
    assert (table["power_independent"] <= table["power_assumed"] + 0.01).all()
    melanoma = table[table.index.str.startswith("melanoma")]
    assert (melanoma["n"] == 46).all() and len(melanoma) == 3


def test_steps_of_table_1_whatever_the_backbone():
    # Table 1: 85.89 (DenseNet-121), 87.21 (i), 89.48 (ii), 90.75 (iii); 84.66 (ResNet50), 79.03 (MobileNet-v2).
    assert published.step("ladder", "mobilenetv2-sa-described", "mobilenetv2-base") == pytest.approx(1.32)
    assert published.step("ladder", "densenet121-wagf-released", "densenet121-base") == pytest.approx(4.86)
    assert published.step("backbone", "densenet121-base", "resnet50-base") == pytest.approx(1.23)
    assert math.isnan(published.step("branch", "mobilenetv2-sa-gf-described-conv", "mobilenetv2-sa-gf-described"))


@pytest.mark.parametrize(
    ("f1", "decimals", "violated"),
    [(80.01, 2, False), (80.02, 2, True), (80.1, 1, False), (80.2, 1, True), (81, 0, False), (82, 0, True)],
)
def test_rounding_of_all_three_numbers_is_allowed_for(f1, decimals, violated):
    """Precision and recall of 80 may be up to half a unit more, and F1 half a unit less: together one unit."""
    row = published.Row("here", "a", "a", None, 80.0, 80.0, f1, None, (decimals,) * 4)
    assert audits.f1_bound_table([row])["violated"].tolist() == [violated]
