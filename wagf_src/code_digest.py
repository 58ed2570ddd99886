"""Digest of what code computes: the same on every Python that reads the code, and by the standard library alone."""

import ast
import functools
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
        module, colon, definition = wanted.partition(":")
        chosen = [n for n in files if not module or n == module or n.startswith(module + "/")]
        parts = {f"{n}{colon}{definition}": _written(files[n].read_text(encoding="utf-8"), definition) for n in chosen}
        if not any(parts.values()):
            raise ValueError(f"no {wanted} in {package.name}")
        code |= {name: part for name, part in parts.items() if part}
    whole = ", ".join(f"{json.dumps(name)}: {part}" for name, part in sorted(code.items()))
    return hashlib.sha256(f"{{{whole}}}".encode()).hexdigest()  # of the one JSON object of all


@functools.lru_cache(maxsize=1024)  # a second and more for the package, which every digest of a process begins with
def _written(text: str, definition: str) -> str:
    """The syntax of a file, or of its last function or class of a name ("" where it has none), as JSON."""
    with _PARSING:
        tree = _parsed(text)
    if not definition:
        return json.dumps(_plain(tree))
    named = [part for part in getattr(tree, "body", ()) if getattr(part, "name", None) == definition]
    return json.dumps(_plain(named[-1])) if named else ""


def _parsed(text: str) -> ast.AST:
    try:
        return ast.parse(text)
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
