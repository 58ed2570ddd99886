"""What the Makefile relies on: staleness by content, nothing half done put in place, one-line errors."""

import errno
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import fabricate
import nbformat
import pandas as pd
import pytest

from wagf_src import atomic, paths
from wagf_src.__main__ import in_one_line, main
from wagf_src.errors import UserError
from wagf_src.executed_notebook import cleaned, execute
from wagf_src.paths import work_dir
from wagf_src.profile import load_profile
from wagf_src.report import book, chapters, evidence, pages, publish, staleness, tables, warm_kernels
from wagf_src.runs import TEST, load_runs, provenance_line
from wagf_src.train.finish import finish_run


@pytest.fixture
def folders(tmp_path, monkeypatch, made_up_runs):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path / "results")
    monkeypatch.setattr(paths, "BENCH_DIR", tmp_path / "results" / "bench")
    return tmp_path / "results"


def rendered(folder):
    """Chapters of a profile as if just rendered from what is there."""
    chapters = folder / "chapters"
    chapters.mkdir(exist_ok=True)
    for source in staleness.chapter_sources():
        (chapters / source.name).write_text("{}")
    (chapters / "inputs_digest").write_text(staleness.rendered_digest(folder.name, chapters))


def notebook(path, failed=False, run=True):
    cell = nbformat.v4.new_code_cell("1 + 1", execution_count=1 if run else None)
    if failed:
        cell["outputs"] = [nbformat.v4.new_output("error", ename="E", evalue="e", traceback=[])]
    nb = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"input_path": str(paths.ROOT)}})
    cell["outputs"] += [nbformat.v4.new_output("stream", text=f"{paths.ROOT}/results/x")]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)


@pytest.mark.parametrize("state", [{"failed": True}, {"run": False}])
def test_a_notebook_that_failed_or_stopped_is_not_taken(tmp_path, state):
    notebook(tmp_path / "x.ipynb", **state)
    with pytest.raises(UserError, match="x.ipynb"):
        cleaned(tmp_path / "x.ipynb")


def test_executed_notebooks_carry_no_machine_paths_or_times(tmp_path):
    notebook(tmp_path / "x.ipynb")
    text = cleaned(tmp_path / "x.ipynb")
    assert str(paths.ROOT) not in text and "papermill" not in text
    nbformat.validate(json.loads(text))


def test_a_run_appears_whole_or_not_at_all(folders):
    profile = load_profile("demo")
    run = "mobilenetv2-base-seed0"
    work = work_dir("demo") / run
    fabricate.fabricate(work, arms=["mobilenetv2-base"])
    os.replace(work / run, work / "staging")
    with pytest.raises(UserError, match="no executed notebook"):
        finish_run(profile, run)
    notebook(work / "train.ipynb")
    file = work / "staging" / TEST
    whole = file.read_bytes()
    frame = pd.read_csv(file)
    file.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"staging/predictions\.csv\.gz was changed by hand or cut"):
        finish_run(profile, run)
    frame[:-1].to_csv(file, index=False)
    fabricate.seal(work / "staging")
    with pytest.raises(UserError, match="not complete"):
        finish_run(profile, run)
    file.write_bytes(whole)
    fabricate.seal(work / "staging")
    os.rename(work, work_dir("demo") / "mobilenetv2-base-seed1")
    with pytest.raises(UserError, match="mobilenetv2-base-seed1: the staged folder is not complete"):
        finish_run(profile, "mobilenetv2-base-seed1")  # another run's
    os.rename(work_dir("demo") / "mobilenetv2-base-seed1", work)
    assert not (folders / "demo" / "runs").exists()
    finish_run(profile, run)
    assert {TEST, "run.json", "train.ipynb"} <= {p.name for p in (folders / "demo" / "runs" / run).iterdir()}
    load_runs("demo")[0].check()
    assert not work.exists() and [r.name for r in load_runs("demo")] == [run]


def test_chapters_follow_the_benchmark(folders):
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    rendered(folders / "demo")
    assert staleness.stale_chapters("demo") == []
    (folders / "bench").mkdir()
    (folders / "bench" / "arms.csv").write_text("case\n")
    assert "speed" in staleness.stale_chapters("demo")


