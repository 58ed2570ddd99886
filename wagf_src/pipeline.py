"""What the Makefile asks: what is out of date, is it complete, put it in place, build the book, sum up.

Make trains, one papermill process a run; this module renders the chapters and decides by content, never by time stamps
(a fresh clone has new ones), whether a finished piece is still the one that its inputs would give. Needs no TensorFlow.
"""

import argparse
import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd

from wagf_src import config, protocol, results
from wagf_src.config import REFERENCE_DIR, RESULTS_DIR, ROOT, UserError, load_profile

NOTEBOOKS = ROOT / "notebooks"
BOOK = ROOT / "book"
README = ROOT / "README.md"
LAST = "scorecard"  # reads the tables that the other chapters write
LONGEST = ("released_code", "confusion_features", "equation1", "heatmaps")  # go first, so that no core waits at the end

# The modules that make numbers out of data and split. Those that make data and split are judged by what they give.
_TRAINING_CODE = ("augmentation", "layers", "models", "training")


def work_dir(profile: str) -> Path:
    """Unfinished things of a profile: training states, staged folders."""
    return RESULTS_DIR / profile / ".work"


# --- digests -------------------------------------------------------------------------------------------------


def code_digest(modules: tuple[str, ...] | None = None) -> str:
    """Digest of what the code computes: the syntax trees of modules of wagf_src.

    Comments, docstrings, layout and the wording of errors are left out: they change no result.
    """
    package = ROOT / "wagf_src"
    files = sorted(package.rglob("*.py"))
    if modules is not None:
        files = [f for f in files if f.relative_to(package).parts[0].removesuffix(".py") in modules]
    trees = {}
    for file in files:
        tree = _WithoutWords().visit(ast.parse(file.read_text(encoding="utf-8")))
        trees[file.relative_to(package).as_posix()] = ast.dump(tree)
    return config.digest(trees)


class _WithoutWords(ast.NodeTransformer):
    def visit_Raise(self, node):
        return ast.copy_location(ast.Pass(), node)

    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        return node


