"""The Makefile and the installer: what is typed arrives whole, what does not fit stops in one line, nothing of the
reader's goes.

Nothing is installed here: a stub stands in for Python where an environment would be filled.
"""

import errno
import fcntl
import importlib.util
import os
import shlex
import shutil
import stat
import subprocess
import sys

import pytest

from wagf_src import paths

spec = importlib.util.spec_from_file_location("install", paths.ROOT / "requirements" / "install.py")
install = importlib.util.module_from_spec(spec)
spec.loader.exec_module(install)

ASKED = ('"$$HAM10000_DIR"', '"$$WAGF_WEIGHTS_DIR"', '"$(JOBS)"', '"$(NAME)"', '"$$WAGF_DEVICE"', '"$$WAGF_LAUNCH"')
SHOW = f'show: ; @printf "%s\\n" {" ".join(ASKED)}\n'


KEPT_OUT = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "HAM10000_DIR", "WAGF_WEIGHTS_DIR")


def make(*words, cwd=paths.ROOT, text=None, **environment):
    inherited = {k: v for k, v in os.environ.items() if k not in KEPT_OUT}
    return subprocess.run(
        ["make", *words],
        cwd=cwd,
        env={**inherited, **environment},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def show(*words, **environment):
    done = make("-s", "-f", "-", "-f", "Makefile", "show", "VENV=/nowhere", *words, text=SHOW, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


ODD = ["My Data/HAM 10000", "cost$5", "a#b", "it's", "a(b)", "semi;colon", "täglich", "100%", "a*b", "~tilde", 'a"b']


@pytest.mark.parametrize("odd", ODD)
def test_paths_arrive_as_they_were_typed(odd):
    assert show(f"DATA=/x/{odd}", f"WEIGHTS=/y/{odd}")[:2] == [f"/x/{odd}", f"/y/{odd}"]


def test_a_sites_own_variables_have_no_influence():
    site = {"DATA": "/site", "WEIGHTS": "/site", "JOBS": "64", "PROFILE": "paper", "DEVICE": "cuda"}
    assert show(**site) == ["", "", "2", "demo", "cpu", ""]
    told = show("DEVICE=gpu-jax", "LAUNCH=srun --gres=gpu:1", **site)
    assert told[4:] == ["gpu-jax", "srun --gres=gpu:1"], "what looks for the GPU knows of both"
    assert show("DATA=/mine", "JOBS=3", **site)[:4:2] == ["/mine", "3"]


@pytest.mark.parametrize("letters", ["e", "ke", "es"])
def test_make_e_would_let_them_in_and_is_refused(letters):
    done = make("-n", "clean", MAKEFLAGS=letters, PROFILE="frozen")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "leave it out" in done.stderr
    assert make("-n", "-k", "--warn-undefined-variables", "-j2", "clean").returncode == 0, "other letters pass"


@pytest.mark.parametrize("name", ["demo-lr0.01", "a.b.c", "2026", "1e3", "None"])
def test_a_profile_has_one_name(name):
    assert show(f"PROFILE=/some/where/{name}.yaml")[3] == show(f"PROFILE={name}")[3] == name


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("DEVICE=GPU", "DEVICE is"),
        ("DEVICE=cuda", "DEVICE is"),
        ("BACKEND=theano", "BACKEND is"),
        ("BACKEND=torch", "BACKEND is"),
        ("DEVICE=gpu cpu", "DEVICE is"),
        ("DEVICE=", "DEVICE is"),
        ("VENV=my envs/wagf", "without blanks"),
        ("PROFILE=demo book", "without blanks"),
        ("PROFILE=", "without blanks"),
    ],
)
def test_words_that_do_not_fit_stop_in_one_line(word, says):
    done = make("-n", "reproduce", word)
    assert done.returncode != 0 and says in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "word",
    ["PROFILE=", "PROFILE=demo book", "PROFILE=reference", "PROFILE=bench", "PROFILE=.", "PROFILE=..", "PROFILE=*"],
)
def test_clean_never_deletes_by_an_unchecked_name(tmp_path, word):
    """In a copy of the tree's outline: every folder that a wrong name could reach is still there."""
    shutil.copy(paths.ROOT / "Makefile", tmp_path)
    for place in ("results/reference/frozen", "results/bench", "results/demo", "results/mine", "book", "data/ham10000"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert make("clean", word, cwd=tmp_path).returncode != 0
    assert sorted(tmp_path.rglob("*")) == before


def test_clean_removes_one_profiles_results_and_caches(tmp_path):
    shutil.copy(paths.ROOT / "Makefile", tmp_path)
    for place in ("results/demo", "results/mine", "_build", "data/cache", "data/ham10000"):
        (tmp_path / place).mkdir(parents=True)
    assert make("clean", "PROFILE=mine", cwd=tmp_path).returncode == 0
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_dir()}
    assert left == {"results", "results/demo", "data", "data/ham10000"}


