"""Prose is tested on profiles with invented names, which stand for committed ones unless a test says otherwise."""

import pytest

from wagf_src.report.prose import conditions


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr(conditions, "is_own", lambda profile: False)