def test_a_book_is_built_again_and_holds_no_page_of_an_earlier_one(folders, monkeypatch):
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    rendered(folders / "demo")
    work_dir("demo").mkdir()
    html = folders / "demo" / "book" / "_build" / "html"
    asked = []

    def jupyter_book(command, **_):
        asked.append(sorted(path.name for path in Path(command[2]).glob("chapters/*")))
        for page in ("index", *staleness._pages()):
            atomic.write_text(html / f"{page}.html", "")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(book.subprocess, "run", jupyter_book)
    assert staleness.book_is_stale("demo")
    assert book.build_book("demo") == html / "index.html" and not staleness.book_is_stale("demo")
    earlier = html / "of_an_earlier_book.html"
    earlier.touch()
    book.build_book("demo")
    assert (html / "index.html").is_file() and not earlier.exists()
    assert asked[0] == asked[1] == sorted(source.name for source in staleness.chapter_sources())
    for page in ("index.html", "chapters/table1.html"):
        (html / page).unlink()
        assert staleness.book_is_stale("demo")
        book.build_book("demo")
        assert not staleness.book_is_stale("demo")
    (folders / "demo" / "chapters" / "table1.ipynb").unlink()
    with pytest.raises(UserError, match="no chapter table1 of profile demo"):
        book.build_book("demo")


@pytest.mark.parametrize("file", ["tables/grim.csv", "chapters/table1.ipynb", "figures/table1.png"])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_a_table_or_a_chapter_that_is_not_as_written_is_made_again(folders, file, harm):
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    (folders / "demo" / "tables").mkdir()
    (folders / "demo" / "tables" / "grim.csv").write_text("accuracy\n0.81\n")
    atomic.write_text(folders / "demo" / "figures" / "table1.png", "picture")
    rendered(folders / "demo")
    assert staleness.stale_chapters("demo") == []
    harmed = folders / "demo" / file
    if harm == "gone":
        harmed.unlink()
    else:
        harmed.write_text("accuracy\n0.91\n" if harm == "changed" else "")
    assert "table1" in staleness.stale_chapters("demo")


def test_data_that_come_or_change_render_the_chapters_again_and_data_that_go_do_not(folders, tmp_path, monkeypatch):
    """Without the images some tables have no rows; they are not made again without what they were made from."""
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    data = tmp_path / "data"
    monkeypatch.setenv("HAM10000_DIR", str(data))
    rendered(folders / "demo")
    assert staleness.stale_chapters("demo") == []
    for name in ("HAM10000_metadata.csv", "images/a.jpg", "images/b.jpg", "masks/a_segmentation.png"):
        atomic.write_text(data / name, "of the data")
        assert staleness.stale_chapters("demo"), name
        rendered(folders / "demo")
        assert staleness.stale_chapters("demo") == []
    (data / "HAM10000_metadata.csv").write_text("corrected")
    assert staleness.stale_chapters("demo")
    rendered(folders / "demo")
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path / "nowhere"))
    assert staleness.stale_chapters("demo") == []
    rendered(folders / "demo")
    monkeypatch.setenv("HAM10000_DIR", str(data))
    assert staleness.stale_chapters("demo")


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "null", '{"inputs": 1}', "0" * 64, '{"inputs": 1, "data": 1, "files": 2}']
)
def test_a_record_that_is_cut_or_of_earlier_code_is_none(folders, record):
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    rendered(folders / "demo")
    (folders / "demo" / "chapters" / "inputs_digest").write_text(record)
    assert staleness.stale_chapters("demo")


@pytest.mark.parametrize("harm", ["cut", "gone", "edited"])
def test_no_chapter_rests_on_a_damaged_run(folders, harm):
    """Although its run.json, and so all that it says of itself, is as before."""
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    rendered(folders / "demo")
    file = next((folders / "demo" / "runs").glob(f"*/{TEST}"))
    (file.parent / "a_note_of_the_readers_own.txt").touch()
    assert staleness.stale_chapters("demo") == []
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20] if harm == "cut" else b"image_id\n")
    with pytest.raises(
        UserError, match=r"mobilenetv2-base-seed0/predictions\.csv\.gz (is missing|was changed by hand)"
    ):
        staleness.stale_chapters("demo")


