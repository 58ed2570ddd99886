"""Sentences on where the protocol may come from; the numbers are worked by hand."""

from wagf_src.report.prose import origin


def test_protocol():
    text = origin.protocol()
    assert "8,912 images left, 52,012 files" in text and "7 of 7 class supports" in text
    # 1,010 - 1,001 = 9 images of 1,103 = 0.82 points.
    assert "91.57% there, 1,010 of 1,103 [89.8, 93.1]" in text and "is 9 images less" in text
    assert "+0.82 points [-1.6, +3.2], is within the noise of two test sets: not lower" in text
    assert "copied" not in text and "consistent with" in text


def test_table3():
    text = origin.table3()
    assert "Yao et al. 86.40: in the source balanced accuracy (86.4)" in text
    assert "Sai Charan et al. 88.60: in the source accuracy (88.6)" in text
    assert "consistent with" in text and "does not prove" in text and "copied" not in text
