"""Chapters: executed by papermill, checked and put in place together."""

import os
import shutil
import time
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from wagf_src import atomic, paths
from wagf_src.errors import UserError
from wagf_src.executed_notebook import cleaned, execute
from wagf_src.paths import short, work_dir
from wagf_src.report import captions, staleness, tables, warm_kernels, workers
from wagf_src.runs import shown_runs

LONGEST = ("released_code", "confusion_features", "equation1", "heatmaps")  # go first, so that no core waits at the end


def render_chapters(profile: str) -> None:
    """Execute the chapters if they are out of date, as many at a time as cores, and put them in place together.

    Raises:
        UserError: there are no runs, or the first chapter that fails, with its error and its log; those of the last
            time stay.
    """
    names = staleness.stale_chapters(profile)
    if not names:
        return
    shown_runs(profile, required=True)
    target = paths.RESULTS_DIR / profile / "chapters"
    # Before the tables go: they are of other inputs from now on, whatever the inputs will be next time.
    (target / "inputs_digest").unlink(missing_ok=True)
    work = work_dir(profile) / "executed"
    # No table or figure of an earlier time is left to be read.
    for folder in (work, paths.RESULTS_DIR / profile / "tables", paths.RESULTS_DIR / profile / "figures"):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True)
    tables.write(profile)
    # Threads of its own within each chapter would only wait for those of the others.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Processes that stay: importing papermill anew for each would be a third of a chapter's time.
    pool = workers.pool(warm_kernels.use)
    try:
        longest_first = sorted(names, key=lambda name: name not in LONGEST)
        tasks = [pool.submit(_execute, paths.NOTEBOOKS / f"{name}.ipynb", work, profile) for name in longest_first]
        for task in as_completed(tasks):
            print(task.result(), flush=True)
    except BrokenProcessPool:  # of all that had not ended, hence nobody can say which chapter it was
        raise UserError(f"a chapter's process was killed; out of memory? (logs: {short(work)})") from None
    finally:
        pool.shutdown(cancel_futures=True)
    aside = work_dir(profile) / "chapters"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name in names:
        text = captions.dressed(cleaned(work / f"{name}.ipynb"), name, paths.RESULTS_DIR / profile / "tables")
        atomic.write_text(aside / f"{name}.ipynb", text)
    (aside / "inputs_digest").write_text(staleness.rendered_digest(profile, aside))
    atomic.move_into_place(aside, target)


def _execute(source: Path, work: Path, profile: str) -> str:
    """One chapter, in a process of the pool. Returns a line for the reader."""
    started = time.perf_counter()
    execute(source, work / source.name, {"profile": profile}, work / f"{source.stem}.log")
    return f"chapter {source.stem}, {time.perf_counter() - started:.0f} s"
