"""The reader's own book, built by jupyter-book."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.paths import short, work_dir
from wagf_src.report import staleness


def build_book(profile: str) -> Path:
    """Build the profile's own book from the prose in book/ and its own chapters. Returns the path of its first page.

    Raises:
        UserError: a chapter is missing, or the book has warnings.
    """
    chapters = paths.RESULTS_DIR / profile / "chapters"
    if missing := [c.stem for c in staleness.chapter_sources() if not (chapters / c.name).is_file()]:
        raise UserError(f"no chapter {missing[0]} of profile {profile}; make it with `make report PROFILE={profile}`")
    folder = paths.RESULTS_DIR / profile / "book"
    source = folder / "source"
    (folder / "inputs_digest").unlink(missing_ok=True)
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(folder / "_build" / "html", ignore_errors=True)  # pages of an earlier book
    for name in staleness.book_sources():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(paths.BOOK / name, source / name)
    (source / "chapters").mkdir()
    for chapter in staleness.chapter_sources():
        shutil.copy2(chapters / chapter.name, source / "chapters")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "--config", paths.ROOT / "_config.yml"]
    command += ["--path-output", folder, *"-n -W --keep-going -q".split()]
    log = work_dir(profile) / "book.log"
    with log.open("w") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    page = folder / "_build" / "html" / "index.html"
    if code or not page.is_file():
        warnings = [line for line in log.read_text().splitlines() if re.search("WARNING|ERROR|rror:", line)]
        raise UserError(f"the book has warnings or did not build ({short(log)}): {'; '.join(warnings[:3])}")
    (folder / "inputs_digest").write_text(staleness.book_digest(profile))
    return page


def page(profile: str) -> str:
    return short(paths.RESULTS_DIR / profile / "book" / "_build" / "html" / "index.html")
