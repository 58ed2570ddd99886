"""Reliability, ROC and precision-recall curves by hand; which arms are drawn."""

import numpy as np
import pytest
from fabricate import fabricate

from wagf_src.report.figures import calibration


def draw(monkeypatch, plot, y, p, **options):
    monkeypatch.setattr(calibration, "shown_arms", lambda runs: {"a": (np.array(y), p)})
    return plot([], **options)


def melanoma(*scores):
    p = np.zeros((len(scores), 7))
    p[:, 4] = scores
    p[:, 5] = 1 - p[:, 4]
    return p


def test_reliability_by_hand(monkeypatch):
    # Ten images at 0.9, eight of them right; five at 0.5, one right; one at 0.3 (too few for a point).
    p = np.full((16, 7), 0.0)
    p[:10, 0], p[:10, 1] = 0.9, 0.1
    p[10:15, 0], p[10:15, 1:6] = 0.5, 0.1
    p[15, 0], p[15, 1:] = 0.3, 0.7 / 6
    y = [0] * 8 + [1] * 2 + [0] + [1] * 4 + [0]
    above, below = draw(monkeypatch, calibration.reliability, y, p, bins=10).axes
    np.testing.assert_allclose(above.lines[1].get_xdata(), [50, 90])
    np.testing.assert_allclose(above.lines[1].get_ydata(), [20, 80])
    heights = below.lines[0].get_ydata() if below.lines else below.patches[0].get_path().vertices[:, 1]
    assert heights.max() == pytest.approx(100 * 10 / 16)


def test_roc_by_hand(monkeypatch):
    # Three melanomas at 0.9, 0.6, 0.2; two others at 0.7, 0.1: one found, a false alarm, two found, a false alarm.
    p = melanoma(0.9, 0.6, 0.2, 0.7, 0.1)
    roc, pr = draw(monkeypatch, calibration.roc_pr, [4, 4, 4, 5, 5], p).axes
    np.testing.assert_allclose(roc.lines[1].get_xdata(), [0, 0, 50, 50, 100])
    np.testing.assert_allclose(roc.lines[1].get_ydata(), [0, 100 / 3, 100 / 3, 100, 100])
    assert "share of melanomas, 60.0%" in [t.get_text() for t in pr.texts]


def test_precision_and_recall_end_at_the_highest_threshold(monkeypatch):
    """The most confident image is no melanoma: the curve must not jump to precision 1 at recall 0."""
    pr = draw(monkeypatch, calibration.roc_pr, [5, 4, 5, 4], melanoma(0.9, 0.7, 0.4, 0.1)).axes[1]
    np.testing.assert_allclose(pr.lines[0].get_xdata(), [100, 50, 50, 0])
    np.testing.assert_allclose(pr.lines[0].get_ydata(), [50, 100 / 3, 50, 0])


def test_without_melanomas_there_are_no_curves(monkeypatch):
    assert draw(monkeypatch, calibration.roc_pr, [5, 5], melanoma(0.9, 0.1)) is None


def test_a_few_arms_are_drawn(tmp_path):
    arms = ("mobilenetv2-base", "mobilenetv2-probe", "mobilenetv2-sa-described", "mobilenetv2-wagf-described")
    runs = fabricate(tmp_path, (*arms, "mobilenetv2-wagf-described-conv", "mobilenetv2-base-random"), seeds=(0, 1))
    shown = calibration.shown_arms(runs)
    assert list(shown) == ["MobileNetV2", "MobileNetV2 + SA + GF + SaFA", "linear probe on MobileNetV2"]
    y, p = shown["MobileNetV2"]
    np.testing.assert_array_equal(
        p.argmax(axis=1) == y, (runs[0].predictions().filter(like="p_").to_numpy().argmax(1) == y)
    )
    others = fabricate(tmp_path / "others", ("densenet121-base-random", "densenet121-sa-described-random"))
    assert list(calibration.shown_arms(others)) == [
        "DenseNet-121 (random initialisation)",
        "DenseNet-121 + SA (random initialisation)",
    ]