# --- environments --------------------------------------------------------------------------------------------

# Stands in for Python in an environment: "installs" in half a second, notes when two do so at once.
STUB = """#!/bin/sh
case "$*" in
  *"-m venv "*) exec "{python}" -c 'import pathlib, shutil, sys
folder = pathlib.Path(sys.argv[1]); (folder / "bin").mkdir(parents=True); (folder / "pyvenv.cfg").touch()
shutil.copy("{stub}", folder / "bin" / "python")' "${{3}}" ;;
  *"-m pip "*install*) if mkdir "{log}.lock" 2>/dev/null; then sleep 0.5; rmdir "{log}.lock"
     else echo TWO >> "{log}"; fi
     echo "pip $*" >> "{log}" ;;
  *sys.version_info*) echo "{version}" ;;
esac
exit 0
"""


@pytest.fixture
def stub(tmp_path):
    """A made-up Python, and the log of what was installed with it."""

    def write(version="3 12", name="python-stub"):
        file, log = tmp_path / name, tmp_path / "log"
        file.write_text(STUB.format(python=sys.executable, stub=file, log=log, version=version))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file, log

    return write


def run_installer(lock, venv, python, **environment):
    command = [sys.executable, paths.ROOT / "requirements" / "install.py", lock, venv, "--python", python]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_an_environment_is_judged_by_content(tmp_path, stub):
    python, log = stub()
    venv = tmp_path / "venv"
    assert run_installer("dev", venv, python).returncode == 0 and "dev.txt" in log.read_text()
    for lock in ("dev", "run", "book"):  # dev has them within
        log.write_text("")
        assert run_installer(lock, venv, python).returncode == 0 and log.read_text() == ""
    for lock in ("gpu", "run"):  # after the CPU's packages the GPU's, and the other way round
        log.write_text("")
        assert run_installer(lock, venv, python).returncode == 0
        assert f"{lock}.txt" in log.read_text() and "uninstall --yes tensorflow tensorflow-cpu" in log.read_text()
    (venv / install.RECORD).write_text(f"run {'0' * 64}\n")  # a lock of other content, whatever its time stamp
    log.write_text("")
    assert run_installer("run", venv, python).returncode == 0 and "run.txt" in log.read_text()


def test_a_half_made_environment_is_made_again(tmp_path, stub):
    python, log = stub()
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")  # no pip
    (venv / "bin" / "python").chmod(0o755)
    assert run_installer("book", venv, python).returncode == 0 and install.recorded(str(venv))[0] == "book"


def test_a_broken_environment_with_something_of_the_readers_is_left_alone(tmp_path, stub):
    python, _ = stub()
    venv = tmp_path / "venv"
    assert run_installer("book", venv, python).returncode == 0
    (venv / "bin" / "python").unlink()
    (venv / "notes.txt").write_text("mine")
    done = run_installer("book", venv, python)
    assert done.returncode == 2 and "it holds notes.txt" in done.stderr and done.stderr.count("\n") == 1
    assert (venv / "notes.txt").read_text() == "mine" and (venv / "pyvenv.cfg").exists()
    (venv / "notes.txt").unlink()
    assert run_installer("book", venv, python).returncode == 0 and install.works(str(venv))


def test_a_link_to_nowhere_is_no_environment(tmp_path, stub):
    python, _ = stub()
    (tmp_path / "venv").symlink_to(tmp_path / "gone")
    done = run_installer("book", tmp_path / "venv", python)
    assert done.returncode == 2 and "is a link to nowhere" in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "venv").is_symlink()


def test_a_record_that_is_no_text_is_none(tmp_path, stub):
    python, log = stub()
    venv = tmp_path / "venv"
    assert run_installer("book", venv, python).returncode == 0
    (venv / install.RECORD).write_bytes(b"\xff\xfe book")
    log.write_text("")
    assert run_installer("book", venv, python).returncode == 0 and "book.txt" in log.read_text()


def test_a_folder_of_the_readers_own_is_left_alone(tmp_path, stub):
    python, _ = stub()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    done = run_installer("book", tmp_path / "mine", python)
    assert (
        done.returncode == 2 and "was not made by make" in done.stderr and (tmp_path / "mine" / "letter.txt").exists()
    )


@pytest.mark.parametrize("version", ["3 10", "3 14", "2 7", ""])
def test_pythons_that_are_not_served_are_refused_in_one_line(tmp_path, stub, version):
    python, _ = stub(version)
    done = run_installer("run", tmp_path / "venv", python)
    assert done.returncode == 2 and "3.11 to 3.13" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "venv").exists()


