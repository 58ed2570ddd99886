"""What the code binds has a name in the field's terms: a list of runs is ``runs``, not what somebody ``found``."""

import ast

import pytest

from wagf_src import paths

SAY_NOTHING = {"of", "found", "said", "told", "words", "handful"}
PACKAGE = paths.ROOT / "wagf_src"
# Another name would be another digest of the code, and what rests on it would be made again.
LEFT = {
    ("models/facts.py", "found"): "the key of what Keras answered (paper/keras_process.py)",
    ("use/companions.py", "found"): "the key of the companions of a model, in the cache folder",
}


def bound(source: str) -> set[str]:
    """Names of variables, attributes, arguments, functions, classes and imports that a source binds."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                names.add(name)
            case ast.MatchMapping(rest=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return names - {None}


def test_no_name_says_nothing():
    files = {file.relative_to(PACKAGE).as_posix(): file for file in PACKAGE.rglob("*.py")}
    names = {file: bound(path.read_text(encoding="utf-8")) & SAY_NOTHING for file, path in files.items()}
    assert {(file, name) for file in names for name in names[file]} == set(LEFT)


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "a, *found = b",
        "found: int",
        "found += 1",
        "self.found = 1",
        "for found in a: pass",
        "[found for found in a]",
        "if found := a: pass",
        "with a as found: pass",
        "try: pass\nexcept E as found: pass",
        "def found(): pass",
        "async def found(): pass",
        "class found: pass",
        "def f(a, /, *found): pass",
        "def f(*, found=1): pass",
        "lambda found: 1",
        "from a import found",
        "from a import b as found",
        "import a as found",
        "match a:\n  case {**found}: pass",
        "match a:\n  case [*found]: pass",
        "match a:\n  case str() as found: pass",
    ],
)
def test_a_binding_is_seen(source):
    assert "found" in bound(source)


def test_what_only_uses_a_name_binds_none():
    assert bound("'found'\nf(found=found.found)\nimport a.found as b\nfrom found import c") == {"b", "c"}
