"""A process of its own for a case: the parent's side, and the process, ``python -m wagf_src.bench.worker CASE``."""

import contextlib
import json
import os
import pkgutil
import resource
import subprocess
import sys
import tempfile
import time

from wagf_src import paths
from wagf_src.errors import UserError

# What a case's kind names: a function of the case that returns what answers the requests. Imported in the worker alone.
KINDS = {
    "network": "wagf_src.bench.cases.network:network",
    "pytorch": "wagf_src.bench.cases.pytorch:network",
    "copies": "wagf_src.bench.cases.files:copies",
    "read": "wagf_src.bench.cases.files:read",
    "store": "wagf_src.bench.cases.files:store_once",
    "operations": "wagf_src.bench.cases.operations:operations",
}


class Worker:
    """A process that holds one case and measures on request.

    Args:
        case: JSON-able: ``label``, ``kind`` and what the kind takes; ``backend`` of Keras, ``environment`` (variables)
            and ``python`` (of another environment) where they are not the usual ones.

    Raises:
        UserError: if it ends before it answers, with its last line.
    """

    def __init__(self, case: dict):
        self.case = case
        started = time.perf_counter()
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        usual = {"KERAS_BACKEND": case.get("backend", "tensorflow"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        path = {"PYTHONPATH": os.pathsep.join([str(paths.ROOT), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(
            [case.get("python", sys.executable), "-m", __name__, json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | path | usual | case.get("environment", {}),
        )
        self._answer()
        self.start_seconds = time.perf_counter() - started

    def ask(self, **request) -> dict:
        """What the case answers to a request, with ``peak_mib``, the process's highest memory so far."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["killed; out of memory?"])[-1]
            raise UserError(f"{self.case['label']}: the process ended ({last})")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()


def serve(case: dict) -> None:
    """Build the case, then answer every line of standard input by one line of standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    measure = pkgutil.resolve_name(KINDS[case["kind"]])(case)

    def answer(value):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
        answers.write(json.dumps(value | {"peak_mib": round(peak)}) + "\n")
        answers.flush()

    answer({})
    for line in sys.stdin:
        answer(measure(**json.loads(line)))


def timed(function, images: int) -> dict:
    """Seconds that a call takes, and the images that it handles."""
    started = time.perf_counter()
    function()
    return {"seconds": time.perf_counter() - started, "images": images}


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