@pytest.mark.parametrize("step", ["chapters", "keep", "publish"])
def test_a_profile_without_runs_leaves_nothing_behind(folders, step, capsys):
    assert main([step, "released"]) == 2
    assert "error: no finished run in results/released/runs; make them with" in capsys.readouterr().err
    assert not (folders / "released").exists()


def test_chapters_are_rendered_together(folders, tmp_path, monkeypatch, capfd):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.setattr(paths, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(paths, "BOOK", tmp_path / "book")
    (tmp_path / "book").mkdir()
    contents = {"root": "intro", "parts": [{"chapters": [{"file": "chapters/z"}, {"file": "chapters/a"}]}]}
    (tmp_path / "book" / "_toc.yml").write_text(json.dumps(contents))
    (notebooks / "Untitled.ipynb").write_text("a reader's own, not even a notebook")
    monkeypatch.setattr(chapters.tables, "TABLES", {})
    for name in "za":
        fabricate.write_notebook(notebooks / f"{name}.ipynb", "print(profile.upper(), 40 + 2)")
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    for name in ("tables/old.csv", "figures/old.png"):
        atomic.write_text(folders / "demo" / name, "of an earlier rendering")
    rendered(folders / "demo")
    shutil.rmtree(folders / "demo" / "runs")
    with pytest.raises(UserError, match="no finished run in results/demo/runs"):
        chapters.render_chapters("demo")
    assert (folders / "demo" / "tables" / "old.csv").is_file(), "nothing goes before it is known that something comes"
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"], skill=1.0)
    chapters.render_chapters("demo")
    place = folders / "demo" / "chapters"
    assert all("DEMO 42" in (place / f"{name}.ipynb").read_text() for name in "za")
    for name in ("tables", "figures"):
        assert not (folders / "demo" / name).exists(), "nothing of an earlier time is left to be read"
    assert sorted(line.split(",")[0] for line in capfd.readouterr().out.splitlines()) == ["chapter a", "chapter z"]
    changed = (place / "z.ipynb").stat().st_mtime_ns
    chapters.render_chapters("demo")
    assert (place / "z.ipynb").stat().st_mtime_ns == changed, "nothing to do the second time"

    # What is the reader's own is never deleted, and not taken for ours.
    theirs = {"tables/mine.csv": "1", "figures/mine.svg": "2", "figures/mine.png": "3", "chapters/mine.ipynb": "4"}
    for name, text in theirs.items():
        atomic.write_text(folders / "demo" / name, text)
    assert staleness.stale_chapters("demo") == []
    (place / "z.ipynb").write_text("edited")
    assert staleness.stale_chapters("demo")
    chapters.render_chapters("demo")
    assert "DEMO 42" in (place / "z.ipynb").read_text() and staleness.stale_chapters("demo") == []
    for name, text in (theirs | {"chapters/z.kept.ipynb": "edited"}).items():
        assert (folders / "demo" / name).read_text() == text
    assert "chapters/z.kept.ipynb, which was changed" in capfd.readouterr().out
    assert set(staleness.rendering("demo")["files"]) == {"chapters/a.ipynb", "chapters/z.ipynb"}

    # One that fails: one line with its error and its log, the chapters of the last time stay.
    fabricate.write_notebook(notebooks / "z.ipynb", 'print("kernel says"); raise ValueError("no such thing\\nat all")')
    with pytest.raises(UserError, match=r"^z failed: ValueError: no such thing \(log: .*z\.log\)$"):
        chapters.render_chapters("demo")
    assert "no such thing" in (work_dir("demo") / "executed" / "z.log").read_text()
    assert "DEMO 42" in (place / "z.ipynb").read_text() and staleness.stale_chapters("demo")
    fabricate.write_notebook(notebooks / "z.ipynb", "import os; os._exit(3)")
    with pytest.raises(UserError, match="z failed: DeadKernelError"):
        chapters.render_chapters("demo")
    worker = "multiprocessing.parent_process().pid if multiprocessing.parent_process() else os.getppid()"
    fabricate.write_notebook(
        notebooks / "z.ipynb", f"import multiprocessing, os, signal; os.kill({worker}, signal.SIGKILL)"
    )
    with pytest.raises(UserError, match="a chapter's process was killed"):
        chapters.render_chapters("demo")


def test_synthetic_results_are_never_published(folders):
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    rendered(folders / "demo")
    with pytest.raises(UserError, match="synthetic"):
        publish.publish("demo")


@pytest.fixture
def publishable(folders, tmp_path, monkeypatch):
    """A profile `frozen` as if just rendered, and a book and a README to publish it in; returns its table 1."""
    for name, place in (("BOOK", "book"), ("REFERENCE_DIR", "reference"), ("README", "README.md")):
        monkeypatch.setattr(paths, name, tmp_path / place)
    shutil.copytree(paths.ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("chapters"))
    (tmp_path / "README.md").write_text(
        "before\n<!-- picture:begin -->\n<!-- picture:end -->\n<!-- results:begin -->\nold\n<!-- results:end "
        "-->\nafter\n"
    )
    arms = ["mobilenetv2-base", "mobilenetv2-sa-described", "mobilenetv2-wagf-described", "mobilenetv2-wagf-released"]
    fabricate.fabricate(folders / "frozen" / "runs", arms=arms, seeds=(0, 1), synthetic=False)
    table = tables.conditions.table1(evidence.collect("frozen", tables.TABLES))
    fabricate.write_table(table.drop(columns="provenance"), "table1", "frozen", "HAM10000; 160 px")
    claims = pd.DataFrame({"id": ["a", "b"], "part": ["claims", "counts"], "verdict": ["not reproduced", "reproduced"]})
    fabricate.write_table(claims, "claims", "frozen", "HAM10000; 160 px")
    for name in ("tables", "figures"):
        (folders / "frozen" / name).mkdir(exist_ok=True)
    for name in ("table1", "heatmaps"):
        (folders / "frozen" / "figures" / f"{name}.png").write_bytes(name.encode())
    rendered(folders / "frozen")
    return table


def test_publishing_fills_book_reference_and_readme(publishable, folders, tmp_path):
    table = publishable
    earlier = tmp_path / "reference" / "earlier" / "tables"  # of a book that the new one replaces
    earlier.mkdir(parents=True)
    publish.publish("frozen")
    text = (tmp_path / "README.md").read_text()
    assert "of 1 claims (1 different ones" in text and "0 reproduced, 1 not reproduced" in text, "counts are no claims"
    assert pages.tables_of(tmp_path / "book") == tmp_path / "reference" / "frozen" / "tables" and not earlier.exists()
    (figure,) = (tmp_path / "reference" / "frozen" / "figures").iterdir()
    assert figure.read_bytes() == b"table1", "the README's; every figure is in its chapter"
    kept = {f.parent.name for f in (tmp_path / "reference" / "frozen" / "runs").glob("*/features.npz")}
    assert kept == {"mobilenetv2-base-seed0", "mobilenetv2-wagf-described-seed0"}, (
        "of the large files the first seed of two models"
    )
    assert len(list((tmp_path / "reference" / "frozen" / "runs").glob(f"*/{TEST}"))) == 8
    assert (tmp_path / "book" / "chapters" / "table1.ipynb").is_file()
    assert not (tmp_path / "book" / "chapters" / "inputs_digest").exists()
    assert (tmp_path / "reference" / "frozen" / "runs" / "mobilenetv2-base-seed0" / "run.json").is_file()
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("after\n") and "old" not in readme
    accuracy = 100 * table.set_index("arm")["accuracy"]
    assert f"| MobileNet-v2 | 79.03 | 82.86 | {accuracy['mobilenetv2-base']:.1f}\N{NO-BREAK SPACE}↓ [" in readme
    assert "| paper | stored notebook | frozen |" in readme
    assert "- `frozen`: MobileNetV2, end to end, 64 px, from random weights; n = 200; 2 seeds" in readme
    assert "| ResNet50 | 84.66 | 85.68 | – |" in readme and "(results/reference/frozen/figures/table1.png)" in readme

    # Rendered without the images, the book would lose its tables about them.
    fabricate.write_table(pd.DataFrame({"class": ["nv"]}), "data_card", "frozen", "HAM10000")
    card = folders / "frozen" / "tables" / "data_card.csv"
    publish.publish("frozen")
    assert not (tmp_path / "reference" / "frozen" / "tables" / "data_card.csv").exists(), "no rendering made it"
    rendered(folders / "frozen")
    publish.publish("frozen")
    for without in (lambda: card.write_text("class,provenance\n"), card.unlink):
        without()
        rendered(folders / "frozen")
        with pytest.raises(UserError, match=r"lacks what results/reference/frozen has \(data_card\).* DATA=folder"):
            publish.publish("frozen")
        assert "nv" in (tmp_path / "reference" / "frozen" / "tables" / "data_card.csv").read_text()


def everything(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda results: (results / "figures" / "table1.png").unlink(), "not up to date"),
        (lambda results: shutil.rmtree(results / "figures"), "not up to date"),
        (lambda results: (shutil.rmtree(results / "figures"), rendered(results)), "figures/table1.png is missing"),
        (lambda results: ((results / "tables" / "claims.csv").unlink(), rendered(results)), "claims.csv is missing"),
        (lambda results: paths.README.write_text("no markers"), "README.md: must have <!-- picture:begin --> and then"),
        (
            lambda results: next(results.glob("runs/*-released-seed1")).joinpath("notes.txt").touch(),
            "notes.txt was not written by the run",
        ),
    ],
    ids=["figure", "figures", "rendered without", "no claims", "readme", "note"],
)
def test_what_cannot_be_published_whole_changes_nothing(publishable, folders, tmp_path, harm, says):
    publish.publish("frozen")
    fabricate.write_table(publishable.iloc[:3], "table1", "frozen", "another")
    rendered(folders / "frozen")
    harm(folders / "frozen")
    before = everything(tmp_path)
    with pytest.raises(UserError, match=says) as error:
        publish.publish("frozen")
    assert everything(tmp_path) == before and "\n" not in str(error.value)


