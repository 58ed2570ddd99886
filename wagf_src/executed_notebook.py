"""Notebooks executed by papermill in the environment's own Python, checked, and freed of what belongs to one
machine."""

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.paths import data_dir, short
from wagf_src.start_message import is_start_message


@contextlib.contextmanager
def neutral_environment():
    """The reader's settings of other tools have no influence on numbers or pages while this is entered.

    Other kernels named python3 (JUPYTER_PATH), IPython's start-up files, keras.json and a matplotlibrc.
    """
    with tempfile.TemporaryDirectory(prefix="wagf-") as folder:
        (Path(folder) / "matplotlibrc").touch()
        ours = {
            "JUPYTER_PATH": "",
            "JUPYTER_PREFER_ENV_PATH": "1",
            "IPYTHONDIR": folder,
            "KERAS_HOME": str(paths.cache_dir() / "keras"),
            "MATPLOTLIBRC": folder,
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def _output_to(file):
    """This process's output streams, which a kernel inherits, go to a file."""
    kept = [os.dup(stream) for stream in (1, 2)]
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


class Tee:
    """A log that also hands every line to somebody who watches."""

    def __init__(self, file, watch: Callable[[str], None] | None):
        self.file, self.watch = file, watch

    def write(self, text: str) -> None:
        self.file.write(text)
        for line in text.splitlines() if self.watch else ():
            self.watch(line)

    def flush(self) -> None:
        self.file.flush()


def execute(
    source: Path, target: Path, parameters: dict, log: Path, watch: Callable[[str], None] | None = None
) -> None:
    """Execute a notebook; what it prints goes to ``log``, and line by line to ``watch`` as it comes.

    Raises:
        UserError: a cell fails, in one line with the error and the log.
    """
    # What checks IRIs for jsonschema, which nothing here asks for, builds a parser when imported: 2.6 seconds of a core
    # for every process that reads a notebook. jsonschema does without it where it is not there.
    sys.modules.setdefault("rfc3987_syntax", None)
    import papermill  # half a second of imports, for those who execute

    log.write_text("")
    # Every process of this notebook writes behind what the others wrote.
    with log.open("a") as file, neutral_environment(), _output_to(file):
        output = Tee(file, watch)
        try:
            papermill.execute_notebook(
                source,
                target,
                parameters,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=output,
                stderr_file=output,
            )
        except Exception as error:
            name, text = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
            print("\n".join(getattr(error, "traceback", [])) or repr(error), file=file)
            first = text.strip().splitlines()[0] if text.strip() else "no message"
            raise UserError(f"{target.stem} failed: {name}: {first} (log: {short(log)})") from None


def cleaned(path: Path) -> str:
    """An executed notebook as text, without machine paths and times.

    Raises:
        UserError: it was not run to its end, or a cell failed.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: no executed notebook ({error})") from None
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws another each time
            cell["metadata"]["tags"] = ["injected-parameters", "remove-cell"]
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            failed = any(output["output_type"] == "error" for output in cell["outputs"])
            if failed or cell["execution_count"] is None:
                raise UserError(f"{path.name}: {'a cell failed' if failed else 'not run to its end'}")
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if not _is_start_message(output)]
        for output in cell.get("outputs", ()):
            _hide_private_paths(output)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _is_start_message(output: dict) -> bool:
    return output.get("name") == "stderr" and is_start_message("".join(output["text"]))


def _private_places() -> set[str]:
    """The reader's own folders, in every form in which text may name them: absolute, without links, and as typed.

    A form without a separator is left out: ``DATA=images`` would make a private path of every "images" of a chapter.
    """
    given = [os.environ.get(name) for name in ("HAM10000_DIR", "WAGF_WEIGHTS_DIR", "WAGF_CACHE_DIR")]
    given = [place.rstrip("/") for place in given if place]
    folders = [*map(paths.typed, given), data_dir(), paths.cache_dir(), paths.ROOT, paths.typed("~")]
    forms = {str(form) for folder in folders for form in (folder, folder.absolute(), folder.resolve())}
    return {form for form in forms.union(given) if "/" in form} - {"/"}


def _hide_private_paths(output: dict) -> None:
    """Readers' own folders do not belong into what may be published; only text is looked at, never a picture."""
    private = _private_places()  # whatever they hold
    parts = "|".join(re.escape(place) for place in sorted(private, key=len, reverse=True))
    # A whole path, not the middle of another word or path, no end of an HTML tag, nothing of an embedded picture.
    pattern = re.compile(rf"(data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*)|(?<![\w./+<-])(?:{parts})(?![\w.+-])")

    def hidden(text):
        if isinstance(text, list):  # a path may be broken over two items only where a line ends
            return [hidden(part) for part in text]
        return pattern.sub(lambda match: match[1] or "...", text)

    if "text" in output:
        output["text"] = hidden(output["text"])
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            output["data"][kind] = hidden(value)
