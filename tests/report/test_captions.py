"""What a chapter gets after it has run: captions, alternative texts, links to what made each table and figure."""

import json

import pytest

from wagf_src.report import captions

FIRST = """from wagf_src.report import figures
chapter = Chapter(profile)
a, b = map(chapter.table, ("alpha", "beta"))
c, d = chapter.table("gamma"), chapter.table("delta")
both = prose.joined(a, c)
e, f = map(prose.values, map(chapter.table, ("alpha", "delta")))
none = "no table"
chapter.answer(prose.answer(a))
"""


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("chapter.show(prose.x(a))", {"alpha"}),
        ("chapter.show(prose.x(both))", {"alpha", "gamma"}),
        ("chapter.show(f.drop(columns='provenance'))", {"delta"}),
        ("chapter.show(chapter.table('epsilon'))", {"epsilon"}),
        ("chapter.draw('beta', figures.y)", {"beta"}),
        ("chapter.draw('beta', figures.y, d)", {"delta"}),
        ("chapter.figure('beta', figures.y(prose.z(b, c)), none)", {"beta", "gamma", "no table"}),
        ("for name, part in d.groupby('x'):\n    display(chapter.show(part))", {"delta"}),
        ("m = b[b['main']]\nchapter.show(m)", {"beta"}),
        ("display(chapter.show(a), chapter.show(b))", {"alpha", "beta"}),
        ("chapter.text('alpha')", set()),
        ("%matplotlib inline\nchapter.show(a)", set()),
    ],
)
def test_tables_of_a_cell_follow_from_its_code(source, read):
    known = {}
    captions._read(FIRST, known)
    assert captions._read(source, known) == read


def executed(cells):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def code(source, *outputs, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": list(outputs)}


def html(text):
    return {"output_type": "execute_result", "data": {"text/html": [text]}, "metadata": {}}


def dressed(tmp_path, *cells):
    for name in ("alpha", "beta"):
        (tmp_path / f"{name}.csv").touch()
    return json.loads(captions.dressed(executed(list(cells)), "page", tmp_path))["cells"]


def test_tables_get_captions_and_sources(tmp_path):
    heading = {"cell_type": "markdown", "source": "# Page\n\n## What <it> shows", "metadata": {}}
    markdown = {"output_type": "display_data", "data": {"text/markdown": "Before.\n\n| a |\n|---|\n| 1 |\n\nAfter."}}
    own, _, two, text = dressed(
        tmp_path,
        code("chapter.show(chapter.table('alpha'))", html("<table></table>"), caption="Own"),
        heading,
        code("chapter.show(chapter.table('gone'))", html("<table>1</table>"), html("<table>2</table>")),
        code("chapter.text(prose.x(chapter.table('beta')))", markdown | {"metadata": {}}),
    )
    table = own["outputs"][0]["data"]["text/html"]
    assert table.startswith('<p class="table-caption">Own</p>')
    assert 'href="../_sources/chapters/page.ipynb"' in table and 'href="../_static/tables/alpha.csv"' in table
    first, second = (output["data"]["text/html"] for output in two["outputs"])
    assert "What &lt;it&gt; shows (1 of 2)</p>" in first and "(2 of 2)" in second and "gone.csv" not in first
    lines = [line for line in text["outputs"][0]["data"]["text/markdown"].splitlines() if line]
    assert lines[0] == "Before." and lines[1].startswith('<p class="table-caption">') and lines[2] == "| a |"
    assert "beta.csv" in lines[-2] and lines[-1] == "After."


def test_figures_say_what_was_found_and_what_made_them(tmp_path):
    picture = {"output_type": "execute_result", "data": {"image/png": "x"}, "metadata": {"image/png": {"alt": "Up."}}}
    of = {"figure": {"name": "fig-x", "caption": "A caption."}, "image": {"alt": "A line."}}
    (cell,) = dressed(tmp_path, code("chapter.draw('beta', figures.y)", picture, mystnb=of))
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "A line. Up."
    caption, links = cell["metadata"]["mystnb"]["figure"]["caption"].split("\n\n")
    assert caption == "A caption." and "page.ipynb</a>" in links and "beta.csv</a>" in links
    # "Nothing to draw yet." is no picture, and has no source.
    (cell,) = dressed(tmp_path, code("chapter.draw('beta', figures.y)", mystnb=of))
    assert cell["metadata"]["mystnb"] == of