def test_a_full_disk_leaves_what_is_published(publishable, folders, tmp_path, monkeypatch):
    publish.publish("frozen")
    fabricate.write_table(publishable.iloc[:3], "table1", "frozen", "another")
    rendered(folders / "frozen")
    before, copy2 = everything(tmp_path), shutil.copy2

    def full(source, target, **options):
        if Path(source).name == "table1.png":
            raise OSError(28, "No space left on device", str(target))
        return copy2(source, target, **options)

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space"):
        publish.publish("frozen")
    assert everything(tmp_path) == before


def test_kept_runs_lose_no_features_and_bring_nothing_hidden(folders, monkeypatch):
    monkeypatch.setattr(paths, "REFERENCE_DIR", folders / "reference")
    fabricate.fabricate(folders / "mine" / "runs", arms=["mobilenetv2-base", "mobilenetv2-sa-described"])
    atomic.write_text(folders / "mine" / "gradcam" / "a.npz", "maps")
    atomic.write_text(folders / "mine" / "gradcam" / ".a.npz", "half")
    publish.keep_runs("mine", features=True)
    publish.keep_runs("mine")
    committed = folders / "reference" / "mine"
    assert [file.parent.name for file in committed.glob("runs/*/features.npz")] == ["mobilenetv2-base-seed0"]
    assert [file.name for file in (committed / "gradcam").iterdir()] == ["a.npz"]
    (committed / "runs" / "mobilenetv2-base-seed0" / "notes.txt").write_text("beside it")
    publish.keep_runs("mine")
    assert (committed / "runs" / "mobilenetv2-base-seed0" / "notes.txt").read_text() == "beside it"


