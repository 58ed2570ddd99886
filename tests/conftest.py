"""What test files share; and their order: two workers take file by file, the longest first, so that neither waits at
the end."""

import ast
import functools
import platform
import sys
from pathlib import Path

import pandas as pd
import pytest

from wagf_src import atomic, paths, runs
from wagf_src.machine import git_state, processor
from wagf_src.stats import bootstrap, paired

# Two and a half seconds of every worker, as in wagf_src/executed_notebook.py.
sys.modules.setdefault("rfc3987_syntax", None)

LONGEST = [
    f"test_{name}.py"
    for name in (
        "reproduce torture golden trainer determinism parallel kept predict pipeline committed_tables optimizers "
        "backbones faults cases classifier book"
    ).split()
]


def pytest_collection_modifyitems(items):
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path.name, len(first)))


def pytest_addoption(parser):
    parser.addoption("--figures", help="write what was tried, a row a test file, to this CSV file")


def pytest_terminal_summary(terminalreporter, config):
    """What the chapter on the tests shows. A test counts as the cases that it recorded, else as one."""
    if not config.getoption("--figures"):
        return
    rows = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            file = report.nodeid.split("::")[0]
            row = rows.setdefault(file, {"file": file, "about": _about(file)} | dict.fromkeys(COUNTS, 0))
            row["skipped" if outcome == "skipped" else "tests"] += 1
            row["failed"] += outcome in ("failed", "error")
            recorded = [value for name, value in report.user_properties if name == "cases"]
            row["cases"] += 0 if outcome == "skipped" else sum(recorded) if recorded else 1
    git = git_state()
    commit = f"commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git["commit"] else "no commit"
    made_by = f"{processor()}; Python {platform.python_version()}; {commit}"
    frame = pd.DataFrame(sorted(rows.values(), key=lambda row: row["file"])).assign(provenance=made_by)
    atomic.write_csv(Path(config.getoption("--figures")), frame)


COUNTS = ("tests", "cases", "failed", "skipped")


def _about(file: str) -> str:
    """The first sentence of a test file's own words."""
    words = " ".join(ast.get_docstring(ast.parse((paths.ROOT / file).read_text(encoding="utf-8"))).split())
    return words.split(". ")[0].removesuffix(".") + "."


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
def made_up_runs(monkeypatch):
    """Runs under a profile's name count whatever their settings: made-up ones are not what the profile asks for."""
    monkeypatch.setattr(runs, "known_profile", lambda name: None)


@pytest.fixture
def results_dir(tmp_path, monkeypatch, made_up_runs):
    """A test's own ``results/`` without a reference, and fewer resamples, for comparisons that are not near their
    limits."""
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    for name in ("interval", "paired_difference"):
        monkeypatch.setattr(bootstrap, name, functools.partial(getattr(bootstrap, name), resamples=200))
    # Eleven corrections of a p of 1 / 501 stay below 0.05.
    monkeypatch.setattr(paired, "direction_test", functools.partial(paired.direction_test, resamples=500))
    return tmp_path
