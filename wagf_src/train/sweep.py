"""Train all missing runs of a profile in one process, without make and papermill: for a GPU whose every minute counts.

Runs that differ in seed, fold, initial weights or learning rate only come one after the other and share one compiled
network; each finished run is in its place before the next begins. Such a run folder has no executed notebook;
everything else is as ``make reproduce`` leaves it, and ``make reproduce`` takes it as finished.

Needs keras and one backend (KERAS_BACKEND), numpy, pandas, scikit-learn, statsmodels, pillow, PyWavelets and PyYAML.
"""

import contextlib
import dataclasses
import sys
import time
import traceback

from wagf_src import lock
from wagf_src.arms import parse_arm, split_run
from wagf_src.data import dataset
from wagf_src.digests import stale_runs
from wagf_src.errors import UserError
from wagf_src.executed_notebook import Tee
from wagf_src.paths import short, work_dir
from wagf_src.profile import Profile
from wagf_src.progress import Progress
from wagf_src.train.finish import finish_run


def order(runs: list[str]) -> list[str]:
    """Runs as given, but those that can share a network next to each other; folds are completed seed by seed."""
    parts = {run: split_run(run) for run in runs}
    network = {run: parse_arm(arm).network_key for run, (arm, _, _) in parts.items()}
    seed = {run: 0 if fold is None else seed for run, (_, fold, seed) in parts.items()}
    first = {}
    for place, run in enumerate(runs):
        first.setdefault(network[run], place)
    return sorted(runs, key=lambda run: (seed[run], first[network[run]]))  # stable: within a network, as given


def train_all(profile: Profile, runs: list[str] | None = None, seconds: float | None = None) -> list[str]:
    """Train the runs that are missing or out of date.

    Args:
        profile: see ``profile.load_profile``.
        runs: names of runs of the profile; None takes all.
        seconds: time budget for everything together. A run that does not fit stops between two epochs with its state
            saved; the same command goes on from there.

    Returns:
        The names of the runs that are not finished, with one line printed for each that failed.

    Raises:
        UserError: a run that the profile does not have, or the data are wrong.
    """
    started, since = time.perf_counter(), time.time()
    unknown = sorted(set(runs or []) - set(profile.runs()))
    if unknown:
        raise UserError(f"profile {profile.name} has no run {unknown[0]}; it has: {', '.join(profile.runs())}")
    data = dataset.load(profile)
    todo = order([run for run in stale_runs(profile, data) if runs is None or run in runs])
    print(f"profile {profile.name}: {len(todo)} of {len(profile.runs())} runs to do", flush=True)
    from wagf_src.train import accelerator, staging  # only now: nothing to do needs no backend
    from wagf_src.train.prepared_features import prepare_features

    if todo:
        accelerator.check_device()  # once, and not once a run
    prepare_features(profile, data, todo)
    trainer, left = staging.Trainer(profile, data), list(todo)
    for run in todo:
        if seconds is not None:
            rest = seconds - (time.perf_counter() - started)
            if rest <= 0:
                break
            profile = dataclasses.replace(profile, time_budget_seconds=rest)
        log = work_dir(profile.name) / run / "log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                lock.held(profile.name, run, 0),
                log.open("w") as file,
                Progress(profile.name, run, todo, since, sys.stdout, log) as progress,
            ):
                if stale_runs(profile, data, [run]):  # unless another process has finished it by now
                    with contextlib.redirect_stdout(Tee(file, progress.say)):
                        staging.train(profile, run, trainer)
                    finish_run(profile, run, notebook=False)
        except UserError as error:
            print(f"error: {run}: {error}", file=sys.stderr, flush=True)
            continue
        except Exception as error:  # what one run dies of, such as too little memory, the others need not
            with log.open("a") as file:
                traceback.print_exc(file=file)
            what = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            print(f"error: {run}: {what} (log: {short(log)})", file=sys.stderr, flush=True)
            continue
        left.remove(run)
    if left:
        print(
            f"{len(todo) - len(left)} runs finished, {len(left)} left: {', '.join(left)}; the same command goes on",
            flush=True,
        )
    return left
