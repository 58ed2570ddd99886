"""Where things live. No path depends on the working directory.

The repository is found from this file's own place, the data and the weights from two environment variables (``make``
sets them from ``DATA=`` and ``WEIGHTS=``).
"""

import os
from collections.abc import Iterable
from pathlib import Path

from wagf_src.errors import UserError


def _find_root() -> Path:
    for folder in Path(__file__).resolve().parents:
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise UserError(
        "wagf_src is not inside its repository (no pyproject.toml with notebooks/ beside it was found above "
        f"{Path(__file__).name}): clone the repository and install with `pip install --no-deps -e .`"
    )


ROOT = _find_root()


PROFILES_DIR = ROOT / "notebooks" / "profiles"


RESULTS_DIR = ROOT / "results"


REFERENCE_DIR = RESULTS_DIR / "reference"


BENCH_DIR = RESULTS_DIR / "bench"


SHIPPED = ROOT / "wagf_src" / "shipped"  # the one model that is committed


def typed(path: str | Path) -> Path:
    """A path as somebody typed it, with ``~`` for a home folder: make and quotes keep it from the shell.

    ``~name`` of nobody stays as it is, and is then not found under what was typed.
    """
    return Path(os.path.expanduser(path))


def data_dir() -> Path:
    """The folder with HAM10000: ``$HAM10000_DIR`` (``make DATA=``), else ``data/ham10000`` where ``make data`` puts
    it."""
    given = os.environ.get("HAM10000_DIR")
    return typed(given) if given else ROOT / "data" / "ham10000"


def weights_dir() -> Path | None:
    """The folder with local ImageNet weights: ``$WAGF_WEIGHTS_DIR`` (``make WEIGHTS=``), or None to let Keras download.

    Raises:
        UserError: it is not there, or holds no weights file.
    """
    given = os.environ.get("WAGF_WEIGHTS_DIR")
    if not given:
        return None
    folder = typed(given)
    if not visible(folder.glob("*.h5")):
        wrong = "holds no weights file (*.h5)" if folder.is_dir() else "is no folder"
        raise UserError(
            f"WEIGHTS={given} (WAGF_WEIGHTS_DIR) {wrong}; name a folder with ImageNet weights, or leave it out to let "
            "Keras download them"
        )
    return folder


def cache_dir() -> Path:
    """Where decoded images, synthetic data and frozen features are kept; may be deleted at any time."""
    given = os.environ.get("WAGF_CACHE_DIR")
    return typed(given) if given else ROOT / "data" / "cache"


NOTEBOOKS = ROOT / "notebooks"


BOOK = ROOT / "book"


README = ROOT / "README.md"


def work_dir(profile: str) -> Path:
    """Unfinished things of a profile: training states, staged folders."""
    return RESULTS_DIR / profile / ".work"


def visible(files: Iterable[Path]) -> list[Path]:
    """Files that were found, in order, without what editors and systems leave beside them: hidden ones."""
    return sorted(path for path in files if path.is_file() and path.name[0] != ".")


def short(path: Path) -> str:
    """A path as the reader sees it: inside the repository, without the machine's part."""
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return path.as_posix()
