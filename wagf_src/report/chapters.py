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
    made = staleness.rendering(profile)["files"]
    # Before the tables go: they are of other inputs from now on, whatever the inputs will be next time.
    if target.is_dir():
        atomic.write_json(target / "inputs_digest", {"inputs": None, "data": None, "files": made})
    work = work_dir(profile) / "executed"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _clear(profile, made)
    before = _times(profile)
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
    theirs = [name for name, when in _times(profile).items() if before.get(name) == when]
    atomic.write_text(aside / "inputs_digest", staleness.rendered_digest(profile, aside, theirs))
    for name in atomic.move_into_place(aside, target, lambda folder: _as_written(folder, made, names)):
        _say_kept(target / name)


def _clear(profile, made) -> None:
    """No table or figure of an earlier rendering is left to be read; what it did not write is the reader's and stays.

    So does a figure that was changed since, under another name. Tables are always computed (`make tables` writes them
    too): one of a table's name is never the reader's.
    """
    folder = paths.RESULTS_DIR / profile
    ours = {*made, *(f"tables/{name}.csv" for name in tables.TABLES)}
    for name, file in staleness.written(profile).items():
        if name in ours and not name.startswith("chapters/"):
            if name.startswith("figures/") and atomic.file_digest(file) != made[name]:
                _say_kept(file.rename(atomic.free_name(file)))
            else:
                file.unlink()
    for part in ("tables", "figures"):
        if (folder / part).is_dir() and not any((folder / part).iterdir()):
            (folder / part).rmdir()


def _times(profile) -> dict[str, int]:
    """When each table and figure was written: by then it is known which of them this rendering wrote."""
    files = staleness.written(profile).items()
    return {name: file.stat().st_mtime_ns for name, file in files if not name.startswith("chapters/")}


def _as_written(place, made, names) -> set[str]:
    """Names in a folder of chapters that are as they were rendered; all of chapters where no record says how."""
    was = {Path(name).name: digest for name, digest in made.items() if name.startswith("chapters/")}
    if not was:
        return {"inputs_digest", *(f"{name}.ipynb" for name in names)}
    files = [file for file in paths.visible(place.glob("*.ipynb")) if was.get(file.name) == atomic.file_digest(file)]
    return {"inputs_digest", *(file.name for file in files)}


def _say_kept(file: Path) -> None:
    print(f"kept: {short(file)}, which was changed after it had been made", flush=True)


def _execute(source: Path, work: Path, profile: str) -> str:
    """One chapter, in a process of the pool. Returns a line for the reader."""
    started = time.perf_counter()
    execute(source, work / source.name, {"profile": profile}, work / f"{source.stem}.log")
    return f"chapter {source.stem}, {time.perf_counter() - started:.0f} s"