def notebook_digest(path: Path) -> str:
    """Digest of a notebook's cells and their metadata, without outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kept = [(c["cell_type"], "".join(c["source"]), c.get("metadata", {})) for c in cells]
    return config.digest(kept)


def inputs_digest(profile: config.Profile, run: str, data, shared: tuple | None = None) -> str:
    """Digest of everything that a run's numbers depend on: settings, arm, seed, images, split and training code.

    Args:
        profile: as ``config.resolve`` gives it for the run.
        run: ``<arm>-seed<k>``.
        data: a ``dataset.Dataset``.
        shared: :func:`_shared_inputs`, if it is at hand.
    """
    arm, seed = config.split_run(run)
    # Only what differs from the defaults, so that a new key with a neutral default leaves finished runs valid.
    defaults = {field.name: field.default for field in dataclasses.fields(profile)}
    settings = {key: value for key, value in profile.settings().items() if value != defaults[key]}
    rows, code, probe_code = shared or _shared_inputs(profile, data)
    code = probe_code if arm.endswith("-probe") else code
    return config.digest([settings, arm, seed, data.name, data.metadata_md5, data.image_digest, rows, code])


def _shared_inputs(profile, data) -> tuple:
    """What all runs of a profile have in common: the split, and the code (an arm's own weights and rate change neither)."""
    files = protocol.split(data.metadata, profile)
    rows = [files.train.to_numpy().tolist(), files.validation.to_numpy().tolist(), files.test.tolist()]
    return rows, code_digest(_TRAINING_CODE), code_digest((*_TRAINING_CODE, "split_experiment"))


def _chapters_digest(profile: str) -> str:
    """One digest for all chapters: notebooks, code, runs and benchmark. Any change renders them all again (seconds)."""
    sources = {path.stem: notebook_digest(path) for path in _chapter_sources()}
    # Two chapters show the real runs of all profiles.
    shown = {profile: results.load_runs(profile, required=False), **results.real_profiles()}
    runs = {name: _run_digests(r.path for r in of) for name, of in shown.items()}
    modules = tuple(p.stem for p in (ROOT / "wagf_src").iterdir() if p.stem != "pipeline")
    bench = {path.name: results.file_digest(path) for path in sorted((RESULTS_DIR / "bench").glob("*.csv"))}
    return config.digest([sources, code_digest(modules), runs, bench])


def _run_digests(folders) -> dict[str, str]:
    return {folder.name: results.file_digest(folder / "run.json") for folder in folders}


def _book_digest(profile: str) -> str:
    files = [p for p in sorted(BOOK.rglob("*")) if p.is_file() and "chapters" not in p.relative_to(BOOK).parts]
    prose = {p.relative_to(ROOT).as_posix(): results.file_digest(p) for p in [*files, ROOT / "_config.yml"]}
    return config.digest([prose, _chapters_digest(profile)])


def _chapter_sources() -> list[Path]:
    return sorted(p for p in NOTEBOOKS.glob("*.ipynb") if p.stem != "train")


# --- what is out of date -------------------------------------------------------------------------------------


def stale_runs(profile: config.Profile, data) -> list[str]:
    """Names of the runs that are missing or whose inputs have changed."""
    shared, stale = _shared_inputs(profile, data), []
    for run in profile.runs():
        folder = RESULTS_DIR / profile.name / "runs" / run
        finished = (folder / "run.json").is_file() and results.Run(folder).info["inputs_digest"]
        if not finished or finished != inputs_digest(config.resolve(profile, run), run, data, shared):
            stale.append(run)
    return stale


def stale_chapters(profile: str) -> list[str]:
    """Names of the chapters to render again, the last one last; all of them or none."""
    record = RESULTS_DIR / profile / "chapters" / "inputs_digest"
    names = [p.stem for p in _chapter_sources()]
    if record.is_file() and record.read_text() == _chapters_digest(profile):
        if all((RESULTS_DIR / profile / "chapters" / f"{n}.ipynb").is_file() for n in names):
            return []
    return sorted(names, key=lambda n: (n == LAST, n))


def book_is_stale(profile: str) -> bool:
    record = RESULTS_DIR / profile / "book" / "inputs_digest"
    return not record.is_file() or record.read_text() != _book_digest(profile)


# --- steps ---------------------------------------------------------------------------------------------------


def prepare(profile: config.Profile) -> None:
    """Check the profile, get the data ready and say what there is to do; nothing is left half done."""
    from wagf_src import dataset

    data = dataset.load(profile)
    stale = stale_runs(profile, data)
    work = work_dir(profile.name)
    work.mkdir(parents=True, exist_ok=True)
    (work / "stale_runs").write_text(" ".join(stale))
    if not stale and not stale_chapters(profile.name) and not book_is_stale(profile.name):
        (work / "todo").unlink(missing_ok=True)
        print(f"Nothing to do: every run, chapter and the book of profile {profile.name} are up to date.")
        print(f"Book: {_page(profile.name)}")
        return
    (work / "todo").touch()
    (work / "started").write_text(str(time.time()))
    print(
        f"profile {profile.name}: {data.name}, {len(data.metadata)} images at {profile.image_size} px; "
        f"{len(stale)} of {len(profile.runs())} runs to do",
        flush=True,
    )
    if profile.train == "frozen" and stale:
        from wagf_src import fast, training  # import TensorFlow, hence only where it is needed

        fast.enable()
        training.frozen_features(profile, data)


def finish_run(profile: config.Profile, run: str, notebook: bool = True) -> None:
    """Check a staged run and, unless it was trained without one, its executed notebook, and move them into place as one."""
    work = work_dir(profile.name) / run
    staging = work / "staging"
    if notebook:
        results.write_text(staging / "train.ipynb", _executed(work / "train.ipynb"))
    info = results.Run(staging).info
    predictions = results.Run(staging).predictions()
    if info["run"] != run or len(predictions) != info["data"]["n_test"] or predictions.isna().any(axis=None):
        raise UserError(f"{run}: the staged folder is not complete; delete results/{profile.name}/.work/{run} and run again")
    results.move_into_place(staging, RESULTS_DIR / profile.name / "runs" / run)
    shutil.rmtree(work)


def render_chapters(profile: str) -> None:
    """Execute the chapters if they are out of date, as many at a time as cores, check them and put them in place together.

    Raises:
        UserError: the first chapter that fails, with its error and its log; those of the last time stay.
    """
    names = stale_chapters(profile)
    if not names:
        return
    work = work_dir(profile) / "executed"
    # A chapter that finds its data no more must not leave an older table to those that read it.
    for folder in (work, RESULTS_DIR / profile / "tables", RESULTS_DIR / profile / "figures"):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True)
    # Threads of its own within each chapter would only wait for those of the others.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Processes that stay: importing papermill anew for each would be a third of a chapter's time.
    pool = ProcessPoolExecutor(os.cpu_count())
    try:
        for together in (sorted(names[:-1], key=lambda n: n not in LONGEST), names[-1:]):
            for task in as_completed([pool.submit(_execute, NOTEBOOKS / f"{name}.ipynb", work, profile) for name in together]):
                print(task.result(), flush=True)
    except BrokenProcessPool:  # of all that had not ended, hence nobody can say which chapter it was
        raise UserError(f"a chapter's process was killed; out of memory? (logs: {results._short(work)})") from None
    finally:
        pool.shutdown(cancel_futures=True)
    target = RESULTS_DIR / profile / "chapters"
    aside = work_dir(profile) / "chapters"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name in names:
        results.write_text(aside / f"{name}.ipynb", _executed(work / f"{name}.ipynb"))
    (aside / "inputs_digest").write_text(_chapters_digest(profile))
    results.move_into_place(aside, target)


