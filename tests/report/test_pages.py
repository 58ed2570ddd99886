"""What every page of the book gets: tables and figures for every reader."""

from types import SimpleNamespace

from bs4 import BeautifulSoup

from wagf_src import paths
from wagf_src.report import pages

BODY = """<p class="table-caption">Accuracy of <code>x</code></p>
<div style="overflow-x:auto"><table><thead><tr><th>arm</th><th>balanced accuracy (%)</th><th>other</th></tr></thead>
<tbody><tr><td>a</td><td>1 &lt; 2</td><td>3</td></tr></tbody></table></div>
<section><h2>Second<a href="#x">#</a></h2>
<table><tbody><tr><td>b</td><td>\\(x &lt; y\\)</td></tr></tbody></table><p>after</p></section>
<figure><img alt="Up." src="../_images/1.png"/><figcaption>Caption</figcaption></figure>
<script type="text/javascript">if (1 < 2 && true) {}</script>"""


class App:
    builder = SimpleNamespace(format="html", get_relative_uri=lambda a, b: f"../{b}.html")
    terms = [("Arm", "arm", "term", "glossary", "term-arm", -1), ("other", "", "label", "x", "y", 1)]
    terms += [("balanced accuracy", "", "term", "glossary", "term-balanced-accuracy", -1)]
    domain = SimpleNamespace(get_objects=lambda: App.terms, data={"has_equations": {"chapters/formulas": True}})
    env, config = SimpleNamespace(get_domain=lambda name: App.domain), SimpleNamespace(mathjax_path="mathjax/tex.js")


def page(name="chapters/x"):
    scripts = [SimpleNamespace(filename=file) for file in ("_static/mathjax/tex.js", "_static/theme.js")]
    context = {"body": BODY, "script_files": scripts}
    pages._page(App, name, "page.html", context, None)
    return BeautifulSoup(context["body"], "html.parser"), context["body"], [s.filename for s in context["script_files"]]


def test_tables_have_captions_heads_and_a_region_that_keys_reach():
    tree, text, _ = page()
    first, second = tree.find_all("table")
    assert first.find("caption").get_text() == "Accuracy of x" and len(tree.select(".table-caption")) == 1
    assert [th["scope"] for th in first.select("thead th")] == ["col"] * 3
    assert [(cell.name, cell.get("scope")) for cell in first.select("tbody tr > *")][:2] == [
        ("th", "row"),
        ("td", None),
    ]
    for table, name in ((first, "Table: Accuracy of x"), (second, "Table: Second")):
        assert table.parent.attrs == {"class": ["table-region"], "tabindex": "0", "role": "region", "aria-label": name}
    assert second.parent.parent.name == "section"  # what it shared with others is no region
    assert "1 &lt; 2" in text and "\\(x &lt; y\\)" in text and "if (1 < 2 && true) {}" in text


def test_heads_lead_to_the_glossary_and_figures_to_their_size():
    tree, _, _ = page()
    places = {a.get_text(): a["href"] for a in tree.select("a.term")}
    assert places == {
        "arm": "../glossary.html#term-arm",
        "balanced accuracy (%)": "../glossary.html#term-balanced-accuracy",
    }
    assert tree.select_one("figure > a.full-size")["href"] == "../_images/1.png"
    assert not page("glossary")[0].select("a.term")


def test_a_book_brings_its_own_tables_else_the_published_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    source = tmp_path / "own" / "book" / "source"
    assert pages.tables_of(source) is None
    (tmp_path / "reference" / "frozen" / "tables").mkdir(parents=True)
    assert pages.tables_of(source) == tmp_path / "reference" / "frozen" / "tables"
    (tmp_path / "own" / "tables").mkdir(parents=True)
    assert pages.tables_of(source) == tmp_path / "own" / "tables"


def test_only_pages_with_formulas_load_mathjax():
    assert page()[2] == ["_static/theme.js"]
    assert page("chapters/formulas")[2] == ["_static/mathjax/tex.js", "_static/theme.js"]
