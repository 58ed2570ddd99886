"""The worked diffs of CONTRIBUTING apply to the code as it is, and what they give can be read and loaded."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml

from wagf_src import paths
from wagf_src.data import ham10000
from wagf_src.errors import UserError
from wagf_src.profile import load_profile

TEXT = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DIFFS = re.findall(r"^```diff\n(.*?)^```$", TEXT, re.M | re.S)
NAMES = [re.findall(r"^### (.*)", before, re.M)[-1] for before in TEXT.split("```diff\n")[:-1]]

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def git_apply(diff, folder, *words):
    """In a folder that belongs to no repository, whatever lies above it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "apply", *words, "-"]
    return subprocess.run(command, input=diff, cwd=folder, env=environment, capture_output=True, text=True)


def copy(names, folder):
    for name in names:
        if (paths.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.ROOT / name, folder / name)


def check(diff, folder):
    """Apply a diff to copies of the files that it names, and read what comes out; a diff may be in the tree already."""
    copy(re.findall(r"^--- a/(\S+)$", diff, re.M), folder)
    done = git_apply(diff, folder)
    if done.returncode:
        copy(re.findall(r"^\+\+\+ b/(\S+)$", diff, re.M), folder)
        assert git_apply(diff, folder, "--check", "--reverse").returncode == 0, done.stderr
        return
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py":
            compile(path.read_text(encoding="utf-8"), path.name, "exec")
        elif path.suffix == ".ipynb":
            nbformat.validate(nbformat.read(path, as_version=4))
        elif path.suffix == ".yaml":
            load_profile(str(path))
        elif path.suffix == ".csv":
            ham10000.load_metadata(path.parent)
        elif path.name == "_toc.yml":
            chapters = [c["file"] for part in yaml.safe_load(path.read_text())["parts"] for c in part["chapters"]]
            new = {p.stem for p in (folder / "notebooks").glob("*.ipynb")}
            assert new <= {name.removeprefix("chapters/") for name in chapters}
    shutil.copy(paths.ROOT / "pyproject.toml", folder)
    for words in (["check", "--config", 'lint.isort.known-first-party=["wagf_src"]'], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", "."]
        done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("diff", DIFFS, ids=NAMES)
def test_a_worked_diff_applies_and_can_be_read(diff, tmp_path):
    check(diff, tmp_path)


def test_the_table_says_how_many_lines_each_diff_adds():
    added = [len(re.findall(r"^\+(?!\+\+ ).*\S", diff, re.M)) for diff in DIFFS]
    assert [int(lines) for lines in re.findall(r"^\| .* \| (\d+) lines \|$", TEXT, re.M)] == added
    assert len(set(NAMES)) == len(NAMES) == 9
    assert TEXT.count("```diff") == len(DIFFS), "every block has its end"


A_LINE = next(diff for diff in DIFFS if "BACKBONE_FACTS" in diff)
A_TEST = next(diff for diff in DIFFS if "test_spatial_attention" in diff)
A_PROFILE = next(diff for diff in DIFFS if "lite-160" in diff)


@pytest.mark.parametrize(
    ("diff", "error", "says"),
    [
        (re.sub("^@@ .*@@.*", "@@ BACKBONES", A_LINE, flags=re.M), AssertionError, "No valid patches|corrupt|garbage"),
        (A_LINE.replace("\n     ", "\n     was_"), AssertionError, "does not apply"),
        (A_TEST.replace("import numpy as np", "import numpy", 1), AssertionError, "Undefined name"),
        (A_PROFILE.replace("+image_size: 160", "+side: 160"), UserError, "unknown key 'side'"),
    ],
)
def test_a_broken_diff_is_found(diff, error, says, tmp_path):
    assert diff not in DIFFS
    with pytest.raises(error, match=says):
        check(diff, tmp_path)


def test_a_diff_that_is_in_already_passes(tmp_path):
    entries = (paths.ROOT / "wagf_src" / "arms.py").read_text(encoding="utf-8").split("BACKBONES = {\n")[1].splitlines()
    body = f" {entries[0]}\n+{entries[1]}\n {entries[2]}\n"
    check(f"--- a/wagf_src/arms.py\n+++ b/wagf_src/arms.py\n@@ -40,2 +40,3 @@\n{body}", tmp_path)
