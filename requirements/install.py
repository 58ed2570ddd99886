"""Put a lock's packages into the environment, unless they are there: `python install.py LOCK VENV [--python PYTHON]`.

Called by make with whatever Python the machine has, so this file needs the standard library only and must be readable
by old ones. Judged by content: the environment's record says which lock, by digest, was installed last; time stamps of
a clone or a checkout say nothing. A half-made environment is made again, two installations never run at once.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Each lock, and those that hold all of it.
WITHIN = {
    "book": ("book", "run", "dev", "gpu", "gpu-jax"),
    "run": ("run", "dev"),
    "dev": ("dev",),
    "gpu": ("gpu",),
    "gpu-jax": ("gpu-jax",),
    "peers": ("peers",),
}
RECORD = ".wagf-lock"
# What is in an environment before anything of the reader's is.
MADE = {"bin", "include", "lib", "lib64", "share", "etc", "pyvenv.cfg", ".gitignore", RECORD}
SERVED = ((3, 11), (3, 13))  # what the locked TensorFlow has wheels for


def fail(line):
    sys.stderr.write("error: " + line + "\n")
    sys.exit(2)


def digest(lock):
    with open(os.path.join(HERE, lock + ".txt"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def recorded(venv):
    try:
        with open(os.path.join(venv, RECORD)) as file:
            return file.read().split()
    except (OSError, ValueError):
        return []


def record(lock, venv):
    with open(os.path.join(venv, RECORD), "w") as file:
        file.write(lock + " " + digest(lock) + "\n")


def is_installed(lock, venv):
    return any(recorded(venv) == [name, digest(name)] for name in WITHIN[lock]) and works(venv)


def works(venv):
    """Whether the environment's Python and pip can be started at all."""
    python = os.path.join(venv, "bin", "python")
    return os.access(python, os.X_OK) and subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def version(python):
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        return tuple(
            int(part) for part in subprocess.check_output([python, "-c", code], stderr=subprocess.DEVNULL).split()
        )
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def choose_python(wanted):
    """The Python to build on: the one that was named, else the default, else a served one by its own name."""
    low, high = ("%d.%d" % v for v in SERVED)
    if wanted:
        if not SERVED[0] <= (version(wanted) or (0, 0)) <= SERVED[1]:
            fail(
                "PYTHON=%s is not Python %s to %s; name one that is, for instance PYTHON=python%s"
                % (wanted, low, high, low)
            )
        return wanted
    for name in ["python3"] + ["python3.%d" % minor for minor in range(SERVED[1][1], SERVED[0][1] - 1, -1)]:
        if shutil.which(name) and SERVED[0] <= (version(name) or (0, 0)) <= SERVED[1]:
            return name
    fail(
        "Python %s to %s is needed, and none was found; install one, or say where it is with PYTHON=/path/to/python%s"
        % (low, high, low)
    )


def check_machine():
    """One line for machines on which the locked packages cannot work."""
    if sys.platform == "win32":
        fail("Windows needs WSL (Windows Subsystem for Linux): run the same command inside it")
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        fail(
            "Macs with an Intel processor are not served by TensorFlow any more; use Linux, or a Mac with Apple silicon"
        )
    library, release = platform.libc_ver()
    if library == "glibc" and tuple(int(part) for part in release.split(".")[:2]) < (2, 28):
        fail(
            "glibc 2.28 or newer is needed (this system has %s): use a newer Linux, or the container of book/gpu.md"
            % release
        )


def make_environment(venv, python):
    if works(venv):
        return
    if os.path.islink(venv) and not os.path.exists(venv):
        fail("%s is a link to nowhere; mend or delete it, or name another folder by VENV=" % venv)
    inside = set(os.listdir(venv)) if os.path.isdir(venv) else {""} if os.path.exists(venv) else {"pyvenv.cfg"}
    if "pyvenv.cfg" not in inside:
        fail("%s has no working Python with pip and was not made by make; name another folder by VENV=" % venv)
    if inside - MADE:
        fail(
            "%s has no working Python with pip, and cannot be made again because it holds %s; move that away, or name "
            "another folder by VENV=" % (venv, min(inside - MADE))
        )
    shutil.rmtree(venv, ignore_errors=True)
    done = subprocess.run([python, "-m", "venv", venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode or not works(venv):
        shutil.rmtree(venv, ignore_errors=True)
        name = "python%d.%d-venv" % version(python)
        fail(
            "%s cannot make an environment with pip (on Debian and Ubuntu: apt install %s), then the same command"
            % (python, name)
        )


def unpack(venv, pip, packages):
    """Have uv do it, in a fifth of pip's time.

    False, without a word, where uv cannot, or where pip was told of an index of its own, or a way to it.
    """
    told = subprocess.run(pip + ["config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if re.search(rb"\.(index-url|no-index|proxy|trusted-host|client-cert)=", told.stdout):
        return False
    itself = ["install", "--no-deps", "--require-hashes", "-r", os.path.join(HERE, "uv.txt")]
    uv = [os.path.join(venv, "bin", "uv"), "--system-certs", "pip", "install", "--python", pip[0]]  # whom pip trusts
    try:
        return not any(subprocess.call(step, stderr=subprocess.DEVNULL) for step in (pip + itself, uv + packages))
    except OSError:
        return False


def install(lock, venv, python):
    pip = [os.path.join(venv, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    before = recorded(venv)
    if before and {before[0], lock} & {"gpu"}:
        # Both builds of TensorFlow fill one folder: the other goes first.
        subprocess.call(pip + ["uninstall", "--yes", "tensorflow", "tensorflow-cpu"], stderr=subprocess.DEVNULL)
    if before:
        os.unlink(os.path.join(venv, RECORD))
    # The lock is complete, so there is nothing to resolve. Modules are compiled when first imported: most never are.
    packages = ["--no-deps", "--require-hashes", "-r", os.path.join(HERE, lock + ".txt")]
    ourselves = ["install", "--no-deps", "--no-build-isolation", "-e", os.path.dirname(HERE)]
    unpacked = unpack(venv, pip, packages) or subprocess.call(pip + ["install", "--no-compile"] + packages) == 0
    if not unpacked or subprocess.call(pip + ourselves):
        fail("pip could not install requirements/%s.txt (its own words are above); the same command tries again" % lock)
    record(lock, venv)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lock", choices=sorted(WITHIN))
    parser.add_argument("venv")
    parser.add_argument("--python", default="")
    parser.add_argument(
        "--record", action="store_true", help="only note that the lock is installed (an environment made otherwise)"
    )
    arguments = parser.parse_args()
    venv = os.path.abspath(arguments.venv)
    if arguments.record:
        return record(arguments.lock, venv)
    if is_installed(arguments.lock, venv):
        return None
    check_machine()
    python = choose_python(arguments.python)
    import fcntl

    with open(os.path.join(HERE, "." + hashlib.sha256(venv.encode()).hexdigest()[:12] + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another installation into %s is running; waiting for it" % arguments.venv)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: nobody waits
        if not is_installed(arguments.lock, venv):
            print("installing requirements/%s.txt into %s" % (arguments.lock, arguments.venv), flush=True)
            make_environment(venv, python)
            install(arguments.lock, venv, python)
    return None


if __name__ == "__main__":
    main()
