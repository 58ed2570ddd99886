"""What is known of the shipped model. Needs no Keras."""

import json
from pathlib import Path

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.runs import Run, find_runs

CARD = "model.json"
SHIPPED = "shipped"  # the model's name in results on other test sets


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


def shipped_weights() -> str | None:
    """SHA-256 of the shipped model's weights; None where no model is shipped."""
    return read_card()["files"]["weights.npz"] if is_shipped() else None


def shipped_run() -> Run | None:
    """The run that was shipped, where its predictions are at hand, yours or committed; None elsewhere."""
    card = read_card()
    runs = find_runs(card["profile"], card["run"])
    return next((run for run in runs if run.info["inputs_digest"] == card["inputs_digest"]), None)
