"""What Table 2's numbers are: every row has an entry, and the entries say what arithmetic and the counts allow."""

import dataclasses

import pytest

from wagf_src.paper import audits, published, table2_sources


def test_every_row_has_an_entry_and_one_row_is_missing():
    rows = [row.row for row in published.TABLE2]
    assert list(table2_sources.sources()) == [*rows, "Datta et al."]
    for source in table2_sources.sources().values():
        assert source.same_images in ("yes", "no", "unknown") and source.basis in ("full", "abstract", "none")
        assert all(getattr(source, f.name) for f in dataclasses.fields(source)[:8])


def test_the_missing_row_has_the_papers_test_set_by_number():
    source = table2_sources.missing()
    assert source.supports == published.TEST_SUPPORTS and source.n == published.N_TEST == sum(source.supports.values())
    assert source.left == published.N_LEFT and source.augmented == published.TRAINING_FILES + published.VALIDATION_FILES
    assert audits.grim(table2_sources.missing_row().accuracy, source.n)[0] == source.hits == 1010
    assert source.accuracy / 100 == pytest.approx(0.915684, abs=5e-7)


def test_three_values_stand_in_both_tables():
    assert table2_sources.same_values() == ["Yao et al.", "Shen et al.", "Sai Charan et al."]
