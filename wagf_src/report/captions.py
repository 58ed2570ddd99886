"""What stands over a table and under a figure: its caption, and the notebook and the tables that made it."""

import ast
import html
import json
import re
from pathlib import Path

RULE = re.compile(r"^\|[ :|-]+\|$", re.M)  # under the head of a Markdown table


def dressed(text: str, name: str, tables: Path) -> str:
    """An executed chapter whose tables have captions, whose figures say what they show, and both their sources.

    A table's caption is ``caption`` of its cell's metadata, or the heading above it. A figure's alternative text is the
    cell's own (what kind of plot) and what the plot found (its output's ``alt``).

    Args:
        text: the executed notebook. name: of the chapter. tables: the folder that its tables were read from.
    """
    notebook = json.loads(text)
    known, heading = {}, name
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ (.*)", source, re.M) or [heading])[-1]
        if cell["cell_type"] != "code":
            continue
        read = sorted(table for table in _read(source, known) if (tables / f"{table}.csv").is_file())
        links = _links(name, read)
        outputs = [output["data"] for output in cell["outputs"] if "data" in output]
        shown = [data for data in outputs if _kind(data)]
        for k, data in enumerate(shown, 1):
            caption = cell["metadata"].get("caption", heading) + (f" ({k} of {len(shown)})" if len(shown) > 1 else "")
            data[_kind(data)] = _with_caption("".join(data[_kind(data)]), caption, links)
        pictures = [output["metadata"] for output in cell["outputs"] if "image/png" in output.get("metadata", {})]
        alts = [about["image/png"].get("alt") for about in pictures]
        if alts and "figure" in (mystnb := cell["metadata"].get("mystnb", {})):
            mystnb["figure"]["caption"] += f"\n\n{links}"
            mystnb["image"]["alt"] = " ".join(filter(None, [mystnb["image"]["alt"], *alts]))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _kind(data: dict) -> str | None:
    """The kind of an output that holds a table."""
    if "<table" in "".join(data.get("text/html", "")):
        return "text/html"
    return "text/markdown" if RULE.search("".join(data.get("text/markdown", ""))) else None


def _links(name: str, read: list[str]) -> str:
    """Links as seen from a chapter of the built book: ``report.pages`` puts the tables there."""
    files = [(f"{name}.ipynb", "../_sources/chapters")] + [(f"{table}.csv", "../_static/tables") for table in read]
    links = ", ".join(f'<a href="{folder}/{file}">{file}</a>' for file, folder in files)
    return f'<span class="source">Source: {links}</span>'


def _with_caption(text: str, caption: str, links: str) -> str:
    """The paragraph before a table becomes its caption in the book (``report.pages``)."""
    before, after = f'<p class="table-caption">{html.escape(caption)}</p>\n\n', f"\n\n<p>{links}</p>\n"
    lines = [k for k, line in enumerate(text.splitlines()) if line.startswith("|")]
    if "<table" in text or not lines:
        return before + text + after
    parts = text.splitlines()
    first, last = lines[0], lines[-1] + 1
    return "\n".join([*parts[:first], before, *parts[first:last], after, *parts[last:]])


def _read(source: str, known: dict[str, set[str]]) -> set[str]:
    """Names of the tables that a cell shows; ``known``, tables by variable, is brought up to date."""
    read = set()
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # IPython's own, in a chapter of a reader's
        return read
    for statement in statements:
        if isinstance(statement, ast.Assign):
            _assign(statement.targets[0], statement.value, known)
        elif isinstance(statement, ast.For):
            _assign(statement.target, statement.iter, known)
        if isinstance(statement, ast.Expr | ast.For):
            read |= _tables(statement, known)
    return read


def _assign(target, value, known):
    """Each variable on the left gets its own tables where they can be told apart, else all of them."""
    targets = target.elts if isinstance(target, ast.Tuple) else [target]
    inner = value
    while isinstance(inner, ast.Call) and inner.args:  # a, b = map(chapter.table, ("a", "b")), as deep as it may be
        inner = inner.args[-1]
    values = inner.elts if isinstance(inner, ast.Tuple) and len(inner.elts) == len(targets) else [value] * len(targets)
    named = all(isinstance(v, ast.Constant) for v in values)
    per_target = [{v.value} if named else _tables(v, known) for v in values]
    known |= {t.id: names for t, names in zip(targets, per_target) if isinstance(t, ast.Name)}


def _tables(node, known):
    """Tables that an expression names or rests on."""
    tables = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            tables |= known.get(part.id, set())
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.args:
            # chapter.table("a"), and chapter.draw("a", plot), which draws the table of its own name
            if part.func.attr == "table" or (part.func.attr == "draw" and len(part.args) == 2):
                tables |= {part.args[0].value} if isinstance(part.args[0], ast.Constant) else set()
    return tables