def test_runs_that_are_not_committed_are_not_published(folders, monkeypatch, capsys):
    for module in (paths,):
        monkeypatch.setattr(module, "REFERENCE_DIR", folders / "reference")
    fabricate.fabricate(folders / "frozen" / "runs", arms=["mobilenetv2-base"], synthetic=False)
    fabricate.fabricate(folders / "mine" / "runs", arms=["mobilenetv2-base"], synthetic=False)
    (own := folders / "mine" / "runs" / "mobilenetv2-base-seed0" / "model.weights.h5").write_bytes(b"weights")
    with pytest.raises(UserError, match="model.weights.h5 was not written by the run"):
        publish.keep_runs("mine")
    fabricate.seal(own.parent)
    (folders / "mine" / "gradcam").mkdir()
    for name in ("a.npz", ".a.npz"):  # the second as a killed process leaves it
        (folders / "mine" / "gradcam" / name).write_bytes(b"maps")
    rendered(folders / "frozen")
    with pytest.raises(UserError, match="make keep PROFILE=mine"):
        publish.publish("frozen")
    assert not list((folders / "reference").rglob("run.json"))
    publish.keep("mine")
    assert "reference/mine/runs: mobilenetv2-base-seed0;" in capsys.readouterr().out
    with pytest.raises(UserError, match="results/theirs/runs: no finished run of yours"):
        publish.keep("theirs")
    assert [file.name for file in (folders / "reference" / "mine" / "gradcam").iterdir()] == ["a.npz"]
    assert own.exists(), "kept with the reader's run, and never committed"
    kept = folders / "reference" / "mine" / "runs" / "mobilenetv2-base-seed0"
    assert not (kept / own.name).exists()
    assert (kept / TEST).is_file() and not (kept / "features.npz").exists(), (
        "large, and no committed chapter draws them"
    )
    rendered(folders / "frozen")
    with pytest.raises(UserError, match="tables/table1.csv is missing"):  # past the check
        publish.publish("frozen")


