"""The digest of code follows what code computes: on every Python at hand, and not its words."""

import gc
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wagf_src import paths, plain_yaml
from wagf_src.code_digest import PACKAGE, _written, code_digest
from wagf_src.digests import TRAINING_CODE
from wagf_src.runs import Run

SOURCE = '''"""Words."""
import numpy as np

LIMIT = 0.2


class Box:
    """More words."""

    def area(self, a, *, b: float = 1.5, **rest) -> float:
        """Words."""
        if a < 0:
            raise ValueError(f"a is {a!r:>{10}} and 'must' be 0 or more {rest}")
        return a * b  # a comment


async def wait(x=1 + 2j, *more):
    return [y async for y in x if (z := y)], b"bytes", {**x}, x[1:2, ...], lambda q, /: q, -1


def scale(x):
    print("working", x)
    text = f"{x:{LIMIT}.3f}" "tail" rf"\\d{x}"
    with open(text) as f, open(f"{'nested'}"):
        return f.read()
'''


@pytest.fixture
def package(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "code.py").write_text(SOURCE)
    (tmp_path / "room" / "a.py").write_text("x = 1\n")
    (tmp_path / "room" / "b.py").write_text("y = 2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 0.2", "LIMIT  =  0.2  # twenty percent\n\n"),
        ('"""More words."""', '"""Others."""'),
        ('    """More words."""\n', ""),
        ("a is {a!r:>{10}} and", "a was"),
        ('print("working", x)', 'print("at work")'),
        ("return a * b  # a comment", "return (a * b)"),
    ],
)
def test_words_and_layout_change_nothing(package, old, new):
    before = code_digest(package=package)
    assert old in SOURCE
    (package / "code.py").write_text(SOURCE.replace(old, new))
    assert code_digest(package=package) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 0.2", "LIMIT = 0.3"),
        ("b: float = 1.5", "b: float = 2.5"),
        ("return a * b", "return b * a"),
        ("a < 0", "a <= 0"),
        (":{LIMIT}.3f", ":{LIMIT}.4f"),
        ("x[1:2, ...]", "x[1:, ...]"),
        ("import numpy as np", "import numpy as numpy"),
    ],
)
def test_whatever_computes_counts(package, old, new):
    before = code_digest(package=package)
    assert old in SOURCE
    (package / "code.py").write_text(SOURCE.replace(old, new))
    assert code_digest(package=package) != before


def test_only_what_is_named_counts(package):
    room, one, box = code_digest(("room",), package), code_digest(("room/a",), package), ("code:Box",)
    of_box = code_digest(box, package)
    (package / "room" / "b.py").write_text("y = 3\n")
    (package / "code.py").write_text(SOURCE.replace("LIMIT = 0.2", "LIMIT = 0.3"))
    assert code_digest(("room",), package) != room and code_digest(("room/a",), package) == one
    assert code_digest(box, package) == of_box
    (package / "code.py").write_text(SOURCE.replace("return a * b", "return a + b"))
    assert code_digest(box, package) != of_box
    # A file that was moved is other code; one that no import can name is none.
    (package / ".a.py").write_text("not python at all")
    (package / "room" / "a copy.py").write_text("x = 5\n")
    assert code_digest(("room/a",), package) == one
    for missing in ("rooms", "roo", "code:Bo"):
        with pytest.raises(ValueError, match=f"no {missing} in"):
            code_digest((missing,), package)


def test_a_file_that_is_no_python_counts_by_its_text(package):
    """Somebody's scratch file: it must not stop what does not import it."""
    one, before = code_digest(("room/a",), package), code_digest(package=package)
    (package / "scratch.py").write_text("def (\n")
    with_it = code_digest(package=package)
    assert with_it != before and code_digest(("room/a",), package) == one
    (package / "scratch.py").write_text("def ((\n")
    assert code_digest(package=package) != with_it


def interpreters():
    """Every Python from 3.11 on that this machine has."""
    minors = range(11, 20)
    paths = [shutil.which(f"python3.{minor}") for minor in minors]
    paths += [str(p) for m in minors for p in Path.home().glob(f".pyenv/versions/3.{m}.*/bin/python")]
    return sorted({path for path in paths if path})


def test_every_python_gives_the_same_digest(package):
    question = (
        f"import sys, json; sys.path.insert(0, {str(PACKAGE)!r}); from code_digest import code_digest, Path; "
        f"print(json.dumps([sys.version_info[:2], code_digest(), code_digest(package=Path({str(package)!r}))]))"
    )
    expected = [code_digest(), code_digest(package=package)]
    versions = {tuple(sys.version_info[:2])}
    for python in interpreters():
        done = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True)
        if done.returncode and "Error" not in done.stderr:
            continue  # a launcher without its version behind it
        assert not done.returncode, (python, done.stderr)
        version, *digests = json.loads(done.stdout)
        assert digests == expected, python
        versions.add(tuple(version))
    if len(versions) == 1:
        pytest.skip("only one Python is installed")


def test_threads_may_ask_at_once():
    """CPython 3.11 fails where another thread parses while one builds its tree (its issue 106905), as it lets others go
    on when rubbish is collected.
    """

    def others_go_on(*_):
        time.sleep(0)

    def ask(_):
        _written.cache_clear()
        return code_digest(("layers",))

    gc.callbacks.append(others_go_on)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
    finally:
        gc.callbacks.remove(others_go_on)


def test_a_checkout_with_windows_line_ends_has_the_same_digest_and_the_same_results(tmp_path):
    some = ["wagf_src", "Makefile", "results/reference/ours", "notebooks/profiles"]
    for name, crlf in (("here", "false"), ("clone", "true")):  # as a checkout under that setting has them
        command = ["git", "-c", f"core.autocrlf={crlf}", "archive", "HEAD", *some]
        packed = subprocess.run(command, cwd=paths.ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(tmp_path / name, filter="data")
    clone = tmp_path / "clone"
    assert b"\r\n" in (clone / "wagf_src" / "arms.py").read_bytes()
    digests = {code_digest(TRAINING_CODE, folder / "wagf_src") for folder in (clone, tmp_path / "here")}
    assert len(digests) == 1
    for run in (clone / "results" / "reference" / "ours" / "runs").iterdir():
        Run(run).check()
    profiles = [clone / "notebooks" / "profiles" / "lite-folds.yaml", paths.PROFILES_DIR / "lite-folds.yaml"]
    assert plain_yaml.read(profiles[0]) == plain_yaml.read(profiles[1])
    done = subprocess.run(["make", "-n", "clean"], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "rm -rf" in done.stdout, done.stderr
