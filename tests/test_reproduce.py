"""The main way, end to end: `make reproduce` on a tiny profile, from synthetic lesions to a finished book."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from wagf_src import paths
from wagf_src.__main__ import main
from wagf_src.report import staleness

RUN = "mobilenetv2-base-seed0"
NAME = f"tiny-{os.getpid()}"  # tests may run twice at once in one checkout
PROFILE = """
description: The smallest profile that goes all the way, for the tests.
data: synthetic
synthetic_lesions: 140
image_size: 32
validation: lesions
validation_fraction: 0.2
augmentation: online
arms: [mobilenetv2-base]  # of a row of Table 1
weights: none
batch_norm_momentum: 0.5
epochs: 1
batch_size: 32
optimizer: adamw
schedule: cosine
learning_rate: 0.001
"""


def make(*words, environment=None):
    """GNU Make with this interpreter's environment in the place of .venv; returns the finished process."""
    # As a reader calls it, from a shell: not as the child of the `make test` that may run us.
    inherited = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", f"VENV={os.path.relpath(sys.prefix, paths.ROOT)}", *words],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        env={**inherited, **(environment or {})},
        timeout=900,
    )
    return done


def status():
    try:
        return subprocess.run(
            ["git", "status", "--porcelain"], cwd=paths.ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    # The environment is the one that runs the tests.
    subprocess.run(
        [sys.executable, paths.ROOT / "requirements" / "install.py", "dev", sys.prefix, "--record"], check=True
    )
    file = tmp_path_factory.mktemp("profile") / f"{NAME}.yaml"
    file.write_text(PROFILE)
    shutil.rmtree(paths.RESULTS_DIR / NAME, ignore_errors=True)
    yield file
    shutil.rmtree(paths.RESULTS_DIR / NAME, ignore_errors=True)


@pytest.mark.timeout(1200)
def test_from_nothing_to_a_finished_book_and_again(profile, capsys):
    def prepare():
        """Only what `make reproduce` looks at first: exit code and what is said."""
        code = main(["prepare", str(profile)])
        return code, *capsys.readouterr()

    before = status()
    done = make("reproduce", f"PROFILE={profile}")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = paths.RESULTS_DIR / NAME
    run = json.loads((folder / "runs" / RUN / "run.json").read_text())
    assert run["data"]["name"] == "SYNTHETIC" and (folder / "runs" / RUN / "train.ipynb").is_file()
    page = folder / "book" / "_build" / "html" / "chapters" / "table1.html"
    assert "SYNTHETIC" in page.read_text()
    tables = {p.stem for p in (folder / "tables").glob("*.csv")}
    assert {"table1", "table2", "grim", "f1_bound", "protocol_counts", "leakage", "per_class", "claims"} <= tables
    for table in (folder / "tables").glob("*.csv"):
        assert "provenance" in table.read_text().splitlines()[0], table.name
    assert RUN in done.stdout and "SYNTHETIC" in done.stdout
    assert "index.html" in done.stdout.splitlines()[-1]
    assert status() == before, "make reproduce touched a tracked file"

    done = make("reproduce", f"PROFILE={profile}")
    assert done.returncode == 0 and "Nothing to do" in done.stdout, done.stdout + done.stderr

    # What is damaged or missing is found, and only that: a book costs no run and no chapter (how it is made again is in
    # test_pipeline, where a missing chapter is too; a real one is built again in test_torture), a run is missed.
    record = folder / "book" / "inputs_digest"
    recorded = record.read_text()
    record.unlink()
    code, out, err = prepare()
    assert code == 0 and "0 of 1 runs to do" in out, out + err
    assert not staleness.stale_chapters(NAME) and staleness.book_is_stale(NAME)
    record.write_text(recorded)
    assert not staleness.book_is_stale(NAME)
    predictions = folder / "runs" / RUN / "predictions.csv.gz"
    whole = predictions.read_bytes()
    predictions.write_bytes(whole[: len(whole) // 2])
    code, out, err = prepare()
    assert code == 2 and len(err.splitlines()) == 1, out + err
    assert f"{RUN}/predictions.csv.gz" in err and "Nothing to do" not in out
    predictions.write_bytes(whole)
    (folder / "runs" / RUN / "run.json").unlink()
    code, out, err = prepare()
    assert "1 of 1 runs to do" in out, out + err


def test_a_wrong_profile_stops_before_anything_runs(profile):
    wrong = profile.with_name("wrong.yaml")
    wrong.write_text(PROFILE.replace("epochs: 1", "epoch: 1"))
    done = make("reproduce", f"PROFILE={wrong}")
    assert done.returncode != 0 and "wrong.yaml: unknown key 'epoch'" in done.stderr
    assert not (paths.RESULTS_DIR / "wrong").exists()


def test_a_failing_run_is_one_line_and_leaves_no_run(profile):
    wrong = profile.with_name("nan.yaml")
    shallow = PROFILE.replace("mobilenetv2-base", "densenet17-base")
    wrong.write_text(shallow.replace("learning_rate: 0.001", "learning_rate: 3.0e+38"))
    try:
        done = make("reproduce", f"PROFILE={wrong}")
        assert done.returncode != 0 and "loss is not finite" in done.stderr, done.stderr
        assert (
            not (paths.RESULTS_DIR / "nan" / "runs").exists() and not (paths.RESULTS_DIR / "nan" / "chapters").exists()
        )
    finally:
        shutil.rmtree(paths.RESULTS_DIR / "nan", ignore_errors=True)


def test_a_run_that_is_killed_says_so(profile):
    done = make(f"run.{RUN}", f"PROFILE={profile}", "LAUNCH=sh -c 'exit 143' --")
    assert done.returncode != 0 and "ended with code 143" in done.stderr and len(done.stderr.splitlines()) <= 2, (
        done.stderr
    )


def test_make_without_a_target_explains_itself():
    done = make()
    assert done.returncode == 0
    for target in ("reproduce", "data", "book", "test", "lab", "publish", "clean"):
        assert f"  {target} " in done.stdout
    assert "demo frozen frozen-folds lite" in done.stdout
