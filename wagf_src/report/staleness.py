"""What chapters and book rest on, and whether they are out of date."""

import itertools
from pathlib import Path

import yaml

from wagf_src import atomic, paths
from wagf_src.code_digest import PACKAGE, code_digest
from wagf_src.digests import notebook_digest
from wagf_src.runs import real_profiles, shown_runs

USED = ("gradcam", "external")  # folders beside a profile's runs


def chapters_digest(profile: str) -> str:
    """One digest for all chapters: notebooks, code, runs and benchmark. Any change renders them all again (seconds).

    Raises:
        UserError: a run has a file that is gone, cut or changed; no page may rest on it.
    """
    sources = {path.stem: notebook_digest(path) for path in chapter_sources()}
    # Pooled tables show the real runs of all profiles.
    shown = {profile: shown_runs(profile), **real_profiles()}
    for run in itertools.chain(*shown.values()):
        run.check(alone=False)
    runs = {name: run_digests(r.path for r in of) for name, of in shown.items()}
    bench = {path.name: atomic.file_digest(path) for path in paths.visible(paths.BENCH_DIR.glob("*.csv"))}
    used = {paths.short(path): atomic.file_digest(path) for path in _used()}
    ledgers = {path.name: atomic.file_digest(path) for path in paths.visible(PACKAGE.rglob("*.yaml"))}
    return atomic.digest([sources, code_digest(), ledgers, runs, bench, used])


def _used() -> list[Path]:
    """What the chapters show of kept models, beside their runs."""
    roots = (paths.RESULTS_DIR, paths.REFERENCE_DIR)
    found = [path for root in roots for name in USED for path in paths.visible(root.glob(f"*/{name}/**/*"))]
    return [*found, *paths.visible(paths.SHIPPED.glob("model.json"))]


def run_digests(folders) -> dict[str, str]:
    return {folder.name: atomic.file_digest(folder / "run.json") for folder in folders}


def book_digest(profile: str) -> str:
    """What a book rests on: its prose, and the chapters that are there, by what they were rendered from."""
    prose = {name: atomic.file_digest(paths.BOOK / name) for name in book_sources()}
    prose["_config.yml"] = atomic.file_digest(paths.ROOT / "_config.yml")
    return atomic.digest([prose, _record(profile, "chapters")])


def _pages() -> list[str]:
    """Every page of the book, as its table of contents names it."""
    contents = yaml.safe_load((paths.BOOK / "_toc.yml").read_text(encoding="utf-8"))
    return [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]


def chapter_sources() -> list[Path]:
    """The notebooks of the chapters in the table of contents; a reader's own notebooks beside them are not run."""
    names = sorted(page.removeprefix("chapters/") for page in _pages() if page.startswith("chapters/"))
    return [paths.NOTEBOOKS / f"{name}.ipynb" for name in names]


def book_sources() -> list[str]:
    """Files of book/ that a book is built from, without chapters; editors' and systems' leftovers are no part of it."""
    static = [p.relative_to(paths.BOOK).as_posix() for p in sorted((paths.BOOK / "_static").rglob("*")) if p.is_file()]
    pages = [f"{page}.md" for page in _pages() if not page.startswith("chapters/")]
    clean = [name for name in static if not name.endswith("~") and not any(part[0] in ".#" for part in name.split("/"))]
    return ["_toc.yml", "references.bib", *pages, *clean]


def rendered_digest(profile: str, chapters: Path) -> str:
    """What a finished rendering is known by: its inputs, and its tables and chapters as they were written."""
    tables = paths.RESULTS_DIR / profile / "tables"
    files = [*paths.visible(chapters.glob("*.ipynb")), *paths.visible(tables.glob("*.csv"))]
    return atomic.digest([chapters_digest(profile), {file.name: atomic.file_digest(file) for file in files}])


def stale_chapters(profile: str) -> list[str]:
    """Names of the chapters to render again, in the order of the alphabet; all of them or none.

    All of them as well if a table or a chapter is gone, cut or was changed by hand.
    """
    if _record(profile, "chapters") == rendered_digest(profile, paths.RESULTS_DIR / profile / "chapters"):
        return []
    return [p.stem for p in chapter_sources()]


def book_is_stale(profile: str) -> bool:
    return _record(profile, "book") != book_digest(profile)


def _record(profile: str, part: str) -> str | None:
    """The digest that a finished part was made from; None if there is none."""
    file = paths.RESULTS_DIR / profile / part / "inputs_digest"
    return file.read_text() if file.is_file() else None
