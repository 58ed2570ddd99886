"""``make release``: the built book and the code as archives, what they hold, and what archives and journals ask."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import yaml

from wagf_src import atomic, paths
from wagf_src.atomic import file_digest
from wagf_src.errors import UserError
from wagf_src.machine import git
from wagf_src.report import repository

PAPER_URL = "https://arxiv.org/pdf/2406.15128"
DATA_URL = "https://www.kaggle.com/datasets/kmader/skin-cancer-mnist-ham10000"


def release() -> Path:
    """Write the release of the commit that is checked out into ``_build/release``, from the book in ``_build/html``.

    The book's and the code's archive, ``MANIFEST.json`` (commit, every file with size and SHA-256, the runs that the
    book rests on), ``rescience.yaml`` (the metadata that ReScience C asks of a replication), and ``SHA256SUMS``. Of one
    commit and one built book they are the same bytes on every machine.

    Raises:
        UserError: the book is not built, this is no clone, or something is not committed; ``.zenodo.json``, which
            Zenodo reads in the repository, is made from CITATION.cff and belongs to the commit too.
    """
    html, target = paths.ROOT / "_build" / "html", paths.ROOT / "_build" / "release"
    if not (html / "index.html").is_file():
        raise UserError("_build/html holds no book; `make release` builds it first")
    citation = load_citation()
    _write_json(paths.ROOT / ".zenodo.json", zenodo(citation))
    if _git("status", "--porcelain"):
        raise UserError("a release is of what is committed, and something here is not (`git status` lists it)")
    commit, seconds = _git("log", "-1", "--format=%H %ct").split()
    name = f"wagf-replicated-{citation['version']}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    files = {p.relative_to(html).as_posix(): p for p in sorted(html.rglob("*")) if p.is_file()}
    _pack(target / f"{name}-book.tar.gz", f"{name}-book", files, int(seconds))
    _gzip(target / f"{name}-code.tar.gz", git("archive", f"--prefix={name}/", "HEAD"))
    manifest = {
        "name": name,
        "commit": commit,
        "book": {path: {"bytes": file.stat().st_size, "sha256": file_digest(file)} for path, file in files.items()},
        "runs": {
            "/".join(file.parts[-4:-1:2]): file_digest(file)
            for file in sorted(paths.REFERENCE_DIR.glob("*/runs/*/run.json"))
        },
    }
    _write_json(target / "MANIFEST.json", manifest)
    text = yaml.safe_dump(rescience(citation), sort_keys=False, allow_unicode=True, width=120)
    (target / "rescience.yaml").write_text(text, encoding="utf-8")
    lines = [f"{file_digest(file)}  {file.name}\n" for file in sorted(target.iterdir())]
    (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    return target


def load_citation() -> dict:
    """CITATION.cff: title, authors and references stand there and nowhere else."""
    return yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def zenodo(citation: dict) -> dict:
    """What Zenodo asks of a record; the repository's own address it adds itself."""
    related = [
        {"identifier": reference.get("doi") or reference["url"], "relation": relation}
        for reference, relation in zip(citation["references"], ("isDerivedFrom", "references"), strict=True)
    ]
    return {
        "title": citation["title"],
        "upload_type": "software",
        "version": citation["version"],
        "description": f"<p>{' '.join(citation['abstract'].split())}</p>",
        "creators": [{"name": author["name"]} for author in citation["authors"]],
        "keywords": citation["keywords"],
        "license": citation["license"].lower(),
        "access_right": "open",
        "related_identifiers": related,
    }


def rescience(citation: dict) -> dict:
    """``metadata.yaml`` of ReScience C's template, as far as it is known before submission."""
    paper, data = citation["references"]
    names = ", ".join(f"{author['given-names']} {author['family-names']}" for author in paper["authors"])
    return {
        "title": f"[Re] {paper['title']}",
        "authors": [{"name": author["name"], "affiliations": "1,*"} for author in citation["authors"]],
        "affiliations": [{"code": 1, "name": None, "address": None}],
        "keywords": ", ".join(["rescience c", *citation["keywords"], "python"]),
        "code": [{"url": repository.address()}, {"doi": None}, {"swh": None}],
        "data": [{"url": DATA_URL}, {"doi": data["doi"]}],
        "replication": [
            {"cite": f"{names}. {paper['title']}. {paper['collection-title']}, {paper['year']}."},
            {"bib": "roy2024wagf"},
            {"url": PAPER_URL},
            {"doi": None},
        ],
        "abstract": " ".join(citation["abstract"].split()),
        "bibliography": "book/references.bib",
        "type": "Replication",
        "domain": "Medical image analysis",
        "language": "Python",
    }


def _git(*arguments: str) -> str:
    try:
        return git(*arguments).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        raise UserError(
            "a release is of a commit, and this folder is no clone with git's records; clone it with git"
        ) from None


def _pack(archive: Path, top: str, files: dict[str, Path], seconds: int) -> None:
    """A tar whose bytes depend on names and contents only; every file is dated by the commit."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, file in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mtime = file.stat().st_size, seconds
            with file.open("rb") as content:
                tar.addfile(info, content)
    _gzip(archive, packed.getvalue())


def _gzip(archive: Path, content: bytes) -> None:
    with archive.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(content)


def _write_json(path: Path, value: dict) -> None:
    atomic.write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
