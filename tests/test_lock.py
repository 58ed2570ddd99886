"""Two processes at one part of a profile: one waits or refuses in a line; other parts go on at the same time."""

import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest

import wagf_src.train
from wagf_src import lock, steps
from wagf_src.errors import UserError
from wagf_src.paths import work_dir
from wagf_src.profile import load_profile
from wagf_src.train import sweep


def hold(what, ready, done):
    with lock.held("demo", what):
        ready.set()
        done.wait(300)


@pytest.fixture
def holder(results_dir):
    """Starts a process that holds a part of profile demo; returns (process, event that ends it)."""
    context, started = multiprocessing.get_context("fork"), []

    def start(what):
        ready, done = context.Event(), context.Event()
        process = context.Process(target=hold, args=(what, ready, done), daemon=True)
        process.start()
        assert ready.wait(60)
        started.append((process, done))
        return process, done

    yield start
    for process, done in started:
        if process.is_alive():  # the event of one that was killed while it waited would never return
            done.set()
        process.join(60)


def test_the_second_waits_says_so_and_goes_on(holder, capsys):
    _, done = holder(lock.REPORT)
    multiprocessing.get_context("fork").Process(target=lambda: (time.sleep(0.5), done.set())).start()
    with lock.held("demo", lock.REPORT):
        assert done.is_set()
    assert capsys.readouterr().out == "another process works on report of profile demo; waiting for it\n"


def test_the_second_refuses_in_one_line_when_it_may_not_wait(holder):
    holder("mobilenetv2-base-seed0")
    with pytest.raises(UserError, match="^another process works on mobilenetv2-base-seed0 of profile demo; let it end"):
        with lock.held("demo", "mobilenetv2-base-seed0", 0):
            pass


def test_another_run_and_another_profile_go_on_at_the_same_time(holder, capsys):
    holder("mobilenetv2-base-seed0")
    for profile, what in (
        ("demo", "mobilenetv2-base-seed1"),
        ("demo", lock.REPORT),
        ("lite", "mobilenetv2-base-seed0"),
    ):
        with lock.held(profile, what, 0):
            pass
    assert not capsys.readouterr().out


def test_a_killed_process_holds_nothing(holder):
    process, _ = holder("mobilenetv2-base-seed0")
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    with lock.held("demo", "mobilenetv2-base-seed0", 0):
        pass


def test_without_locks_in_the_file_system_nobody_waits(results_dir, monkeypatch):
    def flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with lock.held("demo", lock.REPORT):
        pass


@pytest.fixture
def trained(monkeypatch):
    """Runs that were trained, by a stand-in; a run is stale until it is among them."""
    done = []
    for module in (steps, sweep):
        monkeypatch.setattr(
            module, "stale_runs", lambda profile, data, runs=None: [r for r in runs or profile.runs() if r not in done]
        )
        monkeypatch.setattr(module.dataset, "load", lambda profile: None)
    monkeypatch.setattr(steps, "_run", lambda profile, name, run: done.append(run))
    return done


def test_a_run_that_another_process_has_finished_meanwhile_is_not_repeated(holder, trained, capsys):
    profile, run = load_profile("demo"), load_profile("demo").runs()[0]
    steps.run(profile, "demo", run)
    steps.run(profile, "demo", run)
    assert trained == [run] and f"run {run} is there and up to date" in capsys.readouterr().out


def test_make_s_second_run_refuses_and_a_sweep_goes_on_with_the_others(holder, trained, monkeypatch, capsys):
    profile = load_profile("demo")
    first, second, *_ = profile.runs()
    holder(first)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0)
    with pytest.raises(UserError, match=f"another process works on {first}"):
        steps.run(profile, "demo", first)

    stand_in = SimpleNamespace(Trainer=lambda *_: None, train=lambda profile, run, trainer: trained.append(run))
    monkeypatch.setattr(wagf_src.train, "staging", stand_in, raising=False)  # its imports take seconds
    monkeypatch.setattr(sweep, "finish_run", lambda *_, **__: None)
    assert sweep.train_all(profile, [first, second]) == [first] and trained == [second]
    assert f"error: {first}: another process works on {first} of profile demo" in capsys.readouterr().err
    assert (work_dir("demo") / "locks" / second).is_file()