def test_nothing_is_published_that_is_out_of_date(folders):
    with pytest.raises(UserError, match="make reproduce PROFILE=frozen"):
        publish.publish("frozen")


def test_a_broken_run_json_is_one_line(folders):
    folder = folders / "demo" / "runs" / "mobilenetv2-base-seed0"
    folder.mkdir(parents=True)
    for text, word in (("{", "cannot be read"), ("{}", "schema")):
        (folder / "run.json").write_text(text)
        with pytest.raises(UserError, match=word) as error:
            provenance_line(load_runs("demo"))
        assert "\n" not in str(error.value)


def test_a_name_that_is_no_text_costs_no_table(tmp_path):
    """Linux gives names of files as bytes; Python hands on those that are not UTF-8 as lone surrogates."""
    name = os.fsdecode(b"l\xe4sion.jpg")
    atomic.write_csv(tmp_path / "a.csv", pd.DataFrame({"file": [name, "läsion.jpg"]}))
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "file\nl\\udce4sion.jpg\nläsion.jpg\n"


def test_writing_is_atomic(tmp_path, monkeypatch):
    atomic.write_text(tmp_path / "a.csv", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        atomic.write_text(tmp_path / "a.csv", "new")
    assert (tmp_path / "a.csv").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "words, environment, expected",
    [
        (["prepare", "nonesuch"], {}, ["no profile 'nonesuch'", "demo"]),
        (["prepare", "frozen"], {"HAM10000_DIR": "/nonexistent"}, ["error:", "make data", "DATA="]),
        (["summary", "frozen-trial"], {}, ["no finished run", "make reproduce"]),
        (["book", "frozen-trial"], {}, ["no chapter", "make report PROFILE=frozen-trial"]),
        (["prepare", "demo"], {"KERAS_BACKEND": "torch"}, ["KERAS_BACKEND", "must be tensorflow or jax"]),
        (["prepare", "demo"], {"WAGF_CACHE_DIR": __file__}, ["cannot be written", "WAGF_CACHE_DIR"]),
        (["prepare", "nonesuch"], {"PYTHONOPTIMIZE": "2"}, ["no profile 'nonesuch'"]),
    ],
)
def test_errors_are_one_line_and_a_code(words, environment, expected):
    done = subprocess.run(
        [sys.executable, "-m", "wagf_src", *words], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in expected), done.stderr


