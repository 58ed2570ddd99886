"""A GPU that was asked for and is not there stops everything before the first image is trained on."""

import dataclasses

import keras
import pytest
from tiny_profiles import END_TO_END, FROZEN

from wagf_src import steps
from wagf_src.errors import UserError
from wagf_src.train import staging, sweep
from wagf_src.train.accelerator import check_device

pytestmark = pytest.mark.usefixtures("own_results")
SAYS = r"^DEVICE=gpu(-jax)?, but \w+ sees no GPU here; .*leave DEVICE out[^\n]*$"


@pytest.fixture
def devices(monkeypatch):
    """Sets what make was told and what the backend sees."""

    def setting(wanted, *seen):
        monkeypatch.setenv("WAGF_DEVICE", wanted)
        monkeypatch.setattr(keras.distribution, "list_devices", lambda *_: list(seen))

    return setting


def test_what_was_asked_for_is_looked_for(devices, monkeypatch):
    for wanted, seen in (("cpu", ["cpu:0"]), ("cpu", ["gpu:0"]), ("gpu", ["gpu:0", "gpu:1"]), ("gpu-jax", ["cuda:0"])):
        devices(wanted, *seen)
        check_device()
    for wanted in ("gpu", "gpu-jax"):
        devices(wanted, "cpu:0")
        with pytest.raises(UserError, match=SAYS):
            check_device()
    monkeypatch.delenv("WAGF_DEVICE")  # not below make
    check_device()


@pytest.mark.parametrize("tiny", [END_TO_END, FROZEN], ids=["end to end", "frozen"])
def test_nothing_is_prepared_for_a_gpu_that_is_not_there(devices, own_results, tiny):
    devices("gpu", "cpu:0")
    with pytest.raises(UserError, match=SAYS):
        steps.prepare(tiny)
    assert not (own_results / "tiny").exists()


def test_the_machines_of_a_scheduler_look_for_themselves(devices, own_results, monkeypatch):
    devices("gpu", "cpu:0")
    monkeypatch.setenv("WAGF_LAUNCH", "srun --gres=gpu:1")
    steps.prepare(END_TO_END)
    assert (own_results / "tiny" / ".work" / "todo").is_file()
    with pytest.raises(UserError, match=SAYS):
        staging.train(END_TO_END, "densenet17-base-seed0")


def test_a_sweep_says_it_once(devices, own_results):
    devices("gpu", "cpu:0")
    two = dataclasses.replace(END_TO_END, seeds=(0, 1))
    with pytest.raises(UserError, match=SAYS):
        sweep.train_all(two)
    assert not (own_results / "tiny" / "runs").exists()