def test_a_served_python_is_found_by_name(tmp_path, stub, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, version in (("python3", "3 9"), ("python3.12", "3 12")):
        file, _ = stub(version, name)
        file.rename(folder / name)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert install.choose_python("") == "python3.12"


def test_two_installations_wait_for_each_other(tmp_path, stub):
    python, log = stub()
    venv = tmp_path / "venv"
    command = [sys.executable, paths.ROOT / "requirements" / "install.py"]
    both = [
        subprocess.Popen([*command, lock, venv, "--python", python], stdout=subprocess.PIPE) for lock in ("book", "run")
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert "TWO" not in log.read_text()


def test_without_locks_in_the_file_system_nobody_waits(tmp_path, stub, monkeypatch, capsys):
    python, log = stub()
    venv = tmp_path / "venv"

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(sys, "argv", ["install.py", "book", str(venv), "--python", str(python)])
    install.main()
    assert "book.txt" in log.read_text() and install.recorded(str(venv))[0] == "book"
    assert "another installation" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "uv, told, unpacks",
    [
        ("exit 0", "global.find-links='/wheels'", "uv"),
        ("echo no network >&2; exit 2", "", "pip"),
        (None, "", "pip"),
        ("exit 0", ":env:.index-url='https://mirror.example/simple'", "pip"),
        ("exit 0", "global.proxy='http://proxy.example:3128'", "pip"),
    ],
    ids=["uv", "uv fails", "no uv", "an index of its own", "a proxy"],
)
def test_uv_unpacks_where_it_can_and_may(tmp_path, stub, uv, told, unpacks):
    """Where pip knows of another way to the packages than uv would, nothing goes around it."""
    python, log = stub()
    script = f'#!/bin/sh\necho "uv $*" >> "{log}"\n{uv}\n'
    makes = f'printf %s {shlex.quote(script)} > "$(dirname "$0")/uv"; chmod +x "$(dirname "$0")/uv"' if uv else "exit 1"
    case = f"""case "$*" in *"config list"*) echo {shlex.quote(told)}; exit 0 ;; *uv.txt*) {makes};; esac\n"""
    python.write_text(python.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{case}", 1))
    done = run_installer("run", tmp_path / "venv", python)
    assert done.returncode == 0 and done.stderr == "" and install.recorded(str(tmp_path / "venv"))[0] == "run"
    lines = [line for line in log.read_text().splitlines() if "run.txt" in line]
    allowed = "index" not in told and "proxy" not in told
    assert ("uv --system-certs pip install" in log.read_text()) is (bool(uv) and allowed)
    assert lines[-1].startswith(f"{unpacks} ") and all("--require-hashes" in line for line in lines)
    assert sum(line.startswith("pip ") for line in lines) == (unpacks == "pip")


def test_a_failed_installation_leaves_no_record(tmp_path, stub):
    python, _ = stub()
    python.write_text(
        python.read_text().replace('echo "pip $*"', 'echo "$*" | grep -q run.txt && exit 1; echo "pip $*"')
    )
    done = run_installer("run", tmp_path / "venv", python)
    assert done.returncode == 2 and "could not install requirements/run.txt" in done.stderr
    assert install.recorded(str(tmp_path / "venv")) == []


RUNS = """
import pathlib, sys
words = sys.argv[3:] if sys.argv[1:3] == ["-m", "wagf_src"] else sys.argv[1:]
with open("{log}", "a") as log:
    print(*words, file=log)
work = pathlib.Path("results/mine/.work")
if words[:1] == ["prepare"]:
    work.mkdir(parents=True)
    (work / "todo").touch()
    (work / "stale_runs").write_text("one two")
sys.exit(2 if words[:1] == ["run"] and words[-1] == "one" else 0)
"""


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, whose Python notes what it is asked for and fails in one of two runs."""
    for name in ("Makefile", "requirements"):
        (tmp_path / name).symlink_to(paths.ROOT / name)
    (tmp_path / "notebooks").symlink_to(paths.ROOT / "notebooks")
    venv, log = tmp_path / "venv", tmp_path / "log"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    script = venv / "runs.py"
    script.write_text(RUNS.format(log=log))
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')  # a path may hold blanks, #! does not
    python.chmod(0o755)
    installer = tmp_path / "python3"  # everything is installed
    installer.write_text("#!/bin/sh\nexit 0\n")
    installer.chmod(0o755)
    log.touch()
    return tmp_path, log


def make_in(folder, *words):
    return make(*words, "VENV=venv", "PROFILE=mine", cwd=folder, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_make_n_starts_nothing(checkout):
    folder, log = checkout
    before = sorted(folder.rglob("*"))
    done = make_in(folder, "-n", "reproduce")
    assert done.returncode == 0, done.stderr
    assert 'wagf_src prepare "mine"' in done.stdout
    assert log.read_text() == "" and sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("words", [(), ("-k",), ("-j4",), ("-k", "-j2")])
def test_a_run_that_fails_keeps_no_other_from_running_and_no_report_is_made(checkout, words):
    folder, log = checkout
    done = make_in(folder, *words, "reproduce")
    assert done.returncode == 2
    asked = log.read_text().splitlines()
    assert asked[0] == "prepare mine" and sorted(asked[1:]) == ["run mine one", "run mine two"]
