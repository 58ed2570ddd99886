"""The book: it builds without a warning, reads offline, and what is committed in it was really executed."""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_core_python
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat import v4
from PIL import Image

from wagf_src import paths
from wagf_src.arms import split_run
from wagf_src.profile import load_profile

BOOK = paths.ROOT / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
ENTRIES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
CHAPTERS = [Path(entry).name for entry in ENTRIES if entry.startswith("chapters/")]
COMMITTED = sorted((BOOK / "chapters").glob("*.ipynb"))
PROSE = sorted(BOOK.glob("*.md"))
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
# A 1 x 1 PNG: what a placeholder's figure shows.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def placeholder(name: str) -> nbformat.NotebookNode:
    """A chapter that is not there yet, with one of everything that chapters show: formula, wide table, figure."""
    cells = "".join(f"<td>{i}.000 [0.000, 1.000]</td>" for i in range(12))
    figure = {"figure": {"name": f"fig-{name}", "caption": "A caption."}, "image": {"alt": "An alternative text."}}
    outputs = [
        v4.new_output(
            "execute_result", {"text/html": f"<table><tr>{cells}</tr></table>", "text/plain": ""}, execution_count=1
        ),
        v4.new_output(
            "execute_result", {"text/markdown": "**Answer:** $x^2$ and [limits](../limits.md)"}, execution_count=1
        ),
    ]
    title = nbformat.read(paths.ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells[0].source.splitlines()[0]
    notebook = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            v4.new_markdown_cell(
                f"{title}\n\n$$F_w = \\frac{{1}}{{2}} \\sum_i x_i$$ (eq-{name})\n\nSee {{eq}}`eq-{name}`."
            ),
            v4.new_code_cell("pass", execution_count=1, outputs=outputs),
            v4.new_code_cell(
                "pass",
                execution_count=2,
                metadata={"mystnb": figure},
                outputs=[v4.new_output("display_data", {"image/png": PIXEL})],
            ),
        ],
    )
    notebook.nbformat_minor = 5
    return notebook


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """The folder of the built pages. Chapters that are not committed yet are placeholders."""
    folder = tmp_path_factory.mktemp("book")
    source = folder / "book"
    shutil.copytree(BOOK, source, ignore=shutil.ignore_patterns("_build", "__pycache__"))
    shutil.copy(paths.ROOT / "_config.yml", folder)
    (source / "chapters").mkdir(exist_ok=True)
    for name in CHAPTERS:
        file = source / "chapters" / f"{name}.ipynb"
        if not file.is_file():
            nbformat.write(placeholder(name), file)
    before = contents(source)
    # The command that people type, and warnings count.
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", "book/", "-n", "-W", "--keep-going", "-q"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said
    assert contents(source) == before, "the sources stay as they are"
    return folder / "_build" / "html"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but what was built, by its path."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(f): f.read_bytes() for f in files if "_build" not in f.relative_to(folder).parts}


def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def article_of(page: Path):
    return soup(page).find("article")


# --- sources -------------------------------------------------------------------------------------------------


def test_every_page_has_a_source_and_every_notebook_is_in_the_book():
    missing = [e for e in ENTRIES if not e.startswith("chapters/") and not (BOOK / f"{e}.md").is_file()]
    missing += [
        f"notebooks/{name}.ipynb" for name in CHAPTERS if not (paths.ROOT / "notebooks" / f"{name}.ipynb").is_file()
    ]
    assert not missing
    assert {p.stem for p in (paths.ROOT / "notebooks").glob("*.ipynb")} - {"train"} == set(CHAPTERS)
    assert {p.stem for p in PROSE} == {e for e in ENTRIES if not e.startswith("chapters/")}


def test_committed_chapters_are_all_there_or_none():
    assert {p.stem for p in COMMITTED} in (set(), set(CHAPTERS))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.stem)
