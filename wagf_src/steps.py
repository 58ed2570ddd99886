"""The steps that make asks for, each for one profile."""

import importlib.util
import os
import shutil
import time

from wagf_src import lock, paths
from wagf_src.arms import split_run
from wagf_src.data import dataset, protocol
from wagf_src.digests import stale_runs
from wagf_src.errors import UserError
from wagf_src.executed_notebook import execute
from wagf_src.paths import work_dir
from wagf_src.profile import Profile, load_profile, remember
from wagf_src.progress import Progress
from wagf_src.report import book, staleness
from wagf_src.runs import left_out, listed, load_runs, own_runs, tidy
from wagf_src.start_message import import_keras
from wagf_src.train.accelerator import check_device
from wagf_src.train.finish import finish_run

WAIT_SECONDS = 20.0  # for a run that another process may just be finishing


def take(step: str, arguments) -> int | None:
    """One step for one profile; returns an exit code, None for 0."""
    profile = load_profile(arguments.profile)
    name = profile.name
    check_backend()
    if arguments.profile != name:  # a file of the reader's own
        remember(profile)
    if step == "run":
        run(profile, arguments.profile, arguments.run)
    elif step == "prepare":
        with lock.held(name, lock.REPORT):
            prepare(profile)
    elif step == "book":
        with lock.held(name, lock.REPORT):
            if staleness.book_is_stale(name):
                book.build_book(name)
        if os.environ.get("MAKELEVEL", "") in ("", "0", "1"):  # below `make reproduce`, the summary says it
            print(f"Book: {book.page(name)}")
    else:
        return _heavy(step, profile, arguments)
    return None


def _heavy(step: str, profile: Profile, arguments) -> int | None:
    """Steps whose imports take seconds, which neither every run nor "nothing to do" shall pay for."""
    name = profile.name
    if step in ("sweep", "external", "gradcam"):
        import_keras()
    if step == "sweep":
        from wagf_src.train import sweep

        return 1 if sweep.train_all(profile, arguments.runs or None, arguments.seconds) else 0
    if step == "external":
        from wagf_src.use import external

        return external.main(name, arguments.folder)
    if step == "gradcam":
        from wagf_src.use import gradcam

        return gradcam.main(profile)
    from wagf_src.report import chapters, publish, tables
    from wagf_src.report.summary import summary

    work = {
        "tables": tables.write,
        "chapters": chapters.render_chapters,
        "keep": publish.keep,
        "publish": publish.publish,
        "summary": lambda name: print(summary(name)),
    }[step]
    if step in ("chapters", "keep", "publish"):
        load_runs(name)  # a profile without runs is refused before a lock is written for it
    with lock.held(name, lock.REPORT):
        work(name)
    return None


def prepare(profile: Profile) -> None:
    """Check the profile, get the data ready and say what there is to do; nothing is left half done."""
    data = dataset.load(profile)
    places = paths.RESULTS_DIR / profile.name / "runs"
    tidy(places)
    stale = stale_runs(profile, data)
    for finished in own_runs(profile.name):
        if finished.path.name not in stale:
            finished.check(alone=False)  # a damaged run is not up to date
    if others := left_out(profile.name):
        print(f"left out: {listed(others)}, not of this profile any more (nothing is deleted)", flush=True)
    # A split that the images do not allow would fail in every run, once each.
    for fold in sorted({split_run(run)[1] for run in stale}, key=str):
        protocol.split(data.metadata, profile, fold)
    # With LAUNCH, runs go to other machines, and each looks for itself.
    if stale and not os.environ.get("WAGF_LAUNCH"):
        check_device()
    work = work_dir(profile.name)
    # What a killed process left behind a run that it had put in place.
    for leftover in (work / run for run in set(profile.runs()) - set(stale)):
        shutil.rmtree(leftover, ignore_errors=True)
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
        import_keras()
        from wagf_src.train.prepared_features import prepare_features  # imports TensorFlow: only where it is needed

        prepare_features(profile, data, stale)


def run(profile: Profile, name: str, run: str) -> None:
    """Train one run by executing the training notebook, and put its folder in place; a finished one is left alone.

    Args:
        profile: loaded. name: as given to make, for the notebook's parameter.

    Raises:
        UserError: training fails, or another process has been at this run for a while.
    """
    with lock.held(profile.name, run, WAIT_SECONDS):
        if run not in profile.runs() or stale_runs(profile, dataset.load(profile), [run]):
            _run(profile, name, run)
        else:
            print(f"run {run} is there and up to date", flush=True)


def _run(profile, name, run) -> None:
    work = work_dir(profile.name) / run
    work.mkdir(parents=True, exist_ok=True)
    out = os.fdopen(os.dup(1), "w", buffering=1)  # while the notebook's output goes to the log
    todo, since = (_written(profile.name, name) for name in ("stale_runs", "started"))
    with Progress(profile.name, run, todo.split() or [run], float(since or time.time()), out, work / "log") as progress:
        parameters = {"profile": name, "run": run}
        execute(paths.NOTEBOOKS / "train.ipynb", work / "train.ipynb", parameters, work / "log", progress.say)
        finish_run(profile, run)


def _written(profile: str, name: str) -> str:
    """What ``prepare`` wrote for the runs that follow it; nothing where a run is asked for alone."""
    file = work_dir(profile) / name
    return file.read_text() if file.is_file() else ""


def check_backend() -> None:
    """What computes is there, and no other project's keras.json says how."""
    name = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if name not in ("tensorflow", "jax") or importlib.util.find_spec(name) is None:
        raise UserError(
            f"KERAS_BACKEND is {name!r}, but must be tensorflow or jax, and installed; unset it, or name one by "
            "BACKEND= on make's command line"
        )
    os.environ["KERAS_HOME"] = str(paths.cache_dir() / "keras")
