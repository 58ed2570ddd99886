"""The one command line: ``python -m wagf_src STEP ...``. What fails is one line and exit code 2."""

import argparse
import importlib.util
import os
import sys
import time

from wagf_src import paths
from wagf_src.data import dataset
from wagf_src.digests import stale_runs
from wagf_src.errors import UserError
from wagf_src.executed_notebook import execute
from wagf_src.paths import short, work_dir
from wagf_src.profile import Profile, load_profile
from wagf_src.report import book, chapters, publish, staleness, tables
from wagf_src.report.summary import summary
from wagf_src.train.finish import finish_run


def prepare(profile: Profile) -> None:
    """Check the profile, get the data ready and say what there is to do; nothing is left half done."""
    data = dataset.load(profile)
    stale = stale_runs(profile, data)
    work = work_dir(profile.name)
    work.mkdir(parents=True, exist_ok=True)
    (work / "stale_runs").write_text(" ".join(stale))
    if not stale and not staleness.stale_chapters(profile.name) and not staleness.book_is_stale(profile.name):
        (work / "todo").unlink(missing_ok=True)
        print(f"Nothing to do: every run, chapter and the book of profile {profile.name} are up to date.")
        print(f"Book: {book.page(profile.name)}")
        return
    (work / "todo").touch()
    (work / "started").write_text(str(time.time()))
    print(
        f"profile {profile.name}: {data.name}, {len(data.metadata)} images at {profile.image_size} px; "
        f"{len(stale)} of {len(profile.runs())} runs to do",
        flush=True,
    )
    if profile.train == "frozen" and stale:
        from wagf_src.train.frozen_features import frozen_features  # imports TensorFlow, hence only where it is needed

        frozen_features(profile, data)


def run(profile: Profile, name: str, run: str) -> None:
    """Train one run by executing the training notebook, and put its folder in place.

    Args:
        profile: loaded. name: as given to make, for the notebook's parameter.
    """
    work = work_dir(profile.name) / run
    work.mkdir(parents=True, exist_ok=True)
    print(f"run {run}, log {short(work / 'log')}", flush=True)
    terminal = os.fdopen(os.dup(1), "w", buffering=1)  # while the notebook's output goes to the log
    parameters = {"profile": name, "run": run}
    execute(
        paths.NOTEBOOKS / "train.ipynb",
        work / "train.ipynb",
        parameters,
        work / "log",
        lambda line: print(f"  {run}: {line}", file=terminal),
    )
    finish_run(profile, run)


def main(words=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src", description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("prepare", "tables", "chapters", "book", "keep", "publish", "summary"):
        steps.add_parser(name).add_argument("profile")
    step = steps.add_parser("run", help="train one run through papermill and put it in place")
    step.add_argument("profile")
    step.add_argument("run")
    step = steps.add_parser("sweep", help="train the missing runs of a profile in this process")
    step.add_argument("profile")
    step.add_argument("runs", nargs="*", metavar="RUN", help="<arm>-seed<k>; default: every run of the profile")
    step.add_argument("--seconds", type=float, help="time budget for all runs together")
    for name in ("download", "check"):
        steps.add_parser(name, help=f"{name} HAM10000").add_argument("folder", nargs="?")
    arguments = parser.parse_args(words)
    try:
        return _step(arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _check_backend() -> None:
    """What computes is there, and no other project's keras.json says how."""
    name = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if name not in ("tensorflow", "jax", "torch") or importlib.util.find_spec(name) is None:
        raise UserError(
            f"KERAS_BACKEND is {name!r}, but must be tensorflow, jax or torch, and installed; unset it, or name one by "
            "BACKEND= on make's command line"
        )
    os.environ["KERAS_HOME"] = str(paths.cache_dir() / "keras")


def _step(arguments) -> int | None:
    if arguments.step in ("download", "check"):
        from wagf_src.data import download

        return download.main(arguments.step, arguments.folder)
    profile = load_profile(arguments.profile)
    name = profile.name
    _check_backend()
    if arguments.step == "prepare":
        prepare(profile)
    elif arguments.step == "run":
        run(profile, arguments.profile, arguments.run)
    elif arguments.step == "tables":
        tables.write(name)
    elif arguments.step == "sweep":
        from wagf_src.train import sweep

        return 1 if sweep.train_all(profile, arguments.runs or None, arguments.seconds) else 0
    elif arguments.step == "chapters":
        chapters.render_chapters(name)
    elif arguments.step == "book":
        if staleness.book_is_stale(name):
            book.build_book(name)
    elif arguments.step == "keep":
        publish.keep_runs(name)
    elif arguments.step == "publish":
        publish.publish(name)
    elif arguments.step == "summary":
        print(summary(name))
    return None


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