def test_committed_chapter_was_executed_from_its_source(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.strip():
            assert cell.execution_count is not None, cell.source
            assert not [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"], cell.source
    source = nbformat.read(paths.ROOT / "notebooks" / path.name, as_version=4)
    shown = [c.source for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    assert shown == [c.source for c in source.cells], "the notebook has changed since: run `make publish` again"


def test_the_published_table_of_all_results_is_that_of_the_committed_predictions():
    reference = paths.ROOT / "results" / "reference"
    right = defaultdict(list)
    # Of candidates for our own model nobody looks at the test images.
    tried = {file.stem for file in (paths.ROOT / "notebooks" / "profiles" / "tried").glob("*.yaml")}
    files = sorted(reference.glob("*/runs/*/predictions.csv.gz"))
    for file in (file for file in files if file.parents[2].name not in tried):
        predictions = pd.read_csv(file)
        said = predictions.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_")
        arm, fold, seed = split_run(file.parent.name)
        siblings = file.parents[1].glob(f"{arm}-fold*-seed{seed}/predictions.csv.gz")
        if fold is None or len(list(siblings)) == 5:  # folds count when all of them are there
            right[file.parents[2].name, arm].append((seed, said == predictions["dx"]))
    tables = list(reference.glob("*/tables/all_results.csv"))
    assert tables
    for table in tables:
        rows = pd.read_csv(table).set_index(["profile", "arm"])
        assert set(rows.index) == set(right), "publish again: the book shows other runs than the repository holds"
        for key, accuracies in right.items():
            # Of all folds together: each image counts once a seed.
            assert rows.loc[key, "n_seeds"] == len({seed for seed, _ in accuracies})
            assert rows.loc[key, "accuracy"] == pytest.approx(pd.concat([r for _, r in accuracies]).mean(), abs=1e-4)


def test_nothing_that_is_published_names_a_folder_of_a_machine():
    texts = [
        *PROSE,
        *COMMITTED,
        *(paths.ROOT / name for name in ("README.md", "_config.yml", "environment.yml", "CITATION.cff")),
    ]
    path = re.compile(r"(?<![\w.-])/(?:home/\w+|Users/\w+|root|work|tmp|farm|mnt)/")
    # In a notebook's JSON, a line begins after a backslash and an n.
    found = {p.name: path.findall(p.read_text(encoding="utf-8").replace("\\n", "\n")) for p in texts}
    assert not {name: hits for name, hits in found.items() if hits}


def test_the_profiles_are_described_as_they_are():
    rows = re.findall(
        r"^\| `([\w-]+)` \| (\w+) \| (\d+) \| (\d+) \|", (BOOK / "reproduce.md").read_text(encoding="utf-8"), re.M
    )
    described = {name: (data.lower(), int(size), int(epochs)) for name, data, size, epochs in rows}
    profiles = [load_profile(p.stem) for p in paths.PROFILES_DIR.glob("*.yaml")]
    assert described == {p.name: (p.data, p.image_size, p.epochs) for p in profiles}


def test_every_reference_is_cited_and_every_citation_has_its_reference():
    entries = re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
    cited = re.findall(
        r"\{cite(?::\w+)?\}`([^`]+)`",
        "".join(p.read_text(encoding="utf-8") for p in [*PROSE, *paths.NOTEBOOKS.glob("*.ipynb")]),
    )
    assert len(entries) == len(set(entries))
    assert set(entries) == {key for keys in cited for key in keys.split(",")}


def test_readme_has_the_place_for_results_and_links_to_what_exists():
    text = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- results:begin -->") == text.count("<!-- results:end -->") == 1
    assert text.index("<!-- results:begin -->") < text.index("<!-- results:end -->")
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if "//" not in t]
    assert targets
    assert not [t for t in targets if not (paths.ROOT / t.split("#")[0]).exists()]


def test_citation_file_names_licence_and_authors():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["license"] == "MIT" and (paths.ROOT / "LICENSE").read_text(encoding="utf-8").startswith(
        "MIT License"
    )


def test_conda_users_get_the_same_lock():
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-r requirements/run.txt"]
    lock = (paths.ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    assert "--hash=sha256:" in lock and "--index-url" not in lock


# --- built pages ---------------------------------------------------------------------------------------------


def test_every_page_is_built(html):
    for entry in ENTRIES:
        assert (html / f"{entry}.html").is_file(), entry
    assert "chapters/intro.html" in (html / "index.html").read_text(encoding="utf-8")
    headings = [h.get_text() for h in article_of(html / "chapters" / "intro.html").find_all("h1")]
    assert len(headings) == 1 and headings[0].startswith("WAGF, replicated")


def test_links_inside_the_book_resolve(html):
    pages = {page: soup(page) for page in [*html.glob("*.html"), *(html / "chapters").glob("*.html")]}
    ids = {page: {tag["id"] for tag in tree.find_all(id=True)} for page, tree in pages.items()}
    broken, checked = [], 0
    for page, tree in pages.items():
        for tag in tree.find_all(["a", "link", "img", "script", "source"]):
            url = urlsplit(tag.get("href") or tag.get("src") or "")
            if url.scheme or url.netloc or (not url.path and not url.fragment):
                continue
            target = (page.parent / unquote(url.path)).resolve() if url.path else page
            target = target / "index.html" if target.is_dir() else target
            checked += 1
            if not target.is_file():
                broken.append(f"{page.name}: {url.path}")
            elif url.fragment and target in ids and unquote(url.fragment) not in ids[target]:
                broken.append(f"{page.name}: {url.path}#{url.fragment}")
    assert checked > 200
    assert not broken


def test_pages_load_nothing_from_elsewhere(html):
    loaded = []
    for entry in ENTRIES:
        tree = soup(html / f"{entry}.html")
        loaded += [t["src"] for t in tree.find_all(["script", "img", "iframe"], src=True)]
        loaded += [t["href"] for t in tree.find_all("link", rel=["stylesheet", "preload", "modulepreload"], href=True)]
    assert loaded
    assert not {url for url in loaded if urlsplit(url).netloc}


def test_images_have_an_alternative_text(html):
    seen = 0
    for entry in ENTRIES:
        for image in article_of(html / f"{entry}.html").find_all("img"):
            seen += 1
            text = image.get("alt", "")
            # Sphinx puts the file's path where there is none.
            assert text.strip() and "_images/" not in text, f"{entry}: {image.get('src')}"
    assert seen


def test_one_title_a_page_and_no_error_in_it(html):
    for entry in ENTRIES:
        article = article_of(html / f"{entry}.html")
        assert len(article.find_all("h1")) == 1, entry
        assert "Traceback (most recent call last)" not in article.get_text(), entry
        levels = [int(h.name[1]) for h in article.find_all(re.compile("^h[1-6]$"))]
        assert all(b - a <= 1 for a, b in zip(levels, levels[1:])), f"{entry}: a heading level is skipped"


# --- in a browser --------------------------------------------------------------------------------------------

# All pages one after the other in a frame as wide as a phone, and the first as wide as a desk's screen, where the
# theme shows its side bars; the answer is read from this page's own source.
PROBE = """<!doctype html><title>probe</title><script src="axe.js"></script><script>
const found = {}, pages = %s;
const scrolls = ".table-region, .full-size, pre, mjx-container, .math, .tooltip, .js-plotly-plot";
async function look(name, width) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 800px; border: 0`;
  frame.src = name + ".html";
  document.body.append(frame);
  await new Promise(done => frame.onload = done);
  const page = frame.contentDocument, article = page.querySelector("article");
  const set = frame.contentWindow.MathJax?.startup?.promise;  // only pages with formulas load it
  await set;
  const faults = {ours: [], theme: []};
  frame.contentWindow.eval(window.axeSource);
  const said = await frame.contentWindow.axe.run(page, {resultTypes: ["violations"], elementRef: true});
  for (const {id, nodes} of said.violations)
    for (const {element, target} of nodes)
      faults[article.contains(element) ? "ours" : "theme"].push(`${id}: ${target[0]}`);
  const answer = {
    faults,
    width: page.documentElement.scrollWidth,
    // What is wider than the window and neither scrolls by itself nor lies in something that does.
    wide: [...article.querySelectorAll("*")]
      .filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest(scrolls))
      .map(e => e.outerHTML.slice(0, 90)),
    height: article.getBoundingClientRect().height,
    mathjax: Boolean(set),
    formulas: article.querySelectorAll(".math").length,
    set: [...article.querySelectorAll(".math mjx-container")].filter(m => m.getBoundingClientRect().height > 5).length,
    // MathJax sets commands that it does not know in red.
    errors: [...article.querySelectorAll('mjx-merror, mjx-mtext[style*="red"]')].map(m => m.outerHTML),
  };
  frame.remove();
  return answer;
}
addEventListener("load", async () => {
  for (const name of pages) found[name] = await look(name, 375);
  found.desk = await look(pages[0], 1300);
  document.documentElement.dataset.found = JSON.stringify(found);
});
</script><body></body>"""


# Debian's name, and that on the service that runs the workflows.
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def chromium(page: Path, profile: Path, *words: str) -> str:
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        f"--user-data-dir={profile}",
        *words,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout


needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"
)


@needs_chromium
def test_the_first_page_is_not_blank(html, tmp_path):
    shot = tmp_path / "shot.png"
    chromium(html / "chapters" / "intro.html", tmp_path / "user", f"--screenshot={shot}", "--window-size=1280,900")
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("L"), float)
    assert pixels.shape == (900, 1280)
    # Text on a page: mostly background, some ink, in every third of the window's height.
    ink = np.abs(pixels - np.median(pixels)) > 60
    assert all(0.005 < third.mean() < 0.5 for third in np.array_split(ink, 3))


@pytest.fixture(scope="module")
def seen(html, tmp_path_factory) -> dict[str, dict]:
    """What the browser and axe-core found on every page."""
    source = json.dumps(AXE.read_text(encoding="utf-8"))
    (html / "axe.js").write_text(f"window.axeSource = {source}", encoding="utf-8")
    probe = html / "probe.html"
    probe.write_text(PROBE % json.dumps(ENTRIES), encoding="utf-8")
    user = tmp_path_factory.mktemp("user")
    page = BeautifulSoup(chromium(probe, user, "--dump-dom", "--virtual-time-budget=600000"), "html.parser")
    return json.loads(page.html["data-found"])


@needs_chromium
def test_every_page_fits_a_phone_and_sets_its_formulas(seen):
    assert list(seen) == [*ENTRIES, "desk"]
    assert sum(page["formulas"] for page in seen.values()) > 0
    for name, page in seen.items():
        assert page["width"] <= (1300 if name == "desk" else 375) and not page["wide"], (
            f"{name}: wider than its window: {page['wide'][:3]}"
        )
        assert page["height"] > 100, f"{name}: an empty page"
        assert page["set"] == page["formulas"] and not page["errors"], f"{name}: formulas not set: {page['errors']}"
        assert page["mathjax"] == (page["formulas"] > 0), f"{name}: MathJax without a formula, or the other way round"


@needs_chromium
def test_axe_finds_no_fault_of_ours_and_of_the_theme_only_those_listed(seen):
    listed = set(re.findall(r"^\| `([\w-]+)` \|", (BOOK / "reproduce.md").read_text(encoding="utf-8"), re.M))
    ours = {name: page["faults"]["ours"] for name, page in seen.items() if page["faults"]["ours"]}
    assert not ours
    theme = {fault.split(":")[0] for page in seen.values() for fault in page["faults"]["theme"]}
    assert theme <= listed, "a fault of the theme that the book does not list"
