"""Prose holds no typed result: every percentage, gain and decimal in it is the paper's, a setting, or a rule.

Looked at: Markdown of the notebooks, the pages of the book, and the fixed text of report/prose. A number that stays has
a line in ALLOWED that says what it is, with enough words around it that a result cannot hide behind it.
"""

import ast
import json
import re

import pytest
import yaml

from wagf_src import paths

# A share, a gain or a decimal; whole numbers count things and are not looked at.
NUMBER = re.compile(
    r"(?<![\w.,/#-])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?\s?(?:%|points?\b|percent\b|times\b)|(?<![\w.,/#-])\d[\d,]*\.\d+(?![\w.]*\.\w)"
)
ALLOWED = {
    "where the paper says something": r"[Ss]ections? \d\.\d|\(\d\.\d(?:, (?:Eq|Fig)\. \d)?\)",
    "level of every interval, and of tests": r"95% interval|p is below 0\.05|stay below 0\.05|the 5% level",
    "what the paper states of its protocol": r"70% of (?:these|the augmented)|30% (?:for\b|its loader|of the augmented"
    r"|come after|validate)|[Ww]hich 30%|first 30%\."
    r"|20% of the lesions|learning rate of 0\.01|Adam, learning rate 0\.01",
    "what the paper prints of its own model": r"90\.75%",
    "what other works state of their splits": r"images are 15% of|their 20% split",
    "what a test of the shipped model, and its warnings, allow": r"own to 0\.2 points|beyond what 99\.5% of",
    "aims, set before the runs": r"92% accuracy|75% balanced accuracy|60%(?:$| melanoma sensitivity)",
    "settings of the released code": r"trains on 70%|leaving 0\.001 in force"
    r"|rate in force was 0\.001|threshold (?:of )?0\.5\b",
    "settings of our profiles": r": 15% of the|zooms of 10%|momentum 0\.9|large at 0\.01"
    r"|: 0\.001 and 0\.01, and 50",
    "an assumption, called one": r"φ = 0\.5",
    "definitions": r"A recall of 50%|p below 5% at the printed|80% power at φ = 0\.5|within 0\.1 s|from 0\.50 to 0\.51",
    "the worst that the reading of a protocol can give": r"folder itself: 100%",
    "how a number is written": r"^0\.0%$",
    "names of versions and licences": r"CC BY(?:-NC)?(?:-SA)? 4\.0|version (?:2\.11|1\.5)|Python 3\.11(?: to 3\.13)?"
    r"|TensorFlow (?:up to 2\.10|2\.11)"
    r"|doi:10\.7910/DVN/",
}
# Rules and expectations written before the runs that they are about, and judged by tests/paper/test_plans.py.
PLANS = "plans.md"


def notebook_texts(path):
    return ["".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "markdown"]


def template_texts(path):
    """Text constants of a module, those within f-strings too; no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, documented) and ast.get_docstring(n)}
    constants = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [n.value for n in constants if id(n) not in docstrings]


TEXTS = {
    **{path: notebook_texts for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))},
    **{path: lambda path: [path.read_text("utf-8")] for path in sorted(paths.BOOK.glob("*.md")) if path.name != PLANS},
    **{path: template_texts for path in sorted((paths.ROOT / "wagf_src" / "report" / "prose").glob("*.py"))},
}


def typed(text: str) -> list[str]:
    """Each number that no line of ALLOWED explains, with its surroundings; code, formulas and links are no prose."""
    found = []
    for paragraph in re.sub(r"^```.*?^```", "", text, flags=re.M | re.S).split("\n\n"):
        prose = " ".join(re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\{cite:\w\}\S+", "", paragraph).split())
        allowed = [m.span() for pattern in ALLOWED.values() for m in re.finditer(pattern, prose)]
        for m in NUMBER.finditer(prose):
            if not any(a <= m.start() and m.end() <= b + 1 for a, b in allowed):
                found.append(prose[max(0, m.start() - 60) : m.end() + 40])
    return found


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_result_is_typed(path):
    assert not [hit for text in TEXTS[path](path) for hit in typed(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Our accuracy is 86.6% on the test set.",
        "The gain is 1.3 points [0.2, 2.4].",
        "Training is 1.63 times as fast.",
        "AUC rises to 0.942, which is more.",
        "A 95% interval leaves 81.2% to 84.0%.",
    ],
)
def test_a_typed_result_is_found(sentence):
    assert typed(sentence)


def test_everything_allowed_is_needed():
    """An explanation of a number that is gone would hide the next one."""
    every = "\n\n".join(text for path, read in TEXTS.items() for text in read(path))
    prose = [" ".join(p.split()) for p in every.split("\n\n")]
    alternatives = [part for pattern in ALLOWED.values() for part in re.split(r"\|(?![^(]*\))", pattern)]
    assert not [part for part in alternatives if not any(re.search(part, p) for p in prose)]


def test_every_chapter_is_looked_at():
    contents = yaml.safe_load((paths.BOOK / "_toc.yml").read_text(encoding="utf-8"))
    pages = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    looked_at = {path.stem for path in TEXTS} | {PLANS.removesuffix(".md")}
    assert {page.split("/")[-1] for page in pages} <= looked_at
