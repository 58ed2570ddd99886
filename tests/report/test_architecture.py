"""The picture of the house shows the imports as they are."""

import ast

from wagf_src import paths
from wagf_src.report import architecture


def test_the_picture_is_that_of_the_imports():
    assert architecture.drawn() == architecture.reduced(architecture.imports()), "draw it again: `make architecture`"


def test_an_arrow_is_what_no_path_implies():
    assert architecture.reduced({("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")}) == [
        ("a", "b"),
        ("b", "c"),
        ("d", "c"),
    ]


def test_imports_are_those_that_the_sources_say():
    """By the syntax of the files, without grimp."""
    rooms = {room for floor in architecture.floors()[:-2] for room in floor} | {"layers"}
    package, said = paths.ROOT / "wagf_src", set()
    for file in package.rglob("*.py"):
        importer = file.relative_to(package).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "wagf_src":
                names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
                said |= {(importer, name) for name in names}
    assert architecture.imports() == {(a, b) for a, b in said if a != b and rooms.issuperset((a, b))}


def test_the_picture_can_be_drawn(tmp_path):
    architecture.draw(tmp_path / "a.svg")
    assert architecture.drawn(tmp_path / "a.svg") == architecture.drawn()
