"""What test files share; and their order: two workers take file by file, the longest first, so that neither waits at
the end."""

import functools

import pytest

from wagf_src import paths
from wagf_src.stats import bootstrap


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_reproduce.py")


@pytest.fixture(scope="module")
def own_results(tmp_path_factory):
    """A module's own folder for results and caches, without the real images of this machine; returns ``results/``."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAGF_CACHE_DIR", str(folder / "cache"))
        patch.delenv("HAM10000_DIR", raising=False)
        patch.setattr(paths, "RESULTS_DIR", folder / "results")
        yield folder / "results"


@pytest.fixture
def results_dir(tmp_path, monkeypatch):
    """A test's own ``results/`` without a reference, and fewer resamples, for comparisons that are not near their
    limits."""
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    for name in ("interval", "paired_difference"):
        monkeypatch.setattr(bootstrap, name, functools.partial(getattr(bootstrap, name), resamples=200))
    return tmp_path