def test_what_is_in_the_way_is_one_line(folders, capsys):
    """A file, or a link to nowhere, where a folder has to be."""
    for place in ("demo", "demo/.work", "demo/.work/locks"):
        (folders / place).parent.mkdir(parents=True, exist_ok=True)
        (folders / place).write_text("mine")
        assert main(["prepare", "demo"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "in its place" in error and (folders / place).read_text() == "mine"
        (folders / place).unlink()
    shutil.rmtree(folders / "demo")
    (folders / "demo").symlink_to(folders / "gone")
    assert main(["prepare", "demo"]) == 2 and capsys.readouterr().err.count("\n") == 1


LONG = "x" * 300


@pytest.mark.parametrize(
    "work, said",
    [
        (lambda folder: (folder / LONG).write_text(""), f"{LONG}: File name too long; "),
        (lambda folder: (folder / "gone" / "a").write_text(""), "gone/a: No such file or directory; "),
        (lambda folder: main(["predict", LONG]), f"{LONG}: File name too long; "),
        (lambda folder: main(["predict", "a", "--out", LONG]), f"{LONG}: File name too long; "),
        (lambda folder: main(["ship", LONG]), "File name too long; "),
        (lambda folder: main(["audit", LONG]), "File name too long"),
        (lambda folder: main(["prepare", f"{LONG}.yaml"]), "File name too long; "),
        (lambda folder: main(["check", LONG]), "File name too long; "),
        (lambda folder: main(["check", "~nobody-of-this-name/x"]), "no folder ~nobody-of-this-name/x"),
        (lambda folder: main(["check", "a\nb"]), r"no folder a\nb; "),
    ],
)
def test_a_file_that_cannot_be_is_named_in_one_line(folders, capsys, monkeypatch, tmp_path, work, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wagf_src.start_message.import_keras", lambda: None)
    assert in_one_line(lambda: work(tmp_path)) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("error: ") and len(error.splitlines()) == 1, error


def test_two_disks_are_one_line(capsys):
    """A link or move across file systems: the error names two files, and neither is in the way."""

    def move():
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/a/new", None, "/b/old")

    assert in_one_line(move) == 2
    assert capsys.readouterr().err.startswith(f"error: /a/new: {os.strerror(errno.EXDEV)}; ")


def test_an_error_that_names_no_file_keeps_its_traceback():
    """It is a fault of the code, or of the network where that is not expected."""

    def fails():
        raise OSError(errno.EINVAL, "Invalid argument")

    with pytest.raises(OSError, match="Invalid argument"):
        in_one_line(fails)


def test_a_split_that_the_images_do_not_allow_stops_before_any_run(folders, tmp_path, capsys):
    file = tmp_path / "odd.yaml"
    odd = {"extends": "demo", "description": "x", "validation": "lesions", "augmentation": "online"}
    file.write_text(json.dumps(odd | {"validation_fraction": 0.999}))
    assert main(["prepare", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "validation" in captured.err and "runs to do" not in captured.out


def test_what_editors_leave_behind_is_not_read(folders, monkeypatch):
    """Emacs's lock: a hidden link to nowhere beside the file that is being written."""
    fabricate.fabricate(folders / "demo" / "runs", arms=["mobilenetv2-base"])
    (folders / "bench").mkdir()
    before = staleness.chapters_digest("demo")
    package = folders.parent / "package"
    shutil.copytree(staleness.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    monkeypatch.setattr(staleness, "PACKAGE", package)
    for place in (folders / "bench" / ".#arms.csv", package / "paper" / ".#claims.yaml"):
        place.symlink_to("somebody@somewhere.1")
    assert staleness.chapters_digest("demo") == before


def test_private_paths_go_from_text_and_never_from_a_picture(tmp_path, monkeypatch):
    """A short data folder, such as /d, is somewhere in every picture's base64."""
    monkeypatch.setenv("HAM10000_DIR", "/d")
    monkeypatch.setenv("WAGF_WEIGHTS_DIR", "/in")
    picture = "iVBORw0KGgo/d/in+d/d=="
    html = f'read /d/images and <img src="data:image/png;base64,{picture}">'
    data = {"image/png": picture, "text/html": html, "text/plain": "/in/weights.h5, not /data or a/d"}
    cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=[nbformat.v4.new_output("display_data", data)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "x.ipynb")
    left = json.loads(cleaned(tmp_path / "x.ipynb"))["cells"][0]["outputs"][0]["data"]
    left = {kind: "".join(value).strip() for kind, value in left.items()}
    assert left["image/png"] == picture and f"base64,{picture}" in left["text/html"]
    assert "read .../images" in left["text/html"]
    assert left["text/plain"] == ".../weights.h5, not /data or a/d"


def left_of(text, folder):
    """What is left of a line that a chapter shows."""
    cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=[nbformat.v4.new_output("stream", text=text)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "x.ipynb")
    return "".join(json.loads(cleaned(folder / "x.ipynb"))["cells"][0]["outputs"][0]["text"])


@pytest.mark.parametrize("word", ["HAM10000", "images", "data", "~", "..", "."])
@pytest.mark.parametrize("variable", ["HAM10000_DIR", "WAGF_WEIGHTS_DIR", "WAGF_CACHE_DIR"])
def test_a_folder_named_like_a_word_hides_no_word(tmp_path, monkeypatch, variable, word):
    """DATA=HAM10000: the folder is private, the word is what the chapters are about."""
    home, here = tmp_path / "home", tmp_path / "here" / "deep"
    home.mkdir()
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(variable, word)
    words = 'HAM10000 of images; {"data": [{"x": 1}]}, data. ~ 3 points .. and . end'
    assert left_of(words, tmp_path) == words
    meant = {"~": home, "..": here.parent, ".": here}.get(word, here / word)
    assert left_of(f"in {meant}/a.csv", tmp_path) == "in .../a.csv"


@pytest.mark.parametrize("variable", ["HAM10000_DIR", "WAGF_WEIGHTS_DIR", "WAGF_CACHE_DIR"])
def test_a_private_folder_is_hidden_in_every_form(tmp_path, monkeypatch, variable):
    """As typed, absolute, and without links."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "disk" / "skin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for given, forms in {
        "link/skin/": ("link/skin", f"{tmp_path}/link/skin", f"{tmp_path}/disk/skin"),
        "~/skin": ("~/skin", f"{tmp_path}/home/skin"),
        "~nobody-of-this-name/skin": ("~nobody-of-this-name/skin", f"{tmp_path}/~nobody-of-this-name/skin"),
    }.items():
        monkeypatch.setenv(variable, given)
        for form in forms:
            assert left_of(f"in {form}/a.csv and {form}", tmp_path) == "in .../a.csv and ...", form


def test_a_folder_named_like_a_tag_breaks_no_table(tmp_path, monkeypatch):
    monkeypatch.setenv("HAM10000_DIR", "/data")
    assert left_of("<data>/data/x.csv</data>", tmp_path) == "<data>.../x.csv</data>"


def test_where_nobody_has_a_home_notebooks_are_cleaned_all_the_same(tmp_path, monkeypatch):
    """A container whose user is a mere number."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert left_of("~ 3 points", tmp_path) == "~ 3 points"


@pytest.mark.parametrize("start", [None, warm_kernels.use], ids=["fresh", "forked"])
def test_the_readers_environment_reaches_no_notebook(tmp_path, monkeypatch, start):
    """Another kernel named python3, IPython's start-up files, a matplotlibrc, a keras.json."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    for folder in (kernel, startup, tmp_path / "keras", tmp_path / "matplotlib"):
        folder.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": ["false"], "display_name": "Python 3", "language": "python"})
    )
    (startup / "00.py").write_text("started = True\n")
    (tmp_path / "keras" / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    (tmp_path / "matplotlib" / "matplotlibrc").write_text("font.size: 77\ntext.usetex: True\n")
    for name, place in (("JUPYTER_PATH", "jupyter"), ("IPYTHONDIR", "ipython"), ("KERAS_HOME", "keras")):
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlib"))
    fabricate.write_notebook(
        tmp_path / "x.ipynb",
        "import keras, matplotlib, sys\n"
        "print(keras.config.floatx(), keras.config.image_data_format(), matplotlib.rcParams['font.size'],"
        " matplotlib.rcParams['text.usetex'], 'started' in globals(), profile, type(profile).__name__)",
    )
    with ProcessPoolExecutor(1, initializer=start) as pool:
        pool.submit(execute, tmp_path / "x.ipynb", tmp_path / "y.ipynb", {"profile": "2026"}, tmp_path / "log").result()
    assert "float32 channels_last 10.0 False False 2026 str" in (tmp_path / "log").read_text()


def test_the_librarys_start_message_is_no_output_of_a_chapter(tmp_path):
    """TensorFlow's C++ writes it to the error stream, with time and process number, whatever level is set."""
    start = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        "I0000 00:00:1795526672.917107   11263 port.cc:153] oneDNN custom operations are on. You may see others.\n",
    ]
    kept = ["a warning of the chapter's\n"]
    outputs = [nbformat.v4.new_output("stream", name="stderr", text=text) for text in (start, kept, start + kept)]
    cell = nbformat.v4.new_code_cell("x = 1", outputs=outputs, execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "x.ipynb")
    left = json.loads(cleaned(tmp_path / "x.ipynb"))["cells"][0]["outputs"]
    assert ["".join(output["text"]) for output in left] == ["".join(kept), "".join(start + kept)]
