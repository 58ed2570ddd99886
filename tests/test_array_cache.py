"""Arrays of the cache folder: made once, noticed when damaged, nothing half-written left."""

import errno
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wagf_src import array_cache, paths
from wagf_src.errors import UserError

ARRAY = np.arange(60, dtype=np.float16).reshape(5, 3, 4)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def maker(calls):
    def make(facts):
        calls.append(1)
        facts["colour"] = "blue"
        yield ARRAY[:2]
        yield ARRAY[2:]

    return make


def get(calls):
    return array_cache.cached("a", len(ARRAY), np.float16, maker(calls))


def test_made_once_with_its_facts(cache):
    calls = []
    for _ in range(2):
        array, facts = get(calls)
        np.testing.assert_array_equal(array, ARRAY)
        assert facts["colour"] == "blue" and isinstance(array, np.memmap) and not array.flags.writeable
    assert len(calls) == 1 and {f.name for f in cache.iterdir()} == {"a.npy", "a.json"}


def flip(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


@pytest.mark.parametrize("name", ["a.npy", "a.json"])
@pytest.mark.parametrize(
    "damage",
    [lambda d: b"", lambda d: d[:-5], lambda d: bytes(len(d)), flip, lambda d: b"no array at all", None],
    ids=range(6),
)
def test_whatever_is_damaged_is_made_again(cache, name, damage):
    calls = []
    get(calls)
    file = cache / name
    whole = file.read_bytes()
    file.unlink() if damage is None else file.write_bytes(damage(whole))
    array, _ = get(calls)
    np.testing.assert_array_equal(array, ARRAY)
    assert file.read_bytes() == whole and len(calls) == 2


def test_an_error_while_making_leaves_nothing(cache):
    def broken(facts):
        yield ARRAY[:2]
        raise UserError("the second image is damaged")

    with pytest.raises(UserError, match="second image"):
        array_cache.cached("a", len(ARRAY), np.float16, broken)
    with pytest.raises(ValueError, match="2 rows were made, not 5"):
        array_cache.cached("a", len(ARRAY), np.float16, lambda facts: (part for part in [ARRAY[:2]]))
    assert not list(cache.iterdir())


CHILD = """
import resource, sys, time
import numpy as np
from wagf_src import array_cache
from wagf_src.errors import UserError

if sys.argv[1] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def make(facts):
    for _ in range(64):
        yield np.zeros((1, 1000), np.float32)
        if sys.argv[1] == "slow":
            print("made one", flush=True); time.sleep(0.2)
try:
    array_cache.cached("big", 64, np.float32, make)
except UserError as error:
    print("error:", error); sys.exit(2)
"""


def test_no_room_is_one_line_and_leaves_nothing(cache):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "full"], cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout.startswith("error: ") and "make room" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1 and not list(cache.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_array_whose_note_cannot_be_written_does_not_stay(cache, monkeypatch, error):
    """The last bytes of a disk go to the array: without its note it is of no use, and large."""

    def full(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(array_cache.json, "dump", full)
        with pytest.raises((UserError, KeyboardInterrupt)):
            get([])
    assert not list(cache.iterdir())
    np.testing.assert_array_equal(get([])[0], ARRAY)


def test_no_permission_is_one_line(cache, monkeypatch):
    monkeypatch.setenv("WAGF_CACHE_DIR", "/proc/nowhere")
    with pytest.raises(UserError, match="cannot be written .*WAGF_CACHE_DIR"):
        get([])


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(cache):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, "slow"], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        (part,) = cache.glob(".big.npy.part-*")
        get([])
        assert part.exists(), "somebody is writing it"
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while part.exists() and time.monotonic() < deadline:
        (cache / "a.json").unlink()
        get([])
    assert not part.exists() and json.loads((cache / "a.json").read_text())["colour"] == "blue"


def test_without_locks_in_the_file_system_arrays_are_kept_all_the_same(cache, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(array_cache.fcntl, "flock", flock)
    cache.mkdir()
    (cache / ".b.npy.part-0").write_bytes(b"half")  # another process may be writing it: nobody can tell
    calls = []
    for _ in range(2):
        array, facts = get(calls)
        np.testing.assert_array_equal(array, ARRAY)
        assert facts["colour"] == "blue"
    assert len(calls) == 1 and {f.name for f in cache.iterdir()} == {"a.npy", "a.json", ".b.npy.part-0"}
