"""What chapters and book rest on, and whether they are out of date."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import yaml

from wagf_src import atomic, paths
from wagf_src.code_digest import PACKAGE, code_digest
from wagf_src.data import ham10000, reading
from wagf_src.digests import notebook_digest
from wagf_src.errors import UserError
from wagf_src.runs import real_profiles, shown_runs

USED = ("gradcam", "external")  # folders beside a profile's runs
WRITTEN = {"tables": "*.csv", "figures": "*.png", "chapters": "*.ipynb"}  # what a rendering leaves in each folder


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
    runs = {name: run_digests(r.path for r in theirs) for name, theirs in shown.items()}
    bench = {path.name: atomic.file_digest(path) for path in paths.visible(paths.BENCH_DIR.glob("*.csv"))}
    used = {paths.short(path): atomic.file_digest(path) for path in _used()}
    ledgers = {path.name: atomic.file_digest(path) for path in paths.visible(PACKAGE.rglob("*.yaml"))}
    return atomic.digest([sources, code_digest(), ledgers, runs, bench, used])


def _used() -> list[Path]:
    """What the chapters show of kept models, beside their runs."""
    roots = (paths.RESULTS_DIR, paths.REFERENCE_DIR)
    files = [path for root in roots for name in USED for path in paths.visible(root.glob(f"*/{name}/**/*"))]
    return [*files, *paths.visible(paths.SHIPPED.glob("model.json"))]


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


def data_digest() -> str | None:
    """Of what is at hand of the real images: their metadata, and how many images and masks; None without data.

    Not of what the pictures show: whoever replaces some under the same names has to train again anyway.
    """
    try:
        metadata = ham10000.find_metadata(paths.data_dir())
    except UserError:
        return None
    endings = Counter(os.path.splitext(name)[1].lower() for name in reading.files(paths.data_dir()))
    return atomic.digest([atomic.file_digest(metadata), *(endings[e] for e in (".jpg", ".jpeg", ".png"))])


def written(profile: str, chapters: Path | None = None) -> dict[str, Path]:
    """Tables, figures and chapters that are there, by ``<folder>/<name>``.

    Args:
        chapters: where the chapters are, if not in their place yet.
    """
    folders = {part: paths.RESULTS_DIR / profile / part for part in WRITTEN}
    folders |= {"chapters": chapters} if chapters else {}
    files = [(part, file) for part, folder in folders.items() for file in paths.visible(folder.glob(WRITTEN[part]))]
    return {f"{part}/{file.name}": file for part, file in files}


def rendered_digest(profile: str, chapters: Path, theirs: Iterable[str] = ()) -> str:
    """What a finished rendering is known by, as JSON: its inputs, the data at hand, and each file as it was written.

    Args:
        chapters: where the chapters are.
        theirs: files of :func:`written` that are the reader's own.
    """
    files = {name: file for name, file in written(profile, chapters).items() if name not in set(theirs)}
    made = {name: atomic.file_digest(file) for name, file in files.items()}
    return json.dumps({"inputs": chapters_digest(profile), "data": data_digest(), "files": made}, indent=1) + "\n"


def rendering(profile: str) -> dict:
    """What :func:`rendered_digest` said when the chapters were put in place; ``inputs`` and ``data`` are None, and
    ``files`` is empty, where there is no such record."""
    try:
        made = json.loads(_record(profile, "chapters") or "null")
        return {"inputs": made["inputs"], "data": made["data"], "files": dict(made["files"])}
    except (ValueError, TypeError, KeyError):  # none, cut, or of an earlier version
        return {"inputs": None, "data": None, "files": {}}


def stale_chapters(profile: str) -> list[str]:
    """Names of the chapters to render again, in the order of the alphabet; all of them or none.

    All of them as well if a table, figure or chapter is gone, cut or was changed by hand, or if other data are at hand
    than then. Data that are not at hand any more make nothing stale: without them less would come of it.
    """
    made, inputs, data = rendering(profile), chapters_digest(profile), data_digest()
    files = written(profile)
    if (
        made["inputs"] == inputs
        and data in (None, made["data"])
        and all(name in files and atomic.file_digest(files[name]) == was for name, was in made["files"].items())
        and all(f"chapters/{source.name}" in made["files"] for source in chapter_sources())
    ):
        return []
    return [p.stem for p in chapter_sources()]


def book_is_stale(profile: str) -> bool:
    """Whether it rests on something else than now, or lacks a page."""
    html = paths.RESULTS_DIR / profile / "book" / "_build" / "html"
    pages = all((html / f"{page}.html").is_file() for page in ("index", *_pages()))
    return not pages or _record(profile, "book") != book_digest(profile)


def _record(profile: str, part: str) -> str | None:
    """The digest that a finished part was made from; None if there is none."""
    file = paths.RESULTS_DIR / profile / part / "inputs_digest"
    return file.read_text() if file.is_file() else None
