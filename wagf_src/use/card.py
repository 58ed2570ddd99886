"""What is known of the shipped model. Needs no Keras."""

import json
from pathlib import Path

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.runs import Run, load_runs

CARD = "model.json"


def is_shipped() -> bool:
    return (paths.SHIPPED / CARD).is_file()


def read_card(folder: Path | None = None) -> dict:
    """The facts that ``ship`` wrote beside the weights.

    Raises:
        UserError: no model is shipped.
    """
    file = (folder or paths.SHIPPED) / CARD
    if not file.is_file():
        raise UserError(
            "no model is shipped with this copy; name one of your own by --run <profile>/<run> (make predict RUN=...), "
            "or ship one by `python -m wagf_src ship <profile>/<run>`"
        )
    return json.loads(file.read_text(encoding="utf-8"))


def shipped_run() -> Run | None:
    """The run that was shipped, where its predictions are at hand, yours or committed; None elsewhere."""
    card = read_card()
    found = [run for run in load_runs(card["profile"], required=False) if run.name == card["run"]]
    return found[0] if found and found[0].info["inputs_digest"] == card["inputs_digest"] else None
