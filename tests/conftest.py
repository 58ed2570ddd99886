"""What test files share; and their order: two workers take file by file, the longest first, so that neither waits at the end."""

import pytest

from wagf_src import pipeline, results


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_reproduce.py")


@pytest.fixture(scope="module")
def own_results(tmp_path_factory):
    """A module's own folder for results and caches, without the real images of this machine; returns ``results/``."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAGF_CACHE_DIR", str(folder / "cache"))
        patch.delenv("HAM10000_DIR", raising=False)
        for module in (results, pipeline):
            patch.setattr(module, "RESULTS_DIR", folder / "results")
        yield folder / "results"
