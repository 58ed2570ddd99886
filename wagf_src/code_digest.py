"""Digest of what code computes: the same on every Python that reads the code, and by the standard library alone."""

import ast
import hashlib
import json
import threading
from pathlib import Path

PACKAGE = Path(__file__).parent
# CPython 3.11 counts the depth of its trees for all threads together and fails if two of them parse (gh-106905).
_PARSING = threading.Lock()
# Of no influence on results, or not the same in every version of Python.
_LEFT_OUT = {"ctx", "kind", "type_comment", "type_params", "type_ignores"}


def code_digest(modules: tuple[str, ...] = ("",), package: Path = PACKAGE) -> str:
    """SHA-256 of the syntax of modules: comments, docstrings, layout, printed lines and errors are left out.

    Args:
        modules: paths below the package without ending; a folder stands for all that is in it, "" for everything, and
            ``<module>:<name>`` for one function or class.
        package: the folder of the package.

    Raises:
        ValueError: there is no such module or name. Files that no import can name (hidden, or not a Python name) are
            not read, and one that is no Python counts by its text.
    """
    files = {f.relative_to(package).with_suffix("").as_posix(): f for f in sorted(package.rglob("*.py"))}
    files = {name: f for name, f in files.items() if all(part.isidentifier() for part in name.split("/"))}
    code = {}
    for wanted in modules:
        module, _, definition = wanted.partition(":")
        chosen = [n for n in files if not module or n == module or n.startswith(module + "/")]
        with _PARSING:
            parts = {n: _parsed(files[n]) for n in chosen}
        if definition:
            named = [(n, p) for n, tree in parts.items() for p in getattr(tree, "body", ()) if hasattr(p, "name")]
            parts = {f"{n}:{part.name}": part for n, part in named if part.name == definition}
        if not parts:
            raise ValueError(f"no {wanted} in {package.name}")
        code |= {name: _plain(part) for name, part in parts.items()}
    return hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()


def _parsed(file: Path) -> ast.AST:
    text = file.read_text(encoding="utf-8")
    try:
        return ast.parse(text, str(file))
    except SyntaxError:  # somebody's scratch file: what is needed and broken fails when it is imported
        return ast.Constant(text)


def _plain(node):
    """A syntax tree as lists and texts."""
    if isinstance(node, list):
        return [_plain(item) for item in node if not _is_silent(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _LEFT_OUT}
    if (
        isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and ast.get_docstring(node, clean=False) is not None
    ):
        fields["body"] = node.body[1:]
    return [type(node).__name__, *([name, _plain(value)] for name, value in fields.items() if value not in (None, []))]


def _is_silent(node) -> bool:
    """Whether a statement only speaks: raises an error, or prints."""
    spoken = (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "print"
    )
    return spoken or isinstance(node, ast.Raise)
