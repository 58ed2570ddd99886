"""What the tests of the benchmark share: synthetic images, made once, and processes that are faked."""

import pytest
from bench.clockwork import Clockwork

from wagf_src.bench import worker


@pytest.fixture(autouse=True)
def synthetic_images(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "bench-cache"))
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path_factory.getbasetemp() / "no-such-folder"))


@pytest.fixture
def clockwork(monkeypatch):
    """Every process is a clockwork."""
    monkeypatch.setattr(worker, "Worker", Clockwork)
    Clockwork.asked = []
