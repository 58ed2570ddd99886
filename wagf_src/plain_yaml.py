"""YAML in which a value means what it looks like (the core schema of YAML 1.2), where PyYAML's default is 1.1.

There ``0160`` is 112, ``1:30`` is 90, ``off`` is false, ``1e-3`` is text, and the second of two equal keys wins. Here
``1e-3`` is
a number, words are text, two equal keys are an error, and numbers with leading zeros or colons are text, which no
number key of a profile takes.
"""

import re
from pathlib import Path

import yaml

from wagf_src.errors import UserError


class _CoreLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"null|Null|NULL|~|", "nN~"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    firsts = [*_first, ""] if _tag == "null" else list(_first)
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), firsts)


def read(path: Path) -> dict:
    """A file of ``key: value`` lines.

    Raises:
        UserError: not readable, not YAML, or no such lines.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_CoreLoader)
    except OSError as error:
        raise UserError(f"profile {path.name}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise UserError(f"profile {path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"profile {path.name}: not valid YAML: nested too deeply") from None
    if not isinstance(values, dict):
        raise UserError(f"profile {path.name}: must be a list of `key: value` lines")
    return values
