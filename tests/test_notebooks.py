"""The notebooks' sources are clean, take their parameters, and say what they are."""

import json
import re
import statistics
import subprocess
import sys

import nbformat
import papermill
import pytest

from wagf_src import paths

SOURCES = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_is_stripped_valid_and_parameterized(path):
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    code = [c for c in nb.cells if c.cell_type == "code"]
    assert all(not c.outputs and c.execution_count is None for c in code), "strip the outputs"
    assert nb.metadata.kernelspec.name == "python3"
    assert "parameters" in code[0].metadata.get("tags", []), "the first code cell holds the parameters"
    known = papermill.inspect_notebook(str(path))
    assert known["profile"]["default"] == '"demo"'
    assert set(known) >= ({"profile", "run"} if path.stem == "train" else {"profile"})
    headings = [
        line for c in nb.cells if c.cell_type == "markdown" for line in c.source.splitlines() if line.startswith("# ")
    ]
    assert nb.cells[0].source.startswith("# ") and len(headings) == 1, "one first-level heading, at the top"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_figures_have_alt_text_and_caption(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and re.search(r"figures\.stamp|chapter\.(figure|draw)\(", cell.source):
            mystnb = cell.metadata.get("mystnb", {})
            assert len(mystnb.get("image", {}).get("alt", "")) > 20, cell.source[:80]
            assert mystnb.get("figure", {}).get("caption") and mystnb["figure"].get("name", "").startswith("fig-")
            # Every output of the cell would get the caption and the name.
            assert "display(" not in cell.source and "print(" not in cell.source


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_chapters_only_show(path):
    nb = nbformat.read(path, as_version=4)
    code = [c for c in nb.cells if c.cell_type == "code"]
    text = "\n".join(c.source for c in code)
    if path.stem == "train":
        pytest.skip("no chapter: it trains a run")
    assert "Chapter(profile)" in text
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 40
    assert not re.search(r"^\s*(def|class) |lambda|csv", text, re.M)
    imported = re.findall(r"^(?:from|import) (\S+)", text, re.M)
    assert all(name.startswith(("wagf_src.report", "IPython")) for name in imported), imported
    # Parameters are hidden and code is folded; the first screen is the question and its answer.
    assert all({"hide-input", "remove-input", "remove-cell"} & set(c.metadata.get("tags", [])) for c in code)
    assert "\n## Question\n" in nb.cells[0].source and nb.cells[1] is code[0] and nb.cells[2] is code[1]
    assert "chapter.answer(" in code[1].source


def test_half_of_the_chapters_have_at_most_25_lines_of_code():
    chapters = [nbformat.read(path, as_version=4) for path in SOURCES if path.stem != "train"]
    lines = [[line for c in nb.cells if c.cell_type == "code" for line in c.source.splitlines()] for nb in chapters]
    assert statistics.median(sum(bool(line.strip()) for line in code) for code in lines) <= 25


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_relative_or_machine_path(path):
    text = path.read_text()
    assert "../" not in text and not re.search(r"(?<![\w.:/])/(home|root|Users|tmp|mnt|opt)/", text)


def test_reports_need_no_tensorflow():
    """Everything that report notebooks import, with TensorFlow and Keras made unimportable."""
    package = paths.ROOT / "wagf_src"
    files = [f for room in ("data", "stats", "paper", "report") for f in sorted((package / room).rglob("*.py"))]
    modules = [".".join(f.relative_to(package).with_suffix("").parts) for f in files if f.stem != "__init__"]
    program = "import sys\nfor m in ('tensorflow', 'keras', 'jax'): sys.modules[m] = None\n"
    program += "\n".join(f"import wagf_src.{m}" for m in modules)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_committed_chapters_are_these_sources_executed():
    """What the book shows is what the notebooks say: same cells, all run, none failed."""
    published = sorted((paths.ROOT / "book" / "chapters").glob("*.ipynb"))
    assert [path.stem for path in published] == [path.stem for path in SOURCES if path.stem != "train"]
    for path in published:
        shown = json.loads(path.read_text())["cells"]
        code = [c for c in shown if c["cell_type"] == "code" and "".join(c["source"]).strip()]
        assert all(c["execution_count"] for c in code), path.name
        assert not any(o["output_type"] == "error" for c in code for o in c["outputs"]), path.name
        source = json.loads((paths.ROOT / "notebooks" / path.name).read_text())["cells"]
        text = ["".join(c["source"]) for c in shown if "injected-parameters" not in c["metadata"].get("tags", [])]
        assert text == ["".join(c["source"]) for c in source], f"{path.name}: publish again"
