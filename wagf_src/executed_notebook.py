"""An executed notebook, checked and freed of what belongs to one machine."""

import json
from pathlib import Path

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.paths import data_dir, weights_dir


def executed(path: Path) -> str:
    """An executed notebook as text, without machine paths and times; an unfinished or failed one is an error."""
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
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            failed = any(output["output_type"] == "error" for output in cell["outputs"])
            if failed or cell["execution_count"] is None:
                raise UserError(f"{path.name}: {'a cell failed' if failed else 'not run to its end'}")
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    # Readers' own paths do not belong into what may be published.
    for private in sorted(
        {str(data_dir()), str(weights_dir() or ""), str(paths.ROOT), str(Path.home())}, key=len, reverse=True
    ):
        if len(private) > 1:
            text = text.replace(private, "...")
    return text
