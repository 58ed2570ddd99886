"""The book cannot lie: what the committed chapters say is what their code says today of the committed tables and runs.

No figure is drawn here; the committed tables are recomputed in report/tables/test_committed_tables.py.
"""

import ast
import json
import os
import re

import matplotlib
import pytest

from wagf_src import paths
from wagf_src.report import publish

CHAPTERS = sorted((paths.ROOT / "book" / "chapters").glob("*.ipynb"))


# What report.captions puts around a table, with the blank lines between (it has tests of its own).
DRESS = re.compile(r'<p class="table-caption">.*?</p>|<p><span class="source">.*?</span></p>', re.S)


def has_picture(output: dict) -> bool:
    return "image/png" in output.get("data", {})


def texts(markdown_and_html: list[tuple[str, str]]) -> list[str]:
    """What is shown in words and tables, without what holds a script or a photograph.

    Without the numbers that pandas draws for the id of each table, too, and without
    blanks at the ends of lines, blank lines, captions and sources.
    """
    shown = [markdown or html for markdown, html in markdown_and_html]
    clean = [re.sub(r"\s*\n", "\n", re.sub(r"T_[0-9a-f]{5}", "T", DRESS.sub("\n", text))).strip() for text in shown]
    return [text for text in clean if text and "<script" not in text and "<img" not in text]


def then(cell: dict) -> list[str]:
    data = [output.get("data", {}) for output in cell["outputs"] if not has_picture(output)]
    return texts([tuple("".join(d.get(f"text/{kind}", "")) for kind in ("markdown", "html")) for d in data])


def now(cell: dict, names: dict) -> list[str]:
    """The cell executed as in a notebook; where it draws a picture, all but its last line."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    displayed = []
    names["display"] = lambda *values: displayed.extend(values)
    exec(compile(tree, "cell", "exec"), names)
    if last is not None and not any(map(has_picture, cell["outputs"])):
        displayed.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    ways = ("_repr_markdown_", "_repr_html_")
    return texts([tuple(getattr(value, way, lambda: None)() or "" for way in ways) for value in displayed])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_committed_chapter_says_what_the_committed_tables_give(path, tmp_path, monkeypatch):
    if path.stem == "heatmaps" and "HAM10000_DIR" not in os.environ:
        pytest.skip("its first line says whether the photographs and masks are here: set HAM10000_DIR")
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)  # no results of one's own
    names, compared = {}, 0
    with matplotlib.rc_context():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                expected = then(cell)
                assert now(cell, names) == expected, "".join(cell["source"])
                compared += len(expected)
    assert compared


def test_a_changed_number_or_sentence_would_be_noticed(tmp_path, monkeypatch):
    """The comparison above, on a chapter of one cell."""
    cell = {"source": ["n = 2\n", "display(Text(f'**{n + 1}** of'))\n", "Text('all')"], "outputs": []}

    class Text(str):
        def _repr_markdown_(self):
            return str(self)

    cell["outputs"] = [{"data": {"text/markdown": ["**3** of"]}}, {"data": {"text/markdown": "all"}}]
    assert now(cell, {"Text": Text}) == then(cell) == ["**3** of", "all"]
    cell["outputs"][0]["data"]["text/markdown"] = ["**4** of"]
    assert now(cell, {"Text": Text}) != then(cell)


def test_the_readme_shows_the_committed_table(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS_DIR", paths.REFERENCE_DIR)
    committed = paths.README.read_text(encoding="utf-8")
    emptied = re.sub(r"(:begin -->).*?(<!-- \w+:end)", r"\1\n\2", committed, flags=re.S)
    monkeypatch.setattr(paths, "README", tmp_path / "README.md")
    paths.README.write_text(emptied, encoding="utf-8")
    assert publish._readme("frozen") == committed != emptied
