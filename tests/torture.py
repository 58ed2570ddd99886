"""`make reproduce`, killed at any moment and started again, ends where an undisturbed one ends.

    python tests/torture.py [--kills 100] [--seconds N] [--seed 0] [--out results/bench/torture.csv]

A copy of the repository without results reproduces a profile of one run: three epochs of MobileNetV2 at 32 px on 70
synthetic lesions, the tables of two rooms, a book of one chapter. Everything else is as committed, but that a state is
saved after every epoch, not once a minute. SIGKILL goes to the whole process group (the Jupyter kernel, in a session of
its own, lives on until it notices, as after any kill): once as soon as each file that ends a stage appears, then at
random moments. A story is one reproduction, killed and started again until it ends.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
NAME, RUN, EPOCHS = "tiny", "mobilenetv2-base-seed0", 3
PROFILE = f"""
description: The smallest profile that goes all the way.
data: synthetic
synthetic_lesions: 70
image_size: 32
validation: lesions
validation_fraction: 0.2
augmentation: online
images_per_epoch: 32
arms: [mobilenetv2-base]
weights: none
batch_norm_momentum: 0.5
epochs: {EPOCHS}
batch_size: 16
learning_rate: 0.001
"""
TABLES = ("all_results", "table1", "arms", "per_class", "averages", "checkpoints")
RESULTS = f"results/{NAME}"
# Columns that no two reproductions have in common.
TIMES = ("seconds", "minutes", "images_per_second", "predict_milliseconds")
PLANTED = "planted-secret-b7f3"  # as a token and as the reader's name: no file may hold it
# In order: the stages, each with the file that ends it.
STAGES = {
    "images decoded": "cache/images-*.json",
    "list of runs written": f"{RESULTS}/.work/todo",
    "notebook started": f"{RESULTS}/.work/{RUN}/log",
    "first epoch saved": f"{RESULTS}/.work/{RUN}/state.npz",
    "run staged": f"{RESULTS}/.work/{RUN}/staging/run.json",
    "run in its place": f"{RESULTS}/runs/{RUN}/run.json",
    "first table written": f"{RESULTS}/tables/*.csv",
    "chapter executed": f"{RESULTS}/.work/executed/*.ipynb",
    "chapters in their place": f"{RESULTS}/chapters/inputs_digest",
    "book begun": f"{RESULTS}/book/source/_toc.yml",
    "book built": f"{RESULTS}/book/_build/html/index.html",
    "book recorded": f"{RESULTS}/book/inputs_digest",
}


def small_copy(folder: Path) -> Path:
    """The repository without results, history and prose, and with as few tables and chapters as make a book."""
    kept = (
        "Makefile pyproject.toml _config.yml requirements wagf_src notebooks book/_static book/references.bib".split()
    )
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    (folder / "book" / "intro.md").write_text("# Tiny\n")
    chapter = folder / "notebooks" / "training_curves.ipynb"  # whose links to other chapters would lead nowhere
    chapter.write_text(re.sub(r"\]\(\w+\.ipynb", "](training_curves.ipynb", chapter.read_text()))
    chapters = [{"caption": "Results", "chapters": [{"file": "chapters/training_curves"}]}]
    (folder / "book" / "_toc.yml").write_text(json.dumps({"format": "jb-book", "root": "intro", "parts": chapters}))
    (folder / f"{NAME}.yaml").write_text(PROFILE)
    with (folder / "wagf_src/report/tables/__init__.py").open("a") as code:
        code.write(f"\nTABLES = {{name: TABLES[name] for name in {TABLES!r}}}\n")
    checkpoint = folder / "wagf_src/train/checkpoint.py"
    text = checkpoint.read_text()
    assert text.count("SAVE_SECONDS = 60.0") == 1
    checkpoint.write_text(text.replace("SAVE_SECONDS = 60.0", "SAVE_SECONDS = 0.0"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def start(folder: Path, log, *words: str) -> subprocess.Popen:
    """``make reproduce`` in a session of its own, with the environment of this process."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    environment.pop("HAM10000_DIR", None)
    environment |= {"PYTHONPATH": str(folder), "WAGF_CACHE_DIR": str(folder / "cache")}
    environment["PYTHONPYCACHEPREFIX"] = str(folder.with_name("bytecode"))  # outside of what is compared
    environment |= {name: PLANTED for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY", "USER", "LOGNAME", "HOSTNAME")}
    return subprocess.Popen(
        ["make", f"PROFILE={NAME}.yaml", *(words or ["reproduce"])],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment,
    )


def live(folder: Path, seconds: float | None = None, stage: str | None = None) -> dict:
    """One life of ``make reproduce``: killed after so many seconds or at the end of a stage, else until it ends.

    Returns:
        ``killed``, ``seconds``, ``code``, ``said`` (its output), and what the next life finds: ``reached`` (the last
        stage that had ended) and ``saved`` (epochs in the state).
    """
    begun = time.monotonic()
    before = len(list(folder.glob(STAGES[stage]))) if stage else 0
    with tempfile.TemporaryFile("w+") as log:
        process = start(folder, log)
        try:
            while process.poll() is None:
                over = seconds is not None and time.monotonic() - begun > seconds
                if over or stage and len(list(folder.glob(STAGES[stage]))) > before:
                    break
                time.sleep(0.002)
            killed = process.poll() is None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        said = log.read()
    reached = [name for name, file in STAGES.items() if any(folder.glob(file))]
    return {
        "killed": killed,
        "seconds": time.monotonic() - begun,
        "code": process.returncode,
        "said": said,
        "reached": reached[-1] if reached else "nothing",
        "saved": epochs_saved(folder),
    }


def epochs_saved(folder: Path) -> int:
    """Epochs in the state of the run; all of them once the run is in its place."""
    if (folder / RESULTS / "runs" / RUN / "run.json").is_file():
        return EPOCHS
    try:
        with np.load(folder / RESULTS / ".work" / RUN / "state.npz", allow_pickle=False) as state:
            return len(json.loads(str(state["about"]))["history"])
    except OSError:
        return 0


def trained(said: str) -> tuple[int, list[int]]:
    """From what a life printed: the epoch that it resumed after (0: none), and the epochs that it trained."""
    resumed = re.search(r"resumed after epoch (\d+)", said)
    return int(resumed[1]) if resumed else 0, [int(n) for n in re.findall(rf" epoch (\d+)/{EPOCHS} ", said)]


def complaints(folder: Path, earlier: dict | None, life: dict, finished: int | None) -> list[str]:
    """What a life did wrong, given the one before and when the run had been put in its place (ns; None: not)."""
    wrong, run = [], folder / RESULTS / "runs" / RUN
    if "Traceback" in life["said"]:
        wrong.append("a traceback")
    if not life["killed"] and life["code"] != 0:
        wrong.append(f"ended with code {life['code']}")
    resumed, epochs = trained(life["said"])
    if earlier and epochs and (resumed < earlier["saved"] or epochs[0] != resumed + 1):
        wrong.append(f"{earlier['saved']} epochs were saved, resumed after {resumed}, trained {epochs}")
    if finished is not None and (epochs or (run / "run.json").stat().st_mtime_ns != finished):
        wrong.append("a finished run was repeated")
    folders = [p.name for p in run.parent.iterdir() if p.name[0] != "."] if run.parent.is_dir() else []
    for name in folders:
        files = json.loads((run.parent / name / "run.json").read_text())["files"]
        if any(hashlib.sha256((run.parent / name / f).read_bytes()).hexdigest() != d for f, d in files.items()):
            wrong.append(f"{name} is in its place and not whole")
    return wrong


def result(folder: Path) -> dict[str, str]:
    """Digests of what a reproduction gives: predictions, features, history and tables, without what took how long."""
    run, digests = folder / RESULTS / "runs" / RUN, {}
    for file in sorted(run.glob("*.csv.gz")):
        digests[file.name] = hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest()
    for file in sorted(run.glob("*.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            digests[file.name] = hashlib.sha256(b"".join(arrays[k].tobytes() for k in sorted(arrays.files))).hexdigest()
    history = pd.read_csv(run / "history.csv", dtype=str).drop(columns="seconds")
    digests["history.csv"] = hashlib.sha256(history.to_csv().encode()).hexdigest()
    for file in sorted((folder / RESULTS / "tables").glob("*.csv")):
        table = pd.read_csv(file, dtype=str, keep_default_na=False).drop(columns=list(TIMES), errors="ignore")
        digests[f"tables/{file.name}"] = hashlib.sha256(table.to_csv().encode()).hexdigest()
    return digests


def leftovers(folder: Path) -> list[str]:
    """What a finished reproduction should not have left: half-written files, trainings' states, folders aside."""
    places = [folder / "cache", folder / RESULTS, folder / RESULTS / "runs", folder / RESULTS / "tables"]
    hidden = [p for place in places for p in place.glob(".*") if p.name != ".work"]
    return [p.name for p in [*hidden, *(folder / RESULTS / ".work").glob("mobilenetv2-*")]]


def secrets(folder: Path) -> list[str]:
    """Files made by a reproduction, logs too, that hold the planted token or name; compressed ones are looked into."""
    found = []
    for file in (p for place in (RESULTS, "cache") for p in (folder / place).rglob("*") if p.is_file()):
        content = file.read_bytes()
        if PLANTED.encode() in content + (gzip.decompress(content) if file.suffix == ".gz" else b""):
            found.append(file.relative_to(folder).as_posix())
    return found


class Torture:
    """Kills of one copy's reproduction, a row each in ``rows``; ``wrong`` holds what went wrong."""

    def __init__(self, folder: Path, write=lambda torture: None):
        self.folder, self.rows, self.story = small_copy(folder), [], 0
        self.write = lambda: write(self)
        life = live(folder)
        assert life["code"] == 0, life["said"]
        self.undisturbed, self.seconds = result(folder), life["seconds"]
        again = live(folder)
        assert "Nothing to do" in again["said"], again["said"]
        self.begin()

    def begin(self) -> None:
        """A new story: nothing is there, every other time not even the cache."""
        shutil.rmtree(self.folder / RESULTS)
        if self.story % 2 == 0:
            shutil.rmtree(self.folder / "cache")
        self.story += 1
        self.earlier = self.finished = None

    def kill(self, seconds: float | None = None, stage: str | None = None) -> bool:
        """One life; whether it was killed. One that ended is compared with the undisturbed one, and ends the story."""
        life = live(self.folder, seconds, stage)
        wrong = complaints(self.folder, self.earlier, life, self.finished)
        if not life["killed"]:
            now = result(self.folder)
            others = sorted(n for n in {*now, *self.undisturbed} if now.get(n) != self.undisturbed.get(n))
            wrong += [f"{name} is another than undisturbed" for name in others]
            wrong += [f"{name} was left" for name in leftovers(self.folder)]
            wrong += [f"{name} holds a secret" for name in secrets(self.folder)]
        resumed, epochs = trained(life["said"])
        self.rows.append(
            {
                "story": self.story,
                "killed": life["killed"],
                "moment": stage or "random",
                "seconds": round(life["seconds"], 2),
                "reached": life["reached"],
                "epochs_saved": life["saved"],
                "resumed_after": resumed,
                "epochs_trained": len(epochs),
                "wrong": "; ".join(wrong),
            }
        )
        print(self.rows[-1], flush=True)
        self.write()
        if wrong:
            print(life["said"], flush=True)
        self.earlier = life
        run = self.folder / RESULTS / "runs" / RUN / "run.json"
        self.finished = run.stat().st_mtime_ns if run.is_file() else None
        if not life["killed"]:
            self.begin()
        return life["killed"]

    def stages(self, names=STAGES) -> None:
        """A story with a kill at the end of each stage."""
        for name in names:
            self.kill(stage=name)
        while self.kill():
            pass

    @property
    def wrong(self) -> list[str]:
        return [row["wrong"] for row in self.rows if row["wrong"]]


def main(words=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="at random moments, beside those at the stages' ends")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further life after this long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench" / "torture.csv")
    arguments = parser.parse_args(words)
    sys.path.insert(0, str(ROOT))
    from wagf_src import atomic
    from wagf_src.machine import git_state, processor

    git, begun, rng = git_state(), time.monotonic(), np.random.default_rng(arguments.seed)
    commit = f"commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git["commit"] else "no commit"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    provenance = f"SYNTHETIC; {processor()}, {cores} cores; {commit}"
    with tempfile.TemporaryDirectory(prefix="wagf-torture-") as folder:

        def write(torture):
            rests_on = f"{provenance}; undisturbed: {torture.seconds:.0f} s"
            atomic.write_csv(arguments.out, pd.DataFrame(torture.rows).assign(provenance=rests_on))

        torture = Torture(Path(folder) / "copy", write)
        torture.stages()
        kills = 0
        while kills < arguments.kills and time.monotonic() - begun < arguments.seconds:
            kills += torture.kill(seconds=rng.uniform(0, torture.seconds))
        if torture.rows[-1]["killed"]:
            torture.kill()
    print(f"{sum(row['killed'] for row in torture.rows)} kills, {len(torture.wrong)} of them with something wrong")
    return 1 if torture.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
