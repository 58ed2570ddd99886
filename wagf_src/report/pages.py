"""A Sphinx extension (_config.yml): what the theme leaves to be done on every page of the book.

Tables get a caption, row headers, heads that lead to the glossary, and a scroll region that a keyboard reaches; figures
lead to their full size; MathJax is left to pages with formulas; plotly's script (once, from the installed package) and
every table as CSV come with the book.
"""

import re
import shutil
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup
from plotly.offline import get_plotlyjs

from wagf_src import paths


def setup(app):
    app.connect("html-page-context", _page, priority=900)  # after those that say which scripts a page needs
    app.connect("build-finished", _files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def tables_of(source: Path) -> Path | None:
    """The tables of the book whose sources lie in a folder: a reader's own beside it, else the published ones."""
    own = source.parent.parent / "tables"
    return next((folder for folder in [own, *paths.REFERENCE_DIR.glob("*/tables")] if folder.is_dir()), None)


def _files(app, error):
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    if tables := tables_of(Path(app.srcdir)):
        shutil.rmtree(static / "tables", ignore_errors=True)
        shutil.copytree(tables, static / "tables")


def _page(app, pagename, templatename, context, doctree):
    if "body" not in context or app.builder.format != "html":
        return
    if not app.env.get_domain("math").data["has_equations"].get(pagename):  # Sphinx asks the pages below it as well
        context["script_files"] = [s for s in context["script_files"] if app.config.mathjax_path not in str(s.filename)]
    page = BeautifulSoup(context["body"], "html.parser")
    for paragraph in page.select("p.table-caption"):
        table = paragraph.find_next("table")
        paragraph.name = "span"  # within the caption, so that it stays in sight while a wide table scrolls
        table.insert(0, paragraph.wrap(page.new_tag("caption")))
    names = Counter()
    for table in page.find_all("table"):
        _table(page, table, lambda term: _glossary(app, pagename, term))
        names[name := _name(table)] += 1
        name += f" ({names[name]})" if names[name] > 1 else ""
        table.parent.attrs = {
            "class": "table-region",
            "tabindex": "0",
            "role": "region",
            "aria-label": f"Table: {name}",
        }
    for image in page.select("figure > img, figure > .cell_output img"):
        title = "Open the figure at its full size"
        image.wrap(page.new_tag("a", attrs={"class": "full-size", "href": image["src"], "title": title}))
    for entry in page.select(".citation-list > [role=doc-biblioentry]"):
        entry["role"] = "listitem"  # docutils' own role is for <li> alone
    context["body"] = str(page)


def _table(page, table, glossary):
    """A head for each row and column, links to the glossary, and a box of its own to scroll in."""
    for cell in table.select("thead th"):
        cell["scope"] = "col"
        if cell.string and (place := glossary(cell.string)):
            cell.string.wrap(page.new_tag("a", attrs={"class": "term", "href": place}))
    for row in table.select("tbody tr"):
        first = row.find(["td", "th"])
        first.name, first["scope"] = "th", "row"
    if table.parent.name != "div" or len(table.parent.find_all(recursive=False)) > 1:
        table.wrap(page.new_tag("div"))


def _name(table) -> str:
    """What a table is called to somebody who does not see it: its caption, else the heading above it."""
    title = table.caption or table.find_previous(re.compile("^h[1-6]$"))
    return title.get_text(" ", strip=True).rstrip("# ") if title else "untitled"


def _glossary(app, pagename, text) -> str | None:
    """Where the glossary explains a table's head, less its unit; None where it does not, or is this page."""
    wanted = re.split(r",? [%(\[]", text.strip())[0].lower()
    for name, _, kind, page, anchor, _ in app.env.get_domain("std").get_objects():
        if kind == "term" and name.lower() == wanted and page != pagename:
            return f"{app.builder.get_relative_uri(pagename, page)}#{anchor}"
    return None