def _execute(source: Path, work: Path, profile: str) -> str:
    """One chapter by papermill, in a process of the pool. Returns a line for the reader; what fails is a UserError of one line."""
    import papermill

    started, log = time.perf_counter(), work / f"{source.stem}.log"
    with log.open("w") as file:
        for stream in (1, 2):  # the kernel writes where this process does
            os.dup2(file.fileno(), stream)
        try:
            papermill.execute_notebook(source, work / source.name, {"profile": profile}, kernel_name="python3", progress_bar=False)
        except Exception as error:
            traceback.print_exc(file=file)
            name, text = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
            first = text.strip().splitlines()[0] if text.strip() else "without a word"
            raise UserError(f"chapter {source.stem} failed: {name}: {first} (log: {results._short(log)})") from None
    return f"chapter {source.stem}, {time.perf_counter() - started:.0f} s"


def _executed(path: Path) -> str:
    """An executed notebook as text, without machine paths and times; an unfinished or failed one is an error."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: no executed notebook ({error})") from None
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws another each time
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            failed = any(output["output_type"] == "error" for output in cell["outputs"])
            if failed or cell["execution_count"] is None:
                raise UserError(f"{path.name}: {'a cell failed' if failed else 'not run to its end'}")
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    # Readers' own paths do not belong into what may be published.
    for private in sorted({str(config.data_dir()), str(config.weights_dir() or ""), str(ROOT), str(Path.home())}, key=len, reverse=True):
        if len(private) > 1:
            text = text.replace(private, "...")
    return text


def build_book(profile: str) -> Path:
    """Build the profile's own book from the prose in book/ and its own chapters. Returns the path of its first page."""
    folder = RESULTS_DIR / profile / "book"
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(BOOK, source, ignore=shutil.ignore_patterns("chapters", "_build"))
    shutil.copytree(RESULTS_DIR / profile / "chapters", source / "chapters", ignore=shutil.ignore_patterns("inputs_digest"))
    command = [
        str(Path(sys.executable).with_name("jupyter-book")), "build", str(source), "--config", str(ROOT / "_config.yml"),
        "--path-output", str(folder), "-n", "-W", "--keep-going", "-q",
    ]  # fmt: skip
    log = work_dir(profile) / "book.log"
    with log.open("w") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    page = folder / "_build" / "html" / "index.html"
    if code or not page.is_file():
        warnings = [line for line in log.read_text().splitlines() if re.search("WARNING|ERROR|rror:", line)]
        raise UserError(f"the book has warnings or did not build ({results._short(log)}): {'; '.join(warnings[:3])}")
    (folder / "inputs_digest").write_text(_book_digest(profile))
    return page


def publish(profile: str) -> None:
    """Copy a profile's chapters into book/chapters and its runs and tables into results/reference: what is committed.

    Raises:
        UserError: if the chapters are out of date, or rest on data that are not real or on runs that are not committed.
    """
    source = RESULTS_DIR / profile
    if stale_chapters(profile) or not results.load_runs(profile, required=False):
        raise UserError(
            f"results/{profile} is not up to date; run `make reproduce PROFILE={profile}` (or, to render the committed "
            f"runs again, `make report PROFILE={profile}`) first"
        )
    if load_profile(profile).synthetic:
        raise UserError(f"profile {profile} is synthetic; the published book rests on real data only")
    for name, runs in results.real_profiles().items():
        committed = _run_digests(file.parent for file in (REFERENCE_DIR / name / "runs").glob("*/run.json"))
        if name != profile and not _run_digests(run.path for run in runs).items() <= committed.items():
            raise UserError(
                f"the chapters also show results/{name}, which is not what results/reference/{name} holds; run "
                f"`make keep PROFILE={name}`, or move results/{name} away and render again"
            )
    reference = REFERENCE_DIR / profile
    for folder, target in ((source / "tables", reference / "tables"), (source / "chapters", BOOK / "chapters")):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".*", "inputs_digest"))
    # Every figure stands in its chapter already; once more, the README's alone.
    shutil.rmtree(reference / "figures", ignore_errors=True)
    (reference / "figures").mkdir()
    shutil.copy2(source / "figures" / "table1.png", reference / "figures")
    keep_runs(profile, features=True)
    _fill_readme(profile)
    print(f"published: book/chapters, results/reference/{profile} and the README now show results/{profile}; look, and commit")


def keep_runs(profile: str, features: bool = False) -> None:
    """Copy a profile's own finished runs to results/reference, where they are committed; without own runs those there stay.

    Features are large and only a profile's own chapters draw them: they are left out, or with ``features`` kept for the
    first seed of the base model and of the full model as described.
    """
    own = RESULTS_DIR / profile / "runs"
    if not any(own.glob("*/run.json")):
        return
    target = REFERENCE_DIR / profile / "runs"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(own, target, ignore=shutil.ignore_patterns(".*"))
    seen = set()
    for run in sorted(results.load_runs(profile), key=lambda r: r.seed):
        arm = config.parse_arm(run.arm)
        if not features or run.arm in seen or arm.modules not in ("base", "wagf") or arm.reading == "released":
            (target / run.path.name / "features.npz").unlink(missing_ok=True)
        seen.add(run.arm)


def _fill_readme(profile: str) -> None:
    """Put the published table and figure between the README's two markers."""
    table = pd.read_csv(REFERENCE_DIR / profile / "tables" / "table1.csv")
    rows = ["| row | arm | paper, accuracy % | ours, accuracy % [95% interval] | ours, F1 % | seeds |", "|---|---|---|---|---|---|"]
    for row in table.dropna(subset=["accuracy_ours"]).to_dict("records"):
        paper = "" if pd.isna(row["accuracy_paper"]) else f"{row['accuracy_paper']:.2f}"
        rows.append(
            f"| {row['row']} | {row['arm']} | {paper} | {row['accuracy_ours']:.2f} [{row['accuracy_ci_low']:.2f}, "
            f"{row['accuracy_ci_high']:.2f}] | {row['f1_ours']:.2f} | {row['n_seeds']:.0f} |"
        )
    figure = f"results/reference/{profile}/figures/table1.png"
    contents = {
        "picture": f"![Test accuracy of every arm with 95% intervals, beside the printed values]({figure})",
        "results": f"Profile `{profile}`: {table['provenance'].iloc[0]}.\n\n" + "\n".join(rows),
    }
    readme = README.read_text(encoding="utf-8")
    for name, text in contents.items():
        before, rest = readme.split(f"<!-- {name}:begin -->")
        readme = f"{before}<!-- {name}:begin -->\n{text}\n<!-- {name}:end -->" + rest.split(f"<!-- {name}:end -->")[1]
    results.write_text(README, readme)


def _page(profile: str) -> str:
    return results._short(RESULTS_DIR / profile / "book" / "_build" / "html" / "index.html")


def summary(profile: str) -> str:
    """The closing words of ``make reproduce``: the table, the seconds, the path of the book."""
    runs = results.load_runs(profile)
    rows = [
        {
            "run": run.name,
            "accuracy %": f"{100 * run.info['test_metrics']['accuracy']:.2f}",
            "balanced accuracy %": f"{100 * run.info['test_metrics']['balanced_accuracy']:.2f}",
            "macro F1 %": f"{100 * run.info['test_metrics']['f1_macro']:.2f}",
            "parameters": f"{run.info['parameters']['total']:,}",
            "best epoch": run.info["best_epoch"],
            "seconds": f"{run.info['wall_seconds']:.0f}",
        }
        for run in runs
    ]
    started = float((work_dir(profile) / "started").read_text())
    return (
        f"\nTest results: {results.provenance(runs)}\n{pd.DataFrame(rows).to_string(index=False)}\n\n"
        f"Done in {time.time() - started:.0f} s (installation not counted).\nBook: {_page(profile)}"
    )


# --- command line --------------------------------------------------------------------------------------------


def main(words=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument(
        "step",
        choices=["prepare", "finish-run", "chapters", "book", "keep", "publish", "summary"],
    )
    parser.add_argument("profile")
    parser.add_argument("run", nargs="?")
    arguments = parser.parse_args(words)
    try:
        return _step(arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _step(arguments) -> None:
    profile = load_profile(arguments.profile)
    name = profile.name
    if arguments.step == "prepare":
        prepare(profile)
    elif arguments.step == "finish-run":
        finish_run(profile, arguments.run)
    elif arguments.step == "chapters":
        render_chapters(name)
    elif arguments.step == "book":
        if book_is_stale(name):
            build_book(name)
    elif arguments.step == "keep":
        keep_runs(name)
    elif arguments.step == "publish":
        publish(name)
    elif arguments.step == "summary":
        print(summary(name))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
